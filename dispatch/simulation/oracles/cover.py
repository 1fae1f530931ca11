"""Minimum cover: a gap is told when there is one, who is asked can go, and who goes stands by in the same decision.

What the keeper of cover knew is a position that it names; what was free then is counted here again, from the facts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID

from dispatch.simulation.city import CITY, rules
from dispatch.simulation.reading import Story
from domain.aid.events import AidCommitted, AidReleased
from domain.assignment import events as unit
from domain.cover import events as cover
from domain.event import Event, Explanation, Fact
from domain.identifiers import cover_of
from domain.ownership import Ownership
from domain.rulebook.content import CoverRule

RULES: Mapping[UUID, CoverRule] = {cover_of(CITY, rule.code): rule for rule in rules(1).cover}
"""By their streams. Both versions of the rules say the same of cover."""


@dataclass(frozen=True, slots=True)
class Crew:
    """A unit as far as cover goes."""

    registered: unit.UnitRegistered
    on_duty: bool = False
    busy: frozenset[UUID] = frozenset()
    """Its open assignments."""
    kept: frozenset[UUID] = frozenset()
    """Reservations that have begun."""
    lent: frozenset[UUID] = frozenset()
    """Requests for aid for which it is promised."""
    posted: Ownership | None = None

    @property
    def is_free(self) -> bool:
        """Whether it counts at all."""
        return self.on_duty and not (self.busy or self.kept or self.lent)

    def fits(self, rule: CoverRule) -> bool:
        """Whether it is such a unit."""
        return self.registered.kind in rule.kinds and rule.agency in (None, self.registered.agency)

    def is_of(self, center_id: UUID) -> bool:
        """Whether it counts for a center."""
        return center_id in (self.posted or self.registered.base).path


Crews = dict[UUID, Crew]


@dataclass(slots=True)
class Gap:
    """What is known of one rule."""

    is_open: bool = False
    asked: cover.MoveSuggested | None = None
    declined: set[UUID] = field(default_factory=set)


@dataclass(slots=True)
class Watched:
    """The city by the facts so far, and as it was at the positions of which the keeper speaks."""

    centers: Mapping[str, Ownership]
    crews: Crews = field(default_factory=dict)
    then: dict[int, Crews] = field(default_factory=dict)
    gaps: dict[UUID, Gap] = field(default_factory=lambda: {stream_id: Gap() for stream_id in RULES})
    accepted: dict[UUID, Fact[Event]] = field(default_factory=dict)
    posted: dict[UUID, Fact[Event]] = field(default_factory=dict)
    """By the suggestion."""

    def free(self, rule: CoverRule, crews: Crews) -> set[UUID]:
        """Who is free there."""
        center_id = self.centers[rule.center_code].center_id
        return {key for key, crew in crews.items() if crew.is_free and crew.fits(rule) and crew.is_of(center_id)}


def broken_cover(story: Story, centers: Mapping[str, Ownership]) -> Iterator[str]:
    """What does not hold of cover. `centers`: those of the city, by their codes."""
    wanted = {known for fact in story.facts for known in _known(fact)}
    city = Watched(centers)
    for fact in story.facts:
        if fact.stream_id in RULES:
            yield from _ruled(city, fact)
        else:
            yield from _of_unit(city, fact)
        if fact.position in wanted:
            city.then[fact.position] = dict(city.crews)
    for key in city.accepted.keys() ^ city.posted.keys():
        yield f"cover: the suggestion {key} was accepted and nobody stands by, or the other way round"
    for key, fact in city.accepted.items():
        if key in city.posted and city.posted[key].recorded_at != fact.recorded_at:
            yield f"cover: that at {fact.position} was accepted and that somebody stands by are two decisions"
    for stream_id, rule in RULES.items():
        free, is_open = len(city.free(rule, city.crews)), city.gaps[stream_id].is_open
        if (free < rule.minimum) is not is_open:
            yield f"cover: at the end {free} are free for {rule.code}, and a gap is told: {is_open}"


def _known(fact: Fact[Event]) -> tuple[int, ...]:
    """Up to which position the keeper knew when it said this."""
    why = getattr(fact.event, "explanation", None)
    return why.input_positions if isinstance(why, Explanation) and why.policy == "cover" else ()


def _ruled(city: Watched, fact: Fact[Event]) -> Iterator[str]:
    rule, gap, at = RULES[fact.stream_id], city.gaps[fact.stream_id], f"{fact.event.name} at {fact.position}"
    event = fact.event
    match event:
        case cover.CoverFell() | cover.CoverRestored():
            falls = isinstance(event, cover.CoverFell)
            free = len(city.free(rule, city.then[_known(fact)[0]]))
            if gap.is_open is falls:
                yield f"cover: {at} says again what was said"
            if (event.required, event.free) != (rule.minimum, free) or (free < rule.minimum) is not falls:
                yield f"cover: {at} counts {event.free} of {event.required}, {free} of {rule.minimum} were free"
            gap.is_open = falls
            if not falls:
                gap.declined.clear()
        case cover.MoveSuggested():
            yield from _suggested(city, fact.stream_id, fact, event)
            gap.asked = event
        case cover.MoveAccepted() | cover.MoveDeclined() | cover.MoveWithdrawn():
            open_one = None if gap.asked is None else (gap.asked.suggestion_id, gap.asked.unit_id)
            if open_one != (event.suggestion_id, event.unit_id):
                yield f"cover: {at} is about a suggestion that is not open"
            gap.asked = None
            if isinstance(event, cover.MoveDeclined):
                gap.declined.add(event.unit_id)
            if isinstance(event, cover.MoveAccepted):
                city.accepted[event.suggestion_id] = fact
        case _:
            pass


def _suggested(city: Watched, stream_id: UUID, fact: Fact[Event], event: cover.MoveSuggested) -> Iterator[str]:
    rule, gap, at = RULES[stream_id], city.gaps[stream_id], f"{fact.event.name} at {fact.position}"
    then = city.then[_known(fact)[0]]
    crew, target = then[event.unit_id], city.centers[rule.center_code]
    if not gap.is_open or gap.asked is not None:
        yield f"cover: {at} asks although nothing is missing, or somebody was asked"
    if any(other.asked is not None and other.asked.unit_id == event.unit_id for other in city.gaps.values()):
        yield f"cover: {at} asks whom another one asks"
    if event.unit_id in gap.declined:
        yield f"cover: {at} asks again who shall not"
    if not crew.is_free or not crew.fits(rule) or crew.posted is not None or crew.is_of(target.center_id):
        yield f"cover: {at} asks {event.call_sign}, which cannot: {crew}"
    for other in RULES.values():
        free = city.free(other, then)
        stays = city.centers[other.center_code].center_id in target.path
        if event.unit_id in free and not stays and len(free) <= other.minimum:
            yield f"cover: {at} takes {event.call_sign} from {other.code}, which needs it"


def _of_unit(city: Watched, fact: Fact[Event]) -> Iterator[str]:  # noqa: C901  # one case a fact, none nested
    key, event, crews = fact.stream_id, fact.event, city.crews
    match event:
        case unit.UnitRegistered():
            crews[key] = Crew(event)
        case unit.UnitWentOnDuty() | unit.UnitWentOffDuty():
            crews[key] = replace(crews[key], on_duty=isinstance(event, unit.UnitWentOnDuty))
        case unit.AssignmentMade(assignment_id=one):
            crews[key] = replace(crews[key], busy=crews[key].busy | {one})
        case unit.AssignmentCleared() | unit.AssignmentDeclined() | unit.AssignmentCancelled():
            crews[key] = replace(crews[key], busy=crews[key].busy - {event.assignment_id})
        case unit.ReservationBegan(reservation_id=one):
            crews[key] = replace(crews[key], kept=crews[key].kept | {one})
        case unit.ReservationExpired(reservation_id=one) | unit.ReservationReleased(reservation_id=one):
            crews[key] = replace(crews[key], kept=crews[key].kept - {one})
        case AidCommitted(units=units):
            for lent in units:
                crews[lent.unit_id] = replace(crews[lent.unit_id], lent=crews[lent.unit_id].lent | {key})
        case AidReleased(unit_ids=unit_ids):
            for one in unit_ids:
                crews[one] = replace(crews[one], lent=crews[one].lent - {key})
        case unit.UnitPosted():
            if crews[key].posted is not None or not crews[key].on_duty or crews[key].busy:
                yield f"cover: at {fact.position} {key} stands by, and it cannot: {crews[key]}"
            if event.suggestion_id is not None:
                city.posted[event.suggestion_id] = fact
            crews[key] = replace(crews[key], posted=event.center)
        case unit.UnitRecalled():
            yield from _recalled(city, fact)
            crews[key] = replace(crews[key], posted=None)
        case _:
            pass


def _recalled(city: Watched, fact: Fact[Event]) -> Iterator[str]:
    """The rule calls home who stands by where enough are free without those who do."""
    posted = city.crews[fact.stream_id].posted
    if posted is None:
        yield f"cover: at {fact.position} {fact.stream_id} is called home, and it stands by nowhere"
        return
    for known in _known(fact):
        then = city.then[known]
        there = [rule for rule in RULES.values() if city.centers[rule.center_code].center_id == posted.center_id]
        guests = {key for key, crew in then.items() if crew.posted == posted}
        if not any(len(city.free(rule, then) - guests) >= rule.minimum for rule in there):
            yield f"cover: at {fact.position} {fact.stream_id} is called home, and is needed there"
