"""The change feed of the boards as a process reads it: `read.board_changes`, row by row, each encoded once.

The rule kept: checkpoint, age limit and changes come from one statement, hence from one moment. Read apart, a pruning
or a switch of rows between them would look like "nothing has changed" and be a gap that nobody can see.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol, TypeAlias
from uuid import UUID

import sqlalchemy as sa

from dispatch.reading.database import Database, Row

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
    c.position AS reached, c.changes_since, b.page_position, b.incident_id, b.row, b.category, b.centers_before,
    b.centers_after, b.agencies_before, b.agencies_after, b.categories, b.restricted_before, b.restricted_after
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
          AND (CAST(:centers AS uuid[]) && (centers_before || centers_after)
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

Side = Literal["center", "centers", "agency", "orders"]
Key: TypeAlias = tuple[Side, Hashable]
"""Who looks: the board of a center (its id), those of all that a headquarters commands together (a frozen set of ids),
the queue of an agency (its code), or at orders (`order_feed.Viewer`).
"""
Categories: TypeAlias = frozenset[str] | None
"""What a client wants to see; None is everything."""
Above: TypeAlias = UUID | None
"""The center of one who looks at another center's board from above, who need not know of all that it knows of: of a
restricted incident only what that center may know of too is told. None: whatever the board shows."""


def event(name: str, data: str, *, position: int | None = None) -> bytes:
    """One server-sent event. `data` is one line of JSON."""
    identifier = f"id: {position}\n" if position is not None else ""
    return f"event: {name}\n{identifier}data: {data}\n\n".encode()


def page_end(position: int) -> bytes:
    """The event that lets a client resume from here."""
    return event("page", json.dumps({"position": position}), position=position)


class Told(Protocol):
    """One change of something that is shown, whatever it is."""

    @property
    def page_position(self) -> int:
        """Of the page that it came with."""

    @property
    def subject_id(self) -> UUID:
        """What changed."""

    @property
    def upsert(self) -> bytes:
        """The event that shows it."""

    def concerns(self, keys: Collection[Key]) -> Iterable[Key]:
        """Of those who look, at least all whom it concerns."""

    @property
    def is_restricted(self) -> bool:
        """Whether it takes something from who must know of it no more."""

    def for_key(self, key: Key, categories: Categories, above: Above = None) -> bytes:
        """What one who looks is told."""


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
    was_restricted: bool = False
    is_restricted: bool = False

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
            was_restricted=row["restricted_before"],
            is_restricted=row["restricted_after"],
        )

    @property
    def subject_id(self) -> UUID:
        """The incident."""
        return self.incident_id

    @property
    def removal(self) -> bytes:
        """What those are told who saw it and no longer do."""
        return event("removal", json.dumps({"incident_id": str(self.incident_id)}))

    def concerns(self, keys: Collection[Key]) -> Iterable[Key]:  # noqa: ARG002  # an index: nobody is asked in turn
        """Who sees it or saw it, looking or not."""
        return self.before | self.after

    def for_key(self, key: Key, categories: Categories, above: Above = None) -> bytes:
        """What a client of this center or agency is told; nothing if it never saw the incident."""
        is_seen = _has(self.after, key) and not (above and self.is_restricted and ("center", above) not in self.after)
        if is_seen and (categories is None or self.category in categories):
            return self.upsert
        was_seen = _has(self.before, key) and not (
            above and self.was_restricted and ("center", above) not in self.before
        )
        if was_seen and (categories is None or not self.categories.isdisjoint(categories)):
            return self.removal
        return b""

    def is_hidden_from(self, above: Above) -> bool:
        """Whether one who looks from above may not know of the incident, before or after."""
        if above is None:
            return False
        key: Key = ("center", above)
        return (self.was_restricted and key not in self.before) or (self.is_restricted and key not in self.after)


NOBODY: frozenset[Key] = frozenset()


def centers_of(key: Key) -> tuple[UUID, ...]:
    """The centers whose boards a key looks at."""
    match key:
        case ("center", UUID() as center_id):
            return (center_id,)
        case ("centers", frozenset() as center_ids):
            return tuple(sorted(center_ids))
        case _:
            return ()


def _has(seen: frozenset[Key], key: Key) -> bool:
    if key[0] == "centers":
        return any(("center", center_id) in seen for center_id in centers_of(key))
    return key in seen


@lru_cache(AUDIENCES_KEPT)
def _keys(centers: tuple[UUID, ...], agencies: tuple[str, ...]) -> frozenset[Key]:
    return frozenset([*(("center", center) for center in centers), *(("agency", agency) for agency in agencies)])


def told(changes: Iterable[Told], key: Key, categories: Categories, above: Above = None) -> bytes:
    """What one who looks is told of several changes, oldest first: of each thing only the last."""
    last: dict[UUID, bytes] = {}
    for change in changes:
        said = change.for_key(key, categories, above)
        if said:
            last.pop(change.subject_id, None)
            last[change.subject_id] = said
    return b"".join(last.values())


@dataclass(frozen=True, slots=True)
class Reading:
    """Whole pages after a position. `position`: how far they go; `reached`: how far the board is."""

    position: int
    reached: int
    changes_since: int
    """Changes up to here are no longer kept, or belong to rows that were switched."""
    changes: Sequence[Told]

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
    restricts: bool = False


async def missed(database: Database, key: Key, categories: Categories, above: Above, after: int) -> Missed:
    """What came after a position, by a connection of the pool. Raises `Unavailable`.

    Of each incident only the last change is read. Whether one who looks from above has ever seen a restricted one, it
    does not say, and a removal of what was never seen would tell of it: then all is told anew.
    """
    values = {
        "after": after,
        "span": MISSED_POSITIONS_MAX,
        "centers": list(centers_of(key)),
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
    said, restricts = [], False
    for number, row in enumerate(rows, 1):
        if row["page_position"] is not None:
            change = Change.of(row)
            restricts |= change.is_restricted
            if change.is_hidden_from(above):
                return Missed(reached, since, None)
            # If the last change says nothing (it came back as something else), one before may have taken it away.
            said.append(change.for_key(key, categories, above) or change.removal)
        if number % ROWS_A_BREATH == 0:
            await asyncio.sleep(0)
    return Missed(reached, since, b"".join(said), restricts)


class Recent:
    """The last changes, oldest first, for clients that fell behind. Bounded in number and bytes."""

    def __init__(self, position: int) -> None:
        self.floor = position
        """Every change after this position is here."""
        self._changes: deque[Told] = deque()
        self._bytes = 0

    def add(self, changes: Sequence[Told]) -> None:
        """Remember whole pages, forget the oldest ones."""
        self._changes.extend(changes)
        self._bytes += sum(len(change.upsert) + CHANGE_BYTES for change in changes)
        while len(self._changes) > RECENT_CHANGES_MAX or self._bytes > RECENT_BYTES_MAX:
            self.floor = self._changes[0].page_position
            while self._changes and self._changes[0].page_position == self.floor:
                self._bytes -= len(self._changes.popleft().upsert) + CHANGE_BYTES

    def after(self, position: int) -> Sequence[Told] | None:
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
