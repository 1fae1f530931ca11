"""What service times are measured from: one row an incident, an assignment or a case, with the moments of its facts.

No definition is applied here. A row holds when each fact happened that a definition may name, so the same rows answer
under the rules of then, of now, or of any version (`projections.queries.service_times`, decision record 0031).

An incident's row has the first unit's steps since it was opened or last reopened, so that it stays small however many
units come; what else of it may happen again is kept each time, for a time may begin or end with any of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.assignment import events as assignment
from domain.casework import events as casework
from domain.event import Event, Fact
from domain.incident import events as incident
from domain.policies.service_times import Moment
from domain.rulebook.service_times import CREW, FACTS
from domain.vocabulary import AgencyRole, MessageStatus
from projections import service_tables
from projections.addressing import ASSIGNMENTS, CASES, incident_of
from projections.board_rules import owned_by, owned_by_plain
from projections.projection import Key, Projection, Row
from projections.shown import instant

MOMENTS_MAX = 500
"""Of one row; a case that bounces for years has a tenth."""
REOPENED = incident.IncidentReopened.name
EVERY_ONE = frozenset(
    event.name
    for event in (
        incident.IncidentRouted,
        incident.IncidentVerified,
        incident.IncidentClaimed,
        incident.IncidentAccepted,
        incident.TransferOffered,
        incident.TransferAccepted,
        incident.TransferDeclined,
        incident.TransferTimedOut,
        incident.IncidentMerged,
        incident.IncidentUnmerged,
        incident.IncidentReopened,
    )
)
"""Of an incident: what may begin and end a pause, or a time."""
CONTEXT = (incident.IncidentClassified, incident.SeverityRaised, incident.IncidentRouted, incident.TransferAccepted)
OF_ASSIGNMENTS = frozenset(event.name for event in ASSIGNMENTS)
OF_CASES = frozenset(event.name for event in CASES)
CONTEXT_NAMES = frozenset(event.name for event in CONTEXT)


class ServiceTimes(Projection):
    """One row a measured thing."""

    name = "service_times"
    version = 2
    table = service_tables.service_times
    topics = frozenset(name for names in FACTS.values() for name in names) | CONTEXT_NAMES
    is_append_only = False
    entity = staticmethod(incident_of)

    def keys(self, fact: Fact[Event]) -> Sequence[Key]:
        """The incident; of an assignment's or a case's fact, that assignment or case."""
        found, name = incident_of(fact), fact.name
        if found is None:
            return ()
        if name in OF_CASES:
            return ((found, fact.stream_id),)
        if name not in OF_ASSIGNMENTS:
            return ((found, found),)
        own = (found, _assignment(fact))
        return (own, (found, found)) if name in CREW else (own,)

    def apply(self, key: Key, row: Row | None, fact: Fact[Event]) -> Row | None:
        """The row after the fact."""
        if row is None:
            return _first(key, fact)
        is_incident = row["kind"] == "incident"
        after = {**row, **_context(row, fact)}
        if fact.name in FACTS[row["kind"]]:
            moments = _since_reopening(row["moments"], fact) if is_incident else [*row["moments"], _moment(fact)]
            after["moments"] = moments[:MOMENTS_MAX]
        return row if after == row else after  # else every later crew's step would write the row again as it is


def moments_of(row: Row) -> list[Moment]:
    """The moments of a row, as a definition measures them."""
    return [Moment(datetime.fromisoformat(at), position, name) for name, at, position in row["moments"]]


def _assignment(fact: Fact[Event]) -> UUID:
    found: UUID = fact.gist().assignment_id  # type: ignore[attr-defined]  # all events of assignments have it
    return found


def _moment(fact: Fact[Event]) -> list[Any]:
    return [fact.name, instant(fact.occurred_at), fact.position]


def _since_reopening(moments: Sequence[Any], fact: Fact[Event]) -> list[Any]:
    """The first of its name since the last reopening: the earlier of two, whichever was reported first."""
    if fact.name in EVERY_ONE:
        return [*moments, _moment(fact)]
    begins = max((number for number, each in enumerate(moments) if each[0] == REOPENED), default=0)
    for number in range(begins, len(moments)):
        name, at, _ = moments[number]
        if name == fact.name:
            if datetime.fromisoformat(at) <= fact.occurred_at:
                return list(moments)
            return [*moments[:number], *moments[number + 1 :], _moment(fact)]
    return [*moments, _moment(fact)]


def _first(key: Key, fact: Fact[Event]) -> Row | None:
    row: dict[str, Any] = {
        "incident_id": key[0],
        "subject_id": key[1],
        "agency": None,
        "began_at": fact.occurred_at,
        "moments": [_moment(fact)],
        **dict.fromkeys(("category", "severity", "priority", "is_exercise", "owner_center_id", "owner_path")),
    }
    match fact.gist():
        case incident.IncidentOpened() as event:
            return {
                **row,
                "kind": "incident",
                "category": event.category,
                "severity": int(event.severity),
                "priority": event.priority,
                "is_exercise": event.status is not MessageStatus.ACTUAL,
                **owned_by(event.owner),
            }
        case assignment.AssignmentMade(agency=agency) if key[0] != key[1]:
            return {**row, "kind": "assignment", "agency": agency}
        case casework.CaseFiled():
            return {**row, "kind": "case"}
        case _:
            return None


def _context(row: Row, fact: Fact[Event]) -> Mapping[str, Any]:
    if fact.name == incident.IncidentRouted.name:
        said = fact.plain()
        responsible = [one["agency"] for one in said["recipients"] if one["role"] == AgencyRole.RESPONSIBLE]
        return {**owned_by_plain(said["owner"]), "agency": responsible[0] if responsible else row["agency"]}
    match fact.gist():
        case incident.IncidentClassified() as event:
            return {"category": event.category, "severity": int(event.severity), "priority": event.priority}
        case incident.SeverityRaised() as event:
            return {"severity": int(event.to_severity), "priority": event.priority}
        case incident.TransferAccepted(owner=owner):
            return owned_by(owner)
        case casework.CaseAssigned(department=department) | casework.CaseArbitrated(department=department):
            return {"agency": department.agency}
        case _:
            return {}
