"""Facts about incidents.

Two streams an incident: the *decision stream* (its id), whose version is the ETag, and the *companion stream*
(`identifiers.companion_of`), which takes folds, reports, notes, evidence and recommendations without a version check,
so that a busy incident stays decidable. Every companion event carries `incident_id`.
"""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from domain.event import Event, Explanation, Frozen, MediaReference, Place, Reason
from domain.incident import restriction_events as restriction
from domain.incident.diversion import UnitDiverted
from domain.incident.plan_events import AlarmLowered, AlarmRaised, UnitsRecommended
from domain.ownership import Ownership
from domain.vocabulary import AgencyRole, DismissReason, Disposition, MessageStatus, Severity


class Cause(Frozen):
    """What opened it: alerts (ids and their log positions, same order) or one report.

    For alerts: when the first and the last of them occurred, their source (a warning's with its area), and the public
    warnings among them as `sender,identifier`, so that an update or a cancellation finds its incident.
    """

    alert_ids: tuple[UUID, ...] = ()
    alert_positions: tuple[int, ...] = ()
    report_id: UUID | None = None
    first_occurred_at: AwareDatetime | None = None
    last_occurred_at: AwareDatetime | None = None
    source: str | None = None
    warnings: tuple[str, ...] = ()


class Recipient(Frozen):
    """One party that must know or act. `center_id` is the center whose board shows it; `agency` whose queue."""

    agency: str
    center_id: UUID
    path: tuple[UUID, ...]
    role: AgencyRole
    reason: Reason


class IncidentOpened(Event):
    """It exists, has a number people can say, and has its first owner. Priority: 0 most urgent … 10 least."""

    name: ClassVar[str] = "incident.opened"
    number: str
    city: str
    cause: Cause
    category: str
    severity: Severity
    priority: int = Field(ge=0, le=10)
    place: Place
    camera_id: UUID | None = None
    owner: Ownership
    status: MessageStatus = MessageStatus.ACTUAL
    headline: str | None = Field(default=None, max_length=500)
    explanation: Explanation | None = None


class NumberAllocated(Event):
    """The n-th incident of a city and day (n = this stream's version)."""

    name: ClassVar[str] = "incident_number.allocated"
    number: str
    incident_id: UUID


class IncidentVerified(Event):
    """Somebody looked and it is real."""

    name: ClassVar[str] = "incident.verified"
    note: str | None = Field(default=None, max_length=2_000)


class IncidentDismissed(Event):
    """It needs no answer."""

    name: ClassVar[str] = "incident.dismissed"
    reason: DismissReason
    note: str | None = Field(default=None, max_length=2_000)


class IncidentClassified(Event):
    """Category, severity or priority were set by a person. Routing follows."""

    name: ClassVar[str] = "incident.classified"
    category: str
    severity: Severity
    priority: int = Field(ge=0, le=10)
    note: str | None = Field(default=None, max_length=2_000)


class SeverityRaised(Event):
    """A folded alert or a further report was worse than anything before: never hidden by the fold.

    `alert_position` names the alert by its log position, `report_id` the report: whichever raised it.
    """

    name: ClassVar[str] = "incident.severity_raised"
    from_severity: Severity
    to_severity: Severity
    priority: int = Field(ge=0, le=10)
    alert_position: int | None = None
    report_id: UUID | None = None
    explanation: Explanation | None = None


class IncidentRelocated(Event):
    """The place was set or corrected (a report with only an address becomes a point). Routing follows."""

    name: ClassVar[str] = "incident.relocated"
    place: Place


class IncidentRouted(Event):
    """Who must know and act, with a role each, and by when the owner must accept."""

    name: ClassVar[str] = "incident.routed"
    owner: Ownership
    recipients: tuple[Recipient, ...]
    accept_by: AwareDatetime | None = None
    explanation: Explanation


class IncidentAccepted(Event):
    """The owning center said: ours."""

    name: ClassVar[str] = "incident.accepted"
    center_id: UUID


class IncidentClaimed(Event):
    """An operator said: I have it. Others see it at once; it is no lock."""

    name: ClassVar[str] = "incident.claimed"
    operator_id: UUID


class ClaimReleased(Event):
    """The claim is over."""

    name: ClassVar[str] = "incident.claim_released"
    operator_id: UUID


class TransferOffered(Event):
    """The owner asks another center to take it, and owns it until that center accepts."""

    name: ClassVar[str] = "incident.transfer_offered"
    transfer_id: UUID
    from_center_id: UUID
    to: Ownership
    reason: str = Field(max_length=2_000)
    expires_at: AwareDatetime


class TransferAccepted(Event):
    """Ownership moves here and now."""

    name: ClassVar[str] = "incident.transfer_accepted"
    transfer_id: UUID
    from_center_id: UUID
    owner: Ownership


class TransferDeclined(Event):
    """The giver keeps it; the reason is named."""

    name: ClassVar[str] = "incident.transfer_declined"
    transfer_id: UUID
    to_center_id: UUID
    reason: str = Field(max_length=2_000)


class TransferTimedOut(Event):
    """Nobody answered; the giver keeps it. `late_s` says how long after the deadline this was noticed."""

    name: ClassVar[str] = "incident.transfer_timed_out"
    transfer_id: UUID
    to_center_id: UUID
    due_at: AwareDatetime
    late_s: float = Field(ge=0)


class IncidentEscalated(Event):
    """A deadline passed without an answer; the next level is told. Ownership does not move."""

    name: ClassVar[str] = "incident.escalated"
    level: int = Field(ge=1)
    deadline: str = Field(pattern="^(accept|acknowledge)$")
    """Which deadline was missed: the owner's acceptance or a unit's acknowledgement."""
    to: Ownership
    assignment_id: UUID | None = None
    due_at: AwareDatetime
    late_s: float = Field(ge=0)
    next_due_at: AwareDatetime | None = None
    explanation: Explanation


class AgencyAccepted(Event):
    """A partner agency took its part."""

    name: ClassVar[str] = "incident.agency_accepted"
    agency: str
    reference: str | None = Field(default=None, max_length=200)


class AgencyDeclined(Event):
    """A partner agency said it is not theirs, and why."""

    name: ClassVar[str] = "incident.agency_declined"
    agency: str
    reason: str = Field(max_length=2_000)


class IncidentMerged(Event):
    """This incident is the same as `into_incident_id`: a pointer, written with both versions. Nothing moves."""

    name: ClassVar[str] = "incident.merged"
    merge_id: UUID
    into_incident_id: UUID
    into_version: int
    note: str | None = Field(default=None, max_length=2_000)


class IncidentAbsorbed(Event):
    """The other half of a merge, on the head's stream."""

    name: ClassVar[str] = "incident.absorbed"
    merge_id: UUID
    incident_id: UUID
    incident_version: int


class IncidentUnmerged(Event):
    """The merge was wrong; this incident is itself again, in the phase it had."""

    name: ClassVar[str] = "incident.unmerged"
    merge_id: UUID
    from_incident_id: UUID
    note: str | None = Field(default=None, max_length=2_000)


class IncidentReleased(Event):
    """The other half of an un-merge, on the former head's stream."""

    name: ClassVar[str] = "incident.released"
    merge_id: UUID
    incident_id: UUID


class IncidentResolved(Event):
    """What had to be done is done."""

    name: ClassVar[str] = "incident.resolved"
    disposition: Disposition
    note: str | None = Field(default=None, max_length=2_000)


class IncidentClosed(Event):
    """The file is closed."""

    name: ClassVar[str] = "incident.closed"
    note: str | None = Field(default=None, max_length=2_000)


class IncidentReopened(Event):
    """It came back, or was closed in error. The last owner has it again."""

    name: ClassVar[str] = "incident.reopened"
    reason: str = Field(max_length=2_000)


class FoldedAlert(Frozen):
    """One alert of a fold. `warning` is `sender,identifier` of a public warning."""

    position: int
    alert_id: UUID
    severity: Severity
    reason: str
    distance_m: float | None = None
    warning: str | None = None


class AlertsFolded(Event):
    """These alerts are about this incident: one event a page, listing each of them. Companion stream.

    `known_up_to` is the log position whose facts the judgement knew: with it, it can be made again.
    """

    name: ClassVar[str] = "incident.alerts_folded"
    incident_id: UUID
    alerts: tuple[FoldedAlert, ...]
    first_occurred_at: AwareDatetime
    last_occurred_at: AwareDatetime
    known_up_to: int | None = None


class ReportAttached(Event):
    """A person's report is about this incident. Companion stream.

    It copies what the card shows of the report, so that every reporter is there without reading another stream;
    who called stays sealed in `report.filed`, and only whether there is a caller is said here.
    """

    name: ClassVar[str] = "incident.report_attached"
    incident_id: UUID
    report_id: UUID
    relation: str = Field(pattern="^(opened|duplicate)$")
    channel: str = Field(max_length=50)
    center_id: UUID
    text: str = Field(max_length=4_000)
    severity: Severity = Severity.UNKNOWN
    place: Place = Place()
    camera_id: UUID | None = None
    media: tuple[MediaReference, ...] = Field(default=(), max_length=20)
    has_caller: bool = False


class NoteAdded(Event):
    """Somebody wrote something. Companion stream."""

    name: ClassVar[str] = "incident.note_added"
    incident_id: UUID
    note_id: UUID
    text: str = Field(max_length=4_000)


class NoteStruck(Event):
    """A wrong note is struck, never deleted. Companion stream."""

    name: ClassVar[str] = "incident.note_struck"
    incident_id: UUID
    note_id: UUID
    reason: str = Field(max_length=2_000)


class EvidenceAttached(Event):
    """A clip, a picture, a document: referenced, hashed, never copied here. Companion stream."""

    name: ClassVar[str] = "incident.evidence_attached"
    incident_id: UUID
    evidence_id: UUID
    media: MediaReference
    description: str | None = Field(default=None, max_length=2_000)


EVENTS: tuple[type[Event], ...] = (
    IncidentOpened,
    NumberAllocated,
    IncidentVerified,
    IncidentDismissed,
    IncidentClassified,
    SeverityRaised,
    IncidentRelocated,
    IncidentRouted,
    IncidentAccepted,
    IncidentClaimed,
    ClaimReleased,
    TransferOffered,
    TransferAccepted,
    TransferDeclined,
    TransferTimedOut,
    IncidentEscalated,
    AlarmRaised,
    AlarmLowered,
    AgencyAccepted,
    AgencyDeclined,
    UnitDiverted,
    IncidentMerged,
    IncidentAbsorbed,
    IncidentUnmerged,
    IncidentReleased,
    IncidentResolved,
    IncidentClosed,
    IncidentReopened,
    AlertsFolded,
    ReportAttached,
    UnitsRecommended,
    NoteAdded,
    NoteStruck,
    EvidenceAttached,
    *restriction.EVENTS,
)
