"""Where a replayed board may start: the rows of the board as they were at some positions, kept beside the log.

The problem: a board as it was is a fold of everything before it, and a city's first day lies further back every day.
What is kept, and why not more: at a baseline the rows *on* the board (some hundreds, whatever the city's age), and
apart from them each ended incident's row at the first baseline after it ended, because a reopening or an un-merge may
need it again. So all baselines together are small, and a replay is one baseline and at most a page or two of facts.

A baseline is never the truth: it says which code made it (others do not look at it) and is hashed; one that is damaged
or cannot be read back is passed over, and a replay without any is right and slow. Whoever keeps baselines and meets one
of those throws it away and makes it anew. `replay` with and without is the same, by test.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from pydantic_core import to_json
from sqlalchemy.dialects.postgresql import ARRAY

import domain
import projections
from dispatch.handling.baselines import digest_of
from dispatch.ports import BoardBaseline, BoardBaselines, EndedRow, EventLog
from domain.event import Fact
from projections import fold, tables
from projections.fold import MemoryRows
from projections.projection import Row
from projections.registry import PROJECTIONS

EVERY_POSITIONS = 5_000
"""Least distance of two baselines: what a replay folds at most on a quiet board."""
POSITIONS_PER_ROW = 10
"""A board of many rows is kept less often, so that baselines stay a few hundredths of the log they shorten."""
PAGE_EVENTS = 500
REST = 3.0
"""Keeping baselines takes a quarter of a core's time at most: nobody waits for them."""
BEGINNING = datetime(1900, 1, 1, tzinfo=UTC)
"""Before anything happened. Not the first instant there is: the driver stores that as -infinity and reads it naive."""

Advanced = Callable[[int, int], None]
"""Told (position, goal) after each page."""
Wait = Callable[[], Awaitable[None]]

logger = logging.getLogger(__name__)


async def at_once() -> None:
    """A wait for nothing."""


class Damaged(Exception):
    """A stored row is not what its hash says, or cannot be read back."""


@cache
def rules() -> str:
    """The code that folds boards."""
    return digest_of(domain, projections)


@dataclass(slots=True)
class Board:
    """Rows at a position, with what is needed to fold on."""

    rows: MemoryRows
    latest_occurred_at: datetime
    """Of all facts folded: a board "as true by T" may start here if all of it had happened by T."""
    started_at: int
    """The baseline's position; 0 for a board folded from the first fact."""
    store: BoardBaselines | None

    @property
    def position(self) -> int:
        """Everything up to here is folded."""
        return self.rows.position

    async def take(self, page: fold.Page) -> None:
        """Fold a page. An ended incident that is spoken of again is fetched first. Raises `Damaged`."""
        if self.store is not None and self.started_at:
            keys = {key for key in fold.keys_of(self.rows.projection, page) if key not in self.rows.rows}
            wanted = [key[0] for key in keys if isinstance(key[0], UUID)]
            for ended in (
                await self.store.ended(wanted, rules=rules(), up_to_position=self.started_at) if wanted else ()
            ):
                self.rows.rows[ended.incident_id,] = _restored(_unpacked(ended.document, ended.sha256))
        self.rows.take(page)
        instants = [fact.envelope.occurred_at for fact in page.facts if isinstance(fact, Fact)]
        self.latest_occurred_at = max([self.latest_occurred_at, *instants])

    def let_go(self, position: int) -> list[EndedRow]:
        """Forget the rows that left the board since `position`, and give them back."""
        rows = self.rows.rows
        ended = [key for key, row in rows.items() if not row["is_on_board"]]
        return [
            _ended(key[0], row)
            for key in ended
            if (row := rows.pop(key))["updated_position"] > position and isinstance(key[0], UUID)
        ]


def empty() -> Board:
    """A board before the first fact."""
    return Board(MemoryRows(PROJECTIONS["board"]), BEGINNING, 0, None)


async def start(store: BoardBaselines | None, position: int, true_at: datetime | None, *, mends: bool = False) -> Board:
    """The latest baseline that a replay up to `position` may start from, else an empty board.

    A damaged one is passed over; with `mends` it is thrown away, so that it is made anew.
    """
    upper = position
    while store is not None:
        found = await store.latest(rules=rules(), up_to_position=upper, true_at=true_at)
        if found is None:
            break
        try:
            return _opened(found, store)
        except Damaged:
            logger.exception("a board's baseline is damaged and passed over", extra={"position": found.position})
            if mends:
                await store.drop(rules=rules(), from_position=found.position)
            upper = found.position - 1
    return empty()


async def keep(
    log: EventLog,
    store: BoardBaselines,
    *,
    rest: float = REST,
    every: int = EVERY_POSITIONS,
    advanced: Advanced = lambda _position, _goal: None,
    calm: Wait = at_once,
) -> int:
    """Keep baselines up to the log's end; how many were made. May be ended at any moment and called again.

    `calm` is waited for before each page.
    """
    try:
        return await _keep(log, store, rest, every, advanced, calm)
    except Damaged:
        # The row of an incident that ended, at any baseline: without it no later one can be believed.
        logger.exception("baselines of the board are damaged and made anew")
        await store.drop(rules=rules(), from_position=0)
        return await _keep(log, store, rest, every, advanced, calm)


async def _keep(log: EventLog, store: BoardBaselines, rest: float, every: int, advanced: Advanced, calm: Wait) -> int:
    await calm()
    goal = (await log.tip()).position
    board = await start(store, goal, None, mends=True)
    board.store = store
    made = 0
    while (until := board.position + max(every, POSITIONS_PER_ROW * len(board.rows.rows))) <= goal:
        before = board.position
        await _fold_to(log, board, until, rest, calm)
        if board.position < until:
            return made  # an event of a newer release: that release goes on
        # Some thousands of rows to text, and that compressed: half a second in which nothing else would be done here.
        await store.keep(*await asyncio.to_thread(_packed, board, before))
        board.started_at = board.position
        made += 1
        advanced(board.position, goal)
    await store.prune(rules=rules())
    return made


async def _fold_to(log: EventLog, board: Board, until: int, rest: float, calm: Wait) -> None:
    topics = sorted(board.rows.projection.topics)
    while board.position < until:
        await calm()
        began = asyncio.get_running_loop().time()
        recorded = await log.read_after(board.position, limit=PAGE_EVENTS, up_to_position=until, topics=topics)
        page = fold.read(recorded, recorded[-1].position if len(recorded) >= PAGE_EVENTS else until)
        await board.take(page)
        if page.newer is not None:
            return
        await asyncio.sleep(rest * (asyncio.get_running_loop().time() - began))


def _packed(board: Board, before: int) -> tuple[BoardBaseline, list[EndedRow]]:
    return _baseline(board, before), board.let_go(before)


def _baseline(board: Board, before: int) -> BoardBaseline:
    shown = [row for row in board.rows.rows.values() if row["is_on_board"]]
    packed = zlib.compress(to_json({"rows": shown, "parking": dict(board.rows.parking)}))
    assert board.position > before
    return BoardBaseline(
        board.position, rules(), board.latest_occurred_at, len(shown), packed, hashlib.sha256(packed).digest()
    )


def _opened(found: BoardBaseline, store: BoardBaselines) -> Board:
    """The board as it was stored. Raises `Damaged`."""
    if found.latest_occurred_at.tzinfo is None:
        raise Damaged("its time is an infinite one")  # which the driver reads without a zone: nothing compares with it
    said = _unpacked(found.document, found.sha256)
    rows = MemoryRows(PROJECTIONS["board"])
    try:
        shown, parking = said["rows"], dict(said["parking"])
    except (KeyError, TypeError, ValueError) as failure:
        raise Damaged("it holds no board") from failure
    rows.rows = {(row["incident_id"],): row for row in map(_restored, shown)}
    rows.parking = parking
    rows.position = found.position
    return Board(rows, found.latest_occurred_at, found.position, store)


def _ended(incident_id: UUID, row: Row) -> EndedRow:
    packed = zlib.compress(to_json(row))
    return EndedRow(incident_id, row["updated_position"], packed, hashlib.sha256(packed).digest())


def _unpacked(document: bytes, expected: bytes) -> Any:
    """What was packed. Raises `Damaged`."""
    if hashlib.sha256(document).digest() != expected:
        raise Damaged("it is not what its hash says")
    try:
        return json.loads(zlib.decompress(document))
    except (ValueError, zlib.error) as failure:
        raise Damaged("it cannot be read") from failure


def _restored(said: Mapping[str, Any]) -> dict[str, Any]:
    """A row as the database would give it: JSON knows neither ids nor instants. Raises `Damaged`."""
    try:
        return {name: restore(said[name]) for name, restore in RESTORE.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as failure:
        raise Damaged("a row cannot be read") from failure


def _restore(column: sa.Column[Any]) -> Callable[[Any], Any]:
    kind = column.type
    if isinstance(kind, sa.Uuid):
        return lambda value: None if value is None else UUID(value)
    if isinstance(kind, sa.DateTime):
        return lambda value: None if value is None else datetime.fromisoformat(value)
    if isinstance(kind, ARRAY) and isinstance(kind.item_type, sa.Uuid):
        return lambda value: None if value is None else [UUID(one) for one in value]
    return lambda value: value


RESTORE: Mapping[str, Callable[[Any], Any]] = {column.name: _restore(column) for column in tables.board.columns}


def on_board(board: Board) -> Sequence[Row]:
    """The rows that are shown."""
    return [row for row in board.rows.rows.values() if row["is_on_board"]]
