"""The end of the log, read once for everybody in a process.

The problem: a worker process has ten readers (projector, reactors, timers, directory, feeds) that follow the same log a
moment apart; each reading for itself costs a round trip and a decoding a reader a page. The rule kept instead: what was
recorded last is held in memory, contiguous, bounded in events and bytes; a read that lies within it, of all topics or
some, costs no statement. Older positions are read from the database as before.

What is held is never wrong, only perhaps not yet all: positions are contiguous and facts immutable, so a row held is
the row recorded. A log that ends before what is held (a restore) empties it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from itertools import islice
from typing import Any, Protocol
from uuid import UUID

from dispatch.ports import RecordedEvent, Tip
from dispatch.store.postgres import PostgresLog

HELD_EVENTS_MAX = 20_000
HELD_BYTES_MAX = 64 * 1024 * 1024
"""State bytes; the facts decoded from them take several times that."""
STRETCH_EVENTS = 2_000
"""Events of one statement that brings the tail up to the tip."""


class Tail:
    """Rows of a contiguous range of positions, oldest let go first."""

    def __init__(self, events_max: int = HELD_EVENTS_MAX, bytes_max: int = HELD_BYTES_MAX) -> None:
        self._events_max = events_max
        self._bytes_max = bytes_max
        self.begin(0)

    def begin(self, position: int) -> None:
        """Forget everything; the next row is that after `position`."""
        self._rows: list[RecordedEvent] = []
        self._bytes = 0
        self._dropped = position

    @property
    def last(self) -> int:
        """The last position held."""
        return self._dropped + len(self._rows)

    def begins_by(self, position: int) -> bool:
        """Whether nothing after `position` was let go."""
        return self._dropped <= position

    def extend(self, rows: Sequence[RecordedEvent]) -> None:
        """Take in the rows that follow."""
        assert not rows or rows[0].position == self.last + 1, f"{rows[0].position} does not follow {self.last}"
        self._rows.extend(rows)
        self._bytes += sum(len(row.state) for row in rows)
        if len(self._rows) > self._events_max or self._bytes > self._bytes_max:
            self._let_go()

    def _let_go(self) -> None:
        """No more than must go. To move the others up takes some ten microseconds; to free a row with all that it was
        decoded to takes fifty, and of 2,500 at once the whole process stood still for 130 ms."""
        gone = 0
        while gone < len(self._rows) and (len(self._rows) - gone > self._events_max or self._bytes > self._bytes_max):
            self._bytes -= len(self._rows[gone].state)
            gone += 1
        del self._rows[:gone]
        self._dropped += gone

    def held(self, row: RecordedEvent) -> RecordedEvent:
        """The same row, perhaps decoded by somebody already, if it is held; else the one given."""
        place = row.position - self._dropped - 1
        if 0 <= place < len(self._rows) and self._rows[place] == row:
            return self._rows[place]
        return row

    def after(
        self, position: int, up_to_position: int | None, topics: frozenset[str] | None, limit: int
    ) -> list[RecordedEvent]:
        """Rows in position order, `limit` at most."""
        stop = len(self._rows) if up_to_position is None else max(0, up_to_position - self._dropped)
        # A slice, not an iterator from the front: that would walk over all that is held to the few rows at its end.
        rows = self._rows[max(0, position - self._dropped) : stop]
        if topics is None:
            return rows[:limit]
        return list(islice((row for row in rows if row.topic in topics), limit))


class Reads(Protocol):
    """`EventLog.read_after` of what lies below."""

    async def __call__(
        self, position: int, *, limit: int = 500, up_to_position: int | None = None, topics: Sequence[str] | None = None
    ) -> list[RecordedEvent]:
        """A page of the log in position order."""


class HeldEnd:
    """Reads of a log that are answered from its end, as far as that is held, and from below otherwise."""

    def __init__(self, read_below: Reads, known_position: Callable[[], int]) -> None:
        self.tail = Tail(HELD_EVENTS_MAX, HELD_BYTES_MAX)
        self._read_below = read_below
        self._known_position = known_position
        self._stretching = asyncio.Lock()

    async def read_after(
        self, position: int, *, limit: int, up_to_position: int | None, topics: Sequence[str] | None
    ) -> list[RecordedEvent]:
        """As `EventLog.read_after`."""
        if await self._is_held(position, up_to_position):
            wanted = None if topics is None else frozenset(topics)
            return self.tail.after(position, up_to_position, wanted, limit)
        return await self._read_below(position, limit=limit, up_to_position=up_to_position, topics=topics)

    async def tip(self, ask: Callable[[], Coroutine[Any, Any, Tip]]) -> Tip:
        """The last position. A log that ends before what was held when it was asked was restored.

        What was read since then may well lie beyond the answer: answers take different times.
        """
        held = self.tail.last
        found = await ask()
        if found.position < held:
            self.tail.begin(found.position)
        return found

    async def _is_held(self, position: int, up_to_position: int | None) -> bool:
        """Whether everything after `position` up to there (None: all recorded by now) is held; read what lacks."""
        if self._known_position() - position > HELD_EVENTS_MAX:
            return False
        if up_to_position is None or up_to_position > self.tail.last:
            async with self._stretching:
                await self._stretch(position, up_to_position)
        return self.tail.begins_by(position)

    async def _stretch(self, position: int, up_to_position: int | None) -> None:
        """Read on from the end of what is held; from `position` if that lies beyond."""
        if position > self.tail.last:
            self.tail.begin(position)
        while up_to_position is None or self.tail.last < up_to_position:
            last = self.tail.last
            rows = await self._read_below(last, limit=STRETCH_EVENTS)
            if self.tail.last != last:
                continue  # emptied while we read
            self.tail.extend(rows)
            if len(rows) < STRETCH_EVENTS:
                break


class TailedLog(PostgresLog):
    """`PostgresLog` for a process with many readers near the tip."""

    hint_every_s = 0.01
    """Those who wait for its facts are mostly in this process and are woken at once; each hint wakes every
    session that listens, the sender's own too."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._end = HeldEnd(super().read_after, lambda: self._wake.position)

    async def read_after(
        self, position: int, *, limit: int = 500, up_to_position: int | None = None, topics: Sequence[str] | None = None
    ) -> list[RecordedEvent]:
        """A page of the log in position order, without gaps (with `topics`: without gaps among those)."""
        return await self._end.read_after(position, limit=limit, up_to_position=up_to_position, topics=topics)

    async def read_streams(
        self, stream_ids: Sequence[UUID], *, up_to_position: int | None = None
    ) -> dict[UUID, list[RecordedEvent]]:
        """Several streams at once. Most that a reactor asks for began a moment ago: what is held of them is shared."""
        streams = await super().read_streams(stream_ids, up_to_position=up_to_position)
        held = self._end.tail.held
        return {stream_id: [held(row) for row in rows] for stream_id, rows in streams.items()}

    async def tip(self) -> Tip:
        """The last position."""
        return await self._end.tip(super().tip)
