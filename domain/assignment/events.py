"""Facts about units and their assignments, all on the unit's stream. Every assignment event carries `incident_id`."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from domain.event import Event, Explanation, GeoPoint, Place
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
    """The unit is on the incident. `stacked` says: on purpose, behind another one; `stack_place`: 1 is next.

    `position` is where the unit was believed to be, with the age of that belief: an input from outside the log.
    `diverted_from`: the incident it was taken off in the same decision, `instead_of` that assignment. `override`: why,
    although it was reserved.
    Kind and skills are the unit's, so that what an incident still lacks is told without looking the unit up.
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
    stack_place: int | None = Field(default=None, ge=1)
    diverted_from: UUID | None = None
    instead_of: UUID | None = None
    override: str | None = Field(default=None, max_length=2_000)
    unit_kind: UnitKind | None = None
    skills: tuple[str, ...] = ()


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
    """Called back before it was done. `explanation` where a rule decided it: its incident had ended.

    `diverted_to`: the incident it was put on instead, in the same decision. `is_told_with_it`: the crew's agency is
    told of that assignment, which says that it ends this one; it hears no second message.
    """

    name: ClassVar[str] = "assignment.cancelled"
    assignment_id: UUID
    incident_id: UUID
    reason: str = Field(max_length=2_000)
    diverted_to: UUID | None = None
    diverted_to_number: str | None = Field(default=None, max_length=50)
    is_told_with_it: bool = False
    explanation: Explanation | None = None


class AssignmentPromoted(Event):
    """It waits no more: it is what the unit is on now. `explanation` where a rule decided it: it was the next."""

    name: ClassVar[str] = "assignment.promoted"
    assignment_id: UUID
    incident_id: UUID
    reason: str = Field(max_length=2_000)
    explanation: Explanation | None = None


class AssignmentWaits(Event):
    """Its place among what waits for the unit is another one: 1 is next. Said of each whose place has changed."""

    name: ClassVar[str] = "assignment.waits"
    assignment_id: UUID
    incident_id: UUID
    place: int = Field(ge=1)


class UnitReserved(Event):
    """It is kept for something from then until then: not offered to incidents meanwhile, assigned only with a reason.

    `center` has reserved it; `operation_id` if it is for one; `place` where it is to be. `is_restricted`: what for is
    told to those of the operation only.
    """

    name: ClassVar[str] = "unit.reserved"
    reservation_id: UUID
    purpose: str = Field(min_length=1, max_length=2_000)
    center: Ownership
    begins_at: AwareDatetime
    ends_at: AwareDatetime
    operation_id: UUID | None = None
    is_restricted: bool = False
    place: Place | None = None


class ReservationBegan(Event):
    """From here on it is kept. `late_s`: how long after `due_at` this was noticed."""

    name: ClassVar[str] = "unit.reservation_began"
    reservation_id: UUID
    due_at: AwareDatetime
    late_s: float = Field(ge=0)


class ReservationReleased(Event):
    """It is not needed any more, or not at all, and why."""

    name: ClassVar[str] = "unit.reservation_released"
    reservation_id: UUID
    reason: str = Field(max_length=2_000)


class ReservationExpired(Event):
    """Its time is over. `late_s`: how long after `due_at` this was noticed."""

    name: ClassVar[str] = "unit.reservation_expired"
    reservation_id: UUID
    due_at: AwareDatetime
    late_s: float = Field(ge=0)


class UnitPosted(Event):
    """It stands by at a place from which it covers a center that is not its own. `suggestion_id`: what asked for it."""

    name: ClassVar[str] = "unit.posted"
    center: Ownership
    place: GeoPoint
    reason: str = Field(max_length=2_000)
    suggestion_id: UUID | None = None


class UnitRecalled(Event):
    """It stands by there no more. `explanation` where a rule decided it: the center has enough of its own again."""

    name: ClassVar[str] = "unit.recalled"
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
    AssignmentPromoted,
    AssignmentWaits,
    UnitReserved,
    ReservationBegan,
    ReservationReleased,
    ReservationExpired,
    UnitPosted,
    UnitRecalled,
)
