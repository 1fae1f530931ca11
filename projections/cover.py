"""Minimum cover, one row a rule that was ever missed: since when, and who should move up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from domain.cover import events as cover
from domain.event import Event, Fact
from projections import cover_tables
from projections.addressing import names
from projections.projection import Key, Projection, Row
from projections.shown import id_text, instant, point


class Cover(Projection):
    """One row a rule."""

    name = "cover"
    version = 1
    table = cover_tables.cover
    topics = names(cover.EVENTS)
    is_append_only = False

    def keys(self, fact: Fact[Event]) -> Sequence[Key]:
        """The rule: all these facts are on its stream."""
        return ((fact.stream_id,),)

    def apply(self, key: Key, row: Row | None, fact: Fact[Event]) -> Row | None:
        """The rule after the fact."""
        event = fact.event
        if row is None:
            return _fell(event, fact) if isinstance(event, cover.CoverFell) else None
        return {
            **row,
            **_changed(event, fact),
            "updated_at": fact.occurred_at,
            "updated_position": fact.position,
            "version": fact.version,
        }


def _fell(event: cover.CoverFell, fact: Fact[Event]) -> Row:
    return {
        "cover_id": fact.stream_id,
        "code": event.code,
        "center_id": event.center.center_id,
        "visible_center_ids": list(event.center.path),
        "required": event.required,
        "free": event.free,
        "fell_at": fact.occurred_at,
        "suggestion": None,
        "answer": None,
        "updated_at": fact.occurred_at,
        "updated_position": fact.position,
        "version": fact.version,
    }


def _changed(event: Event, fact: Fact[Event]) -> dict[str, Any]:
    match event:
        case cover.CoverFell(required=required, free=free, center=center):
            return {
                "required": required,
                "free": free,
                "fell_at": fact.occurred_at,
                "center_id": center.center_id,
                "visible_center_ids": list(center.path),
            }
        case cover.CoverRestored(required=required, free=free):
            return {"required": required, "free": free, "fell_at": None}
        case cover.MoveSuggested():
            return {"suggestion": _suggestion(event, fact)}
        case cover.MoveWithdrawn():
            return _answered(event.suggestion_id, "withdrawn", None, fact)
        case cover.MoveAccepted():
            return _answered(event.suggestion_id, "accepted", None, fact)
        case cover.MoveDeclined(reason=reason):
            return _answered(event.suggestion_id, "declined", reason, fact)
        case _:
            return {}


def _suggestion(event: cover.MoveSuggested, fact: Fact[Event]) -> dict[str, Any]:
    return {
        "suggestion_id": id_text(event.suggestion_id),
        "unit_id": id_text(event.unit_id),
        "call_sign": event.call_sign,
        "giver_center_id": id_text(event.giver.center_id),
        "place": point(event.place.lon, event.place.lat),
        "distance_m": event.distance_m,
        "reasons": [reason.model_dump(mode="json") for reason in event.explanation.reasons],
        "candidates": [candidate.model_dump(mode="json") for candidate in event.explanation.candidates],
        "rule_version": fact.rule_version,
        "suggested_at": instant(fact.occurred_at),
    }


def _answered(suggestion_id: Any, answer: str, reason: str | None, fact: Fact[Event]) -> dict[str, Any]:
    said = {
        "suggestion_id": id_text(suggestion_id),
        "answer": answer,
        "reason": reason,
        "at": instant(fact.occurred_at),
        "by": fact.actor.id,
    }
    return {"suggestion": None, "answer": said}
