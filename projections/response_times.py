"""Response times: when each step of an incident first happened, one row an incident; percentiles are a query over rows.

Times are those of the world (`occurred_at`), so a crew that reports late is not punished for the radio. What counts
as a step's start and stop is chosen by the query, not fixed here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domain.assignment import events as assignment
from domain.event import Event, Fact
from domain.incident import events as incident
from domain.vocabulary import MessageStatus
from projections import tables
from projections.addressing import ASSIGNMENTS, incident_key, incident_of, names
from projections.board_rules import owned_by, owned_by_plain
from projections.projection import Key, Projection, Row

FIRST: Mapping[str, str] = {
    incident.IncidentRouted.name: "routed_at",
    incident.IncidentVerified.name: "verified_at",
    incident.IncidentAccepted.name: "accepted_at",
    assignment.AssignmentMade.name: "assigned_at",
    assignment.AssignmentAcknowledged.name: "acknowledged_at",
    assignment.UnitEnRoute.name: "en_route_at",
    assignment.UnitOnScene.name: "on_scene_at",
}
"""The first such fact counts."""
LAST: Mapping[str, str] = {
    assignment.AssignmentCleared.name: "cleared_at",
    incident.IncidentResolved.name: "resolved_at",
    incident.IncidentClosed.name: "closed_at",
    incident.IncidentDismissed.name: "dismissed_at",
}
"""The last such fact counts; a reopening takes the ends back."""
CONTEXT = names(
    (
        incident.IncidentClassified,
        incident.SeverityRaised,
        incident.IncidentRouted,
        incident.TransferAccepted,
        incident.IncidentReopened,
    )
)
"""Facts that change more than a step."""
STEPS = ("opened_at", *FIRST.values(), *LAST.values())


class ResponseTimes(Projection):
    """One row an incident."""

    name = "response_times"
    version = 1
    table = tables.response_times
    topics = names(
        ASSIGNMENTS,
        (
            incident.IncidentOpened,
            incident.IncidentClassified,
            incident.SeverityRaised,
            incident.IncidentRouted,
            incident.IncidentVerified,
            incident.IncidentAccepted,
            incident.TransferAccepted,
            incident.IncidentResolved,
            incident.IncidentClosed,
            incident.IncidentDismissed,
            incident.IncidentReopened,
        ),
    )
    is_append_only = False
    entity = staticmethod(incident_of)

    def keys(self, fact: Fact[Event]) -> Sequence[Key]:
        """The incident."""
        return incident_key(fact)

    def apply(self, key: Key, row: Row | None, fact: Fact[Event]) -> Row | None:
        """The times after the fact."""
        if row is None:
            event = fact.gist() if fact.name == incident.IncidentOpened.name else None
            return _opened(event, fact) if isinstance(event, incident.IncidentOpened) else None
        at = fact.occurred_at
        after = {**row, **_context(fact)} if fact.name in CONTEXT else {**row}
        first, last = FIRST.get(fact.name), LAST.get(fact.name)
        if first is not None and (row[first] is None or at < row[first]):
            after[first] = at
        if last is not None and (row[last] is None or at > row[last]):
            after[last] = at
        return after


def _context(fact: Fact[Event]) -> dict[str, Any]:
    if fact.name == incident.IncidentRouted.name:
        return owned_by_plain(fact.plain()["owner"])
    match fact.gist():
        case incident.IncidentClassified() as event:
            return {"category": event.category, "severity": int(event.severity)}
        case incident.SeverityRaised() as event:
            return {"severity": int(event.to_severity)}
        case incident.TransferAccepted(owner=owner):
            return owned_by(owner)
        case incident.IncidentReopened():
            return {"resolved_at": None, "closed_at": None, "dismissed_at": None}
        case _:
            return {}


def _opened(event: incident.IncidentOpened, fact: Fact[Event]) -> Row:
    return {
        "incident_id": fact.stream_id,
        "number": event.number,
        "category": event.category,
        "severity": int(event.severity),
        "is_exercise": event.status is not MessageStatus.ACTUAL,
        "owner_center_id": event.owner.center_id,
        "owner_path": list(event.owner.path),
        **dict.fromkeys(STEPS),
        "opened_at": fact.occurred_at,
    }
