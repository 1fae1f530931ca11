"""Shifts and hand-overs: nobody is on two shifts, nothing open is off a list, one signature a hand-over at most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from dispatch.simulation.oracles import orders
from dispatch.simulation.reading import Story
from domain.casework import events as case
from domain.event import Event, Fact
from domain.handover import events as handover
from domain.incident import events as incident
from domain.operator.events import ShiftEnded, ShiftStarted
from domain.vocabulary import ClaimsOnSigning

WENT_HOME = timedelta(seconds=15)
"""Who is on shift is looked up when a signature comes in, and may go home before it is recorded."""
ENDED = frozenset({"incident.closed", "incident.dismissed"})


@dataclass(slots=True)
class OpenCase:
    """Who has a part in a case that is open."""

    supervision: UUID
    arbiter: UUID
    department: UUID | None = None
    in_arbitration: bool = False

    def concerns(self, center_id: UUID) -> bool:
        """Whether a center has a part in it."""
        return center_id in (self.supervision, self.department) or (self.in_arbitration and center_id == self.arbiter)


@dataclass(slots=True)
class City:
    """What is open where, and who has it, by the facts so far."""

    owners: dict[UUID, UUID] = field(default_factory=dict)
    off: set[UUID] = field(default_factory=set)
    """Incidents that have ended or were merged."""
    claims: dict[UUID, UUID] = field(default_factory=dict)
    commands: dict[UUID, orders.Command] = field(default_factory=dict)
    cases: dict[UUID, OpenCase] = field(default_factory=dict)
    shifts: dict[UUID, UUID] = field(default_factory=dict)
    went_home_at: dict[UUID, datetime] = field(default_factory=dict)

    def open_at(self, center_id: UUID) -> tuple[set[UUID], set[UUID], set[UUID]]:
        """Incidents, orders and cases that a list of this center must hold."""
        return (
            {one for one, owner in self.owners.items() if owner == center_id and one not in self.off},
            {one for one, command in self.commands.items() if center_id in command.waiting},
            {one for one, found in self.cases.items() if found.concerns(center_id)},
        )


def broken_handovers(story: Story) -> Iterator[str]:
    """What does not hold of any shift or hand-over."""
    lists = _lists(story)
    city, offered, answered = City(), dict[UUID, handover.HandoverOffered](), dict[UUID, int]()
    signed: list[tuple[Fact[Event], handover.HandoverSigned]] = []
    for fact in story.facts:
        while signed and fact.recorded_at > signed[0][0].recorded_at:
            yield from _claims(city, offered, *signed.pop(0))
        _incident(city, fact)
        _case(city, fact)
        for _ in orders.take(city.commands, fact):
            pass  # what is wrong with an order is told elsewhere
        yield from _shift(city, fact)
        match fact.event:
            case handover.HandoverOffered() as event:
                offered[fact.stream_id] = event
                if event.giver_id == event.taker_id:
                    yield f"handover: at {fact.position} {event.giver_id} hands over to itself"
            case handover.HandoverSigned() | handover.HandoverDeclined():
                if fact.stream_id in answered:
                    yield f"handover: {fact.stream_id} was answered at {answered[fact.stream_id]} and {fact.position}"
                answered[fact.stream_id] = fact.position
                if isinstance(fact.event, handover.HandoverSigned):
                    yield from _signed(city, offered[fact.stream_id], fact, fact.event)
                    signed.append((fact, fact.event))
            case _:
                pass
        for listed in lists.get(fact.position, ()):
            yield from _listed(city, listed)
    for each in signed:
        yield from _claims(city, offered, *each)


def _lists(story: Story) -> dict[int, list[Fact[Event]]]:
    """The offers by the position as of which they list what is open: several centers may have looked at one moment."""
    found: dict[int, list[Fact[Event]]] = {}
    for fact in story.facts:
        if isinstance(fact.event, handover.HandoverOffered):
            found.setdefault(fact.event.incidents_position, []).append(fact)
    return found


def _incident(city: City, fact: Fact[Event]) -> None:
    match fact.event:
        case incident.IncidentOpened(owner=owner) | incident.IncidentRouted(owner=owner):
            city.owners[fact.stream_id] = owner.center_id
        case incident.TransferAccepted(owner=owner):
            city.owners[fact.stream_id] = owner.center_id
        case incident.IncidentClosed() | incident.IncidentDismissed() | incident.IncidentMerged():
            city.off.add(fact.stream_id)
        case incident.IncidentReopened() | incident.IncidentUnmerged():
            city.off.discard(fact.stream_id)
        case incident.IncidentClaimed(operator_id=operator_id):
            city.claims[fact.stream_id] = operator_id
        case incident.ClaimReleased():
            city.claims.pop(fact.stream_id, None)
        case _:
            pass


def _case(city: City, fact: Fact[Event]) -> None:
    case_id = fact.stream_id
    match fact.event:
        case case.CaseFiled(supervision=supervision, arbiter=arbiter):
            city.cases[case_id] = OpenCase(supervision.center_id, arbiter.center_id)
        case case.CaseAssigned(department=department) | case.CaseArbitrated(department=department):
            city.cases[case_id].department = department.center.center_id
            city.cases[case_id].in_arbitration = False
        case case.CaseReturned():
            city.cases[case_id].department = None
        case case.CaseSentToArbiter():
            city.cases[case_id].in_arbitration = True
        case case.CaseClosed() | case.CaseVoided():
            del city.cases[case_id]
        case _:
            pass


def _shift(city: City, fact: Fact[Event]) -> Iterator[str]:
    match fact.event:
        case ShiftStarted(center_id=center_id):
            if fact.stream_id in city.shifts:
                yield f"shift: at {fact.position} {fact.stream_id} begins one while on another"
            city.shifts[fact.stream_id] = center_id
        case ShiftEnded(center_id=center_id):
            if city.shifts.pop(fact.stream_id, None) != center_id:
                yield f"shift: at {fact.position} {fact.stream_id} ends one that did not go on"
            city.went_home_at[fact.stream_id] = fact.recorded_at
        case _:
            pass


def _listed(city: City, fact: Fact[Event]) -> Iterator[str]:
    """Nothing that was open at the position of the lists is left out, and nothing else is on them."""
    event = fact.event
    assert isinstance(event, handover.HandoverOffered), "asked for nothing else"
    listed = (
        {one.incident_id for one in event.incidents},
        {one.order_id for one in event.orders},
        {one.case_id for one in event.cases},
    )
    kinds = ("incidents", "orders", "cases")
    for kind, found, expected in zip(kinds, listed, city.open_at(event.center_id), strict=True):
        if missing := expected - found:
            yield f"handover: the list at {fact.position} leaves out {len(missing)} {kind}, {min(missing)} first"
        # An incident that was merged stays on the board while a crew of it owes its answer.
        if (strange := found - expected) and not (kind == "incidents" and strange <= city.off):
            yield f"handover: the list at {fact.position} names {len(strange)} {kind} that are not open there"


def _signed(
    city: City, offered: handover.HandoverOffered, fact: Fact[Event], event: handover.HandoverSigned
) -> Iterator[str]:
    if event.operator_id != offered.taker_id:
        yield f"handover: at {fact.position} {event.operator_id} signs for {offered.taker_id}"
    went_home_at = city.went_home_at.get(event.operator_id)
    just_left = went_home_at is not None and fact.recorded_at - went_home_at < WENT_HOME
    if city.shifts.get(event.operator_id) != offered.center_id and not just_left:
        yield f"handover: at {fact.position} {event.operator_id} signs and is not on shift there"


def _claims(
    city: City, offered: Mapping[UUID, handover.HandoverOffered], fact: Fact[Event], event: handover.HandoverSigned
) -> Iterator[str]:
    """Once all of the signature is recorded, the giver has none of them any more; the taker has, if it takes them."""
    giver_id = offered[fact.stream_id].giver_id
    for incident_id in event.incident_ids:
        has_it = city.claims.get(incident_id)
        takes = event.claims is ClaimsOnSigning.TAKE and incident_id not in city.off
        if has_it == giver_id or (takes and has_it != event.operator_id):
            yield f"handover: after {fact.position} {has_it} has {incident_id}, signed for with {event.claims}"
