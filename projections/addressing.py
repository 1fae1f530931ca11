"""Which incident a fact is about. Pure: every fact off the decision stream carries the incident's id."""

from __future__ import annotations

from uuid import UUID

from domain.assignment import events as assignment
from domain.event import Event, Fact
from domain.incident import events as incident
from domain.report import events as report

COMPANIONS: tuple[type[Event], ...] = (
    incident.AlertsFolded,
    incident.UnitsRecommended,
    incident.NoteAdded,
    incident.NoteStruck,
    incident.EvidenceAttached,
)
"""On the companion stream; each carries `incident_id`."""

ASSIGNMENTS: tuple[type[Event], ...] = tuple(e for e in assignment.EVENTS if e.name.startswith("assignment."))
"""On the unit's stream; each carries `incident_id`."""

DECISIONS: tuple[type[Event], ...] = tuple(
    e for e in incident.EVENTS if e not in COMPANIONS and e is not incident.NumberAllocated
)
"""On the incident's own stream. `incident_id` in `incident.absorbed` and `incident.released` is the *other* one."""

LINKS: tuple[type[Event], ...] = (report.ReportLinked,)
"""On a report's stream, with the incident it is about."""

_BY_STREAM = frozenset(e.name for e in DECISIONS)
_BY_FIELD = frozenset(e.name for e in (*COMPANIONS, *ASSIGNMENTS, *LINKS))


def names(*groups: tuple[type[Event], ...]) -> frozenset[str]:
    """The topics of groups of events."""
    return frozenset(event.name for group in groups for event in group)


def incident_of(fact: Fact[Event]) -> UUID | None:
    """The incident whose story this fact belongs to; None if to none."""
    name = fact.event.name
    if name in _BY_STREAM:
        return fact.stream_id
    if name in _BY_FIELD:
        incident_id: UUID = fact.event.incident_id  # type: ignore[attr-defined]  # all of _BY_FIELD carry it
        return incident_id
    return None


def incident_key(fact: Fact[Event]) -> tuple[tuple[UUID], ...]:
    """`keys` of every projection with one row an incident."""
    found = incident_of(fact)
    return () if found is None else ((found,),)
