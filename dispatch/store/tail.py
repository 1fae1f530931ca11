"""The end of the log, read once for everybody in a process.

The problem: a worker process has ten readers (projector, reactors, timers, directory, feeds) that follow the same log a
moment apart; each reading for itself costs a round trip and a decoding a reader a page. The rule kept instead: what was
recorded last is held in memory, contiguous, bounded in events and bytes; a read that lies within it, of all topics or
some, costs no statement, nor does one of a stream that began in it or was read before. Older positions are read from
the database as before.

What is held is never wrong, only perhaps not yet all: positions are contiguous and facts immutable, so a row held is
the row recorded. A log that ends before what is held, or is of another epoch (a restore), empties it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from itertools import islice
from typing import Any, Protocol
from uuid import UUID

from dispatch.ports import AppendCommand, RecordedEvent, Tip, Verdict, VersionConflict
from dispatch.store.held_streams import HeldStreams
from dispatch.store.postgres import PostgresLog
from domain.refusals import Unavailable

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
        self._streams: dict[UUID, list[RecordedEvent]] = {}
        self._bytes = 0
        self._dropped = position

    @property
    def last(self) -> int:
        """The last position held."""
        return self._dropped + len(self._rows)

    @property
    def dropped(self) -> int:
        """The last position that is no longer held, or never was."""
        return self._dropped

    def begins_by(self, position: int) -> bool:
        """Whether nothing after `position` was let go."""
        return self._dropped <= position

    def extend(self, rows: Sequence[RecordedEvent]) -> None:
        """Take in the rows that follow."""
        assert not rows or rows[0].position == self.last + 1, f"{rows[0].position} does not follow {self.last}"
        self._rows.extend(rows)
        for row in rows:
            self._bytes += len(row.state)
            self._streams.setdefault(row.stream_id, []).append(row)
        if len(self._rows) > self._events_max or self._bytes > self._bytes_max:
            self._let_go()

    def _let_go(self) -> None:
        """No more than must go. To move the others up takes some ten microseconds; to free a row with all that it was
        decoded to takes fifty, and of 2,500 at once the whole process stood still for 130 ms."""
        gone = 0
        while gone < len(self._rows) and (len(self._rows) - gone > self._events_max or self._bytes > self._bytes_max):
            row = self._rows[gone]
            self._bytes -= len(row.state)
            of_its_stream = self._streams[row.stream_id]
            del of_its_stream[0]
            if not of_its_stream:
                del self._streams[row.stream_id]
            gone += 1
        del self._rows[:gone]
        self._dropped += gone

    def held(self, row: RecordedEvent) -> RecordedEvent:
        """The same row, perhaps decoded by somebody already, if it is held; else the one given."""
        place = row.position - self._dropped - 1
        if 0 <= place < len(self._rows) and self._rows[place] == row:
            return self._rows[place]
        return row

    def of_stream(self, stream_id: UUID) -> Sequence[RecordedEvent]:
        """The stream's rows that are held."""
        return self._streams.get(stream_id, ())

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


class ReadsStreams(Protocol):
    """`EventLog.read_streams` of what lies below."""

    async def __call__(
        self, stream_ids: Sequence[UUID], *, up_to_position: int | None = None
    ) -> dict[UUID, list[RecordedEvent]]:
        """Several streams at once."""


class HeldEnd:
    """Reads of a log that are answered from its end, as far as that is held, and from below otherwise."""

    def __init__(self, read_below: Reads, known_position: Callable[[], int]) -> None:
        self.tail = Tail(HELD_EVENTS_MAX, HELD_BYTES_MAX)
        self._streams = HeldStreams()
        self._epoch: UUID | None = None
        self._emptied = 0
        """How often the log turned out to be another one."""
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

    async def read_streams(
        self, stream_ids: Sequence[UUID], up_to_position: int | None, read_below: ReadsStreams
    ) -> dict[UUID, list[RecordedEvent]]:
        """As `EventLog.read_streams`, of what this process knows to be recorded."""
        known = max(self._known_position(), up_to_position or 0)
        found: dict[UUID, list[RecordedEvent]] = {}
        reached = 0
        if known - self.tail.last <= STRETCH_EVENTS:
            await self._is_held(self.tail.last, known)
        if self.tail.last >= known:
            reached = self.tail.last
            held = {stream_id: self._held_of(stream_id) for stream_id in stream_ids}
            found = {stream_id: rows for stream_id, rows in held.items() if rows is not None}
        unknown = [stream_id for stream_id in stream_ids if stream_id not in found]
        if unknown:
            emptied = self._emptied
            for stream_id, rows in (await read_below(unknown)).items():
                found[stream_id] = all_rows = [self.tail.held(row) for row in rows]
                last = rows[-1].position if rows else 0
                if emptied == self._emptied:  # else it was read of a log that is no more
                    self._streams.keep(stream_id, all_rows, max(reached, last))
        if up_to_position is None:
            return {stream_id: found[stream_id] for stream_id in stream_ids}
        return {
            stream_id: [row for row in found[stream_id] if row.position <= up_to_position] for stream_id in stream_ids
        }

    def _held_of(self, stream_id: UUID) -> list[RecordedEvent] | None:
        """All rows of a stream; None if some may lie below."""
        recent = self.tail.of_stream(stream_id)
        if recent and recent[0].version == 1:
            return list(recent)
        kept = self._streams.since(stream_id, self.tail.dropped)
        if kept is None:
            return None
        rows = [*kept.rows, *(row for row in recent if row.position > kept.up_to_position)]
        self._streams.keep(stream_id, rows, max(kept.up_to_position, self.tail.last))
        return rows

    async def tip(self, ask: Callable[[], Coroutine[Any, Any, Tip]]) -> Tip:
        """The last position. A log that ends before what was held when it was asked was restored; so was one of another
        epoch.

        What was read since then may well lie beyond the answer: answers take different times.
        """
        held = self.tail.last
        found = await ask()
        if found.position < held or self._epoch not in (None, found.epoch):
            self.tail.begin(found.position)
            self._streams.clear()
            self._emptied += 1
        self._epoch = found.epoch
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
        """Several streams at once, as far as this process knows them: what others recorded may be a hint away. Who
        decides on them names the versions; who was wrong hears of the conflict once this process knows better."""
        return await self._end.read_streams(stream_ids, up_to_position, super().read_streams)

    async def append(self, command: AppendCommand) -> Verdict:
        """Record one command."""
        verdict = await super().append(command)
        await self._learn_from((verdict,))
        return verdict

    async def append_many(self, commands: Sequence[AppendCommand]) -> list[Verdict]:
        """Record commands in order, each with its own verdict."""
        verdicts = await super().append_many(commands)
        await self._learn_from(verdicts)
        return verdicts

    async def _learn_from(self, verdicts: Sequence[Verdict]) -> None:
        """A conflict says that there is more than this process knew: whoever decides again must read that."""
        if any(isinstance(verdict, VersionConflict) for verdict in verdicts):
            with contextlib.suppress(Unavailable):  # what was recorded is; the next conflict asks again
                await self.tip()

    async def tip(self) -> Tip:
        """The last position. Nobody who knows it is answered with streams that end before it."""
        found = await self._end.tip(super().tip)
        self._wake.saw(found.position)
        return found
