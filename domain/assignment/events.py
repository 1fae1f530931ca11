"""Facts about units and their assignments, all on the unit's stream. Every assignment event carries `incident_id`."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from domain.event import Event, Explanation, GeoPoint
from domain.ownership import Ownership
from domain.vocabulary import UnitKind


class UnitRegistered(Event):
    """People and vehicle of one agency, based at a center."""

    name: ClassVar[str] = "unit.registered"
    city: str
    call_sign: str = Field(max_length=50)
    agency: str
    base: Ownership
    kind: UnitKind
    skills: tuple[str, ...] = ()
    home: GeoPoint


class UnitWentOnDuty(Event):
    """It may be assigned."""

    name: ClassVar[str] = "unit.went_on_duty"


class UnitWentOffDuty(Event):
    """It may not be assigned."""

    name: ClassVar[str] = "unit.went_off_duty"


class AssignmentMade(Event):
    """The unit is on the incident. `stacked` says: on purpose, behind another one.

    `position` is where the unit was believed to be, with the age of that belief: an input from outside the log.
    """

    name: ClassVar[str] = "assignment.made"
    assignment_id: UUID
    incident_id: UUID
    incident_number: str
    incident_owner: Ownership
    unit_id: UUID
    agency: str
    call_sign: str
    stacked: bool = False
    recommended: bool = False
    position: GeoPoint | None = None
    position_age_s: float | None = None
    acknowledge_by: AwareDatetime | None = None


class AssignmentAcknowledged(Event):
    """The crew said: understood."""

    name: ClassVar[str] = "assignment.acknowledged"
    assignment_id: UUID
    incident_id: UUID


class AssignmentDeclined(Event):
    """The crew cannot go, and why."""

    name: ClassVar[str] = "assignment.declined"
    assignment_id: UUID
    incident_id: UUID
    reason: str = Field(max_length=2_000)


class UnitEnRoute(Event):
    """Moving."""

    name: ClassVar[str] = "assignment.en_route"
    assignment_id: UUID
    incident_id: UUID


class UnitOnScene(Event):
    """There."""

    name: ClassVar[str] = "assignment.on_scene"
    assignment_id: UUID
    incident_id: UUID


class AssignmentCleared(Event):
    """Done there; free again."""

    name: ClassVar[str] = "assignment.cleared"
    assignment_id: UUID
    incident_id: UUID
    outcome: str | None = Field(default=None, max_length=2_000)


class AssignmentCancelled(Event):
    """Called back before it was done. `explanation` where a rule decided it: its incident had ended."""

    name: ClassVar[str] = "assignment.cancelled"
    assignment_id: UUID
    incident_id: UUID
    reason: str = Field(max_length=2_000)
    explanation: Explanation | None = None


EVENTS: tuple[type[Event], ...] = (
    UnitRegistered,
    UnitWentOnDuty,
    UnitWentOffDuty,
    AssignmentMade,
    AssignmentAcknowledged,
    AssignmentDeclined,
    UnitEnRoute,
    UnitOnScene,
    AssignmentCleared,
    AssignmentCancelled,
)
