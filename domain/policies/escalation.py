"""Deadlines and what a missed one means. A deadline is a fact; the list of what is due is a fold of facts.

accept       the owner must accept by `incident.routed.accept_by`
acknowledge  a crew must acknowledge by `assignment.made.acknowledge_by`
transfer     an offered center must answer by `incident.transfer_offered.expires_at`

A missed acceptance or acknowledgement tells the next level up the owner's path, then the next, until the city; each
step is due `escalate_every_s` after the one before was told. A missed answer leaves the incident with the giver.

Whether a deadline was missed is a matter of when things happened, not of when the timers looked: what ends a deadline
after it was due leaves it missed, and it is recorded, with nobody left to tell.

While an incident is merged, its crews' deadlines are its head's business: the first told is the head's center (if that
is another), then the levels above it. The fact stays with the incident that the crew was sent to, and when the merge is
undone its own centers are told from the level they had been told at. An acceptance is not owed while merged.

A crew's deadline that passes when the incident (or its head) has ended asks for nothing, and is not over either: it
rests until the crew answers, or until a head is live again and owes what was missed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from domain.assignment import events as assignment
from domain.event import Candidate, Event, Explanation, Fact, Reason
from domain.incident import events as incident
from domain.incident.admission import LIVE
from domain.incident.commands import EscalateIncident, RecordLateAnswer, TimeOutTransfer
from domain.incident.state import IncidentState
from domain.ownership import Ownership
from domain.policies.dues import DueQueue
from domain.rulebook.content import Rulebook

POLICY = "escalation"
ACCEPT, ACKNOWLEDGE, TRANSFER = "accept", "acknowledge", "transfer"
ANSWERED_LATE = "escalation.answered_late"


@dataclass(frozen=True, slots=True)
class Due:
    """One deadline. `key` is (kind, id of what is waited for); `level` is the next one to tell.

    `position` is that of the fact that set the deadline first: reading the log from just before it is enough.
    `answered_at` is when it was answered, if that was too late; `level_apart` the level reached before a merge.
    """

    key: tuple[str, UUID]
    incident_id: UUID
    due_at: datetime
    position: int
    level: int = 1
    first_due_at: datetime | None = None
    unit_id: UUID | None = None
    answered_at: datetime | None = None
    level_apart: int | None = None

    @property
    def kind(self) -> str:
        """accept, acknowledge or transfer."""
        return self.key[0]

    @property
    def stream_id(self) -> UUID:
        """The incident."""
        return self.incident_id


class DueList(DueQueue[tuple[str, UUID], Due]):
    """What is due when, and what rests."""

    def __init__(self) -> None:
        super().__init__()
        self._resting: dict[tuple[str, UUID], Due] = {}

    def oldest_position(self) -> int | None:
        """The first fact that this list still needs; None if it is empty."""
        return min((due.position for dues in (self._dues, self._resting) for due in dues.values()), default=None)

    def drop(self, key: tuple[str, UUID]) -> None:
        """It is answered."""
        super().drop(key)
        self._resting.pop(key, None)

    def rest(self, key: tuple[str, UUID]) -> None:
        """It has passed and there is nothing to say now. A crew that was sent still owes its answer."""
        due = self._dues.pop(key, None)
        if due is not None and due.kind == ACKNOWLEDGE and due.answered_at is None:
            self._resting[key] = due

    def _wake(self) -> None:
        """An incident is live again: it, or a guest of it, may owe what rests. Few do, and all are asked."""
        for due in self._resting.values():
            self._put(due)
        self._resting.clear()

    def apply(self, fact: Fact[Event]) -> None:
        """Fold one fact; those that set or meet no deadline change nothing."""
        event = fact.gist()
        match event:
            case incident.IncidentRouted(accept_by=accept_by):
                self._routed(fact, accept_by)
            case incident.IncidentEscalated():
                self._escalated(fact, event)
            case incident.TransferOffered(transfer_id=key, expires_at=expires_at):
                self._put(Due((TRANSFER, key), fact.stream_id, expires_at, fact.position))
            case (
                incident.TransferAccepted(transfer_id=key)
                | incident.TransferDeclined(transfer_id=key)
                | incident.TransferTimedOut(transfer_id=key)
            ):
                self.drop((TRANSFER, key))
            case _ if isinstance(event, ENDS_ACCEPT):
                self._answered((ACCEPT, fact.stream_id), fact.occurred_at)
            case assignment.AssignmentMade():
                self._made(fact, event)
            case _ if isinstance(event, ENDS_ACKNOWLEDGE):
                self._answered((ACKNOWLEDGE, event.assignment_id), fact.occurred_at)
            case _:
                pass
        if isinstance(event, incident.IncidentMerged | incident.IncidentUnmerged):
            self._told_anew(fact, isinstance(event, incident.IncidentMerged))
        if isinstance(event, REVIVES):
            self._wake()

    def _answered(self, key: tuple[str, UUID], at: datetime) -> None:
        """In time: it is over. Too late: it was missed, and stays until that is recorded."""
        due = self._dues.get(key)
        if due is None or at <= due.due_at:
            self.drop(key)
        elif due.answered_at is None:
            self._put(replace(due, answered_at=at))

    def _told_anew(self, fact: Fact[Event], is_merged: bool) -> None:
        """Others are told while it is merged, from the first level on; then those before, from where they were."""
        for due in [*self._dues.values()]:
            if _is_of(due, fact.stream_id):
                self._put(_joined(due) if is_merged else _apart(due, fact.occurred_at))
        for key, due in self._resting.items():
            if _is_of(due, fact.stream_id):
                self._resting[key] = _joined(due) if is_merged else _apart(due, fact.occurred_at)

    def _routed(self, fact: Fact[Event], accept_by: datetime | None) -> None:
        key = (ACCEPT, fact.stream_id)
        before = self._dues.get(key)
        if accept_by is None:
            if before is None or before.answered_at is None:
                self.drop(key)
        elif before is None or before.first_due_at != accept_by:
            self._put(Due(key, fact.stream_id, accept_by, fact.position, first_due_at=accept_by))
        # Routed again with the deadline it had: the steps already taken are not taken back.

    def _escalated(self, fact: Fact[Event], event: incident.IncidentEscalated) -> None:
        key = (event.deadline, event.assignment_id or fact.stream_id)
        before = self._dues.get(key)
        if before is None:
            return
        if before.answered_at is not None and before.answered_at <= (event.next_due_at or before.answered_at):
            self.drop(key)
        elif event.next_due_at is None and before.level_apart is not None:
            self._resting[key] = replace(self._dues.pop(key), level=event.level + 1)
        elif event.next_due_at is None:
            self.drop(key)
        else:
            self._put(replace(before, due_at=event.next_due_at, level=event.level + 1))

    def _made(self, fact: Fact[Event], event: assignment.AssignmentMade) -> None:
        if event.acknowledge_by is not None:
            key = (ACKNOWLEDGE, event.assignment_id)
            self._put(Due(key, event.incident_id, event.acknowledge_by, fact.position, unit_id=fact.stream_id))


def _is_of(due: Due, incident_id: UUID) -> bool:
    """Whether a crew of this incident still owes its answer."""
    return due.kind == ACKNOWLEDGE and due.incident_id == incident_id and due.answered_at is None


def _joined(due: Due) -> Due:
    return replace(due, level=1, level_apart=due.level)


def _apart(due: Due, at: datetime) -> Due:
    """All of the head's levels were told: its own are owed from now on. Else the time that runs is what they have."""
    all_told = due.level > 1 and due.due_at <= at
    level = due.level if due.level_apart is None else due.level_apart
    return replace(due, level=level, level_apart=None, due_at=at if all_told else due.due_at)


ENDS_ACCEPT = (
    incident.IncidentAccepted,
    incident.IncidentDismissed,
    incident.IncidentMerged,
    incident.IncidentResolved,
    incident.IncidentClosed,
)
ENDS_ACKNOWLEDGE = (
    assignment.AssignmentAcknowledged,
    assignment.AssignmentDeclined,
    assignment.UnitEnRoute,
    assignment.UnitOnScene,
    assignment.AssignmentCleared,
    assignment.AssignmentCancelled,
)
REVIVES = (incident.IncidentMerged, incident.IncidentUnmerged, incident.IncidentReopened)
"""After these an incident that had ended may be live, or have a head that is."""
TOPICS: tuple[str, ...] = tuple(
    event.name
    for event in (
        incident.IncidentRouted,
        incident.IncidentEscalated,
        incident.TransferOffered,
        incident.TransferAccepted,
        incident.TransferDeclined,
        incident.TransferTimedOut,
        *ENDS_ACCEPT,
        incident.IncidentUnmerged,
        incident.IncidentReopened,
        assignment.AssignmentMade,
        *ENDS_ACKNOWLEDGE,
    )
)
"""What the due list folds."""


def answer(
    due: Due, state: IncidentState, rulebook: Rulebook, now: datetime, *, head: IncidentState | None = None
) -> EscalateIncident | RecordLateAnswer | TimeOutTransfer | None:
    """What a missed deadline asks of the incident; `head` is where its merge leads to, None where it is not merged.

    None if there is nobody to tell: it has no owner yet, which cannot be, or its head has ended.
    """
    if due.kind == TRANSFER:
        return TimeOutTransfer(transfer_id=due.key[1], noticed_at=now)
    told = _told(due, state, head or state)
    if told is None:
        return None
    if due.answered_at is not None:
        return RecordLateAnswer(
            level=due.level,
            deadline=due.kind,
            to=told,
            assignment_id=_assignment(due),
            due_at=due.due_at,
            answered_at=due.answered_at,
            noticed_at=now,
            explanation=_explanation(due, state, head or state, told),
        )
    if head is not None and head.phase not in LIVE:
        return None
    every_s = rulebook.category(state.category).deadlines.escalate_every_s
    return EscalateIncident(
        level=due.level,
        deadline=due.kind,
        to=told,
        assignment_id=_assignment(due),
        due_at=due.due_at,
        noticed_at=now,
        next_due_at=None if len(told.path) == 1 else now + timedelta(seconds=every_s),
        explanation=_explanation(due, state, head or state, told),
    )


def _told(due: Due, state: IncidentState, head: IncidentState) -> Ownership | None:
    """The level above the owner; the head's own center first if the incident was another's before the merge."""
    if state.owner is None or head.owner is None:
        return None
    is_anothers = head.owner.center_id != state.owner.center_id
    return level_up(_knowing(head), due.level - 1 if is_anothers else due.level)


def _knowing(head: IncidentState) -> Ownership:
    """The owner, with those above it that may know of the incident: the city always does. Who may not cannot act."""
    owner = head.owner
    assert owner is not None, "asked before"
    path = tuple(center_id for center_id in owner.path if head.knows(center_id))
    return owner.model_copy(update={"path": path}) if path else owner


def _assignment(due: Due) -> UUID | None:
    return due.key[1] if due.kind == ACKNOWLEDGE else None


def _explanation(due: Due, state: IncidentState, head: IncidentState, told: Ownership) -> Explanation:
    owner = head.owner or told
    values = {"level": str(due.level), "due_at": due.due_at.isoformat(), "category": state.category}
    reasons = [Reason(code=f"escalation.{due.kind}_missed", values=values)]
    if due.answered_at is not None:
        reasons.append(Reason(code=ANSWERED_LATE, values={"answered_at": due.answered_at.isoformat()}))
    if head is not state:
        reasons.append(Reason(code="escalation.head_of_merged", values={"number": head.number}))
    return Explanation(
        policy=POLICY,
        input_positions=(due.position,),
        candidates=tuple(Candidate(id=str(each), chosen=each == told.center_id) for each in reversed(owner.path)),
        reasons=tuple(reasons),
    )


def answered_late_at(explanation: Explanation) -> datetime | None:
    """When a missed deadline was answered after all, as the record of it says; None if it was not by then."""
    for reason in explanation.reasons:
        if reason.code == ANSWERED_LATE:
            return datetime.fromisoformat(reason.values["answered_at"])
    return None


def head_of(incident_id: UUID, states: Mapping[UUID, IncidentState]) -> IncidentState | None:
    """Where an incident's merge leads to, over others too; None if it is not merged, or a state is not known."""
    found = states.get(incident_id)
    if found is None or found.merge is None:
        return None
    while found is not None and found.merge is not None:
        found = states.get(found.merge.into_incident_id)
    return found


def level_up(owner: Ownership, level: int) -> Ownership:
    """The center `level` steps above the owner, at most the city. The owner at the top is told itself."""
    path = owner.path[: max(1, len(owner.path) - level)]
    return Ownership(center_id=path[-1], path=path)
