"""Operations, one document each, and what is found on the way, one row a point: a flood has thousands of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domain.event import Event, Fact
from domain.operation import events as operation
from projections import city_tables
from projections.addressing import names
from projections.projection import Key, Projection, Row
from projections.shown import columns_shown, id_text, instant, point

SITUATIONS_MAX = 500
"""Reports kept in a row, the newest; all of them are in the log."""


class Operations(Projection):
    """One row an operation."""

    name = "operations"
    version = 2
    table = city_tables.operations
    topics = names(operation.EVENTS) - {operation.PointReported.name}
    is_append_only = False

    def keys(self, fact: Fact[Event]) -> Sequence[Key]:
        """The operation."""
        return ((fact.stream_id,),)

    def apply(self, key: Key, row: Row | None, fact: Fact[Event]) -> Row | None:
        """The operation after the fact."""
        event = fact.gist()
        if row is None:
            return _planned(event, fact) if isinstance(event, operation.OperationPlanned) else None
        return {**row, **_change(row, event, fact), "version": fact.version, "updated_position": fact.position}


class OperationPoints(Projection):
    """One row a point."""

    name = "operation_points"
    version = 1
    table = city_tables.operation_points
    topics = names((operation.PointReported,))
    is_append_only = False

    def keys(self, fact: Fact[Event]) -> Sequence[Key]:
        """The point."""
        event = fact.gist()
        return ((fact.stream_id, event.point_id),) if isinstance(event, operation.PointReported) else ()

    def apply(self, key: Key, row: Row | None, fact: Fact[Event]) -> Row | None:
        """The point as it is now, with when it was first reported."""
        event = fact.gist()
        if not isinstance(event, operation.PointReported):
            return row
        spot = event.place.point
        return {
            "operation_id": key[0],
            "point_id": event.point_id,
            "kind": event.kind.value,
            "status": event.status.value,
            "text": event.text,
            "address": event.place.address,
            "lon": None if spot is None else spot.lon,
            "lat": None if spot is None else spot.lat,
            "people": event.people,
            "capacity": event.capacity,
            "incident_id": event.incident_id,
            "first_reported_at": fact.occurred_at if row is None else row["first_reported_at"],
            "first_position": fact.position if row is None else row["first_position"],
            "reported_at": fact.occurred_at,
            "reported_by": fact.actor.id,
            "reported_position": fact.position,
        }


item = columns_shown(column for column in city_tables.operations.columns if column.name != "visible_center_ids")
"""An operation as JSON shows it."""
_point_shown = columns_shown(
    column for column in city_tables.operation_points.columns if column.name not in {"lon", "lat", "address"}
)


def point_item(row: Row) -> dict[str, Any]:
    """A point as JSON shows it."""
    return {**_point_shown(row), "place": {"address": row["address"], "point": point(row["lon"], row["lat"])}}


def _planned(event: operation.OperationPlanned, fact: Fact[Event]) -> Row:
    return {
        "operation_id": fact.stream_id,
        "city": event.city,
        "code": event.code,
        "name_zh": event.name_zh,
        "name_en": event.name_en,
        "purpose": event.purpose,
        "center_id": event.center_id,
        "path": list(event.path),
        "is_restricted": event.restricted,
        "visible_center_ids": list(event.path),
        "phase": "planned",
        "begins_at": event.begins_at,
        "ends_at": event.ends_at,
        "started_at": None,
        "ended_at": None,
        "route": [[spot.lon, spot.lat] for spot in event.route],
        "members": [],
        "checkpoints": [],
        "cameras": {},
        "situations": [],
        "labels": None,
        "planned_position": fact.position,
        "updated_position": fact.position,
        "version": fact.version,
    }


def _change(row: Row, event: Event, fact: Fact[Event]) -> Mapping[str, Any]:  # one case a fact
    match event:
        case operation.MemberAdded(center_id=center_id):
            members = [*row["members"], id_text(center_id)]
            return {"members": members, "visible_center_ids": [*row["visible_center_ids"], center_id]}
        case operation.MemberRemoved(center_id=center_id):
            return {
                "members": [one for one in row["members"] if one != id_text(center_id)],
                "visible_center_ids": [one for one in row["visible_center_ids"] if one != center_id],
            }
        case operation.CheckpointSet():
            return {"checkpoints": _with_checkpoint(row["checkpoints"], event)}
        case operation.CheckpointPassed():
            return {"checkpoints": [_passed(one, event, fact) for one in row["checkpoints"]]}
        case operation.CameraAssigned(camera_id=camera_id, center_id=center_id):
            return {"cameras": {**row["cameras"], id_text(camera_id): id_text(center_id)}}
        case operation.CameraReleased(camera_id=camera_id):
            return {"cameras": {one: at for one, at in row["cameras"].items() if one != id_text(camera_id)}}
        case operation.OperationStarted():
            return {"phase": "under_way", "started_at": fact.occurred_at}
        case operation.OperationEnded():
            return {"phase": "ended", "ended_at": fact.occurred_at, "labels": None}
        case operation.LabelsSet():
            return {"labels": _labels(event) if event.says_something else None}
        case operation.SituationReported(number=number, text=text):
            told = {"number": number, "text": text, "at": instant(fact.occurred_at), "by": fact.actor.id}
            return {"situations": [*row["situations"], told][-SITUATIONS_MAX:]}
        case _:
            return {}


def _labels(event: operation.LabelsSet) -> Mapping[str, Any]:
    rings = [[list(corner) for corner in ring] for ring in event.area]
    return {
        "camera_ids": [id_text(camera_id) for camera_id in event.camera_ids],
        "area": {"type": "MultiPolygon", "coordinates": [[ring] for ring in rings]} if rings else None,
        "begins_at": instant(event.begins_at),
        "ends_at": instant(event.ends_at),
        "reason": event.reason,
    }


def _with_checkpoint(before: Sequence[Mapping[str, Any]], event: operation.CheckpointSet) -> list[Mapping[str, Any]]:
    """In the order of the plan."""
    wanted: Mapping[str, Any] = {
        "checkpoint_id": id_text(event.checkpoint_id),
        "label": event.label,
        "location": point(event.location.lon, event.location.lat),
        "planned_at": instant(event.planned_at),
        "passed_at": None,
        "late_s": None,
        "note": None,
    }
    kept = [one for one in before if one["checkpoint_id"] != wanted["checkpoint_id"]]
    return sorted([*kept, wanted], key=lambda one: (one["planned_at"], one["checkpoint_id"]))


def _passed(one: Mapping[str, Any], event: operation.CheckpointPassed, fact: Fact[Event]) -> Mapping[str, Any]:
    if one["checkpoint_id"] != id_text(event.checkpoint_id):
        return one
    return {**one, "passed_at": instant(fact.occurred_at), "late_s": event.late_s, "note": event.note}
