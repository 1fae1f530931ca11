"""What a partner is told of an incident: pure, from facts alone.

An agency is told from the moment a routing names it, and then until the end, even if a later routing leaves it out:
who was alarmed must learn how it ended, and the domain lets it answer. An incident that is attached to a restricted
operation is withdrawn from all but those whose own center is of the operation, those with a crew on it and the
department that has its case (decision record 0032). Exercises and tests are kept from every feed: a partner's system
that overlooks a mark would send real crews. What a reporter said stays inside, and numbers of persons are taken out of
the free text that leaves (decision record 0011).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import TypeAdapter

from dispatch.partners import case_sharing, contracts
from dispatch.partners.case_sharing import CASE_MESSAGES, CASE_TOPICS, SharedCase, case_after
from dispatch.partners.contracts import ADDRESS_FIELDS, IncidentMessage
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
from domain.event import Event, Fact, Place
from domain.incident import events as incident
from domain.incident import restriction_events as restriction
from domain.incident.decider import INITIAL, IncidentState, evolve
from domain.vocabulary import AgencyRole, AssignmentPhase, CasePhase, MessageStatus, Severity

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
    **CASE_MESSAGES,
}
"""Facts that partners hear of, and as what. Everything else stays inside: claims, notes, evidence, folds, offers."""
PROGRESS: dict[str, AssignmentPhase] = {
    AssignmentMade.name: AssignmentPhase.MADE,
    AssignmentAcknowledged.name: AssignmentPhase.ACKNOWLEDGED,
    UnitEnRoute.name: AssignmentPhase.EN_ROUTE,
    UnitOnScene.name: AssignmentPhase.ON_SCENE,
}
ENDS = frozenset({AssignmentDeclined.name, AssignmentCleared.name, AssignmentCancelled.name})
LABELS = frozenset(event.name for event in restriction.EVENTS)
"""Facts after which others may know: who may no more hears that it is withdrawn, who may again hears of it anew."""
CASE_ENDED = frozenset({CasePhase.CLOSED, CasePhase.VOIDED})
KEPT = frozenset({incident.IncidentEscalated.name})
"""Facts after which nothing else is to be told of an incident: which deadlines it missed, no partner hears again."""
ASSIGNMENTS = PROGRESS.keys() | ENDS
STRONGEST_FIRST = (AgencyRole.RESPONSIBLE, AgencyRole.SUPPORTING, AgencyRole.INFORMED)
SEVERITIES = {severity: severity.name.lower() for severity in Severity}
TOPICS = tuple(dict.fromkeys((incident.IncidentOpened.name, *MESSAGES, *sorted(LABELS), *CASE_TOPICS)))
_OF_CASES = frozenset(CASE_TOPICS)


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
    case: SharedCase | None = None


NOTHING = SharedIncident()
"""Before it was opened."""
STORED: TypeAdapter[SharedIncident] = TypeAdapter(SharedIncident)
"""Its form between two pages."""
_INSTANT = TypeAdapter(datetime).serializer.to_python
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_ROLE, _UNITS = b',"role":""', b',"assignments":[]'
"""Places held in the text of a body. A quotation mark within a value has a backslash before it, so that no value can
hold one of them."""


class Notice(NamedTuple):
    """One message to one agency, before it is numbered. `body`, as sent, holds listed fields only."""

    agency: str
    contract: type[IncidentMessage]
    body: bytes


def incident_of(fact: Fact[Event]) -> UUID:
    """The incident a fact is about: assignments live on their unit's stream, cases on their own, and name it."""
    if fact.name not in ASSIGNMENTS and fact.name not in _OF_CASES:
        return fact.stream_id
    named: UUID = getattr(fact.gist(), "incident_id", fact.stream_id)
    return named


def after(before: SharedIncident, fact: Fact[Event]) -> SharedIncident:
    """The incident after a fact, itself if nothing changed. Total; facts that do not matter change nothing."""
    event = fact.gist()
    if event.name in KEPT:
        return before
    if event.name in ASSIGNMENTS:
        return replace(before, assignments=_assignments(before.assignments, event))
    if event.name in _OF_CASES:
        case = case_after(before.case, fact.stream_id, event)
        return before if case == before.case else replace(before, case=case)
    state = evolve(before.state, event)
    match event:
        case incident.IncidentOpened():
            # A report's first line is what a person said to us, perhaps about persons. A machine's words are not.
            said = event.headline if event.cause.report_id is None else None
            return replace(before, state=state, headline=said, opened_at=fact.occurred_at)
        case incident.IncidentResolved(disposition=disposition):
            return replace(before, state=state, disposition=disposition.value)
        case incident.IncidentReopened():
            return replace(before, state=state, disposition=None)
        case _:
            return replace(before, state=state)


def notices(
    before: SharedIncident, shared: SharedIncident, fact: Fact[Event], tree: Tree
) -> tuple[SharedIncident, tuple[Notice, ...]]:
    """Who hears of this fact and what, in the order of agency codes; and the incident with those marked as told."""
    contract = contracts.Routed if fact.name in LABELS else MESSAGES.get(fact.name)
    if contract is None or shared.state.phase is None or shared.state.status is not MessageStatus.ACTUAL:
        return shared, ()
    texts: dict[tuple[type[IncidentMessage], frozenset[str]], bytes] = {}
    roles = _roles(shared.state)
    heard = []
    seeing = seen_by(shared)
    for agency in sorted(_hearing(before, shared, fact, seeing) & tree.fields.keys()):
        told_as = contract if agency in shared.told or fact.name in _OF_CASES else contracts.Routed
        alike = (told_as, tree.fields[agency])
        if alike not in texts:
            texts[alike] = _listed_only(_body(told_as, incident_of(fact), shared, fact, tree, roles), alike[1])
        heard.append(Notice(agency, told_as, _to(agency, texts[alike], roles.get(agency), shared)))
    told = shared.told if fact.name in _OF_CASES else shared.told.union([notice.agency for notice in heard])
    for agency in sorted(told - seeing) if seeing is not None else ():
        heard.append(Notice(agency, contracts.Withdrawn, as_json({"incident_id": str(incident_of(fact))})))
        told -= {agency}
    return (shared if told == shared.told else replace(shared, told=told)), tuple(heard)


def _is_told_elsewhere(event: Event) -> bool:
    """Whether a crew that was diverted hears of it with its new assignment, once."""
    return isinstance(event, AssignmentCancelled) and event.is_told_with_it


def seen_by(shared: SharedIncident) -> frozenset[str] | None:
    """Of a restricted incident: whom it may be told to. None: to whom it concerns."""
    state = shared.state
    if state.restriction is None:
        return None
    sent = {each.agency for each in shared.assignments.values()}
    case = shared.case
    has_case = {case.agency} if case is not None and case.agency and case.phase not in CASE_ENDED else set()
    return state.restriction.agencies | sent | has_case


def _hearing(
    before: SharedIncident, shared: SharedIncident, fact: Fact[Event], seeing: frozenset[str] | None
) -> frozenset[str]:
    """Whom the fact itself is told to. The end of an agency's part is still told to it."""
    if fact.name in LABELS:
        return (shared.state.agencies if seeing is None else shared.state.agencies & seeing) - shared.told
    if _is_told_elsewhere(fact.gist()):
        return frozenset()
    concerned = _concerned(before, shared, fact.gist())
    return concerned if seeing is None else concerned & (seeing | (seen_by(before) or frozenset()))


def _concerned(before: SharedIncident, shared: SharedIncident, event: Event) -> frozenset[str]:
    """Progress of a unit goes to its own agency, a case to its department; all else to all that were asked or told."""
    if event.name in _OF_CASES:
        return case_sharing.hears(shared.case, event)
    agencies = shared.state.agencies
    if event.name not in ASSIGNMENTS:
        return agencies
    assignment_id = getattr(event, "assignment_id", None)
    assignment = shared.assignments.get(assignment_id) or before.assignments.get(assignment_id)  # type: ignore[arg-type]
    return agencies & {assignment.agency} if assignment else frozenset()


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
    contract: type[IncidentMessage],
    incident_id: UUID,
    shared: SharedIncident,
    fact: Fact[Event],
    tree: Tree,
    roles: Mapping[str, AgencyRole],
) -> dict[str, Any]:
    """All of a message that is the same for whoever hears it. `role` and `assignments` hold a place only.

    What the contract's own serializer would give, field by field: to make and dump the models took four times as long.
    """
    state = shared.state
    owner = tree.center(state.owner.center_id) if state.owner else None
    body = {
        "incident_id": str(incident_id),
        "number": state.number,
        "category": state.category,
        "severity": SEVERITIES[state.severity],
        "priority": state.priority,
        "phase": state.phase,
        "place": _place(state.place),
        "headline": without_numbers(shared.headline),
        "opened_at": _instant(shared.opened_at),
        "message_status": state.status,
        "role": "",
        "recipients": _recipients(roles, state.answers),
        "owner": {"code": owner.code, "name_zh": owner.name_zh, "name_en": owner.name_en} if owner else None,
        "accept_by": _instant(state.accept_by),
        "assignments": (),
        "disposition": shared.disposition,
        "merged_into": str(state.merge.into_incident_id) if state.merge else None,
        "note": without_numbers(_note(fact.gist())),
    }
    if issubclass(contract, contracts.AssignmentMessage):
        body["assignment_id"] = str(getattr(fact.gist(), "assignment_id", None))
    if contract is contracts.AssignmentMade:
        instead_of = getattr(fact.gist(), "instead_of", None)
        body["instead_of"] = None if instead_of is None else str(instead_of)
    if issubclass(contract, contracts.CaseMessage) and shared.case is not None:
        body |= {"case_id": str(shared.case.case_id), "case": case_sharing.public(shared.case)}
    return body


def _listed_only(body: Mapping[str, Any], listed: frozenset[str]) -> bytes:
    """A body as sent, for all agencies with this list; it begins with the incident's id."""
    listed |= ADDRESS_FIELDS
    return as_json({name: value for name, value in body.items() if value is not None and name in listed})


def _to(agency: str, text: bytes, role: AgencyRole | None, shared: SharedIncident) -> bytes:
    """A text as one agency may read it: its own role and units in their places."""
    text = text.replace(_ROLE, b',"role":"%b"' % role.encode() if role else b"", 1)
    units = [
        {
            "assignment_id": str(key),
            "unit_id": str(each.unit_id),
            "call_sign": each.call_sign,
            "phase": each.phase,
        }
        for key, each in shared.assignments.items()
        if each.agency == agency
    ]
    return text.replace(_UNITS, b',"assignments":%b' % as_json(units), 1) if units else text


def as_json(value: object) -> bytes:
    """Compact UTF-8 JSON, as sent."""
    return _JSON(value).encode()


def _instant(at: datetime | None) -> str | None:
    return None if at is None else str(_INSTANT(at, mode="json"))


def _place(place: Place) -> dict[str, Any] | None:
    point, address = place.point, place.address
    if point is None and address is None:
        return None
    public = {"lon": point.lon, "lat": point.lat} if point else {}
    return {**public, "address": without_numbers(address)} if address is not None else public


def _roles(state: IncidentState) -> dict[str, AgencyRole]:
    """Each agency once, with the most it is asked: two of its centers may be recipients with different roles."""
    roles: dict[str, AgencyRole] = {}
    for role in STRONGEST_FIRST:
        for each in state.recipients:
            if each.role is role:
                roles.setdefault(each.agency, role)
    return roles


def _recipients(roles: Mapping[str, AgencyRole], answers: Mapping[str, str]) -> list[dict[str, str]]:
    return [
        {"agency": agency, "role": role, **({"answer": answers[agency]} if agency in answers else {})}
        for agency, role in roles.items()
    ]


def _note(event: Event) -> str | None:
    for name in ("note", "reason", "outcome", "demand"):
        # Not `getattr`: most events have none of these, and a model is slow to say so.
        found = vars(event).get(name)
        if isinstance(found, str):
            return str(found)
    return None
