"""Deadlines and what a missed one means. A deadline is a fact; the list of what is due is a fold of facts.

accept       the owner must accept by `incident.routed.accept_by`
acknowledge  a crew must acknowledge by `assignment.made.acknowledge_by`
transfer     an offered center must answer by `incident.transfer_offered.expires_at`

A missed acceptance or acknowledgement tells the next level up the owner's path, then the next, until the city; each
step is due `escalate_every_s` after the one before was told. A missed answer leaves the incident with the giver.

A deadline that passes while its incident is merged away or has ended asks for nothing, and is not over either: it rests
until the crew answers, or until the incident is itself again and owes what it missed.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from domain.assignment import events as assignment
from domain.event import Candidate, Event, Explanation, Fact, Reason
from domain.incident import events as incident
from domain.incident.commands import EscalateIncident, TimeOutTransfer
from domain.incident.state import IncidentState
from domain.ownership import Ownership
from domain.rulebook.content import Rulebook

POLICY = "escalation"
ACCEPT, ACKNOWLEDGE, TRANSFER = "accept", "acknowledge", "transfer"


@dataclass(frozen=True, slots=True)
class Due:
    """One deadline. `key` is (kind, id of what is waited for); `level` is the next one to tell.

    `position` is that of the fact that set the deadline first: reading the log from just before it is enough.
    """

    key: tuple[str, UUID]
    incident_id: UUID
    due_at: datetime
    position: int
    level: int = 1
    first_due_at: datetime | None = None
    unit_id: UUID | None = None

    @property
    def kind(self) -> str:
        """accept, acknowledge or transfer."""
        return self.key[0]


class DueList:
    """What is due when: a fold of the log, earliest first."""

    def __init__(self) -> None:
        self._dues: dict[tuple[str, UUID], Due] = {}
        self._heap: list[tuple[datetime, int, tuple[str, UUID]]] = []
        self._resting: dict[tuple[str, UUID], Due] = {}

    def __len__(self) -> int:
        return len(self._dues)

    def __contains__(self, key: tuple[str, UUID]) -> bool:
        return key in self._dues

    def until(self, now: datetime, limit: int) -> list[Due]:
        """Deadlines that have passed, earliest first."""
        passed: dict[tuple[str, UUID], Due] = {}
        while len(passed) < limit and (heap := self._trimmed()) and heap[0][0] <= now:
            key = heapq.heappop(heap)[2]
            passed[key] = self._dues[key]
        for due in passed.values():
            self._put(due)
        return list(passed.values())

    def next_at(self) -> datetime | None:
        """The earliest deadline."""
        heap = self._trimmed()
        return heap[0][0] if heap else None

    def oldest_position(self) -> int | None:
        """The first fact that this list still needs; None if it is empty."""
        return min((due.position for dues in (self._dues, self._resting) for due in dues.values()), default=None)

    def drop(self, key: tuple[str, UUID]) -> None:
        """It is answered."""
        self._dues.pop(key, None)
        self._resting.pop(key, None)

    def rest(self, key: tuple[str, UUID]) -> None:
        """It has passed and there is nothing to say now. A crew that was sent still owes its answer."""
        due = self._dues.pop(key, None)
        if due is not None and due.kind == ACKNOWLEDGE:
            self._resting[key] = due

    def _wake(self, incident_id: UUID) -> None:
        for key in [key for key, due in self._resting.items() if due.incident_id == incident_id]:
            self._put(self._resting.pop(key))

    def _put(self, due: Due) -> None:
        self._dues[due.key] = due
        heapq.heappush(self._heap, (due.due_at, due.position, due.key))

    def _trimmed(self) -> list[tuple[datetime, int, tuple[str, UUID]]]:
        """The heap without entries that were dropped or replaced at its head."""
        while self._heap:
            due_at, _, key = self._heap[0]
            due = self._dues.get(key)
            if due is not None and due.due_at == due_at:
                break
            heapq.heappop(self._heap)
        return self._heap

    def apply(self, fact: Fact[Event]) -> None:
        """Fold one fact; those that set or meet no deadline change nothing."""
        match fact.event:
            case incident.IncidentRouted(accept_by=accept_by):
                self._routed(fact, accept_by)
            case incident.IncidentEscalated() as event:
                self._escalated(fact, event)
            case incident.TransferOffered(transfer_id=key, expires_at=expires_at):
                self._put(Due((TRANSFER, key), fact.stream_id, expires_at, fact.position))
            case (
                incident.TransferAccepted(transfer_id=key)
                | incident.TransferDeclined(transfer_id=key)
                | incident.TransferTimedOut(transfer_id=key)
            ):
                self.drop((TRANSFER, key))
            case event if isinstance(event, ENDS_ACCEPT):
                self.drop((ACCEPT, fact.stream_id))
            case assignment.AssignmentMade() as event:
                self._made(fact, event)
            case event if isinstance(event, ENDS_ACKNOWLEDGE):
                self.drop((ACKNOWLEDGE, event.assignment_id))
            case incident.IncidentUnmerged() | incident.IncidentReopened():
                self._wake(fact.stream_id)
            case _:
                pass

    def _routed(self, fact: Fact[Event], accept_by: datetime | None) -> None:
        key = (ACCEPT, fact.stream_id)
        before = self._dues.get(key)
        if accept_by is None:
            self.drop(key)
        elif before is None or before.first_due_at != accept_by:
            self._put(Due(key, fact.stream_id, accept_by, fact.position, first_due_at=accept_by))
        # Routed again with the deadline it had: the steps already taken are not taken back.

    def _escalated(self, fact: Fact[Event], event: incident.IncidentEscalated) -> None:
        key = (event.deadline, event.assignment_id or fact.stream_id)
        before = self._dues.get(key)
        if before is None:
            return
        if event.next_due_at is None:
            self.drop(key)
        else:
            self._put(replace(before, due_at=event.next_due_at, level=event.level + 1))

    def _made(self, fact: Fact[Event], event: assignment.AssignmentMade) -> None:
        if event.acknowledge_by is not None:
            key = (ACKNOWLEDGE, event.assignment_id)
            self._put(Due(key, event.incident_id, event.acknowledge_by, fact.position, unit_id=fact.stream_id))


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
    due: Due, state: IncidentState, rulebook: Rulebook, now: datetime
) -> EscalateIncident | TimeOutTransfer | None:
    """What a missed deadline asks of the incident. None if it has no owner yet, which cannot be."""
    if due.kind == TRANSFER:
        return TimeOutTransfer(transfer_id=due.key[1], noticed_at=now)
    if state.owner is None:
        return None
    return _escalate(due, state, state.owner, rulebook, now)


def _escalate(due: Due, state: IncidentState, owner: Ownership, rulebook: Rulebook, now: datetime) -> EscalateIncident:
    told = level_up(owner, due.level)
    at_the_top = len(told.path) == 1
    every_s = rulebook.category(state.category).deadlines.escalate_every_s
    return EscalateIncident(
        level=due.level,
        deadline=due.kind,
        to=told,
        assignment_id=due.key[1] if due.kind == ACKNOWLEDGE else None,
        due_at=due.due_at,
        noticed_at=now,
        next_due_at=None if at_the_top else now + timedelta(seconds=every_s),
        explanation=Explanation(
            policy=POLICY,
            input_positions=(due.position,),
            candidates=tuple(
                Candidate(id=str(center_id), chosen=center_id == told.center_id) for center_id in reversed(owner.path)
            ),
            reasons=(
                Reason(
                    code=f"escalation.{due.kind}_missed",
                    values={"level": str(due.level), "due_at": due.due_at.isoformat(), "category": state.category},
                ),
            ),
        ),
    )


def level_up(owner: Ownership, level: int) -> Ownership:
    """The center `level` steps above the owner, at most the city. The owner at the top is told itself."""
    path = owner.path[: max(1, len(owner.path) - level)]
    return Ownership(center_id=path[-1], path=path)
