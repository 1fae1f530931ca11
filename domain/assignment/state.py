"""What a rule reads of a unit, folded from its stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.assignment.events import (
    AssignmentAcknowledged,
    AssignmentCancelled,
    AssignmentCleared,
    AssignmentDeclined,
    AssignmentMade,
    AssignmentPromoted,
    AssignmentWaits,
    ReservationBegan,
    ReservationExpired,
    ReservationReleased,
    UnitEnRoute,
    UnitOnScene,
    UnitPosted,
    UnitRecalled,
    UnitRegistered,
    UnitReserved,
    UnitWentOffDuty,
    UnitWentOnDuty,
)
from domain.event import Event
from domain.vocabulary import AssignmentPhase

ENDED = frozenset({AssignmentPhase.CLEARED, AssignmentPhase.DECLINED, AssignmentPhase.CANCELLED})
"""The unit no longer has it."""
MOVING = frozenset({AssignmentPhase.EN_ROUTE, AssignmentPhase.ON_SCENE})
"""The unit is on its way there or there: at most one assignment at a time."""
STEPS: Mapping[type[Event], AssignmentPhase] = {
    AssignmentAcknowledged: AssignmentPhase.ACKNOWLEDGED,
    AssignmentDeclined: AssignmentPhase.DECLINED,
    UnitEnRoute: AssignmentPhase.EN_ROUTE,
    UnitOnScene: AssignmentPhase.ON_SCENE,
    AssignmentCleared: AssignmentPhase.CLEARED,
    AssignmentCancelled: AssignmentPhase.CANCELLED,
}
"""Where a step leaves an assignment."""

RESERVATIONS_REMEMBERED = 50
"""Past ones a unit remembers, to tell a repeat from a mistake."""
ENDED_KEPT_MAX = 100
"""Ended assignments a unit remembers, to tell a late repeat from a mistake. A unit has ten a day, for years."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """One unit on one incident. `said` are the steps that were recorded, for telling a repeat from a step back."""

    assignment_id: UUID
    incident_id: UUID
    incident_number: str
    phase: AssignmentPhase = AssignmentPhase.MADE
    said: frozenset[AssignmentPhase] = frozenset({AssignmentPhase.MADE})

    @property
    def is_open(self) -> bool:
        """Whether the unit still has it."""
        return self.phase not in ENDED


@dataclass(frozen=True, slots=True)
class Reservation:
    """The unit is kept for something. `has_begun` once that is a fact; `purpose` None: it is not for all to know."""

    reservation_id: UUID
    purpose: str | None
    begins_at: datetime
    ends_at: datetime
    has_begun: bool = False

    def holds(self, at: datetime) -> bool:
        """Whether it is kept at this time, whatever the timers have said by then."""
        return self.begins_at <= at < self.ends_at


@dataclass(frozen=True, slots=True)
class UnitState:
    """`registration` is None before the unit is known."""

    registration: UnitRegistered | None = None
    on_duty: bool = False
    assignments: Mapping[UUID, Assignment] = field(default_factory=dict)
    stack: Mapping[UUID, int] = field(default_factory=dict)
    """Assignments that wait for the unit, with their place: the least is next."""
    reservations: Mapping[UUID, Reservation] = field(default_factory=dict)
    """Those that are neither over nor released."""
    past_reservations: tuple[UUID, ...] = ()
    posted: UnitPosted | None = None
    """Where it stands by."""

    @property
    def open_assignments(self) -> tuple[Assignment, ...]:
        """What the unit still has, in the order it was assigned."""
        return tuple(assignment for assignment in self.assignments.values() if assignment.is_open)

    @property
    def current(self) -> Assignment | None:
        """What the unit is on: the open assignment that does not wait.

        Before stacks had an order a crew could leave one that it had not moved for; then the one it moves for.
        """
        at_hand = [each for each in self.open_assignments if each.assignment_id not in self.stack]
        return max(at_hand, key=lambda each: each.phase in MOVING, default=None)

    @property
    def waiting(self) -> tuple[Assignment, ...]:
        """What waits for the unit, the next one first."""
        found = [each for each in self.open_assignments if each.assignment_id in self.stack]
        return tuple(sorted(found, key=lambda each: self.stack[each.assignment_id]))

    def reserved_at(self, at: datetime) -> Reservation | None:
        """What it is kept for at this time."""
        return next((each for each in self.reservations.values() if each.holds(at)), None)

    @property
    def agency(self) -> str:
        """Whose it is."""
        return self.registration.agency if self.registration else ""

    @property
    def call_sign(self) -> str:
        """How the unit is called on the radio."""
        return self.registration.call_sign if self.registration else ""


INITIAL = UnitState()


def evolve(state: UnitState, event: Event) -> UnitState:
    """The state after a fact. Never raises; unknown facts change nothing."""
    match event:
        case UnitRegistered():
            return replace(state, registration=event)
        case UnitWentOnDuty():
            return replace(state, on_duty=True)
        case UnitWentOffDuty():
            return replace(state, on_duty=False)
        case AssignmentMade():
            return _made(state, event)
        case AssignmentPromoted(assignment_id=key):
            return replace(state, stack=_without(state.stack, key))
        case AssignmentWaits(assignment_id=key, place=place):
            return replace(state, stack={**state.stack, key: place}) if key in state.assignments else state
        case UnitPosted():
            return replace(state, posted=event)
        case UnitRecalled():
            return replace(state, posted=None)
        case UnitReserved() | ReservationBegan() | ReservationReleased() | ReservationExpired():
            return replace(state, **_kept(state, event))
        case _:
            phase = STEPS.get(type(event))
            return state if phase is None else _step(state, event.assignment_id, phase)  # type: ignore[attr-defined]


def without_ended(state: UnitState) -> UnitState:
    """The same with what it still has alone: for who keeps every unit in memory, or each would grow with its history.

    A late repeat of a step is then no repeat any more: who decides about the unit needs the whole state.
    """
    if len(state.open_assignments) == len(state.assignments):
        return state
    return replace(state, assignments={each.assignment_id: each for each in state.open_assignments})


def _step(state: UnitState, assignment_id: UUID, phase: AssignmentPhase) -> UnitState:
    found = state.assignments.get(assignment_id)
    if found is None:
        return state
    assignments = {**state.assignments, assignment_id: replace(found, phase=phase, said=found.said | {phase})}
    # Who moves for it, or is done with it, does not let it wait; older facts say no more than that.
    stack = state.stack if phase is AssignmentPhase.ACKNOWLEDGED else _without(state.stack, assignment_id)
    ended = [key for key, assignment in assignments.items() if not assignment.is_open]
    for forgotten in ended[: max(0, len(ended) - ENDED_KEPT_MAX)]:
        del assignments[forgotten]
    return replace(state, assignments=assignments, stack=stack)


def _made(state: UnitState, event: AssignmentMade) -> UnitState:
    key = event.assignment_id
    made = Assignment(key, event.incident_id, event.incident_number)
    after = replace(state, assignments={**state.assignments, key: made})
    if not event.stacked:
        return after
    place = event.stack_place or max(state.stack.values(), default=0) + 1
    return replace(after, stack={**state.stack, key: place})


def _without(stack: Mapping[UUID, int], key: UUID) -> Mapping[UUID, int]:
    return {each: place for each, place in stack.items() if each != key}


def _kept(
    state: UnitState, event: UnitReserved | ReservationBegan | ReservationReleased | ReservationExpired
) -> dict[str, Any]:
    """What it is kept for after a fact about that."""
    key = event.reservation_id
    match event:
        case UnitReserved(begins_at=begins_at, ends_at=ends_at):
            purpose = None if event.is_restricted else event.purpose
            return {"reservations": {**state.reservations, key: Reservation(key, purpose, begins_at, ends_at)}}
        case ReservationBegan():
            found = state.reservations.get(key)
            if found is None:
                return {}
            return {"reservations": {**state.reservations, key: replace(found, has_begun=True)}}
        case ReservationReleased() | ReservationExpired():
            left = {each: found for each, found in state.reservations.items() if each != key}
            past = (*state.past_reservations, key)[-RESERVATIONS_REMEMBERED:]
            return {"reservations": left, "past_reservations": past}
