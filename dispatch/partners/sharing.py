"""What a partner is told of an incident: pure, from facts alone.

An agency is told from the moment a routing names it, and then until the end, even if a later routing leaves it out:
who was alarmed must learn how it ended, and the domain lets it answer. Exercises and tests are kept from every feed:
a partner's system that overlooks a mark would send real crews. What a reporter said stays inside, and numbers of
persons are taken out of the free text that leaves (decision record 0011).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from dispatch.partners import contracts
from dispatch.partners.contracts import (
    ADDRESS_FIELDS,
    IncidentMessage,
    PublicAssignment,
    PublicPlace,
    PublicRecipient,
)
from dispatch.partners.tree import Tree
from dispatch.partners.withholding import without_numbers
from domain.assignment.events import (
    AssignmentAcknowledged,
    AssignmentCancelled,
    AssignmentCleared,
    AssignmentDeclined,
    AssignmentMade,
    UnitEnRoute,
    UnitOnScene,
)
from domain.event import Event, Fact
from domain.incident import events as incident
from domain.incident.decider import INITIAL, IncidentState, evolve
from domain.vocabulary import AgencyRole, AssignmentPhase, MessageStatus

MESSAGES: dict[str, type[IncidentMessage]] = {
    incident.IncidentRouted.name: contracts.Routed,
    incident.SeverityRaised.name: contracts.SeverityRaised,
    incident.IncidentClassified.name: contracts.Classified,
    incident.IncidentRelocated.name: contracts.Relocated,
    incident.IncidentVerified.name: contracts.Verified,
    incident.IncidentDismissed.name: contracts.Dismissed,
    incident.IncidentAccepted.name: contracts.Accepted,
    incident.TransferAccepted.name: contracts.Transferred,
    incident.IncidentEscalated.name: contracts.Escalated,
    incident.AgencyAccepted.name: contracts.AgencyAccepted,
    incident.AgencyDeclined.name: contracts.AgencyDeclined,
    incident.IncidentMerged.name: contracts.Merged,
    incident.IncidentUnmerged.name: contracts.Unmerged,
    incident.IncidentResolved.name: contracts.Resolved,
    incident.IncidentClosed.name: contracts.Closed,
    incident.IncidentReopened.name: contracts.Reopened,
    AssignmentMade.name: contracts.AssignmentMade,
    AssignmentAcknowledged.name: contracts.AssignmentAcknowledged,
    AssignmentDeclined.name: contracts.AssignmentDeclined,
    UnitEnRoute.name: contracts.AssignmentEnRoute,
    UnitOnScene.name: contracts.AssignmentOnScene,
    AssignmentCleared.name: contracts.AssignmentCleared,
    AssignmentCancelled.name: contracts.AssignmentCancelled,
}
"""Facts that partners hear of, and as what. Everything else stays inside: claims, notes, evidence, folds, offers."""
PROGRESS: dict[str, AssignmentPhase] = {
    AssignmentMade.name: AssignmentPhase.MADE,
    AssignmentAcknowledged.name: AssignmentPhase.ACKNOWLEDGED,
    UnitEnRoute.name: AssignmentPhase.EN_ROUTE,
    UnitOnScene.name: AssignmentPhase.ON_SCENE,
}
ENDS = frozenset({AssignmentDeclined.name, AssignmentCleared.name, AssignmentCancelled.name})
STRONGEST_FIRST = (AgencyRole.RESPONSIBLE, AgencyRole.SUPPORTING, AgencyRole.INFORMED)
TOPICS = (incident.IncidentOpened.name, *MESSAGES)


@dataclass(frozen=True, slots=True)
class SharedAssignment:
    """One unit on the incident."""

    agency: str
    unit_id: UUID
    call_sign: str
    phase: AssignmentPhase


@dataclass(frozen=True, slots=True)
class SharedIncident:
    """An incident and who was told of it."""

    state: IncidentState = INITIAL
    headline: str | None = None
    opened_at: datetime | None = None
    disposition: str | None = None
    assignments: Mapping[UUID, SharedAssignment] = field(default_factory=dict)
    told: frozenset[str] = frozenset()


STORED: TypeAdapter[SharedIncident] = TypeAdapter(SharedIncident)
"""Its form between two pages."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to one agency, before it is numbered. `body` holds listed fields only."""

    agency: str
    contract: type[IncidentMessage]
    body: dict[str, Any]


def incident_of(fact: Fact[Event]) -> UUID:
    """The incident a fact is about: assignments live on their unit's stream and name it."""
    named: UUID = getattr(fact.gist(), "incident_id", fact.stream_id) if _is_assignment(fact.gist()) else fact.stream_id
    return named


def after(before: SharedIncident, fact: Fact[Event]) -> SharedIncident:
    """The incident after a fact. Total; facts that do not matter change nothing."""
    event = fact.gist()
    if _is_assignment(event):
        return replace(before, assignments=_assignments(before.assignments, event))
    shared = replace(before, state=evolve(before.state, event))
    match event:
        case incident.IncidentOpened():
            # A report's first line is what a person said to us, perhaps about persons. A machine's words are not.
            said = event.headline if event.cause.report_id is None else None
            return replace(shared, headline=said, opened_at=fact.occurred_at)
        case incident.IncidentResolved(disposition=disposition):
            return replace(shared, disposition=disposition.value)
        case incident.IncidentReopened():
            return replace(shared, disposition=None)
        case _:
            return shared


def notices(
    before: SharedIncident, shared: SharedIncident, fact: Fact[Event], tree: Tree
) -> tuple[SharedIncident, tuple[Notice, ...]]:
    """Who hears of this fact and what, in the order of agency codes; and the incident with those marked as told."""
    contract = MESSAGES.get(fact.name)
    if contract is None or shared.state.phase is None or shared.state.status is not MessageStatus.ACTUAL:
        return shared, ()
    bodies: dict[type[IncidentMessage], dict[str, Any]] = {}
    roles = _roles(shared.state)
    heard = []
    for agency in sorted(_concerned(before, shared, fact.gist()) & tree.fields.keys()):
        told_as = contract if agency in shared.told else contracts.Routed
        if told_as not in bodies:
            bodies[told_as] = _body(told_as, incident_of(fact), shared, fact, tree)
        listed = tree.fields[agency] | ADDRESS_FIELDS
        heard.append(Notice(agency, told_as, _to(agency, bodies[told_as], listed, roles, shared)))
    return replace(shared, told=shared.told | {notice.agency for notice in heard}), tuple(heard)


def _concerned(before: SharedIncident, shared: SharedIncident, event: Event) -> frozenset[str]:
    """Progress of a unit goes to its own agency; every other fact to all that were ever asked or told."""
    agencies = shared.state.agencies
    if not _is_assignment(event):
        return agencies
    assignment_id = getattr(event, "assignment_id", None)
    assignment = shared.assignments.get(assignment_id) or before.assignments.get(assignment_id)  # type: ignore[arg-type]
    return agencies & {assignment.agency} if assignment else frozenset()


def _is_assignment(event: Event) -> bool:
    return event.name in PROGRESS or event.name in ENDS


def _assignments(before: Mapping[UUID, SharedAssignment], event: Event) -> Mapping[UUID, SharedAssignment]:
    if isinstance(event, AssignmentMade):
        made = SharedAssignment(event.agency, event.unit_id, event.call_sign, AssignmentPhase.MADE)
        return {**before, event.assignment_id: made}
    assignment_id: UUID | None = getattr(event, "assignment_id", None)
    if assignment_id is None or assignment_id not in before:
        return before
    if event.name in ENDS:
        return {key: value for key, value in before.items() if key != assignment_id}
    return {**before, assignment_id: replace(before[assignment_id], phase=PROGRESS[event.name])}


def _body(
    contract: type[IncidentMessage], incident_id: UUID, shared: SharedIncident, fact: Fact[Event], tree: Tree
) -> dict[str, Any]:
    """All of a message that is the same for whoever hears it. `role` and `assignments` hold a place only."""
    state = shared.state
    extra: dict[str, Any] = {}
    if issubclass(contract, contracts.AssignmentMessage):
        extra["assignment_id"] = getattr(fact.gist(), "assignment_id", None)
    message = contract(
        incident_id=incident_id,
        number=state.number,
        category=state.category,
        severity=state.severity.name.lower(),
        priority=state.priority,
        phase=state.phase.value if state.phase else None,
        place=_place(state),
        headline=without_numbers(shared.headline),
        opened_at=shared.opened_at,
        message_status=state.status.value,
        role="",
        recipients=_recipients(state),
        owner=tree.center(state.owner.center_id) if state.owner else None,
        accept_by=state.accept_by,
        assignments=(),
        disposition=shared.disposition,
        merged_into=state.merge.into_incident_id if state.merge else None,
        note=without_numbers(_note(fact.gist())),
        **extra,
    )
    return message.model_dump(mode="json", exclude_none=True)


def _to(
    agency: str,
    body: Mapping[str, Any],
    listed: frozenset[str],
    roles: Mapping[str, AgencyRole],
    shared: SharedIncident,
) -> dict[str, Any]:
    """A body as one agency may read it: the listed fields, its own role and units in their places."""
    told = {name: value for name, value in body.items() if name in listed}
    if "assignments" in told:
        told["assignments"] = [
            PublicAssignment(
                assignment_id=key, unit_id=each.unit_id, call_sign=each.call_sign, phase=each.phase.value
            ).model_dump(mode="json")
            for key, each in shared.assignments.items()
            if each.agency == agency
        ]
    if "role" in told:
        role = roles.get(agency)
        if role is None:
            del told["role"]
        else:
            told["role"] = role.value
    return told


def _place(state: IncidentState) -> PublicPlace | None:
    point, address = state.place.point, state.place.address
    if point is None and address is None:
        return None
    lon, lat = (point.lon, point.lat) if point else (None, None)
    return PublicPlace(lon=lon, lat=lat, address=without_numbers(address))


def _roles(state: IncidentState) -> dict[str, AgencyRole]:
    """Each agency once, with the most it is asked: two of its centers may be recipients with different roles."""
    roles: dict[str, AgencyRole] = {}
    for each in sorted(state.recipients, key=lambda recipient: STRONGEST_FIRST.index(recipient.role)):
        roles.setdefault(each.agency, each.role)
    return roles


def _recipients(state: IncidentState) -> tuple[PublicRecipient, ...]:
    return tuple(
        PublicRecipient(agency=agency, role=role.value, answer=state.answers.get(agency))
        for agency, role in _roles(state).items()
    )


def _note(event: Event) -> str | None:
    for name in ("note", "reason", "outcome"):
        # Not `getattr`: most events have none of these, and a model is slow to say so.
        found = vars(event).get(name)
        if isinstance(found, str):
            return str(found)
    return None
