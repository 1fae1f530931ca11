"""Units: on one incident at a time, and on none only if nothing waits; a diversion is whole, and told to who loses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import zip_longest
from uuid import UUID

from dispatch.simulation.city import rules
from dispatch.simulation.reading import Story
from domain.assignment import events as unit
from domain.event import Event, Fact
from domain.incident import events as incident
from domain.incident.diversion import UnitDiverted

WAITING_MAX = rules(1).stacking.waiting_max
WAS_READ = timedelta(seconds=15)
"""How old what a decision read of an incident that it does not write may be when it is recorded."""


@dataclass(slots=True)
class City:
    """What is known of incidents by the facts so far."""

    heads: dict[UUID, UUID] = field(default_factory=dict)
    """Merged incident → what it was merged into."""
    priorities: dict[UUID, list[tuple[datetime, int]]] = field(default_factory=dict)
    """Since when which, the latest last."""

    def head(self, incident_id: UUID) -> UUID:
        """Who decides for it."""
        while incident_id in self.heads:
            incident_id = self.heads[incident_id]
        return incident_id

    def priority(self, incident_id: UUID) -> int:
        """What it is now."""
        return self.priorities[incident_id][-1][1]

    def priority_least(self, incident_id: UUID, at: datetime) -> int:
        """The most urgent that it was when it may have been read."""
        said = self.priorities[incident_id]
        over = [until for (until, _) in said[1:]] + [at]
        return min(value for (_, value), until in zip(said, over, strict=True) if until >= at - WAS_READ)

    def take(self, fact: Fact[Event]) -> None:
        """What a fact changes."""
        match fact.event:
            case incident.IncidentMerged(into_incident_id=head):
                self.heads[fact.stream_id] = head
            case incident.IncidentUnmerged():
                self.heads.pop(fact.stream_id, None)
            case (
                incident.IncidentOpened(priority=priority)
                | incident.IncidentClassified(priority=priority)
                | incident.SeverityRaised(priority=priority)
            ):
                self.priorities.setdefault(fact.stream_id, []).append((fact.recorded_at, priority))
            case _:
                pass


@dataclass(slots=True)
class Crew:
    """A unit as its facts tell it."""

    has: dict[UUID, UUID] = field(default_factory=dict)
    """Assignment → incident, of those that are open."""
    waits: dict[UUID, int] = field(default_factory=dict)
    """Assignments that wait for it, with their place."""

    @property
    def at_hand(self) -> list[UUID]:
        """What it is on."""
        return [one for one in self.has if one not in self.waits]


@dataclass(slots=True)
class Diversions:
    """The three facts of each, by the assignment that it ended."""

    lost: dict[UUID, Fact[Event]] = field(default_factory=dict)
    gained: dict[UUID, Fact[Event]] = field(default_factory=dict)
    told: dict[UUID, Fact[Event]] = field(default_factory=dict)


def broken_units(story: Story) -> Iterator[str]:
    """What does not hold of any unit."""
    city, diversions, crews = City(), Diversions(), dict[UUID, Crew]()
    for fact, following in zip_longest(story.facts, story.facts[1:]):
        city.take(fact)
        yield from _diverted(diversions, city, fact)
        if fact.event.name.startswith("assignment."):
            crew = crews.setdefault(fact.stream_id, Crew())
            yield from _step(crew, fact)
            is_last = following is None or (following.stream_id, following.recorded_at) != (
                fact.stream_id,
                fact.recorded_at,
            )
            if is_last:
                yield from _settled(crew, fact)
    parts = (diversions.lost, diversions.gained, diversions.told)
    for assignment_id in sorted(diversions.lost.keys() | diversions.gained.keys() | diversions.told.keys()):
        if not all(assignment_id in part for part in parts):
            there = " and ".join(str(part[assignment_id].position) for part in parts if assignment_id in part)
            yield f"divert: of what ended {assignment_id} only {there} is there"


def _diverted(diversions: Diversions, city: City, fact: Fact[Event]) -> Iterator[str]:
    """The incident is told last: by then the other two facts are there."""
    match fact.event:
        case unit.AssignmentCancelled(assignment_id=key, diverted_to=UUID()):
            diversions.lost[key] = fact
        case unit.AssignmentMade(instead_of=UUID() as key):
            diversions.gained[key] = fact
        case UnitDiverted() as event:
            diversions.told[event.assignment_id] = fact
            lost, gained = (part.get(event.assignment_id) for part in (diversions.lost, diversions.gained))
            if lost is not None and gained is not None:
                yield from _whole(city, lost, gained, fact)
        case _:
            pass


def _whole(city: City, lost: Fact[Event], gained: Fact[Event], told: Fact[Event]) -> Iterator[str]:
    ended, made, event = lost.event, gained.event, told.event
    assert isinstance(ended, unit.AssignmentCancelled), "kept as such"
    assert isinstance(made, unit.AssignmentMade), "kept as such"
    assert isinstance(event, UnitDiverted), "kept as such"
    at = f"the one at {told.position}"
    if len({lost.recorded_at, gained.recorded_at, told.recorded_at}) > 1:
        yield f"divert: {at} is no one decision: {lost.position}, {gained.position}"
    if {lost.stream_id, gained.stream_id} != {event.unit_id}:
        yield f"divert: {at} tells of another unit"
    if {ended.diverted_to, made.incident_id} != {event.to_incident_id} or made.diverted_from != ended.incident_id:
        yield f"divert: {at} goes from {made.diverted_from} to {made.incident_id}, told was {ended.diverted_to}"
    if city.head(ended.incident_id) != told.stream_id:
        yield f"divert: {at} is told to {told.stream_id}, {city.head(ended.incident_id)} decides for who lost the unit"
    gives, takes = city.priority(told.stream_id), city.priority_least(event.to_incident_id, told.recorded_at)
    if event.override is None and gives < takes:
        yield f"divert: {at} takes a unit off priority {gives} for priority {takes}, and nobody said why"


def _step(crew: Crew, fact: Fact[Event]) -> Iterator[str]:
    event = fact.event
    match event:
        case unit.AssignmentMade():
            if event.incident_id in crew.has.values():
                yield f"unit: at {fact.position} {event.call_sign} is put on {event.incident_number} again"
            crew.has[event.assignment_id] = event.incident_id
            if event.stack_place is not None:
                crew.waits[event.assignment_id] = event.stack_place
        case unit.AssignmentWaits(assignment_id=key, place=place):
            crew.waits[key] = place
        case unit.AssignmentPromoted(assignment_id=key):
            is_next = crew.waits.get(key) == min(crew.waits.values(), default=None)
            if key not in crew.waits or (event.explanation is not None and not is_next):
                yield f"stack: at {fact.position} {key} has its turn: it is at {crew.waits.get(key)} of {crew.waits}"
            crew.waits.pop(key, None)
        case unit.UnitEnRoute(assignment_id=key) | unit.UnitOnScene(assignment_id=key) if key in crew.waits:
            yield f"stack: at {fact.position} {fact.stream_id} moves for {key}, which waits for it"
        case unit.AssignmentCleared() | unit.AssignmentDeclined() | unit.AssignmentCancelled():
            crew.has.pop(event.assignment_id, None)
            crew.waits.pop(event.assignment_id, None)
        case _:
            return
    if len(crew.at_hand) > 1:
        yield f"unit: at {fact.position} {fact.stream_id} is on {len(crew.at_hand)} incidents"


def _settled(crew: Crew, fact: Fact[Event]) -> Iterator[str]:
    """After each decision what waits has the places from the first on, and a unit that is on nothing has nothing that
    waits."""
    if crew.waits and not crew.at_hand:
        yield f"stack: after {fact.position} {fact.stream_id} is on nothing, and {len(crew.waits)} wait for it"
    if sorted(crew.waits.values()) != list(range(1, len(crew.waits) + 1)):
        yield f"stack: after {fact.position} the places of what waits for {fact.stream_id} are {crew.waits}"
    if len(crew.waits) > WAITING_MAX:
        yield f"stack: after {fact.position} {len(crew.waits)} wait for {fact.stream_id}, {WAITING_MAX} may"
