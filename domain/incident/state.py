"""What a rule reads of an incident, folded from its decision stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from domain.event import Event, Place
from domain.incident.events import (
    AgencyAccepted,
    AgencyDeclined,
    ClaimReleased,
    IncidentAbsorbed,
    IncidentAccepted,
    IncidentClaimed,
    IncidentClassified,
    IncidentClosed,
    IncidentDismissed,
    IncidentEscalated,
    IncidentMerged,
    IncidentOpened,
    IncidentReleased,
    IncidentRelocated,
    IncidentReopened,
    IncidentResolved,
    IncidentRouted,
    IncidentUnmerged,
    IncidentVerified,
    Recipient,
    SeverityRaised,
    TransferAccepted,
    TransferDeclined,
    TransferOffered,
    TransferTimedOut,
)
from domain.incident.plan_events import AlarmLowered, AlarmRaised
from domain.incident.restriction_events import ClearanceChanged, IncidentRestricted, RestrictionLifted
from domain.ownership import Ownership
from domain.vocabulary import IncidentPhase, MessageStatus, Severity


@dataclass(frozen=True, slots=True)
class Offer:
    """A transfer that nobody answered yet. The giver owns the incident meanwhile."""

    transfer_id: UUID
    from_center_id: UUID
    to: Ownership
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Merge:
    """Where a merged incident points, and the phase it had and gets back."""

    merge_id: UUID
    into_incident_id: UUID
    phase_before: IncidentPhase


@dataclass(frozen=True, slots=True)
class Missed:
    """One deadline that was escalated. `due_at` tells the deadline of a new routing from the old one's."""

    deadline: str
    assignment_id: UUID | None
    level: int
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Restriction:
    """The restricted operation it belongs to, and the centers and agencies that know of it."""

    operation_id: UUID
    center_ids: frozenset[UUID]
    agencies: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class IncidentState:
    """`phase` and `owner` are None before it exists, and never again after.

    `settled` says that a center has taken it (accepted, or owned it when it was reopened): from then on ownership
    moves by transfer only, and routing no longer chooses the owner.
    `agencies` are all that were ever told; one that was told may answer, even if a later routing left it out.
    """

    phase: IncidentPhase | None = None
    number: str = ""
    category: str = ""
    severity: Severity = Severity.UNKNOWN
    priority: int = 10
    place: Place = field(default_factory=Place)
    status: MessageStatus = MessageStatus.ACTUAL
    owner: Ownership | None = None
    settled: bool = False
    recipients: tuple[Recipient, ...] = ()
    accept_by: datetime | None = None
    agencies: frozenset[str] = frozenset()
    answers: Mapping[str, str] = field(default_factory=dict)
    claimed_by: UUID | None = None
    offer: Offer | None = None
    missed: frozenset[Missed] = frozenset()
    alarm_level: int = 1
    merge: Merge | None = None
    absorbed: Mapping[UUID, UUID] = field(default_factory=dict)
    """Merge id → the incident merged into this one."""
    reopenings: int = 0
    """How often it was reopened: after a closed case, another one needs one more."""
    restriction: Restriction | None = None

    def knows(self, center_id: UUID) -> bool:
        """Whether a center may know of it, as far as a label says."""
        return self.restriction is None or center_id in self.restriction.center_ids


INITIAL = IncidentState()


def evolve(state: IncidentState, event: Event) -> IncidentState:  # noqa: C901  # one case a fact, none nested
    """The state after a fact. Never raises; facts without a rule change nothing."""
    match event:
        case IncidentOpened():
            return _opened(event)
        case IncidentVerified():
            return replace(state, phase=IncidentPhase.VERIFIED)
        case IncidentDismissed():
            return replace(state, phase=IncidentPhase.DISMISSED)
        case IncidentClassified(category=category, severity=severity, priority=priority):
            return replace(state, category=category, severity=severity, priority=priority)
        case SeverityRaised(to_severity=severity, priority=priority):
            return replace(state, severity=severity, priority=priority)
        case IncidentRelocated(place=place):
            return replace(state, place=place)
        case IncidentRouted():
            return _routed(state, event)
        case IncidentAccepted():
            return replace(state, phase=IncidentPhase.ACCEPTED, settled=True, accept_by=None)
        case IncidentClaimed(operator_id=operator_id):
            return replace(state, claimed_by=operator_id)
        case ClaimReleased():
            return replace(state, claimed_by=None)
        case TransferOffered():
            return replace(state, offer=Offer(event.transfer_id, event.from_center_id, event.to, event.expires_at))
        case TransferAccepted(owner=owner):
            return replace(state, owner=owner, settled=True, offer=None)
        case TransferDeclined() | TransferTimedOut():
            return replace(state, offer=None)
        case IncidentEscalated():
            missed = Missed(event.deadline, event.assignment_id, event.level, event.due_at)
            return replace(state, missed=state.missed | {missed})
        case AlarmRaised(to_level=level) | AlarmLowered(to_level=level):
            return replace(state, alarm_level=level)
        case AgencyAccepted(agency=agency):
            return replace(state, answers={**state.answers, agency: "accepted"})
        case AgencyDeclined(agency=agency):
            return replace(state, answers={**state.answers, agency: "declined"})
        case IncidentMerged() | IncidentUnmerged() | IncidentAbsorbed() | IncidentReleased():
            return _joined(state, event)
        case IncidentRestricted() | ClearanceChanged() | RestrictionLifted():
            return replace(state, restriction=_restriction(event))
        case IncidentResolved():
            return replace(state, phase=IncidentPhase.RESOLVED)
        case IncidentClosed():
            return replace(state, phase=IncidentPhase.CLOSED)
        case IncidentReopened():
            return replace(state, phase=IncidentPhase.OPEN, settled=True, reopenings=state.reopenings + 1)
        case _:
            return state


def _restriction(event: IncidentRestricted | ClearanceChanged | RestrictionLifted) -> Restriction | None:
    if isinstance(event, RestrictionLifted):
        return None
    return Restriction(event.operation_id, frozenset(event.center_ids), frozenset(event.agencies))


def _opened(event: IncidentOpened) -> IncidentState:
    return IncidentState(
        phase=IncidentPhase.OPEN,
        number=event.number,
        category=event.category,
        severity=event.severity,
        priority=event.priority,
        place=event.place,
        status=event.status,
        owner=event.owner,
    )


def _routed(state: IncidentState, event: IncidentRouted) -> IncidentState:
    return replace(
        state,
        owner=event.owner,
        recipients=event.recipients,
        accept_by=event.accept_by,
        agencies=state.agencies | {recipient.agency for recipient in event.recipients},
    )


def _joined(
    state: IncidentState, event: IncidentMerged | IncidentUnmerged | IncidentAbsorbed | IncidentReleased
) -> IncidentState:
    match event:
        case IncidentMerged():
            return _merged(state, event)
        case IncidentUnmerged():
            return state if state.merge is None else replace(state, phase=state.merge.phase_before, merge=None)
        case IncidentAbsorbed(merge_id=merge_id, incident_id=incident_id):
            return replace(state, absorbed={**state.absorbed, merge_id: incident_id})
        case IncidentReleased(merge_id=merge_id):
            return replace(state, absorbed={key: value for key, value in state.absorbed.items() if key != merge_id})


def _merged(state: IncidentState, event: IncidentMerged) -> IncidentState:
    before = state.phase or IncidentPhase.OPEN
    return replace(state, phase=IncidentPhase.MERGED, merge=Merge(event.merge_id, event.into_incident_id, before))
