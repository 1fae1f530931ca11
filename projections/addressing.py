"""Which incident a fact is about. Pure: every fact off the decision stream carries the incident's id."""

from __future__ import annotations

from uuid import UUID

from domain.assignment import events as assignment
from domain.casework import events as casework
from domain.checklist import events as checklist
from domain.event import Event, Fact
from domain.incident import events as incident
from domain.outcome import events as outcome
from domain.report import events as report

_PAIRED: tuple[type[Event], ...] = (incident.IncidentAbsorbed, incident.IncidentReleased)
"""On the head's own stream; their `incident_id` is the *other* incident."""

COMPANIONS: tuple[type[Event], ...] = tuple(
    event
    for event in incident.EVENTS
    if "incident_id" in event.model_fields and event is not incident.NumberAllocated and event not in _PAIRED
)
"""On the companion stream; each carries `incident_id`."""

ASSIGNMENTS: tuple[type[Event], ...] = tuple(e for e in assignment.EVENTS if e.name.startswith("assignment."))
"""On the unit's stream; each carries `incident_id`."""

CASES: tuple[type[Event], ...] = casework.EVENTS
"""On the case's stream; each carries `incident_id`."""

DECISIONS: tuple[type[Event], ...] = tuple(
    event for event in incident.EVENTS if event not in COMPANIONS and event is not incident.NumberAllocated
)
"""On the incident's own stream."""

LINKS: tuple[type[Event], ...] = (report.ReportLinked,)
"""On a report's stream, with the incident it is about."""

OUTCOMES: tuple[type[Event], ...] = outcome.EVENTS
"""On the incident's outcome stream; each carries `incident_id`."""

CHECKLISTS: tuple[type[Event], ...] = checklist.EVENTS
"""On the checklist's stream; each carries `incident_id`."""

_BY_STREAM = frozenset(e.name for e in DECISIONS)
_BY_FIELD = frozenset(e.name for e in (*COMPANIONS, *ASSIGNMENTS, *LINKS, *OUTCOMES, *CHECKLISTS, *CASES))


def names(*groups: tuple[type[Event], ...]) -> frozenset[str]:
    """The topics of groups of events."""
    return frozenset(event.name for group in groups for event in group)


def incident_of(fact: Fact[Event]) -> UUID | None:
    """The incident whose story this fact belongs to; None if to none."""
    name = fact.name
    if name in _BY_STREAM:
        return fact.stream_id
    if name in _BY_FIELD:
        return fact.about()
    return None


def incident_key(fact: Fact[Event]) -> tuple[tuple[UUID], ...]:
    """`keys` of every projection with one row an incident."""
    found = incident_of(fact)
    return () if found is None else ((found,),)
