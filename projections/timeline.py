"""The story of an incident: one row a fact, never changed. Sentences are made at read time (`projections.texts`).

Two views: the narrative (what people need to take over) and the full log (everything, for the auditor).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domain.event import Event, Fact
from domain.incident import events as incident
from domain.incident import plan_events as plan_facts
from projections import tables
from projections.addressing import (
    ASSIGNMENTS,
    CASES,
    CHECKLISTS,
    COMPANIONS,
    DECISIONS,
    OUTCOMES,
    incident_of,
    names,
)
from projections.projection import Key, Projection, Row
from projections.shown import shown
from projections.texts import Names, sentence

FULL_LOG_ONLY = names((incident.AlertsFolded, plan_facts.UnitsRecommended, incident.ClaimReleased))
"""Not in the narrative: the card counts the alerts, shows the last recommendation and who has the claim."""


class Timeline(Projection):
    """One row a fact about an incident."""

    name = "timeline"
    version = 2
    table = tables.timeline
    topics = names(DECISIONS, COMPANIONS, ASSIGNMENTS, OUTCOMES, CHECKLISTS, CASES)
    is_append_only = True
    entity = staticmethod(incident_of)

    def keys(self, fact: Fact[Event]) -> Sequence[Key]:
        """This fact's own row."""
        found = incident_of(fact)
        return () if found is None else ((found, fact.position),)

    def apply(self, key: Key, row: Row | None, fact: Fact[Event]) -> Row | None:
        """The fact, with its values."""
        if row is not None:
            return row
        actor = fact.actor
        return {
            "incident_id": key[0],
            "position": fact.position,
            "event": fact.name,
            "occurred_at": fact.occurred_at,
            "recorded_at": fact.recorded_at,
            "actor_kind": actor.kind.value,
            "actor_id": actor.id,
            "actor_center_id": actor.center_id,
            "actor_agency": actor.agency,
            "rule_version": fact.rule_version,
            "is_narrative": fact.name not in FULL_LOG_ONLY,
            "values": _values(fact),
        }


def _values(fact: Fact[Event]) -> Mapping[str, Any]:
    """The event's body. A fold's alerts are rows of their own: here stand how many, the worst, the first and last."""
    if fact.name == incident.AlertsFolded.name:
        event = fact.gist()
        assert isinstance(event, incident.AlertsFolded)
        return {
            "alert_count": len(event.alerts),
            "severity": max((int(alert.severity) for alert in event.alerts), default=0),
            "first_occurred_at": shown(event.first_occurred_at),
            "last_occurred_at": shown(event.last_occurred_at),
        }
    return fact.plain()


def told(row: Row, language: str, names: Names | None = None) -> dict[str, Any]:
    """A timeline row as JSON shows it, with its sentence."""
    return entry(row) | {"text": sentence(row["event"], row["values"], language, names)}


def entry(row: Row) -> dict[str, Any]:
    """A timeline row as JSON shows it, without its sentence."""
    return {
        "position": row["position"],
        "event": row["event"],
        "occurred_at": shown(row["occurred_at"]),
        "recorded_at": shown(row["recorded_at"]),
        "actor": {
            "kind": row["actor_kind"],
            "id": row["actor_id"],
            "center_id": shown(row["actor_center_id"]),
            "agency": row["actor_agency"],
        },
        "rule_version": row["rule_version"],
        "values": row["values"],
    }
