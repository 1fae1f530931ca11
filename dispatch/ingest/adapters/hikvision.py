"""Hikvision ISAPI `EventNotificationAlert`: XML with or without namespace, its JSON renderings, and multipart.

Identity: Hikvision sends no id. Ours is source + MAC (else serial, else IP) + channel + event type + `dateTime` as
written, with the event state as revision. A device repeats an active event about once a second with a new `dateTime`
and a higher `activePostCount`: those are updates, each with an identity of its own. A retransmission
(`isDataRetransmission`) keeps its `dateTime` and is a repeat. Two regions firing within one second share an identity
and differ in content: the second is recorded as a revision. An event without `dateTime` is refused: tomorrow's would
pass for a repeat of today's and be lost. One whose `dateTime` nobody can read is taken; its text tells it apart.

`eventType` `duration` only says that something goes on; the real type is its `relationEvent`. `videoloss` `inactive`
is the format's keep-alive, sent while there is no alarm: understood, answered, not recorded, unless it ends a loss of
video that lasts. Plates are dropped and face comparisons refused, at
this edge: this is dispatch, not identification. Pictures stay with the device; we keep their hash.
"""

from __future__ import annotations

from typing import Any, ClassVar
from xml.etree.ElementTree import Element

from dispatch.ingest.hardened_json import parse_json
from dispatch.ingest.hardened_xml import local, parse_xml
from dispatch.ingest.message import (
    Delivery,
    Draft,
    Entry,
    NotUnderstood,
    Parsed,
    Rejected,
    clean,
    device_time,
    draft,
    identity,
    tidy,
)
from dispatch.ingest.multipart import Part, boundary_of, digest_of, is_medium, split
from domain.event import MediaReference
from domain.vocabulary import AlertKind, AlertPhase, CameraHealth

ROOT = "EventNotificationAlert"
MEDIA_MAX = 20
KINDS: dict[str, AlertKind] = {
    "vmd": AlertKind.MOTION,
    "pir": AlertKind.MOTION,
    "fielddetection": AlertKind.INTRUSION,
    "regionentrance": AlertKind.INTRUSION,
    "regionexiting": AlertKind.INTRUSION,
    "linedetection": AlertKind.LINE_CROSSING,
    "loitering": AlertKind.LOITERING,
    "group": AlertKind.CROWD,
    "persondensitydetection": AlertKind.CROWD,
    "personqueuedetection": AlertKind.CROWD,
    "facedetection": AlertKind.PERSON,
    "humandetection": AlertKind.PERSON,
    "anpr": AlertKind.VEHICLE,
    "vehicledetection": AlertKind.VEHICLE,
    "vehicle": AlertKind.VEHICLE,
    "firedetection": AlertKind.SMOKE_FIRE,
    "smokedetection": AlertKind.SMOKE_FIRE,
    "smokeandfiredetection": AlertKind.SMOKE_FIRE,
    "io": AlertKind.IO_ALARM,
    "panicbutton": AlertKind.PANIC_BUTTON,
    "emergencyalarm": AlertKind.PANIC_BUTTON,
    "videoloss": AlertKind.VIDEO_LOSS,
    "shelteralarm": AlertKind.TAMPER,
    "tamperdetection": AlertKind.TAMPER,
    "scenechangedetection": AlertKind.TAMPER,
    "trafficcongestion": AlertKind.CONGESTION,
    "congestion": AlertKind.CONGESTION,
    "trafficaccident": AlertKind.ACCIDENT,
}
"""Event types, in lower case. Anything else is `other` with the vendor's word beside it."""
TROUBLES: dict[str, CameraHealth] = {
    "videoloss": CameraHealth.OFFLINE,
    "badvideo": CameraHealth.DEGRADED,
    "shelteralarm": CameraHealth.DEGRADED,
    "tamperdetection": CameraHealth.DEGRADED,
    "scenechangedetection": CameraHealth.DEGRADED,
    "defocus": CameraHealth.DEGRADED,
}
"""How well a camera sees that says so. A full or broken disk is the recorder's: the camera sees as before, and the
message names no channel that could be believed."""
HEARTBEATS = frozenset({"heartbeat"})
IDENTIFYING = frozenset({"alarmresult", "facesnapmatch", "facecapturematch", "facematch", "blackface"})
"""Comparisons of faces with a list of people."""


class HikvisionAdapter:
    """What cameras and recorders push to an HTTP listener, or send in their alert stream."""

    name: ClassVar[str] = "hikvision"
    media_types: ClassVar[tuple[str, ...]] = (
        "application/xml",
        "text/xml",
        "application/json",
        "multipart/form-data",
        "multipart/mixed",
    )
    example: ClassVar[tuple[str, str]] = (
        "application/xml",
        (
            "<EventNotificationAlert><macAddress>02:51:01:00:00:2a</macAddress><channelID>1</channelID>"
            "<dateTime>2026-08-01T21:14:05+08:00</dateTime><activePostCount>1</activePostCount>"
            "<eventType>fielddetection</eventType><eventState>active</eventState></EventNotificationAlert>"
        ),
    )

    def parse(self, body: bytes, delivery: Delivery) -> Parsed:
        """One event, or each event of a multipart message."""
        boundary = boundary_of(delivery.content_type, body)
        if boundary is None:
            return _parsed(_entries(body, (), delivery), batch=False)
        parts = split(body, boundary)
        telling = [part.body for part in parts if _tells(part)]
        if not telling:
            raise NotUnderstood("ingest.wrong_document", f"No part of the message is an {ROOT}.")
        media = _pictures(parts)
        if len(telling) == 1:
            entries = _entries(telling[0], media, delivery)
        else:
            entries = tuple(entry for part in telling for entry in _entries_of_part(part, media, delivery))
        return _parsed(entries, batch=len(telling) > 1)


def _parsed(found: tuple[Entry, ...], *, batch: bool) -> Parsed:
    """What was found, the keep-alives apart."""
    all_clears = tuple(each for each in found if isinstance(each, Draft) and _is_all_clear(each))
    entries = tuple(each for each in found if not (isinstance(each, Draft) and _is_all_clear(each)))
    return Parsed(entries, heartbeat=not entries, batch=batch, all_clears=all_clears)


def _is_all_clear(found: Draft) -> bool:
    return found.content.kind is AlertKind.VIDEO_LOSS and found.content.phase is AlertPhase.END


def _entries(body: bytes, media: tuple[MediaReference, ...], delivery: Delivery) -> tuple[Entry, ...]:
    """The event's draft; none for a keep-alive that does not say when."""
    event = _event(body)
    if not _is_heartbeat(event):
        return (_draft(event, media, delivery),)
    says_when = _type_of(event).lower() not in HEARTBEATS and _text(event, "dateTime") is not None
    return (_draft(event, (), delivery),) if says_when else ()


def _entries_of_part(body: bytes, media: tuple[MediaReference, ...], delivery: Delivery) -> tuple[Entry, ...]:
    """The same in a stream of several events, where a broken one does not take the others with it."""
    try:
        return _entries(body, media, delivery)
    except NotUnderstood as refusal:
        return (Rejected(refusal, body),)


def _tells(part: Part) -> bool:
    return not is_medium(part) and part.body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<", b"{"))


def _pictures(parts: list[Part]) -> tuple[MediaReference, ...]:
    pictures = [part for part in parts if not _tells(part)]
    return tuple(
        MediaReference(
            uri=f"part:{clean(part.name, 200) or number}",
            sha256=digest_of(part),
            media_type=part.media_type or None,
        )
        for number, part in enumerate(pictures[:MEDIA_MAX])
    )


def _event(body: bytes) -> dict[str, Any]:
    """The event as nested dictionaries, whatever it was written in."""
    stripped = body.lstrip(b"\xef\xbb\xbf \t\r\n")
    if stripped.startswith(b"{"):
        document = parse_json(body)
        inner = document.get(ROOT)
        event = inner if isinstance(inner, dict) else document
    else:
        root = parse_xml(body)
        if local(root) != ROOT:
            raise NotUnderstood(
                "ingest.wrong_document", f"The root element is {clean(local(root), 100)}; an {ROOT} was expected."
            )
        event = _nested(root)
    if _text(event, "eventType") is None:
        raise NotUnderstood("ingest.malformed", "The event has no eventType.", pointer="/eventType")
    return event


def _nested(element: Element) -> dict[str, Any]:
    """Children by local name; the first of equal names counts, as nothing here reads lists by position."""
    found: dict[str, Any] = {}
    for part in element:
        found.setdefault(local(part), _nested(part) if len(part) else (part.text or "").strip())
    return found


def _text(event: Any, *path: str) -> str | None:
    """Text below a path. A JSON rendering may wrap single children in a list or write numbers."""
    found: Any = event
    for name in path:
        found = found[0] if isinstance(found, list) and found else found
        found = found.get(name) if isinstance(found, dict) else None
    found = found[0] if isinstance(found, list) and found else found
    if isinstance(found, bool) or not isinstance(found, (str, int, float)):
        return None
    return clean(str(found), 300) or None


def _type_of(event: dict[str, Any]) -> str:
    kind = _text(event, "eventType") or ""
    if kind.lower() != "duration":
        return kind
    return _text(event, "DurationList", "Duration", "relationEvent") or _text(event, "relationEvent") or kind


def _state_of(event: dict[str, Any]) -> str:
    return (_text(event, "eventState") or "active").lower()


def _is_heartbeat(event: dict[str, Any]) -> bool:
    kind = _type_of(event).lower()
    return kind in HEARTBEATS or (kind == "videoloss" and _state_of(event) == "inactive")


def _phase_of(event: dict[str, Any]) -> AlertPhase:
    if _state_of(event) == "inactive":
        return AlertPhase.END
    count = _text(event, "activePostCount") or "1"
    return AlertPhase.UPDATE if count.isascii() and count.isdigit() and int(count[:9]) > 1 else AlertPhase.START


def _draft(event: dict[str, Any], media: tuple[MediaReference, ...], delivery: Delivery) -> Draft:
    vendor_type = _type_of(event)
    if vendor_type.lower() in IDENTIFYING:
        raise NotUnderstood(
            "ingest.identification",
            f"{clean(vendor_type, 100)} compares faces with a list of people. This system does not identify anybody;"
            " nothing was kept. Switch the event off for this receiver.",
        )
    said = device_time(_text(event, "dateTime"), delivery.zone)
    if not said.text:
        raise NotUnderstood(
            "ingest.malformed",
            "The event says no time and the format has no number: tomorrow's could not be told from a repeat of this"
            " one. Switch the device's clock (NTP) on; an older firmware may have to be updated to send dateTime.",
            pointer="/dateTime",
        )
    device = _text(event, "macAddress") or _text(event, "Extensions", "serialNumber") or _text(event, "ipAddress")
    channel = _text(event, "channelID") or _text(event, "dynChannelID") or "1"
    address = _text(event, "ipAddress")
    return draft(
        delivery,
        said,
        cameras=(
            f"{device}/{channel}" if device else None,
            f"{address}/{channel}" if address else None,
            device,
            _text(event, "channelName"),
        ),
        adapter=HikvisionAdapter.name,
        source_event_id=identity(device or "", channel, vendor_type, said.text or ""),
        revision=_state_of(event)[:100],
        kind=KINDS.get(vendor_type.lower(), AlertKind.OTHER),
        trouble=TROUBLES.get(vendor_type.lower()),
        vendor_type=vendor_type[:100],
        phase=_phase_of(event),
        text=_told(event),
        media=media,
    )


def _told(event: dict[str, Any]) -> str | None:
    """One line for people. Plates and other marks of persons are never among the fields read."""
    target = _text(event, "targetType") or _text(
        event, "DetectionRegionList", "DetectionRegionEntry", "detectionTarget"
    )
    region = _text(event, "DetectionRegionList", "DetectionRegionEntry", "regionID")
    port = _text(event, "inputIOPortID")
    told = [
        _text(event, "eventDescription"),
        f"target {target}" if target else None,
        f"region {region}" if region else None,
        f"input {port}" if port else None,
        _text(event, "channelName"),
    ]
    return tidy("; ".join(part for part in told if part), 4_000)
