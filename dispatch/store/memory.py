"""The log in memory: the same contract without a database, for tests and for replaying a whole city from one seed."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from uuid import UUID

from dispatch.ports import (
    AppendCommand,
    Appended,
    Assigned,
    Clock,
    Head,
    KeyReused,
    MarkConflict,
    RecordedEvent,
    Repeated,
    StoredAnswer,
    Tip,
    Verdict,
    VersionConflict,
)
from dispatch.store import wire

FIRST_EPOCH = UUID(int=1)


class MemoryRoster:
    """`dispatch.ports.Roster` that has folded nothing: whoever asks reads the whole log, which is in memory."""

    async def assigned_to(self, incident_ids: Sequence[UUID]) -> Assigned:
        """Nobody is known, up to position 0."""
        assert len(incident_ids) > 0, "asked about no incident"
        return Assigned(0, frozenset())


class MemoryLog:
    """`dispatch.ports.EventLog` in lists and dictionaries. Not for threads: one event loop."""

    def __init__(self, clock: Clock, *, epoch: UUID = FIRST_EPOCH, events: Sequence[RecordedEvent] = ()) -> None:
        """`events`, from position 1 on and without holes, are in it already."""
        self._clock = clock
        self._epoch = epoch
        self._opened_at = clock.now()
        self._events: list[RecordedEvent] = list(events)
        self._streams: dict[UUID, list[RecordedEvent]] = {}
        for event in self._events:
            self._streams.setdefault(event.stream_id, []).append(event)
        self._answers: dict[tuple[str, str], StoredAnswer] = {}
        self._marks: dict[str, int] = {}
        self._grown = asyncio.Event()

    async def append(self, command: AppendCommand) -> Verdict:
        """Record one command."""
        return (await self.append_many((command,)))[0]

    async def append_many(self, commands: Sequence[AppendCommand]) -> list[Verdict]:
        """Record commands in order, each with its own verdict, later ones seeing earlier ones."""
        for command in commands:
            wire.check(command)
        before = len(self._events)
        at = max(self._clock.now(), self._last_recorded_at)
        verdicts = [self._refusal(command) or self._write(command, at) for command in commands]
        if len(self._events) > before:
            self._grown.set()
            self._grown = asyncio.Event()
        return verdicts

    async def read_stream(
        self, stream_id: UUID, *, after_version: int = 0, up_to_position: int | None = None, limit: int = 10_000
    ) -> list[RecordedEvent]:
        """Events of one stream in version order."""
        # Versions are dense from the first one on, which an append without a check may have put anywhere.
        events = self._streams.get(stream_id, [])
        start = max(0, after_version - events[0].version + 1) if events else 0
        found = events[start : start + limit]
        return [event for event in found if up_to_position is None or event.position <= up_to_position]

    async def read_streams(
        self, stream_ids: Sequence[UUID], *, up_to_position: int | None = None
    ) -> dict[UUID, list[RecordedEvent]]:
        """Several streams at once; a stream that does not exist has an empty list."""
        return {
            stream_id: [
                event
                for event in self._streams.get(stream_id, [])
                if up_to_position is None or event.position <= up_to_position
            ]
            for stream_id in stream_ids
        }

    async def read_after(
        self, position: int, *, limit: int = 500, up_to_position: int | None = None, topics: Sequence[str] | None = None
    ) -> list[RecordedEvent]:
        """A page of the log in position order, without gaps (with `topics`: without gaps among those)."""
        stop = len(self._events) if up_to_position is None else min(up_to_position, len(self._events))
        if topics is None:
            return self._events[position : min(stop, position + limit)]
        wanted = frozenset(topics)
        return list(islice((event for event in self._events[position:stop] if event.topic in wanted), limit))

    async def tip(self) -> Tip:
        """The last position."""
        return Tip(len(self._events), self._epoch, self._last_recorded_at)

    async def heads(self, stream_ids: Sequence[UUID]) -> dict[UUID, Head]:
        """Heads of those streams that exist."""
        return {
            stream_id: Head(stream_id, events[-1].version, events[0].position, events[-1].position)
            for stream_id in stream_ids
            if (events := self._streams.get(stream_id))
        }

    async def wait_beyond(self, position: int, *, timeout_s: float) -> int:
        """Return as soon as the log's last position exceeds `position`, else at the time-out; the last position."""
        try:
            async with asyncio.timeout(timeout_s):
                while len(self._events) <= position:
                    await self._grown.wait()
        except TimeoutError:
            pass
        return len(self._events)

    async def find_answer(self, *, caller: str, key: str) -> StoredAnswer | None:
        """The idempotency row of a caller's key, if that key was used."""
        return self._answers.get((caller, key))

    async def position_at(self, instant: datetime) -> int:
        """The last position recorded at or before `instant`; 0 if the log is younger."""
        assert instant.tzinfo is not None, "an instant without its zone"
        return bisect_right(self._events, instant, key=lambda event: event.recorded_at)

    async def mark(self, reactor: str) -> int:
        """A reactor's position; 0 if it never ran."""
        return self._marks.get(reactor, 0)

    def all(self) -> Sequence[RecordedEvent]:
        """Everything there is, for whoever looks from outside: no copy, not to be changed."""
        return self._events

    @property
    def _last_recorded_at(self) -> datetime:
        return self._events[-1].recorded_at if self._events else self._opened_at

    def _refusal(self, command: AppendCommand) -> Verdict | None:
        """Why nothing of the command is recorded: its key first, then its versions, then its marks."""
        key = command.idempotency
        if key is not None and (used := self._answers.get((key.caller, key.key))) is not None:
            if used.fingerprint == key.fingerprint:
                return Repeated(used.answer, used.position)
            return KeyReused(used.position)
        for stream in command.streams:
            expected = stream.expected_version
            head = self._streams.get(stream.stream_id)
            stands = expected is None or (expected <= 0 if head is None else expected == head[-1].version)
            if expected is not None and not stands:
                return VersionConflict(stream.stream_id, expected, head[-1].version if head else 0)
        for mark in command.marks:
            actual = self._marks.get(mark.reactor, 0)
            if actual != mark.from_position:
                return MarkConflict(mark.reactor, mark.from_position, actual)
        return None

    def _write(self, command: AppendCommand, at: datetime) -> Appended:
        before = len(self._events)
        for stream in command.streams:
            events = self._streams.setdefault(stream.stream_id, [])
            version = events[-1].version if events else stream.expected_version or 0
            for new in stream.events:
                version += 1
                event = RecordedEvent(len(self._events) + 1, stream.stream_id, version, new.topic, new.state, at)
                self._events.append(event)
                events.append(event)
        last = len(self._events)
        if command.idempotency is not None:
            key = command.idempotency
            self._answers[key.caller, key.key] = StoredAnswer(key.fingerprint, key.answer, last)
        for mark in command.marks:
            self._marks[mark.reactor] = mark.to_position
        return Appended(before + 1 if command.streams else last, last, at)
