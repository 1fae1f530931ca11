"""Facts about urban-management cases, all on the case's stream. Every one carries `incident_id`.

An instant in an event is when that happened in the world: a rule needs it to tell what was in time, and a state is
folded from events alone.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from domain.casework.limits import Limit
from domain.event import Event, Frozen, MediaReference
from domain.ownership import Ownership
from domain.vocabulary import CaseStage, Lamp, RoutingClass, Severity, TimeCounting


class Department(Frozen):
    """Who handles: an agency, by one of its centers."""

    agency: str
    center: Ownership


class CaseTerms(Frozen):
    """What the rulebook allows for the case's class, as it was when the case was filed; later rules change nothing."""

    counting: TimeCounting
    handle_within_s: int = Field(ge=1)
    check_within_s: int = Field(ge=1)
    may_pause: bool
    extension_s_max: int = Field(ge=0)
    returns_max: int = Field(ge=1)


class CaseFiled(Event):
    """立案. The supervision center says: this is a case of this class. `occasion` counts the cases of the incident.

    `incident_reopenings` is how often the incident had been reopened by then: after a closed case, another needs one
    more. `arbiter` decides when departments have returned it too often.
    """

    name: ClassVar[str] = "case.filed"
    incident_id: UUID
    incident_number: str
    city: str
    occasion: int = Field(default=0, ge=0)
    class_code: str
    category: str
    kind: RoutingClass
    major_code: str
    minor_code: str
    severity: Severity
    supervision: Ownership
    arbiter: Ownership
    terms: CaseTerms
    filed_at: AwareDatetime
    incident_reopenings: int = Field(default=0, ge=0)
    note: str | None = Field(default=None, max_length=2_000)


class CaseAssigned(Event):
    """派遣. The department has it, and its time runs."""

    name: ClassVar[str] = "case.assigned"
    incident_id: UUID
    department: Department
    limit: Limit
    note: str | None = Field(default=None, max_length=2_000)


class CaseReturned(Event):
    """回退. The department says: not ours, and why. `returns` counts them."""

    name: ClassVar[str] = "case.returned"
    incident_id: UUID
    department: Department
    reason: str = Field(max_length=2_000)
    returned_at: AwareDatetime
    returns: int = Field(ge=1)


class CaseSentToArbiter(Event):
    """It bounced too often: the arbiter says whose it is, and that cannot be returned."""

    name: ClassVar[str] = "case.sent_to_arbiter"
    incident_id: UUID
    arbiter: Ownership
    returns: int = Field(ge=1)


class CaseArbitrated(Event):
    """The arbiter assigned it. Binding."""

    name: ClassVar[str] = "case.arbitrated"
    incident_id: UUID
    department: Department
    limit: Limit
    reason: str = Field(max_length=2_000)


class CaseHandled(Event):
    """处置. The department says that it is done; the time to check it runs. `left_s` was left (negative: late)."""

    name: ClassVar[str] = "case.handled"
    incident_id: UUID
    outcome: str = Field(max_length=2_000)
    evidence: tuple[MediaReference, ...] = ()
    handled_at: AwareDatetime
    left_s: float
    limit: Limit


class CaseChecked(Event):
    """核查. Done indeed; or not, and the same department has it again (返工) with what it had left."""

    name: ClassVar[str] = "case.checked"
    incident_id: UUID
    passed: bool
    evidence: tuple[MediaReference, ...] = ()
    checked_at: AwareDatetime
    limit: Limit | None = None
    note: str | None = Field(default=None, max_length=2_000)


class CasePaused(Event):
    """挂账. Nobody can go on for now, and a supervisor approved that. `left_s` is what the department has left."""

    name: ClassVar[str] = "case.paused"
    incident_id: UUID
    reason: str = Field(max_length=2_000)
    approved_by: UUID
    paused_at: AwareDatetime
    left_s: float


class CaseResumed(Event):
    """The department's time runs again, from what was left."""

    name: ClassVar[str] = "case.resumed"
    incident_id: UUID
    limit: Limit
    paused_s: float = Field(ge=0)


class ExtensionRequested(Event):
    """延时. The department asks for more time, before its time is up."""

    name: ClassVar[str] = "case.extension_requested"
    incident_id: UUID
    extra_s: int = Field(ge=1)
    reason: str = Field(max_length=2_000)
    requested_at: AwareDatetime


class ExtensionGranted(Event):
    """It has more time."""

    name: ClassVar[str] = "case.extension_granted"
    incident_id: UUID
    extra_s: int = Field(ge=1)
    approved_by: UUID
    granted_at: AwareDatetime
    limit: Limit


class ExtensionRefused(Event):
    """It has not, and why."""

    name: ClassVar[str] = "case.extension_refused"
    incident_id: UUID
    extra_s: int = Field(ge=1)
    reason: str = Field(max_length=2_000)
    refused_by: UUID


class CaseVoided(Event):
    """作废. It should not have been a case."""

    name: ClassVar[str] = "case.voided"
    incident_id: UUID
    reason: str = Field(max_length=2_000)
    voided_at: AwareDatetime


class CaseSupervised(Event):
    """督办. A leader presses, in any phase before the end; time and department stay what they are."""

    name: ClassVar[str] = "case.supervised"
    incident_id: UUID
    demand: str = Field(max_length=2_000)
    supervised_by: UUID


class LampTurned(Event):
    """80 % or all of the time allowed was used. `late_s` is by how much later that was noticed.

    `ended_at` where the time had stopped running by then, after `due_at`: it was missed, and nobody is left to warn.
    """

    name: ClassVar[str] = "case.lamp_turned"
    incident_id: UUID
    limit_number: int = Field(ge=0)
    stage: CaseStage
    lamp: Lamp
    due_at: AwareDatetime
    late_s: float = Field(ge=0)
    ended_at: AwareDatetime | None = None


class CaseClosed(Event):
    """结案. The file is closed; the incident is another matter."""

    name: ClassVar[str] = "case.closed"
    incident_id: UUID
    closed_at: AwareDatetime
    note: str | None = Field(default=None, max_length=2_000)


EVENTS: tuple[type[Event], ...] = (
    CaseFiled,
    CaseAssigned,
    CaseReturned,
    CaseSentToArbiter,
    CaseArbitrated,
    CaseHandled,
    CaseChecked,
    CasePaused,
    CaseResumed,
    ExtensionRequested,
    ExtensionGranted,
    ExtensionRefused,
    CaseVoided,
    CaseSupervised,
    LampTurned,
    CaseClosed,
)


def limit_in(event: Event) -> Limit | None:
    """The limit that a fact sets running."""
    found = getattr(event, "limit", None)
    return found if isinstance(found, Limit) else None


def stopped_at(event: Event) -> datetime | None:
    """When a fact stopped the limit that ran before it; None if it stops none."""
    match event:
        case CaseAssigned(limit=limit) | CaseArbitrated(limit=limit) | CaseResumed(limit=limit):
            return limit.since_at
        case CaseReturned(returned_at=at) | CaseHandled(handled_at=at) | CaseChecked(checked_at=at):
            return at
        case CasePaused(paused_at=at) | ExtensionGranted(granted_at=at) | CaseVoided(voided_at=at):
            return at
        case _:
            return None
