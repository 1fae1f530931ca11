"""Faults planted on purpose, to prove that the checks see them: each breaks one promise, now and then, somewhere.

They live in the wires of the simulation, never in the product. A check that finds nothing is only worth something if it
finds these.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar
from uuid import UUID, uuid5

from dispatch.ports import AppendCommand, Appended, Clock, NewEvent, RecordedEvent, StreamAppend, Verdict
from dispatch.simulation.chance import Chance
from dispatch.store.memory import MemoryLog
from domain.aid.events import UnitKept
from domain.assignment.events import AssignmentPromoted, ReservationBegan, ReservationExpired, UnitPosted
from domain.casework.events import LampTurned
from domain.center.events import CenterClosed, GroundChanged
from domain.incident.diversion import UnitDiverted
from domain.incident.events import IncidentEscalated, IncidentReleased, TransferAccepted, TransferTimedOut
from domain.incident.restriction_events import ClearanceChanged
from domain.order.events import OrderAcknowledged
from projections import fold
from projections.projection import Row


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
    HALF_UNMERGED = "half_unmerged"
    """A merge is undone for the one that was merged, and its former head never lets go."""
    LOST_LAMP = "lost_lamp"
    """A lamp of a case is due, is said to be recorded, and never is."""
    LAMP_TURNS_TWICE = "lamp_turns_twice"
    """A lamp of a case is recorded, and recorded again."""
    STRANGE_ACKNOWLEDGEMENT = "strange_acknowledgement"
    """An order is acknowledged by a center to which it is not addressed."""
    LENT_TWICE = "lent_twice"
    """That a unit is kept for one asker is forgotten, so that it is committed to another as well."""
    HALF_DIVERTED = "half_diverted"
    """A unit goes to another incident, and the one that loses it is not told."""
    LOST_TURN = "lost_turn"
    """What a unit was on ends, and what waits for it does not have its turn."""
    NOBODY_STANDS_BY = "nobody_stands_by"
    """Somebody lets a unit move up, and it does not."""
    STALE_CLEARANCE = "stale_clearance"
    """A center joins a restricted operation or leaves it, and incidents of it do not say so."""
    STAYS_IN_THE_TREE = "stays_in_the_tree"
    """A headquarters ends, and its center does not."""
    HALF_APPLIED = "half_applied"
    """A change of borders is applied, and the ground of its centers is not changed."""
    RESERVED_TWICE = "reserved_twice"
    """That a reservation has begun or is over is recorded, and recorded again."""
    RESTRICTED_SHOWN = "restricted_shown"
    """The list of operations shows a restricted one to whom it is not known."""


class Plant:
    """No fault at all; the others override what they break."""

    flow: ClassVar[str | None] = None
    """Which flow it breaks, if only one has what is broken: a town with this fault plays it."""

    def __init__(self, seed: int) -> None:
        self._chance = Chance(seed, "plant")

    def store(self, clock: Clock, events: Sequence[RecordedEvent]) -> MemoryLog:
        """The log."""
        return MemoryLog(clock, events=events)

    def asked(self, tables: Mapping[str, Iterable[Row]]) -> Mapping[str, Iterable[Row]]:
        """The rows from which a question to the screens is answered."""
        return tables

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
        PlantedFault.HALF_UNMERGED: _HalfUnmerged,
        PlantedFault.LOST_LAMP: _LostLamp,
        PlantedFault.LAMP_TURNS_TWICE: _LampTurnsTwice,
        PlantedFault.STRANGE_ACKNOWLEDGEMENT: _StrangeAcknowledgement,
        PlantedFault.LENT_TWICE: _LentTwice,
        PlantedFault.HALF_DIVERTED: _HalfDiverted,
        PlantedFault.LOST_TURN: _LostTurn,
        PlantedFault.NOBODY_STANDS_BY: _NobodyStandsBy,
        PlantedFault.STALE_CLEARANCE: _StaleClearance,
        PlantedFault.STAYS_IN_THE_TREE: _StaysInTheTree,
        PlantedFault.HALF_APPLIED: _HalfApplied,
        PlantedFault.RESERVED_TWICE: _ReservedTwice,
        PlantedFault.RESTRICTED_SHOWN: _RestrictedShown,
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
        return _Forgetful(clock, events, self._chance, TransferAccepted.name, 0.5)


class _HalfUnmerged(Plant):
    def store(self, clock: Clock, events: Sequence[RecordedEvent]) -> MemoryLog:
        return _Forgetful(clock, events, self._chance, IncidentReleased.name, 0.5)


class _HalfDiverted(Plant):
    flow = "Units"

    def store(self, clock: Clock, events: Sequence[RecordedEvent]) -> MemoryLog:
        return _Forgetful(clock, events, self._chance, UnitDiverted.name, 0.5)


class _LostTurn(Plant):
    flow = "Units"

    def store(self, clock: Clock, events: Sequence[RecordedEvent]) -> MemoryLog:
        return _Forgetful(clock, events, self._chance, AssignmentPromoted.name, 0.5)


class _NobodyStandsBy(Plant):
    flow = "Cover"

    def store(self, clock: Clock, events: Sequence[RecordedEvent]) -> MemoryLog:
        return _Forgetful(clock, events, self._chance, UnitPosted.name, 1.0)


class _StaleClearance(Plant):
    flow = "Operations"

    def store(self, clock: Clock, events: Sequence[RecordedEvent]) -> MemoryLog:
        return _Forgetful(clock, events, self._chance, ClearanceChanged.name, 0.7)


class _StaysInTheTree(Plant):
    flow = "Headquarters"

    def store(self, clock: Clock, events: Sequence[RecordedEvent]) -> MemoryLog:
        return _Forgetful(clock, events, self._chance, CenterClosed.name, 0.5)


class _HalfApplied(Plant):
    flow = "Tree"

    def store(self, clock: Clock, events: Sequence[RecordedEvent]) -> MemoryLog:
        return _Forgetful(clock, events, self._chance, GroundChanged.name, 0.7)


class _LentTwice(Plant):
    flow = "Aid"

    def store(self, clock: Clock, events: Sequence[RecordedEvent]) -> MemoryLog:
        return _Forgetful(clock, events, self._chance, UnitKept.name, 1.0)


class _Forgetful(MemoryLog):
    """Now and then forgets the facts of one kind in a command, and says yes to all of it."""

    def __init__(
        self, clock: Clock, events: Sequence[RecordedEvent], chance: Chance, topic: str, probability: float
    ) -> None:
        super().__init__(clock, events=events)
        self._chance = chance
        self._topic = topic
        self._probability = probability

    def _write(self, command: AppendCommand, at: datetime) -> Appended:
        if self._topic in _topics(command) and self._chance.happens(self._probability):
            kept = [self._without(stream) for stream in command.streams]
            command = replace(command, streams=tuple(stream for stream in kept if stream.events))
        return super()._write(command, at)

    def _without(self, stream: StreamAppend) -> StreamAppend:
        return replace(stream, events=tuple(event for event in stream.events if event.topic != self._topic))


class _LostLamp(Plant):
    flow = "Casework"

    def store(self, clock: Clock, events: Sequence[RecordedEvent]) -> MemoryLog:
        return _Dark(clock, events, self._chance)


class _Dark(MemoryLog):
    """Says yes to the lamps of some cases, and never has them: whoever turns one again is told yes again."""

    def __init__(self, clock: Clock, events: Sequence[RecordedEvent], chance: Chance) -> None:
        super().__init__(clock, events=events)
        self._chance = chance
        self._dark: dict[UUID, bool] = {}

    def _write(self, command: AppendCommand, at: datetime) -> Appended:
        if _topics(command) == [LampTurned.name] and self._is_dark(command.streams[0].stream_id):
            command = replace(command, streams=())
        return super()._write(command, at)

    def _is_dark(self, case_id: UUID) -> bool:
        if case_id not in self._dark:
            self._dark[case_id] = self._chance.happens(0.3)
        return self._dark[case_id]


class _StrangeAcknowledgement(Plant):
    flow = "Orders"

    def store(self, clock: Clock, events: Sequence[RecordedEvent]) -> MemoryLog:
        return _Impersonated(clock, events, self._chance)


class _Impersonated(MemoryLog):
    """Now and then an order is acknowledged by a center that was not asked."""

    def __init__(self, clock: Clock, events: Sequence[RecordedEvent], chance: Chance) -> None:
        super().__init__(clock, events=events)
        self._chance = chance

    def _write(self, command: AppendCommand, at: datetime) -> Appended:
        if OrderAcknowledged.name in _topics(command) and self._chance.happens(0.6):
            streams = (replace(one, events=tuple(map(_by_a_stranger, one.events))) for one in command.streams)
            command = replace(command, streams=tuple(streams))
        return super()._write(command, at)


def _by_a_stranger(event: NewEvent) -> NewEvent:
    state = json.loads(event.state)
    state["body"]["center_id"] = str(uuid5(UUID(state["body"]["center_id"]), "a stranger"))
    return NewEvent(event.topic, json.dumps(state, ensure_ascii=False).encode())


class _RestrictedShown(Plant):
    flow = "Operations"

    def asked(self, tables: Mapping[str, Iterable[Row]]) -> Mapping[str, Iterable[Row]]:
        if not self._chance.happens(0.3):
            return tables
        return {**tables, "operations": [{**row, "is_restricted": False} for row in tables["operations"]]}


class _TimerFiresTwice(Plant):
    def store(self, clock: Clock, events: Sequence[RecordedEvent]) -> MemoryLog:
        return _Echo(clock, events, self._chance, frozenset({IncidentEscalated.name, TransferTimedOut.name}))


class _ReservedTwice(Plant):
    flow = "Units"

    def store(self, clock: Clock, events: Sequence[RecordedEvent]) -> MemoryLog:
        return _Echo(clock, events, self._chance, frozenset({ReservationBegan.name, ReservationExpired.name}))


class _LampTurnsTwice(Plant):
    flow = "Casework"

    def store(self, clock: Clock, events: Sequence[RecordedEvent]) -> MemoryLog:
        return _Echo(clock, events, self._chance, frozenset({LampTurned.name}))


class _Echo(MemoryLog):
    """Now and then records a missed deadline a second time, as a fact of its own."""

    def __init__(self, clock: Clock, events: Sequence[RecordedEvent], chance: Chance, echoed: frozenset[str]) -> None:
        super().__init__(clock, events=events)
        self._chance = chance
        self._echoed = echoed

    def _write(self, command: AppendCommand, at: datetime) -> Appended:
        done = super()._write(command, at)
        (topic, *_) = _topics(command) or [""]
        if topic in self._echoed and self._chance.happens(0.2):
            return super()._write(replace(command, streams=tuple(map(_again, command.streams))), at)
        return done


def _topics(command: AppendCommand) -> list[str]:
    return [event.topic for stream in command.streams for event in stream.events]


def _again(stream: StreamAppend) -> StreamAppend:
    return replace(stream, expected_version=None, events=tuple(map(_renamed, stream.events)))


def _renamed(event: NewEvent) -> NewEvent:
    """The same fact under another id: nothing tells it from a second one but its meaning."""
    state = json.loads(event.state)
    state["event_id"] = str(uuid5(UUID(state["event_id"]), "again"))
    return NewEvent(event.topic, json.dumps(state, ensure_ascii=False).encode())
