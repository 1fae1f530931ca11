"""Public warnings as they came: one row an info of a message. What became of a message is said by those that name it.

An update names what it replaces, a cancellation what it ends, and either may come before what it names. No row waits
for another: chains are followed when they are read (`projections.queries.warnings`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from domain.alert.events import WarningReceived
from domain.event import Event, Fact
from domain.identifiers import within
from domain.vocabulary import MessageStatus, Severity
from projections import order_tables
from projections.addressing import names
from projections.orders import geometry
from projections.projection import Key, Projection, Row
from projections.shown import shown


class Warnings(Projection):
    """One row an info of a warning."""

    name = "warnings"
    version = 1
    table = order_tables.warnings
    topics = names((WarningReceived,))
    is_append_only = False

    @staticmethod
    def entity(fact: Fact[Event]) -> UUID | None:
        """The line."""
        event = fact.event
        return within(fact.stream_id, event.revision) if isinstance(event, WarningReceived) else None

    def keys(self, fact: Fact[Event]) -> Sequence[Key]:
        """The line of the info."""
        line_id = self.entity(fact)
        return () if line_id is None else ((line_id,),)

    def apply(self, key: Key, row: Row | None, fact: Fact[Event]) -> Row | None:
        """The info as it was said last."""
        event = fact.event
        if not isinstance(event, WarningReceived):
            return row
        details = event.warning
        return {
            "line_id": key[0],
            "warning_id": fact.stream_id,
            "alert_id": event.alert_id,
            "key": event.key,
            "refers_to": list(event.refers_to),
            "message_type": details.message_type,
            "message_status": event.status.value,
            "severity": int(event.severity),
            "effective_at": details.effective_at or event.sent_at,
            "expires_at": details.expires_at,
            "sent_at": event.sent_at,
            "text": event.text,
            "warning": details.model_dump(mode="json"),
            "received_position": fact.position if row is None else row["received_position"],
            "updated_position": fact.position,
        }


def item(row: Row, state: str, ended_by: Row | None) -> dict[str, Any]:
    """A warning as JSON shows it. `state` is that of an instant, `ended_by` the message that replaced or ended it."""
    details = row["warning"]
    area = {
        "polygons": details["polygons"],
        "circles": [{"lon": lon, "lat": lat, "radius_m": radius} for lon, lat, radius in details["circles"]],
        "description": details["area_description"],
    }
    sender = details["sender"]
    document = {
        "warning_id": row["warning_id"],
        "alert_id": row["alert_id"],
        "sender": sender,
        "identifier": row["key"].removeprefix(f"{sender},"),
        "message_type": row["message_type"],
        "status": row["message_status"],
        "is_exercise": row["message_status"] != MessageStatus.ACTUAL,
        "state": state,
        "is_in_force": state == "in_force",
        "event": details["event"],
        "severity": Severity(row["severity"]).name.lower(),
        "urgency": details["urgency"],
        "certainty": details["certainty"],
        "headline": details["headline"],
        "text": row["text"],
        "instruction": details["instruction"],
        "area": geometry(area) | {"geocodes": details["geocodes"]},
        "sent_at": row["sent_at"],
        "effective_at": row["effective_at"],
        "onset_at": details["onset_at"],
        "expires_at": row["expires_at"],
        "refers_to": row["refers_to"],
        "ended_by": None if ended_by is None else {"warning_id": ended_by["warning_id"], "at": ended_by["sent_at"]},
    }
    told: dict[str, Any] = shown(document)
    return told
