"""Deadlines: each is met, or recorded as missed once, by how much; an offer of a transfer has exactly one end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from dispatch.simulation.oracles.casework import STOPS
from dispatch.simulation.oracles.clocks import wrong_lateness
from dispatch.simulation.reading import Story
from domain.aid.events import AidRequested
from domain.assignment import state as unit
from domain.assignment.events import AssignmentMade, ReservationReleased, UnitReserved
from domain.casework.events import limit_in
from domain.center.events import TreeChangeCalledOff, TreeChangeScheduled
from domain.event import Event
from domain.headquarters.events import HeadquartersExtended, HeadquartersOpened, HeadquartersStoodDown
from domain.incident.decider import decide
from domain.incident.events import (
    IncidentClosed,
    IncidentDismissed,
    IncidentEscalated,
    IncidentResolved,
    TransferAccepted,
    TransferDeclined,
    TransferOffered,
    TransferTimedOut,
)
from domain.order.events import OrderAmended, OrderExtended, OrderIssued, OrderLifted
from domain.policies.escalation import ENDS_ACKNOWLEDGE, Due, DueList, answer
from domain.refusals import Refusal
from domain.rulebook.content import Rulebook
from domain.rulebook.events import RulebookScheduled
from domain.vocabulary import AssignmentPhase

OPEN_MAX = 100_000
FAR = timedelta(days=365)
SOON = timedelta(seconds=3)
"""Within which the timers see what has passed, whosever clock is wrong."""


def owed(story: Story, rulebook: Rulebook, now: datetime) -> list[Due]:
    """Deadlines that run or have passed and still ask for something."""
    dues = DueList()
    for fact in story.facts:
        dues.apply(fact)
    return [due for due in dues.until(now + FAR, OPEN_MAX) if _asks(due, story, rulebook, now)]


def still_due(story: Story, now: datetime) -> list[str]:
    """Deadlines that lie ahead, beside those of incidents, whatever will be owed when they pass."""
    ahead: dict[tuple[UUID, str], datetime] = {}
    for fact in story.facts:
        for kind in _dropped(fact.event):
            ahead.pop((fact.stream_id, kind), None)
        for kind, at in _set(fact.event).items():
            ahead[fact.stream_id, kind] = at
    return [f"the {kind} of {stream_id} is due at {at}" for (stream_id, kind), at in ahead.items() if at + SOON > now]


def _set(event: Event) -> Mapping[str, datetime]:
    """Deadlines that run from a fact on, by their kind."""
    limit = limit_in(event)
    if limit is not None and limit.red_at is not None:
        return {"limit": limit.red_at}
    match event:
        case OrderIssued(order=order) | OrderAmended(order=order) | OrderExtended(order=order):
            return {"order": order.expires_at}
        case RulebookScheduled(version=version, effective_at=effective_at):
            return {f"version {version}": effective_at}
        case AidRequested(answer_by=answer_by):
            return {"answer": answer_by}
        case HeadquartersOpened(ends_at=ends_at) | HeadquartersExtended(ends_at=ends_at):
            return {"headquarters": ends_at}
        case TreeChangeScheduled(effective_at=effective_at):
            return {"tree": effective_at}
        case UnitReserved(reservation_id=key, begins_at=begins_at, ends_at=ends_at):
            return {f"beginning of {key}": begins_at, f"end of {key}": ends_at}
        case _:
            return {}


def _dropped(event: Event) -> Sequence[str]:
    """Kinds of deadlines that run no more after a fact."""
    match event:
        case OrderLifted():
            return ("order",)
        case HeadquartersStoodDown():
            return ("headquarters",)
        case TreeChangeCalledOff():
            return ("tree",)
        case ReservationReleased(reservation_id=key):
            return (f"beginning of {key}", f"end of {key}")
        case _:
            return ("limit",) if event.name in STOPS else ()


def _asks(due: Due, story: Story, rulebook: Rulebook, now: datetime) -> bool:
    if due.unit_id is not None and due.answered_at is None:
        state = unit.INITIAL
        for fact in story.streams.get(due.unit_id, []):
            state = unit.evolve(state, fact.event)
        found = state.assignments.get(due.key[1])
        if found is None or found.phase is not AssignmentPhase.MADE:
            return False
    incident = head = story.state(due.incident_id)
    while head.merge is not None:
        head = story.state(head.merge.into_incident_id)
    command = answer(due, incident, rulebook, max(now, due.due_at), head=None if head is incident else head)
    decided = decide(command, incident) if command is not None else ()
    return bool(decided) and not isinstance(decided, Refusal)


def broken_deadlines(story: Story, rulebook: Rulebook, now: datetime) -> Iterator[str]:
    """What is owed at the end, what was said twice, and what was said with a wrong lateness."""
    for due in owed(story, rulebook, now):
        yield f"deadline: {due.kind} of {due.incident_id}, due {due.due_at:%H:%M:%S}, was neither met nor recorded"
    yield from _answered_too_late(story)
    said: Counter[tuple[object, ...]] = Counter()
    for fact in story.facts:
        match fact.event:
            case IncidentEscalated(due_at=due_at, late_s=late_s) as told:
                said[fact.stream_id, told.deadline, told.assignment_id, told.level, due_at] += 1
                yield from wrong_lateness(fact, due_at, late_s)
            case TransferTimedOut(due_at=due_at, late_s=late_s):
                yield from wrong_lateness(fact, due_at, late_s)
            case _:
                pass
    for (incident_id, kind, _, level, at), times in said.items():
        if times > 1:
            yield f"deadline: {kind} of {incident_id}, level {level}, due {at}, was recorded {times} times"
    yield from _offers(story)


def _offers(story: Story) -> Iterator[str]:
    """Each ends once: by an answer, by the timers, or because who is above both centers moved the incident meanwhile.

    A move is offered and accepted in one decision, without asking: two facts in a row.
    """
    ended: Counter[UUID] = Counter()
    waiting: dict[UUID, dict[UUID, int]] = {}
    for fact in story.facts:
        match fact.event:
            case TransferOffered(transfer_id=transfer_id):
                waiting.setdefault(fact.stream_id, {})[transfer_id] = fact.position
            case (
                TransferTimedOut(transfer_id=key)
                | TransferDeclined(transfer_id=key)
                | TransferAccepted(transfer_id=key)
            ):
                of_incident = waiting.get(fact.stream_id, {})
                ended[key] += 1
                if of_incident.pop(key, None) == fact.position - 1 and isinstance(fact.event, TransferAccepted):
                    ended.update(of_incident.keys())
                    of_incident.clear()
            case _:
                pass
    for fact in story.facts:
        if isinstance(fact.event, TransferOffered) and ended[fact.event.transfer_id] != 1:
            yield f"transfer: the offer at {fact.position} ended {ended[fact.event.transfer_id]} times"


def _answered_too_late(story: Story) -> Iterator[str]:
    """By the facts alone: a crew that answered after its deadline was late, whether a timer looked in between or not.

    If the incident had ended by then, or its head, the deadline may have rested.
    """
    due: dict[UUID, AssignmentMade] = {}
    recorded = {event.assignment_id for event in (f.event for f in story.facts) if isinstance(event, IncidentEscalated)}
    has_ended = False
    for fact in story.facts:
        event = fact.event
        has_ended = has_ended or isinstance(event, IncidentResolved | IncidentClosed | IncidentDismissed)
        if isinstance(event, AssignmentMade) and event.acknowledge_by is not None:
            due[event.assignment_id] = event
        elif isinstance(event, ENDS_ACKNOWLEDGE) and event.assignment_id in due:
            made = due.pop(event.assignment_id)
            assert made.acknowledge_by is not None
            is_late = fact.envelope.occurred_at > made.acknowledge_by
            if is_late and made.assignment_id not in recorded and not has_ended:
                yield f"deadline: {made.call_sign} answered too late at {fact.position}, and it was never missed"
