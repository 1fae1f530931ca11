"""Alarm levels: each change begins where the last one ended, nothing is lowered but by a person, and levels add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias
from uuid import UUID

from dispatch.simulation.city import rules
from dispatch.simulation.reading import Story
from domain.event import Event, Fact
from domain.incident import events as incident
from domain.incident.plan_events import AlarmLowered, AlarmRaised, WantedUnits
from domain.policies.escalation import answered_late_at
from domain.rulebook.plans import ResponseRule
from domain.vocabulary import ActorKind, Severity

Asked: TypeAlias = Counter[tuple[str, tuple[str, ...], tuple[str, ...]]]
"""(agency, kinds, skills) → units."""


@dataclass(slots=True)
class Fire:
    """An incident as far as its alarm goes."""

    category: str
    severity: Severity
    level: int = 1
    is_bad_anew: bool = True
    """Something was said of how bad it is since a person last lowered the alarm."""
    missed: set[str] = field(default_factory=set)
    """Deadlines missed since then, and since it was last reopened."""


def broken_alarms(story: Story) -> Iterator[str]:
    """What does not hold of any alarm."""
    fires: dict[UUID, Fire] = {}
    for fact in story.facts:
        if isinstance(fact.event, incident.IncidentOpened):
            fires[fact.stream_id] = Fire(fact.event.category, fact.event.severity)
        elif isinstance(fact.event, AlarmRaised | AlarmLowered):
            yield from _changed(fires[fact.stream_id], fact, fact.event)
            fires[fact.stream_id].level = fact.event.to_level
        if fact.stream_id in fires:
            _follow(fires[fact.stream_id], fact.event)


def _follow(fire: Fire, event: Event) -> None:
    match event:
        case incident.IncidentClassified(category=category, severity=severity):
            fire.category, fire.severity, fire.is_bad_anew = category, severity, True
        case incident.SeverityRaised(to_severity=severity):
            fire.severity, fire.is_bad_anew = severity, True
        case incident.IncidentReopened():
            fire.is_bad_anew = True
            fire.missed.clear()
        case incident.IncidentEscalated(explanation=why, deadline=deadline) if answered_late_at(why) is None:
            fire.missed.add(deadline)
        case AlarmLowered():
            fire.is_bad_anew = False
            fire.missed.clear()
        case _:
            pass


def _changed(fire: Fire, fact: Fact[Event], event: AlarmRaised | AlarmLowered) -> Iterator[str]:
    at = f"{event.name} at {fact.position}"
    raises = isinstance(event, AlarmRaised)
    if event.from_level != fire.level or (event.to_level > event.from_level) is not raises:
        yield f"alarm: {at} goes from {event.from_level} to {event.to_level}, it was {fire.level}"
    by_person = fact.envelope.actor.kind is ActorKind.OPERATOR
    if by_person is (event.reason is None):
        yield f"alarm: {at} has the reason {event.reason}, of a person: {by_person}"
    if isinstance(event, AlarmLowered) and not by_person:
        yield f"alarm: {at} is by {fact.envelope.actor.id}, which is no person"
    if isinstance(event, AlarmRaised) and not by_person and event.to_level != _due(fire, fact):
        yield f"alarm: {at} goes to {event.to_level}, so bad a one that was left so long is at {_due(fire, fact)}"
    wanted = Asked()
    _add(wanted, event.wanted)
    if wanted != (asked := _asked(fire, fact, event.to_level)):
        yield f"alarm: {at} asks for {dict(wanted)}, the levels up to it for {dict(asked)}"


def _due(fire: Fire, fact: Fact[Event]) -> int:
    """The highest level for which it is bad enough, or a deadline of which was missed."""
    plans = [plan for plan in rules(fact.envelope.rule_version or 1).plans if plan.category == fire.category]
    levels = [each for plan in plans for each in plan.levels]
    bad = [each.level for each in levels if each.from_severity is not None and each.from_severity <= fire.severity]
    left = [each.level for each in levels if not fire.missed.isdisjoint(each.after_missed)]
    reached: list[int] = [1, *left, *(bad if fire.is_bad_anew else ())]
    return max(reached)


def _asked(fire: Fire, fact: Fact[Event], level: int) -> Asked:
    """What all levels up to this one ask for. No category of the city has two plans."""
    rulebook, found = rules(fact.envelope.rule_version or 1), Asked()
    plans = [plan for plan in rulebook.plans if plan.category == fire.category]
    if not plans:
        _add(found, rulebook.category(fire.category).response)
    for plan in plans:
        for each in plan.levels[:level]:
            _add(found, each.response)
    return found


def _add(found: Asked, rows: Iterable[WantedUnits | ResponseRule]) -> None:
    for row in rows:
        found[row.agency, tuple(sorted(row.unit_kinds)), tuple(sorted(row.skills))] += row.units
