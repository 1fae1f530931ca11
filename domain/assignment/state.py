"""What a rule reads of a unit, folded from its stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID

from domain.assignment.events import (
    AssignmentAcknowledged,
    AssignmentCancelled,
    AssignmentCleared,
    AssignmentDeclined,
    AssignmentMade,
    UnitEnRoute,
    UnitOnScene,
    UnitRegistered,
    UnitWentOffDuty,
    UnitWentOnDuty,
)
from domain.event import Event
from domain.vocabulary import AssignmentPhase

ENDED = frozenset({AssignmentPhase.CLEARED, AssignmentPhase.DECLINED, AssignmentPhase.CANCELLED})
"""The unit no longer has it."""
MOVING = frozenset({AssignmentPhase.EN_ROUTE, AssignmentPhase.ON_SCENE})
"""The unit is on its way there or there: at most one assignment at a time."""

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
class UnitState:
    """`registration` is None before the unit is known."""

    registration: UnitRegistered | None = None
    on_duty: bool = False
    assignments: Mapping[UUID, Assignment] = field(default_factory=dict)

    @property
    def open_assignments(self) -> tuple[Assignment, ...]:
        """What the unit still has, in the order it was assigned."""
        return tuple(assignment for assignment in self.assignments.values() if assignment.is_open)

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
        case AssignmentMade(assignment_id=key, incident_id=incident_id, incident_number=number):
            made = Assignment(key, incident_id, number)
            return replace(state, assignments={**state.assignments, key: made})
        case AssignmentAcknowledged(assignment_id=key):
            return _step(state, key, AssignmentPhase.ACKNOWLEDGED)
        case AssignmentDeclined(assignment_id=key):
            return _step(state, key, AssignmentPhase.DECLINED)
        case UnitEnRoute(assignment_id=key):
            return _step(state, key, AssignmentPhase.EN_ROUTE)
        case UnitOnScene(assignment_id=key):
            return _step(state, key, AssignmentPhase.ON_SCENE)
        case AssignmentCleared(assignment_id=key):
            return _step(state, key, AssignmentPhase.CLEARED)
        case AssignmentCancelled(assignment_id=key):
            return _step(state, key, AssignmentPhase.CANCELLED)
        case _:
            return state


def _step(state: UnitState, assignment_id: UUID, phase: AssignmentPhase) -> UnitState:
    found = state.assignments.get(assignment_id)
    if found is None:
        return state
    assignments = {**state.assignments, assignment_id: replace(found, phase=phase, said=found.said | {phase})}
    ended = [key for key, assignment in assignments.items() if not assignment.is_open]
    for forgotten in ended[: max(0, len(ended) - ENDED_KEPT_MAX)]:
        del assignments[forgotten]
    return replace(state, assignments=assignments)
