"""What may be asked of a unit. Everything is decided on the unit's stream, which is the consistency boundary."""

from __future__ import annotations

from typing import Annotated, TypeAlias
from uuid import UUID

from pydantic import AwareDatetime, Field

from domain.event import Explanation, Frozen, GeoPoint
from domain.ownership import Ownership
from domain.vocabulary import UnitKind

Words = Annotated[str, Field(min_length=1, max_length=2_000)]


class RegisterUnit(Frozen):
    """Make a unit known. The same registration again is nothing."""

    city: str
    call_sign: Annotated[str, Field(min_length=1, max_length=50)]
    agency: str
    base: Ownership
    kind: UnitKind
    skills: tuple[str, ...] = ()
    home: GeoPoint


class GoOnDuty(Frozen):
    """It may be assigned from here on."""


class GoOffDuty(Frozen):
    """It may not be assigned; refused while it has an open assignment."""


class AssignUnit(Frozen):
    """Put the unit on an incident. `stacked`: on purpose behind another assignment."""

    assignment_id: UUID
    incident_id: UUID
    incident_number: str
    incident_owner: Ownership
    unit_id: UUID
    stacked: bool = False
    recommended: bool = False
    position: GeoPoint | None = None
    position_age_s: float | None = None
    acknowledge_by: AwareDatetime | None = None


class AcknowledgeAssignment(Frozen):
    """The crew: understood."""

    assignment_id: UUID


class DeclineAssignment(Frozen):
    """The crew cannot go, and why. Only before it moves."""

    assignment_id: UUID
    reason: Words


class ReportEnRoute(Frozen):
    """The crew: moving."""

    assignment_id: UUID


class ReportOnScene(Frozen):
    """The crew: there."""

    assignment_id: UUID


class ClearAssignment(Frozen):
    """The crew: done there."""

    assignment_id: UUID
    outcome: Annotated[str, Field(max_length=2_000)] | None = None


class CancelAssignment(Frozen):
    """A dispatcher calls the unit back, or a rule does: then it explains itself."""

    assignment_id: UUID
    reason: Words
    explanation: Explanation | None = None


ProgressCommand: TypeAlias = (
    AcknowledgeAssignment | DeclineAssignment | ReportEnRoute | ReportOnScene | ClearAssignment | CancelAssignment
)
UnitCommand: TypeAlias = RegisterUnit | GoOnDuty | GoOffDuty | AssignUnit | ProgressCommand
