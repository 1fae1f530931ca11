"""WZDx work zones (US DOT Work Zone Data Exchange, 4.x): a GeoJSON feed of road events.

Identity: source + the road event's `id`, with `update_date` (else `creation_date`) as written as revision and time: a
feed repeats every event at each publication, and what was not updated is the same message. An event with neither is
refused: a change could not be told from a repeat.

Works are `roadworks`; where `vehicle_impact` says that all lanes are closed they are `road_blocked`. Detours and
restrictions say what drivers are to do and are no alarm, nor is what is planned at the feed's `update_date`. What is
completed, cancelled or past its `end_date` by then is recorded as the alert's end. The standard knows no severity.
Longitude first, WGS 84; of a line the corner in its middle is the alert's point.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, ClassVar

from dispatch.ingest.adapters.road_times import Standing, middle_of, phase_of, revision_of, standing
from dispatch.ingest.hardened_json import parse_json
from dispatch.ingest.message import (
    Delivery,
    Draft,
    Entry,
    NotUnderstood,
    Parsed,
    Rejected,
    SaidTime,
    clean,
    draft,
    identity,
    place_at,
    said_time,
    tidy,
)
from domain.event import Place
from domain.vocabulary import AlertKind, CoordinateSystem

OVER = frozenset({"completed", "cancelled"})
TO_COME = frozenset({"planned", "pending"})
"""`event_status`, which 4.x still carries and 3.x demanded."""
NO_ALARMS = frozenset({"detour", "restriction"})
LINES = frozenset({"LineString", "MultiPoint"})
FEED_FIELDS = ("feed_info", "road_event_feed_info")
"""The second is what the first was called before 4.2."""
CORNERS_MAX = 30_000


class WzdxAdapter:
    """Road works as the authority that does them publishes them."""

    name: ClassVar[str] = "wzdx"
    media_types: ClassVar[tuple[str, ...]] = ("application/geo+json", "application/json")
    example: ClassVar[tuple[str, str]] = (
        "application/geo+json",
        (
            '{"type":"FeatureCollection","feed_info":{"update_date":"2026-08-01T21:12:00+08:00","publisher":"Road'
            ' works","version":"4.2"},"features":[{"id":"cd-works-118","type":"Feature","properties":{"core_details":'
            '{"event_type":"work-zone","data_source_id":"1","road_names":["Shudu Avenue"],"direction":"eastbound",'
            '"description":"Drain repair","creation_date":"2026-08-01T20:00:00+08:00","update_date":'
            '"2026-08-01T20:55:00+08:00"},"start_date":"2026-08-01T20:30:00+08:00","end_date":'
            '"2026-08-02T05:00:00+08:00","vehicle_impact":"all-lanes-closed","location_method":"unknown"},"geometry":'
            '{"type":"LineString","coordinates":[[104.0651,30.6601],[104.0672,30.6604],[104.0693,30.6609]]}}]}'
        ),
    )

    def parse(self, body: bytes, delivery: Delivery) -> Parsed:
        """Each road event of the feed. An empty feed only says that its server lives."""
        document = parse_json(body)
        if not isinstance(document, dict) or document.get("type") != "FeatureCollection":
            raise NotUnderstood("ingest.wrong_document", "A WZDx feed is a GeoJSON FeatureCollection of road events.")
        if delivery.crs is not CoordinateSystem.WGS84:
            raise NotUnderstood(
                "ingest.malformed", "GeoJSON is WGS 84 by its own standard. Leave `crs` out.", pointer="query:crs"
            )
        feed = _feed(document)
        published = _time(feed, "update_date", delivery, "/feed_info/update_date").at
        features = document.get("features")
        if not isinstance(features, list):
            raise NotUnderstood("ingest.malformed", "The feed has no list of features.", pointer="/features")
        if len(features) > delivery.batch_max:
            raise NotUnderstood("ingest.too_many", f"A feed has at most {delivery.batch_max} events here. Split it.")
        entries = tuple(_entry(feature, feed, published, delivery) for feature in features)
        return Parsed(entries, heartbeat=not entries, batch=True)


def _feed(document: dict[str, Any]) -> dict[str, Any]:
    """What the feed says of itself."""
    for name in FEED_FIELDS:
        feed = document.get(name)
        if isinstance(feed, dict):
            return feed
    raise NotUnderstood(
        "ingest.wrong_document", "The FeatureCollection has no feed_info, as WZDx feeds do.", pointer="/feed_info"
    )


def _entry(feature: Any, feed: dict[str, Any], published: datetime | None, delivery: Delivery) -> Entry:
    try:
        return _draft(feature, published, delivery)
    except NotUnderstood as refusal:
        alone = {
            "type": "FeatureCollection",
            "feed_info": {"update_date": feed.get("update_date")},
            "features": [feature],
        }
        return Rejected(refusal, json.dumps(alone, ensure_ascii=False).encode())


def _draft(feature: Any, published: datetime | None, delivery: Delivery) -> Draft:
    event = _object(feature, "properties")
    core = _object(event, "core_details")
    kind = _text(core, "event_type", 100) or ""
    if not kind:
        raise NotUnderstood(
            "ingest.wrong_document",
            "The Feature is no WZDx road event: it has no core_details with an event_type.",
            pointer="/properties/core_details/event_type",
        )
    if kind in NO_ALARMS:
        raise NotUnderstood("ingest.not_an_alarm", f"A {clean(kind, 50)} says what drivers are to do.")
    code = feature.get("id") if isinstance(feature, dict) else None
    if isinstance(code, bool) or not isinstance(code, (str, int)) or not str(code).strip():
        raise NotUnderstood("ingest.malformed", "The road event has no id.", pointer="/id")
    version = _version(core, delivery)
    phase = phase_of(
        _standing(event, published, delivery), is_first=_text(core, "creation_date", 80) in {None, version.text}
    )
    impact = _text(event, "vehicle_impact", 100)
    return draft(
        delivery,
        version,
        adapter=WzdxAdapter.name,
        source_event_id=identity(str(code).strip()),
        revision=revision_of(version.text or "", phase),
        kind=_kind(kind, impact),
        vendor_type=clean("/".join(part for part in (kind, impact) if part), 100),
        phase=phase,
        place=_place(feature, core),
        text=_text(core, "description", 4_000) or _text(core, "name", 4_000),
    )


def _kind(kind: str, impact: str | None) -> AlertKind:
    if kind != "work-zone":
        return AlertKind.OTHER
    return AlertKind.ROAD_BLOCKED if impact == "all-lanes-closed" else AlertKind.ROADWORKS


def _version(core: dict[str, Any], delivery: Delivery) -> SaidTime:
    for name in ("update_date", "creation_date"):
        said = _time(core, name, delivery, f"/properties/core_details/{name}")
        if said.at is not None:
            return said
    raise NotUnderstood(
        "ingest.malformed",
        "The road event has neither update_date nor creation_date, so a change could not be told from a repeat.",
        pointer="/properties/core_details/update_date",
    )


def _standing(event: dict[str, Any], published: datetime | None, delivery: Delivery) -> Standing:
    status = _text(event, "event_status", 50)
    if status in OVER:
        return Standing.OVER
    if status in TO_COME:
        return Standing.TO_COME
    start, end = (_time(event, name, delivery, f"/properties/{name}").at for name in ("start_date", "end_date"))
    return standing(start, end, published)


def _place(feature: dict[str, Any], core: dict[str, Any]) -> Place:
    names = core.get("road_names")
    roads = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    direction = _text(core, "direction", 50)
    said = [*roads[:20], *([direction] if roads and direction not in {None, "unknown", "undefined"} else [])]
    address = tidy(", ".join(name or "" for name in said), 500)
    spot = _spot(feature.get("geometry"))
    if spot is None:
        return Place(address=address)
    return place_at(*spot, CoordinateSystem.WGS84, pointer="/geometry/coordinates", address=address)


def _spot(geometry: Any) -> tuple[float, float] | None:
    """(longitude, latitude); None where the feature has no geometry. Raises `NotUnderstood` for a broken one."""
    if geometry is None:
        return None
    if not isinstance(geometry, dict) or geometry.get("type") not in LINES | {"Point"}:
        raise NotUnderstood(
            "ingest.malformed", "A road event is a LineString, MultiPoint or Point.", pointer="/geometry/type"
        )
    found = geometry.get("coordinates")
    corners = [found] if geometry["type"] == "Point" else found
    if not isinstance(corners, list) or not 0 < len(corners) <= CORNERS_MAX:
        raise NotUnderstood(
            "ingest.malformed", f"coordinates must be 1 to {CORNERS_MAX} positions.", pointer="/geometry/coordinates"
        )
    return middle_of([_position(corner) for corner in corners])


def _position(corner: Any) -> tuple[float, float]:
    numbers = corner[:2] if isinstance(corner, list) else []
    if len(numbers) != 2 or any(isinstance(each, bool) or not isinstance(each, (int, float)) for each in numbers):
        raise NotUnderstood(
            "ingest.malformed", "A position is longitude, then latitude.", pointer="/geometry/coordinates"
        )
    return numbers[0], numbers[1]


def _time(holder: dict[str, Any], name: str, delivery: Delivery, pointer: str) -> SaidTime:
    value = holder.get(name)
    try:
        # What is no text is no time either, and reads as none.
        return said_time(tidy(value if isinstance(value, str | None) else str(value), 80), delivery.zone)
    except ValueError:
        raise NotUnderstood(
            "ingest.malformed", f"{clean(str(value), 100)!r} is no ISO 8601 time.", pointer=pointer
        ) from None


def _object(holder: Any, name: str) -> dict[str, Any]:
    """An object's member that is an object, empty if there is none."""
    found = holder.get(name) if isinstance(holder, dict) else None
    return found if isinstance(found, dict) else {}


def _text(holder: dict[str, Any], name: str, limit: int) -> str | None:
    value = holder.get(name)
    return tidy(value, limit) if isinstance(value, str) else None
