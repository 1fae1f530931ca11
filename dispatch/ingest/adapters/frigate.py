"""Frigate: `frigate/events` messages from MQTT (before and after) and the list of `/api/events`.

Identity: new, update and end of one detection share Frigate's id. Ours is source + that id, with the phase as revision
(an update adds its frame time). The time is the start for `new`, the end for `end`, the frame for `update`, so the
end as pushed and the end as listed later are one identity.

Recognised plates, names of faces (`sub_label`), attributes and thumbnails are dropped at this edge and never stored:
this is dispatch, not identification.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar
from urllib.parse import quote

from dispatch.ingest.hardened_json import parse_json
from dispatch.ingest.message import (
    NO_TIME,
    Delivery,
    Draft,
    Entry,
    NotUnderstood,
    Parsed,
    Rejected,
    SaidTime,
    clean,
    draft,
    epoch_time,
    tidy,
)
from domain.event import MediaReference
from domain.vocabulary import AlertKind, AlertPhase

PHASES = {"new": AlertPhase.START, "update": AlertPhase.UPDATE, "end": AlertPhase.END}
KINDS: dict[str, AlertKind] = {
    "person": AlertKind.PERSON,
    "face": AlertKind.PERSON,
    **dict.fromkeys(
        ("car", "truck", "bus", "motorcycle", "bicycle", "van", "train", "boat", "license_plate"), AlertKind.VEHICLE
    ),
    "fire": AlertKind.SMOKE_FIRE,
    "smoke": AlertKind.SMOKE_FIRE,
}
KEPT_FIELDS = frozenset(
    {"id", "label", "camera", "start_time", "end_time", "frame_time", "false_positive", "zones", "entered_zones"}
    | {"top_score", "has_clip", "has_snapshot", "description", "data", "type", "before", "after"}
)
"""What may be kept of an entry that is set aside; a name or a plate may not."""


class FrigateAdapter:
    """Detections of a Frigate recorder."""

    name: ClassVar[str] = "frigate"
    media_types: ClassVar[tuple[str, ...]] = ("application/json",)
    example: ClassVar[tuple[str, str]] = (
        "application/json",
        (
            '{"type":"new","before":{},"after":{"id":"1785590045.4-abc","camera":"cam_00042","label":"person",'
            '"start_time":1785590045.4,"top_score":0.91}}'
        ),
    )

    def parse(self, body: bytes, delivery: Delivery) -> Parsed:
        """One pushed event, or each of a list."""
        document = parse_json(body)
        if isinstance(document, list):
            if len(document) > delivery.batch_max:
                raise NotUnderstood("ingest.too_many", f"A list has at most {delivery.batch_max} events. Split it.")
            return Parsed(tuple(_entry(item, delivery) for item in document), heartbeat=not document, batch=True)
        if not isinstance(document, dict):
            raise NotUnderstood("ingest.malformed", "A Frigate event is a JSON object, or a list of them.")
        if "after" in document:
            return Parsed((_pushed(document, delivery),))
        if document.get("type") is not None and "camera" not in document:
            raise NotUnderstood(
                "ingest.not_an_alarm",
                f"A {clean(str(document['type']), 50)} message describes an event that was sent before; it has no"
                " camera and no time of its own. Send frigate/events.",
            )
        return Parsed((_listed(document, delivery),))


def _entry(item: Any, delivery: Delivery) -> Entry:
    try:
        return _listed(item, delivery)
    except NotUnderstood as refusal:
        known = {name: item[name] for name in item if name in KEPT_FIELDS} if isinstance(item, dict) else item
        return Rejected(refusal, json.dumps([known], ensure_ascii=False).encode())


def _pushed(document: dict[str, Any], delivery: Delivery) -> Draft:
    kind = document.get("type")
    phase = PHASES.get(kind) if isinstance(kind, str) else None
    event = document["after"]
    if phase is None or not isinstance(event, dict):
        raise NotUnderstood(
            "ingest.malformed", "type must be new, update or end, and after an object.", pointer="/type"
        )
    return _draft(event, phase, delivery, pointer="/after", score=event.get("top_score"))


def _listed(event: Any, delivery: Delivery) -> Draft:
    if not isinstance(event, dict):
        raise NotUnderstood("ingest.malformed", "A Frigate event is a JSON object.")
    phase = AlertPhase.START if event.get("end_time") is None else AlertPhase.END
    detected = event.get("data")
    detected = detected if isinstance(detected, dict) else {}
    score = detected.get("top_score", event.get("top_score"))
    return _draft(event, phase, delivery, pointer="", score=score, told=detected.get("description"))


def _draft(
    event: dict[str, Any],
    phase: AlertPhase,
    delivery: Delivery,
    *,
    pointer: str,
    score: object,
    told: object = None,
) -> Draft:
    if event.get("false_positive") is True:
        raise NotUnderstood("ingest.not_an_alarm", "Frigate itself calls this a false positive.")
    event_id, camera, label = (_name(event, name, pointer) for name in ("id", "camera", "label"))
    said = _time_of(event, phase, pointer)
    revision = {AlertPhase.START: "new", AlertPhase.END: "end"}.get(phase, f"update {said.text}")
    return draft(
        delivery,
        said,
        cameras=(camera,),
        adapter=FrigateAdapter.name,
        source_event_id=event_id,
        revision=revision[:100],
        kind=KINDS.get(label, AlertKind.OTHER),
        vendor_type=label[:100],
        phase=phase,
        text=_told(label, event, told),
        confidence=_share(score),
        media=_media(event, event_id),
    )


def _name(event: dict[str, Any], name: str, pointer: str) -> str:
    value = event.get(name)
    if not isinstance(value, str) or not value.strip():
        raise NotUnderstood("ingest.malformed", f"{name} must be a text.", pointer=f"{pointer}/{name}")
    return clean(value, 200)


def _time_of(event: dict[str, Any], phase: AlertPhase, pointer: str) -> SaidTime:
    wanted = {AlertPhase.START: "start_time", AlertPhase.END: "end_time"}.get(phase, "frame_time")
    for name in (wanted, "frame_time", "start_time"):
        if event.get(name) is not None:
            return epoch_time(event[name], pointer=f"{pointer}/{name}")
    return NO_TIME


def _told(label: str, event: dict[str, Any], told: object) -> str | None:
    zones = event.get("entered_zones") or event.get("zones")
    names = [clean(zone, 50) for zone in zones if isinstance(zone, str)] if isinstance(zones, list) else []
    where = f"{label} in {', '.join(names[:20])}" if names else label
    return tidy(f"{where}: {told}" if isinstance(told, str) and told else where, 4_000)


def _share(score: object) -> float | None:
    if isinstance(score, bool) or not isinstance(score, (int, float)) or not 0 <= score <= 1:
        return None
    return float(score)


def _media(event: dict[str, Any], event_id: str) -> tuple[MediaReference, ...]:
    """Where the recorder itself keeps clip and picture; the reference is relative to it."""
    where = f"frigate:/api/events/{quote(event_id, safe='')}"
    found = []
    if event.get("has_clip") is True:
        found.append(MediaReference(uri=f"{where}/clip.mp4", media_type="video/mp4"))
    if event.get("has_snapshot") is True:
        found.append(MediaReference(uri=f"{where}/snapshot.jpg", media_type="image/jpeg"))
    return tuple(found)
