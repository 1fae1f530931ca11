"""What may be asked of an incident. Times and ids are fields: nothing here looks at a clock or makes an id.

`IncidentCommand` is what callers send. `PairCommand` are the two halves of a merge or an un-merge, which
`dispatch.handling.incidents` always records together on both streams. Which phases admit which command is the table
in `domain.incident.decider`.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias
from uuid import UUID

from pydantic import AwareDatetime, Field

from domain.event import Explanation, Frozen, Place
from domain.incident.events import Cause, Recipient
from domain.incident.plan_events import WantedUnits
from domain.ownership import Ownership
from domain.vocabulary import DismissReason, Disposition, MessageStatus, Severity

Note = Annotated[str, Field(min_length=1, max_length=2_000)]
Priority = Annotated[int, Field(ge=0, le=10)]


class OpenIncident(Frozen):
    """Start its life with a number and a first owner."""

    number: str
    city: str
    cause: Cause
    category: str
    severity: Severity
    priority: Priority
    place: Place
    camera_id: UUID | None = None
    owner: Ownership
    status: MessageStatus = MessageStatus.ACTUAL
    headline: str | None = Field(default=None, max_length=500)
    explanation: Explanation | None = None


class VerifyIncident(Frozen):
    """Somebody looked: it is real."""

    note: Note | None = None


class DismissIncident(Frozen):
    """It needs no answer."""

    reason: DismissReason
    note: Note | None = None


class ClassifyIncident(Frozen):
    """A person sets category, severity and priority: the only way severity can fall."""

    category: str
    severity: Severity
    priority: Priority
    note: Note | None = None


class RaiseSeverity(Frozen):
    """A folded alert or a further report was worse than anything before. Never lowers: not worse is nothing.

    Name the alert's log position or the report, whichever was worse.
    """

    severity: Severity
    priority: Priority
    alert_position: int | None = None
    report_id: UUID | None = None
    explanation: Explanation | None = None


class RelocateIncident(Frozen):
    """Set or correct the place."""

    place: Place


class RouteIncident(Frozen):
    """Say who must know and act. `owner` counts only while nobody has taken the incident: see the decider."""

    owner: Ownership
    recipients: tuple[Recipient, ...]
    accept_by: AwareDatetime | None
    explanation: Explanation


class AcceptIncident(Frozen):
    """The owning center says: ours."""

    center_id: UUID


class ClaimIncident(Frozen):
    """An operator says: I have it. Takes over another's claim; it is no lock."""

    operator_id: UUID


class ReleaseClaim(Frozen):
    """The operator gives the claim up."""

    operator_id: UUID


class OfferTransfer(Frozen):
    """The owner asks another center to take it."""

    transfer_id: UUID
    from_center_id: UUID
    to: Ownership
    reason: Note
    offered_at: AwareDatetime
    expires_at: AwareDatetime


class MoveIncident(Frozen):
    """Somebody above both centers moves it, in any phase and without asking; an offer that waits is overtaken.

    `is_taken`: the new owner decides this itself, and so has accepted it.
    """

    transfer_id: UUID
    to: Ownership
    reason: Note
    moved_at: AwareDatetime
    is_taken: bool = False


class AcceptTransfer(Frozen):
    """The addressed center takes it. Counts until a time-out is recorded, even if the deadline has passed."""

    transfer_id: UUID
    center_id: UUID


class DeclineTransfer(Frozen):
    """The addressed center does not take it."""

    transfer_id: UUID
    center_id: UUID
    reason: Note


class TimeOutTransfer(Frozen):
    """The timer saw that nobody answered by `expires_at`."""

    transfer_id: UUID
    noticed_at: AwareDatetime


class EscalateIncident(Frozen):
    """The timer saw a missed deadline: tell the next level. The same deadline and level again is nothing."""

    level: Annotated[int, Field(ge=1)]
    deadline: Annotated[str, Field(pattern="^(accept|acknowledge)$")]
    to: Ownership
    assignment_id: UUID | None = None
    due_at: AwareDatetime
    noticed_at: AwareDatetime
    next_due_at: AwareDatetime | None = None
    explanation: Explanation


class RecordLateAnswer(Frozen):
    """A deadline was answered after it was due, before the timer looked: it was missed all the same."""

    level: Annotated[int, Field(ge=1)]
    deadline: Annotated[str, Field(pattern="^(accept|acknowledge)$")]
    to: Ownership
    assignment_id: UUID | None = None
    due_at: AwareDatetime
    answered_at: AwareDatetime
    noticed_at: AwareDatetime
    explanation: Explanation


class RaiseAlarm(Frozen):
    """More is needed: `wanted` is what the plan asks for up to the level. The level it has already is nothing."""

    level: Annotated[int, Field(ge=1)]
    plan: str
    wanted: tuple[WantedUnits, ...]
    reason: Note | None = None
    explanation: Explanation | None = None


class LowerAlarm(Frozen):
    """Less is needed: a decision of its own, with its reason."""

    level: Annotated[int, Field(ge=1)]
    plan: str | None
    wanted: tuple[WantedUnits, ...]
    reason: Note


class AcceptForAgency(Frozen):
    """A partner agency takes its part."""

    agency: str
    reference: Annotated[str, Field(max_length=200)] | None = None


class DeclineForAgency(Frozen):
    """A partner agency says: not ours, and why."""

    agency: str
    reason: Note


class ResolveIncident(Frozen):
    """What had to be done is done."""

    disposition: Disposition
    note: Note | None = None


class CloseIncident(Frozen):
    """Close the file."""

    note: Note | None = None


class ReopenIncident(Frozen):
    """It came back, or was closed in error."""

    reason: Note


class MergeIncident(Frozen):
    """This incident's half of a merge. What it must know of the head comes with it."""

    merge_id: UUID
    into_incident_id: UUID
    into_version: int
    into_severity: Severity
    into_status: MessageStatus
    into_operation_id: UUID | None = None
    """The restricted operation that the head belongs to."""
    note: Note | None = None


class AbsorbIncident(Frozen):
    """The head's half of a merge."""

    merge_id: UUID
    incident_id: UUID
    incident_version: int


class RestrictIncident(Frozen):
    """Attach it to a restricted operation. `center_ids`: all who know of the operation; `agencies`: whose centers."""

    operation_id: UUID
    center_ids: tuple[UUID, ...]
    agencies: tuple[str, ...] = ()
    reason: Note
    explanation: Explanation | None = None


class ChangeClearance(Frozen):
    """Others know of the operation from here on. Nothing if the incident is not the operation's (any more)."""

    operation_id: UUID
    center_ids: tuple[UUID, ...]
    agencies: tuple[str, ...] = ()


class LiftRestriction(Frozen):
    """Take it off the operation. Nothing if it is not the operation's."""

    operation_id: UUID
    reason: Note


class UnmergeIncident(Frozen):
    """This incident's half of an un-merge."""

    merge_id: UUID
    note: Note | None = None


class ReleaseIncident(Frozen):
    """The former head's half of an un-merge."""

    merge_id: UUID
    incident_id: UUID


IncidentCommand: TypeAlias = (
    OpenIncident
    | VerifyIncident
    | DismissIncident
    | ClassifyIncident
    | RaiseSeverity
    | RelocateIncident
    | RouteIncident
    | AcceptIncident
    | ClaimIncident
    | ReleaseClaim
    | OfferTransfer
    | MoveIncident
    | AcceptTransfer
    | DeclineTransfer
    | TimeOutTransfer
    | EscalateIncident
    | RecordLateAnswer
    | RaiseAlarm
    | LowerAlarm
    | AcceptForAgency
    | DeclineForAgency
    | ResolveIncident
    | CloseIncident
    | ReopenIncident
)
PairCommand: TypeAlias = MergeIncident | AbsorbIncident | UnmergeIncident | ReleaseIncident
LabelCommand: TypeAlias = RestrictIncident | ChangeClearance | LiftRestriction
AnyIncidentCommand: TypeAlias = IncidentCommand | PairCommand | LabelCommand


class AddNote(Frozen):
    """Write something down. Companion stream, no version check, every phase."""

    incident_id: UUID
    note_id: UUID
    text: Annotated[str, Field(min_length=1, max_length=4_000)]


class StrikeNote(Frozen):
    """Strike a wrong note, once."""

    incident_id: UUID
    note_id: UUID
    reason: Note


CompanionCommand: TypeAlias = AddNote | StrikeNote
