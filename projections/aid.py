"""Requests for mutual aid, one row each: the same for who asks and who is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from domain.aid import events as aid
from domain.aid.decider import AidPhase
from domain.event import Event, Fact
from projections import aid_tables
from projections.addressing import names
from projections.projection import Key, Projection, Row
from projections.shown import columns_shown, id_text, instant


class Aid(Projection):
    """One row a request."""

    name = "aid"
    version = 1
    table = aid_tables.aid
    topics = names(aid.STORY)
    is_append_only = False

    def keys(self, fact: Fact[Event]) -> Sequence[Key]:
        """The request."""
        return ((fact.stream_id,),)

    def apply(self, key: Key, row: Row | None, fact: Fact[Event]) -> Row | None:
        """The request after the fact."""
        event = fact.gist()
        if row is None:
            return _requested(event, fact) if isinstance(event, aid.AidRequested) else None
        changed = _changed(row, event, fact)
        return row if changed is None else {**row, **changed, "version": fact.version, "updated_at": fact.occurred_at}


item = columns_shown(aid_tables.aid.columns)
"""A request as JSON shows it."""


def _changed(row: Row, event: Event, fact: Fact[Event]) -> dict[str, Any] | None:
    at = fact.occurred_at
    match event:
        case aid.AidAcknowledged():
            return {"phase": AidPhase.ACKNOWLEDGED.value, "acknowledged_at": at}
        case aid.AidAccepted(note=note):
            return {**_over(AidPhase.ACCEPTED), "answered_at": at, "answer_note": note}
        case aid.AidDeclined(reason=reason):
            return {**_over(AidPhase.DECLINED), "answered_at": at, "answer_note": reason}
        case aid.AidWithdrawn(reason=reason):
            return {**_over(AidPhase.WITHDRAWN), "answer_note": reason}
        case aid.AidCommitted(units=units):
            new = [
                {
                    "unit_id": id_text(one.unit_id),
                    "call_sign": one.call_sign,
                    "committed_at": instant(at),
                    "released_at": None,
                }
                for one in units
            ]
            return {"phase": AidPhase.COMMITTED.value, "units": [*row["units"], *new]}
        case aid.AidReleased(unit_ids=unit_ids):
            units_after = _released(row["units"], {id_text(one) for one in unit_ids}, instant(at))
            is_kept = any(one["released_at"] is None for one in units_after)
            return {"phase": row["phase"] if is_kept else AidPhase.RELEASED.value, "units": units_after}
        case aid.AidAnswerMissed():
            return {"is_overdue": True}
        case _:
            return None


def _over(phase: AidPhase) -> dict[str, Any]:
    """Nobody waits for an answer any more."""
    return {"phase": phase.value, "is_overdue": False}


def _released(units: Sequence[dict[str, Any]], unit_ids: set[str], at: str) -> list[dict[str, Any]]:
    return [
        {**one, "released_at": at} if one["unit_id"] in unit_ids and one["released_at"] is None else one
        for one in units
    ]


def _requested(event: aid.AidRequested, fact: Fact[Event]) -> Row:
    return {
        "aid_id": fact.stream_id,
        "asker_center_id": event.asker.center_id,
        "asked_center_id": event.asked.center_id,
        "visible_center_ids": sorted({*event.asker.path, *event.asked.path}),
        "phase": AidPhase.REQUESTED.value,
        "wanted": [{"kind": one.kind.value, "count": one.count} for one in event.wanted],
        "reason": event.reason,
        "incident_id": event.incident_id,
        "answer_by": event.answer_by,
        "ends_at": event.ends_at,
        "is_overdue": False,
        "acknowledged_at": None,
        "answered_at": None,
        "answer_note": None,
        "units": [],
        "requested_at": fact.occurred_at,
        "requested_position": fact.position,
        "updated_at": fact.occurred_at,
        "version": fact.version,
    }
