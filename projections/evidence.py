"""Requests for recordings, one row each, with the chain of who held what was provided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from domain.event import Event, Fact
from domain.evidence import events as evidence
from projections import city_tables
from projections.addressing import names
from projections.projection import Key, Projection, Row
from projections.shown import columns_shown, instant

READS_MAX = 500
"""Reads kept in a row; all of them are in the log."""


class EvidenceRequests(Projection):
    """One row a request."""

    name = "evidence_requests"
    version = 1
    table = city_tables.evidence_requests
    topics = names(evidence.EVENTS)
    is_append_only = False

    def keys(self, fact: Fact[Event]) -> Sequence[Key]:
        """The request."""
        return ((fact.stream_id,),)

    def apply(self, key: Key, row: Row | None, fact: Fact[Event]) -> Row | None:
        """The request after the fact."""
        event = fact.gist()
        if row is None:
            return _requested(event, fact) if isinstance(event, evidence.EvidenceRequested) else None
        after: dict[str, Any] = {**row, "version": fact.version}
        match event:
            case evidence.EvidenceProvided():
                said = event.model_dump(mode="json")
                chain = [{**_stamp(fact), "from_holder": None, "to_holder": event.holder, "purpose": None}]
                return after | {
                    "phase": "provided",
                    "recording": {**said, **_stamp(fact)},
                    "custody": chain,
                    "holder": event.holder,
                }
            case evidence.EvidenceUnavailable(reason=reason):
                return after | {"phase": "unavailable", "reason": reason}
            case evidence.EvidenceHandedOver():
                step = {
                    **_stamp(fact),
                    "from_holder": event.from_holder,
                    "to_holder": event.to_holder,
                    "purpose": event.purpose,
                }
                return after | {"custody": [*row["custody"], step], "holder": event.to_holder}
            case evidence.EvidenceRead(purpose=purpose):
                return after | {"reads": [*row["reads"], {**_stamp(fact), "purpose": purpose}][-READS_MAX:]}
            case _:
                return row


_shown = columns_shown(column for column in city_tables.evidence_requests.columns if column.name != "recording")


def item(row: Row) -> dict[str, Any]:
    """A request as JSON shows it. Where the recording is, only a recorded reading says."""
    recording = row["recording"]
    told = None if recording is None else {name: value for name, value in recording.items() if name != "uri"}
    return {**_shown(row), "recording": told}


def _requested(event: evidence.EvidenceRequested, fact: Fact[Event]) -> Row:
    return {
        "request_id": fact.stream_id,
        "phase": "requested",
        "camera_id": event.camera_id,
        "camera_path": list(event.camera_path),
        "center_id": event.center_id,
        "incident_id": event.incident_id,
        "case_number": event.case_number,
        "begins_at": event.begins_at,
        "ends_at": event.ends_at,
        "purpose": event.purpose,
        "reason": None,
        "recording": None,
        "holder": None,
        "custody": [],
        "reads": [],
        "requested_at": fact.occurred_at,
        "requested_by": fact.actor.id,
        "requested_position": fact.position,
        "version": fact.version,
    }


def _stamp(fact: Fact[Event]) -> dict[str, Any]:
    return {"position": fact.position, "at": instant(fact.occurred_at), "by": fact.actor.id}
