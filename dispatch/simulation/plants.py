"""Faults planted on purpose, to prove that the checks see them: each breaks one promise, now and then, somewhere.

They live in the wires of the simulation, never in the product. A check that finds nothing is only worth something if it
finds these.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid5

from dispatch.ports import AppendCommand, Appended, Clock, NewEvent, RecordedEvent, StreamAppend, Verdict
from dispatch.simulation.chance import Chance
from dispatch.store.memory import MemoryLog
from domain.incident.events import IncidentEscalated, TransferAccepted, TransferTimedOut
from projections import fold


class PlantedFault(StrEnum):
    """What may be planted."""

    SKIPPED_POSITION = "skipped_position"
    """Positions are taken at the insert and seen at the commit: a reader that tails the log passes some by."""
    DROPPED_VERSION_CHECK = "dropped_version_check"
    """The log takes a decision made on an old version, as if nobody had been first."""
    LOST_FOLD = "lost_fold"
    """A projection forgets a fact of a page and moves its checkpoint over it."""
    DROPPED_TRANSFER = "dropped_transfer"
    """An accepted transfer is acknowledged, and the ownership does not move."""
    TIMER_FIRES_TWICE = "timer_fires_twice"
    """A missed deadline is recorded, and recorded again."""


class Plant:
    """No fault at all; the others override what they break."""

    def __init__(self, seed: int) -> None:
        self._chance = Chance(seed, "plant")

    def store(self, clock: Clock, events: Sequence[RecordedEvent]) -> MemoryLog:
        """The log."""
        return MemoryLog(clock, events=events)

    def page(self, page: fold.Page) -> fold.Page:
        """What a projection gets of a page."""
        return page


def planted(fault: PlantedFault | None, seed: int) -> Plant:
    """The wires of a run with this fault, or without one."""
    kinds: dict[PlantedFault | None, type[Plant]] = {
        None: Plant,
        PlantedFault.SKIPPED_POSITION: _SkippedPosition,
        PlantedFault.DROPPED_VERSION_CHECK: _DroppedVersionCheck,
        PlantedFault.LOST_FOLD: _LostFold,
        PlantedFault.DROPPED_TRANSFER: _DroppedTransfer,
        PlantedFault.TIMER_FIRES_TWICE: _TimerFiresTwice,
    }
    return kinds[fault](seed)


class _SkippedPosition(Plant):
    def store(self, clock: Clock, events: Sequence[RecordedEvent]) -> MemoryLog:
        return _LateToSee(clock, events, self._chance)


class _LateToSee(MemoryLog):
    """Now and then a command's events are seen by tailing readers a moment later than those that come after them."""

    def __init__(self, clock: Clock, events: Sequence[RecordedEvent], chance: Chance) -> None:
        super().__init__(clock, events=events)
        self._now = clock.now
        self._chance = chance
        self._hidden: dict[int, datetime] = {}

    def _write(self, command: AppendCommand, at: datetime) -> Appended:
        done = super()._write(command, at)
        if command.streams and self._chance.happens(0.02):
            until = self._now() + timedelta(seconds=self._chance.between(0.005, 0.1))
            self._hidden.update(dict.fromkeys(range(done.first_position, done.last_position + 1), until))
        return done

    async def read_after(
        self, position: int, *, limit: int = 500, up_to_position: int | None = None, topics: Sequence[str] | None = None
    ) -> list[RecordedEvent]:
        rows = await super().read_after(position, limit=limit, up_to_position=up_to_position, topics=topics)
        now = self._now()
        return [row for row in rows if self._hidden.get(row.position, now) <= now]


class _DroppedVersionCheck(Plant):
    def store(self, clock: Clock, events: Sequence[RecordedEvent]) -> MemoryLog:
        return _Unchecked(clock, events=events)


class _Unchecked(MemoryLog):
    """Takes every decision about a unit, whatever version it was made on."""

    def _refusal(self, command: AppendCommand) -> Verdict | None:
        streams = tuple(
            replace(stream, expected_version=None) if _is_of_a_unit(stream) else stream for stream in command.streams
        )
        return super()._refusal(replace(command, streams=streams))


def _is_of_a_unit(stream: StreamAppend) -> bool:
    return stream.events[0].topic.startswith("assignment.")


class _LostFold(Plant):
    def page(self, page: fold.Page) -> fold.Page:
        if not page.facts or not self._chance.happens(0.01):
            return page
        lost = self._chance.whole(0, len(page.facts) - 1)
        kept = [fact for index, fact in enumerate(page.facts) if index != lost]
        return fold.Page(page.position, kept, page.newer, page.newer_topic)


class _DroppedTransfer(Plant):
    def store(self, clock: Clock, events: Sequence[RecordedEvent]) -> MemoryLog:
        return _Immovable(clock, events, self._chance)


class _Immovable(MemoryLog):
    """Now and then forgets that a transfer was accepted, and says yes."""

    def __init__(self, clock: Clock, events: Sequence[RecordedEvent], chance: Chance) -> None:
        super().__init__(clock, events=events)
        self._chance = chance

    def _write(self, command: AppendCommand, at: datetime) -> Appended:
        topics = {event.topic for stream in command.streams for event in stream.events}
        if TransferAccepted.name in topics and self._chance.happens(0.5):
            command = replace(command, streams=tuple(_without(stream) for stream in command.streams))
        return super()._write(command, at)


def _without(stream: StreamAppend) -> StreamAppend:
    return replace(stream, events=tuple(event for event in stream.events if event.topic != TransferAccepted.name))


class _TimerFiresTwice(Plant):
    def store(self, clock: Clock, events: Sequence[RecordedEvent]) -> MemoryLog:
        return _Echo(clock, events, self._chance)


class _Echo(MemoryLog):
    """Now and then records a missed deadline a second time, as a fact of its own."""

    def __init__(self, clock: Clock, events: Sequence[RecordedEvent], chance: Chance) -> None:
        super().__init__(clock, events=events)
        self._chance = chance

    def _write(self, command: AppendCommand, at: datetime) -> Appended:
        done = super()._write(command, at)
        (topic, *_) = [event.topic for stream in command.streams for event in stream.events] or [""]
        if topic in (IncidentEscalated.name, TransferTimedOut.name) and self._chance.happens(0.2):
            return super()._write(replace(command, streams=tuple(map(_again, command.streams))), at)
        return done


def _again(stream: StreamAppend) -> StreamAppend:
    return replace(stream, expected_version=None, events=tuple(map(_renamed, stream.events)))


def _renamed(event: NewEvent) -> NewEvent:
    """The same fact under another id: nothing tells it from a second one but its meaning."""
    state = json.loads(event.state)
    state["event_id"] = str(uuid5(UUID(state["event_id"]), "again"))
    return NewEvent(event.topic, json.dumps(state, ensure_ascii=False).encode())
