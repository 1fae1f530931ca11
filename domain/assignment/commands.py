"""What may be asked of a unit. Everything is decided on the unit's stream, which is the consistency boundary."""

from __future__ import annotations

from typing import Annotated, TypeAlias
from uuid import UUID

from pydantic import AwareDatetime, Field

from domain.assignment.events import UnitPosted, UnitReserved
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


class StackLimits(Frozen):
    """What the rulebook allows: how many may wait for a unit, and whether this incident may wait at all."""

    waiting_max: Annotated[int, Field(ge=0)] = 20
    may_wait: bool = True


class AssignUnit(Frozen):
    """Put the unit on an incident. `stacked`: on purpose behind another assignment, within `limits`.

    `at`: when this is decided; a reservation that holds then needs a reason, `override`.
    """

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
    limits: StackLimits = StackLimits()
    at: AwareDatetime | None = None
    override: Words | None = None


class DivertUnit(Frozen):
    """Take the unit off what it is on and put it on another incident, in one decision.

    Whether the first incident can do without it, a policy has said (`domain.policies.diversion`).
    """

    assignment_id: UUID
    reason: Words
    to: AssignUnit
    tells_with_it: bool = False
    """The crew's agency is asked on the other incident too, so that it hears of it from there."""


class OrderStack(Frozen):
    """What waits shall wait in this order: all of it, nothing else."""

    assignment_ids: Annotated[tuple[UUID, ...], Field(max_length=100)]


class TakeFromStack(Frozen):
    """This one next, now, before what the unit has not begun to move for."""

    assignment_id: UUID
    reason: Words


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


class ReserveUnit(Frozen):
    """Keep the unit for something, at this time or later."""

    reservation: UnitReserved
    at: AwareDatetime


class ReleaseReservation(Frozen):
    """It is not needed."""

    reservation_id: UUID
    reason: Words


class TurnReservation(Frozen):
    """The timer saw that a reservation's time has come, or is over."""

    reservation_id: UUID
    noticed_at: AwareDatetime


class PostUnit(Frozen):
    """Let it stand by elsewhere."""

    posting: UnitPosted


class RecallUnit(Frozen):
    """Let it go home. A rule explains itself."""

    reason: Words
    explanation: Explanation | None = None


ReservationCommand: TypeAlias = ReserveUnit | ReleaseReservation | TurnReservation
StandbyCommand: TypeAlias = PostUnit | RecallUnit
StackCommand: TypeAlias = OrderStack | TakeFromStack
ArrangingCommand: TypeAlias = AssignUnit | DivertUnit | StackCommand
UnitCommand: TypeAlias = (
    RegisterUnit | GoOnDuty | GoOffDuty | ArrangingCommand | ProgressCommand | ReservationCommand | StandbyCommand
)
