"""What people told us, one row a report. Who they are stays sealed: the ciphertext is carried, never opened here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from domain.event import Event, Fact, Personal
from domain.report import events as report
from projections import tables
from projections.addressing import names
from projections.projection import Key, Projection, Row


class Reports(Projection):
    """One row a report."""

    name = "reports"
    version = 1
    table = tables.reports
    topics = names((report.ReportFiled, report.ReportLinked))
    is_append_only = False

    def keys(self, fact: Fact[Event]) -> Sequence[Key]:
        """The report."""
        return ((fact.stream_id,),)

    def apply(self, key: Key, row: Row | None, fact: Fact[Event]) -> Row | None:
        """The report after the fact."""
        match fact.gist():
            case report.ReportFiled() as filed if row is None:
                return _filed(filed, fact)
            case report.ReportLinked(incident_id=incident_id, relation=relation) if row is not None:
                return {**row, "incident_id": incident_id, "relation": relation}
            case _:
                return row


def _filed(event: report.ReportFiled, fact: Fact[Event]) -> Row:
    point = event.place.point
    return {
        "report_id": fact.stream_id,
        "incident_id": None,
        "relation": None,
        "channel": event.channel,
        "category": event.category,
        "severity": int(event.severity),
        "center_id": event.center_id,
        "text": event.text,
        "address": event.place.address,
        "lon": None if point is None else point.lon,
        "lat": None if point is None else point.lat,
        "camera_id": event.camera_id,
        "media": [media.model_dump(mode="json") for media in event.media],
        "sealed": {
            "caller": _ciphertext(event.caller),
            "caller_phone": _ciphertext(event.caller_phone),
            "persons": [_ciphertext(person) for person in event.persons],
        },
        "subject_ids": _subjects(event),
        "filed_at": fact.occurred_at,
        "filed_by": fact.actor.id,
        "filed_position": fact.position,
    }


def _ciphertext(field: Personal | None) -> dict[str, Any] | None:
    return None if field is None else {"subject_id": str(field.subject_id), "sealed": field.sealed}


def _subjects(event: report.ReportFiled) -> list[UUID]:
    fields = (event.caller, event.caller_phone, *event.persons)
    return list(dict.fromkeys(field.subject_id for field in fields if field is not None))
