"""Restricted incidents: labelled at every position as their operation says, and known to nobody else."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any
from uuid import UUID

from dispatch.simulation.history import Looked
from dispatch.simulation.reading import Story
from domain.assignment import events as unit
from domain.casework.events import CaseArbitrated, CaseAssigned, CaseFiled
from domain.event import Event, Fact
from domain.incident import events as incident
from domain.incident import restriction_events as restriction
from domain.operation import events as operation

WITHDRAWN = frozenset({"incident_id"})
"""All that is said to an agency that may know of it no more."""


@dataclass(frozen=True, slots=True)
class Label:
    """What an incident says of who knows."""

    operation_id: UUID
    center_ids: frozenset[UUID]
    agencies: frozenset[str]


@dataclass(slots=True)
class Known:
    """Who may know of what, by the facts so far."""

    operations: dict[UUID, set[UUID]] = field(default_factory=dict)
    """Centers that know of each."""
    attached: dict[UUID, set[UUID]] = field(default_factory=dict)
    """Incidents of each operation."""
    labels: dict[UUID, Label] = field(default_factory=dict)
    owners: dict[UUID, UUID] = field(default_factory=dict)
    crews: dict[UUID, tuple[UUID, str]] = field(default_factory=dict)
    """Open assignment → incident and agency."""
    departments: dict[UUID, set[str]] = field(default_factory=dict)
    """Agencies that have, or had, the case of an incident."""
    cases: dict[UUID, UUID] = field(default_factory=dict)

    def concerns(self, agency: str, incident_id: UUID) -> bool:
        """Whether an agency has a crew on it, or its case."""
        has_crew = (incident_id, agency) in self.crews.values()
        return has_crew or agency in self.departments.get(incident_id, ())


def broken_restrictions(
    story: Story, looked: Iterable[Looked], feeds: Mapping[str, Iterable[Mapping[str, Any]]]
) -> Iterator[str]:
    """What does not hold of any restricted incident. `looked`: boards that centers were shown; `feeds`: of agencies."""
    if not any(isinstance(fact.event, restriction.IncidentRestricted) for fact in story.facts):
        return
    known, looks = Known(), sorted(looked, key=lambda look: look.position)
    messages: dict[int, list[tuple[str, Mapping[str, Any]]]] = {}
    for agency, entries in feeds.items():
        for entry in entries:
            messages.setdefault(entry["position"], []).append((agency, json.loads(entry["body"])))
    for fact, following in zip_longest(story.facts, story.facts[1:]):
        told = messages.get(fact.position, ())
        had = [known.concerns(agency, UUID(body["incident_id"])) for agency, body in told if "incident_id" in body]
        yield from _take(known, fact)
        if following is None or following.recorded_at != fact.recorded_at:
            yield from _agree(known, fact)
        for (agency, body), had_part in zip([each for each in told if "incident_id" in each[1]], had, strict=True):
            yield from _told(known, fact, agency, body, had_part=had_part)
        while looks and looks[0].position == fact.position:
            yield from _seen(known, looks.pop(0))


def _take(known: Known, fact: Fact[Event]) -> Iterator[str]:
    """What a fact changes."""
    key, event = fact.stream_id, fact.event
    match event:
        case operation.OperationPlanned(path=path):
            known.operations[key] = set(path)
        case operation.MemberAdded(center_id=center_id):
            known.operations[key].add(center_id)
        case operation.MemberRemoved(center_id=center_id):
            known.operations[key].discard(center_id)
        case operation.IncidentAttached(incident_id=incident_id):
            known.attached.setdefault(key, set()).add(incident_id)
        case operation.IncidentDetached(incident_id=incident_id):
            known.attached.setdefault(key, set()).discard(incident_id)
        case restriction.IncidentRestricted() | restriction.ClearanceChanged() | restriction.RestrictionLifted():
            yield from _labelled(known, fact)
        case incident.IncidentMerged(into_incident_id=head):
            operations = [None if one not in known.labels else known.labels[one].operation_id for one in (key, head)]
            if operations[0] != operations[1]:
                yield f"restricted: the merge at {fact.position} is of {operations[0]} into {operations[1]}"
        case incident.IncidentOpened(owner=owner) | incident.IncidentRouted(owner=owner):
            known.owners[key] = owner.center_id
        case incident.TransferAccepted(owner=owner):
            known.owners[key] = owner.center_id
        case _:
            _parts(known, fact)


def _labelled(known: Known, fact: Fact[Event]) -> Iterator[str]:
    """One operation at a time, from the first of these facts to the last."""
    key, event, before = fact.stream_id, fact.event, known.labels.get(fact.stream_id)
    match event:
        case restriction.IncidentRestricted():
            is_right = before is None
        case restriction.ClearanceChanged() | restriction.RestrictionLifted():
            is_right = before is not None and before.operation_id == event.operation_id
        case _:
            raise AssertionError("no label")
    if not is_right:
        yield f"restricted: {event.name} at {fact.position} comes after {before}"
    if isinstance(event, restriction.RestrictionLifted):
        known.labels.pop(key, None)
    else:
        known.labels[key] = Label(event.operation_id, frozenset(event.center_ids), frozenset(event.agencies))


def _parts(known: Known, fact: Fact[Event]) -> None:
    """Who has a crew on it, or its case."""
    match fact.event:
        case unit.AssignmentMade(assignment_id=assignment_id, incident_id=incident_id, agency=agency):
            known.crews[assignment_id] = incident_id, agency
        case unit.AssignmentCleared() | unit.AssignmentDeclined() | unit.AssignmentCancelled() as event:
            known.crews.pop(event.assignment_id, None)
        case CaseFiled(incident_id=incident_id):
            known.cases[fact.stream_id] = incident_id
        case CaseAssigned(department=department) | CaseArbitrated(department=department):
            if department.agency is not None:
                known.departments.setdefault(known.cases[fact.stream_id], set()).add(department.agency)
        case _:
            pass


def _agree(known: Known, fact: Fact[Event]) -> Iterator[str]:
    """After each decision the operation and its incidents say the same, and the owner is one who knows."""
    attached = {incident_id: key for key, of_it in known.attached.items() for incident_id in of_it}
    if attached != {incident_id: label.operation_id for incident_id, label in known.labels.items()}:
        yield f"restricted: after {fact.position} operations have {attached}, labels are {known.labels}"
        return
    for incident_id, label in known.labels.items():
        if label.center_ids != known.operations[label.operation_id]:
            yield f"restricted: after {fact.position} {incident_id} is known to others than its operation"
        if known.owners[incident_id] not in label.center_ids:
            yield f"restricted: after {fact.position} the owner of {incident_id} may not know of it"


def _told(known: Known, fact: Fact[Event], agency: str, body: Mapping[str, Any], *, had_part: bool) -> Iterator[str]:
    """Who may not know hears at most that it is withdrawn; who has or had a crew there hears that it is over."""
    incident_id = UUID(body["incident_id"])
    label = known.labels.get(incident_id)
    if label is None or agency in label.agencies or had_part or known.concerns(agency, incident_id):
        return
    if not body.keys() <= WITHDRAWN:
        yield f"restricted: {agency} is told of {incident_id} at {fact.position}: {sorted(body)}"


def _seen(known: Known, look: Looked) -> Iterator[str]:
    for incident_id in look.shown:
        label = known.labels.get(incident_id)
        if label is not None and look.center_id not in label.center_ids:
            yield f"restricted: {look.center_id} was shown {incident_id} at {look.position}, of which it must not know"
