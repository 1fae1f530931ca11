"""The change feed of the boards as a process reads it: `read.board_changes`, row by row, each encoded once.

The rule kept: checkpoint, age limit and changes come from one statement, hence from one moment. Read apart, a pruning
or a switch of rows between them would look like "nothing has changed" and be a gap that nobody can see.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias
from uuid import UUID

import asyncpg
import sqlalchemy as sa

from dispatch.api.database import Database, Row, world
from projections.queries.progress import CHANGES_CHANNEL

CHANGES_PER_READ = 2_000
PAGE_CHANGES_MAX = 1_000_000
"""Rows of one page: it is read whole; a page has at most as many incidents as events."""
RECENT_CHANGES_MAX = 8_192
RECENT_BYTES_MAX = 8_388_608
"""What is remembered for clients that fell behind, shared by all of them: at 50 changes a second two minutes."""
CHANGE_BYTES = 400
"""About what a remembered change takes beside its row."""
AUDIENCES_KEPT = 4_096
"""Sets of centers and agencies that are kept once: incidents of one street have the same."""

COLUMNS = """
    c.position AS reached, c.changes_since, b.page_position, b.incident_id, b.row::text AS row,
    b.row->>'category' AS category, b.centers_before, b.centers_after, b.agencies_before, b.agencies_after, b.categories
"""
TAILED = f"""
    SELECT {COLUMNS} FROM read.checkpoints c LEFT JOIN LATERAL (
        SELECT * FROM read.board_changes WHERE page_position > $1 AND page_position <= c.position
        ORDER BY page_position, incident_id LIMIT $2) b ON true
    WHERE c.name = 'board' AND c.state <> 'building' ORDER BY b.page_position, b.incident_id
"""  # noqa: S608  # our own names
MISSED = sa.text(f"""
    SELECT {COLUMNS} FROM read.checkpoints c LEFT JOIN LATERAL (
        SELECT DISTINCT ON (incident_id) * FROM read.board_changes
        WHERE page_position > :after AND page_position <= c.position AND c.position - :after <= :span
          AND (CAST(:center AS uuid) = ANY (centers_before || centers_after)
               OR CAST(:agency AS text) = ANY (agencies_before || agencies_after))
          AND (CAST(:categories AS text[]) IS NULL OR categories && CAST(:categories AS text[]))
        ORDER BY incident_id, page_position DESC LIMIT :most) b ON true
    WHERE c.name = 'board' AND c.state <> 'building' ORDER BY b.page_position, b.incident_id
""")  # noqa: S608  # our own names
"""Of each incident the last change that concerned one who looks: the database leaves the others out more cheaply."""
MISSED_POSITIONS_MAX = 50_000
"""How far back a client may come; whoever missed more is quicker with a fresh snapshot."""
MISSED_INCIDENTS_MAX = 2_000
ROWS_A_BREATH = 100
"""Rows encoded before other requests of the process get their turn."""

Side = Literal["center", "agency"]
Key: TypeAlias = tuple[Side, UUID | str]
"""Who looks: the board of a center or the queue of an agency."""
Categories: TypeAlias = frozenset[str] | None
"""What a client wants to see; None is everything."""


def event(name: str, data: str, *, position: int | None = None) -> bytes:
    """One server-sent event. `data` is one line of JSON."""
    identifier = f"id: {position}\n" if position is not None else ""
    return f"event: {name}\n{identifier}data: {data}\n\n".encode()


def page_end(position: int) -> bytes:
    """The event that lets a client resume from here."""
    return event("page", json.dumps({"position": position}), position=position)


@dataclass(frozen=True, slots=True)
class Change:
    """One row of the feed. `upsert` is its event, empty if the incident left every board."""

    page_position: int
    incident_id: UUID
    category: str | None
    categories: frozenset[str]
    before: frozenset[Key]
    after: frozenset[Key]
    upsert: bytes

    @classmethod
    def of(cls, row: Row) -> Change:
        """From a row of the feed. The board row stays text: it was encoded when it was written."""
        shown = row["row"]
        return cls(
            page_position=int(row["page_position"]),
            incident_id=row["incident_id"],
            category=row["category"],
            categories=frozenset(row["categories"]),
            before=_keys(tuple(row["centers_before"]), tuple(row["agencies_before"])),
            after=_keys(tuple(row["centers_after"]), tuple(row["agencies_after"])) if shown is not None else NOBODY,
            upsert=event("upsert", shown) if shown is not None else b"",
        )

    @property
    def removal(self) -> bytes:
        """What those are told who saw it and no longer do."""
        return event("removal", json.dumps({"incident_id": str(self.incident_id)}))

    def for_key(self, key: Key, categories: Categories) -> bytes:
        """What a client of this center or agency is told; nothing if it never saw the incident."""
        if key in self.after and (categories is None or self.category in categories):
            return self.upsert
        if key in self.before and (categories is None or not self.categories.isdisjoint(categories)):
            return self.removal
        return b""


NOBODY: frozenset[Key] = frozenset()


@lru_cache(AUDIENCES_KEPT)
def _keys(centers: tuple[UUID, ...], agencies: tuple[str, ...]) -> frozenset[Key]:
    return frozenset([*(("center", center) for center in centers), *(("agency", agency) for agency in agencies)])


def told(changes: Iterable[Change], key: Key, categories: Categories) -> bytes:
    """What one who looks is told of several changes, oldest first: of each incident only the last."""
    last: dict[UUID, bytes] = {}
    for change in changes:
        said = change.for_key(key, categories)
        if said:
            last.pop(change.incident_id, None)
            last[change.incident_id] = said
    return b"".join(last.values())


@dataclass(frozen=True, slots=True)
class Reading:
    """Whole pages after a position. `position`: how far they go; `reached`: how far the board is."""

    position: int
    reached: int
    changes_since: int
    """Changes up to here are no longer kept, or belong to rows that were switched."""
    changes: Sequence[Change]

    @classmethod
    def of(cls, rows: Sequence[Row], *, limit: int) -> Reading:
        """From rows of the feed. The last of several pages is left out if the limit may have cut it."""
        if not rows:
            return cls(0, 0, 0, ())
        reached, since = int(rows[0]["reached"]), int(rows[0]["changes_since"])
        changes = [Change.of(row) for row in rows if row["page_position"] is not None]
        if len(changes) < limit:
            return cls(reached, reached, since, changes)
        last = changes[-1].page_position
        whole = [change for change in changes if change.page_position < last]
        return cls(whole[-1].page_position if whole else 0, reached, since, whole)


@dataclass(frozen=True, slots=True)
class Missed:
    """What one who looks is to be told up to `reached`; `said` is None if that is too much."""

    reached: int
    changes_since: int
    said: bytes | None


async def missed(database: Database, key: Key, categories: Categories, after: int) -> Missed:
    """What came after a position, by a connection of the pool. Raises `Unavailable`."""
    values = {
        "after": after,
        "span": MISSED_POSITIONS_MAX,
        "center": key[1] if key[0] == "center" else None,
        "agency": key[1] if key[0] == "agency" else None,
        "categories": None if categories is None else sorted(categories),
        "most": MISSED_INCIDENTS_MAX + 1,
    }
    rows = await database.rows(MISSED, values)
    if not rows:
        return Missed(0, 0, b"")
    reached, since = int(rows[0]["reached"]), int(rows[0]["changes_since"])
    if reached - after > MISSED_POSITIONS_MAX or len(rows) > MISSED_INCIDENTS_MAX:
        return Missed(reached, since, None)
    said = []
    for number, row in enumerate(rows, 1):
        if row["page_position"] is not None:
            change = Change.of(row)
            # If the last change says nothing (it came back as something else), one before may have taken it away.
            said.append(change.for_key(key, categories) or change.removal)
        if number % ROWS_A_BREATH == 0:
            await asyncio.sleep(0)
    return Missed(reached, since, b"".join(said))


class Recent:
    """The last changes, oldest first, for clients that fell behind. Bounded in number and bytes."""

    def __init__(self, position: int) -> None:
        self.floor = position
        """Every change after this position is here."""
        self._changes: deque[Change] = deque()
        self._bytes = 0

    def add(self, changes: Sequence[Change]) -> None:
        """Remember whole pages, forget the oldest ones."""
        self._changes.extend(changes)
        self._bytes += sum(len(change.upsert) + CHANGE_BYTES for change in changes)
        while len(self._changes) > RECENT_CHANGES_MAX or self._bytes > RECENT_BYTES_MAX:
            self.floor = self._changes[0].page_position
            while self._changes and self._changes[0].page_position == self.floor:
                self._bytes -= len(self._changes.popleft().upsert) + CHANGE_BYTES

    def after(self, position: int) -> Sequence[Change] | None:
        """Changes of pages after a position, oldest first; None if some of them are forgotten."""
        if position < self.floor:
            return None
        found = []
        for change in reversed(self._changes):
            if change.page_position <= position:
                break
            found.append(change)
        found.reverse()
        return found


class Tail:
    """One connection that reads the feed and hears when it grew."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: asyncpg.Connection | None = None
        self._grown = asyncio.Event()

    async def read(self, after: int, *, limit: int = CHANGES_PER_READ) -> Reading:
        """Whole pages after a position, about `limit` changes. Raises `Unavailable`; the next call connects anew."""
        try:
            with world():
                connection = await self._connected()
                self._grown.clear()
                while True:
                    reading = Reading.of(await connection.fetch(TAILED, after, limit), limit=limit)
                    if reading.position or not reading.reached or limit >= PAGE_CHANGES_MAX:
                        return reading
                    limit = PAGE_CHANGES_MAX  # one page is larger than the limit
        except BaseException:
            self.drop()
            raise

    async def grown(self, *, timeout_s: float) -> None:
        """Return when the feed may have grown since the last `read`, at the latest after `timeout_s`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._grown.wait()

    def drop(self) -> None:
        """Let the connection go."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._database.dedicated()
            # Listening comes before the first read, so that nothing can come between.
            await self._connection.add_listener(CHANGES_CHANNEL, self._hear)
        return self._connection

    def _hear(self, *_: object) -> None:
        self._grown.set()
