"""Which alerts an incident was opened from or had folded into it: one row a link, never changed.

What an alert said is read from its own stream (`alert_id` is the stream's id): 460 alerts a second need no second copy.
"""

from __future__ import annotations

from collections.abc import Sequence

from domain.event import Event, Fact
from domain.incident import events as incident
from projections import tables
from projections.addressing import incident_of, names
from projections.projection import Key, Projection, Row


class IncidentAlerts(Projection):
    """One row an alert of an incident."""

    name = "incident_alerts"
    version = 1
    table = tables.incident_alerts
    topics = names((incident.IncidentOpened, incident.AlertsFolded))
    is_append_only = True
    entity = staticmethod(incident_of)

    def keys(self, fact: Fact[Event]) -> Sequence[Key]:
        """Every alert of the fact."""
        match fact.gist():
            case incident.IncidentOpened(cause=cause):
                return [(fact.stream_id, position) for position in cause.alert_positions]
            case incident.AlertsFolded(incident_id=incident_id, alerts=alerts):
                return [(incident_id, alert.position) for alert in alerts]
            case _:
                return ()

    def apply(self, key: Key, row: Row | None, fact: Fact[Event]) -> Row | None:
        """The link; the first one stays."""
        if row is not None:
            return row
        match fact.gist():
            case incident.IncidentOpened(cause=cause):
                for alert_id, position in zip(cause.alert_ids, cause.alert_positions, strict=False):
                    if position == key[1]:
                        return _link(key, fact) | {"alert_id": alert_id, "severity": None, "reason": "opened"}
            case incident.AlertsFolded(alerts=alerts):
                for alert in alerts:
                    if alert.position == key[1]:
                        found = {"alert_id": alert.alert_id, "severity": int(alert.severity), "reason": alert.reason}
                        return _link(key, fact) | found
            case _:
                pass
        return None


def _link(key: Key, fact: Fact[Event]) -> dict[str, object]:
    return {"incident_id": key[0], "alert_position": key[1], "linked_position": fact.position}
