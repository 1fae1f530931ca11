"""Dahua events: lines of `eventManager.cgi` (`Code=…;action=…;index=…;data={…}`), alone, in a multipart stream, or as
the `Events[n].…` lines of `snapManager.cgi`; and the same in JSON, one, a list, or an `eventList`.

Identity: the stream names no device and numbers nothing that outlives a reboot. Ours is source + the camera of the
address + index + code + time as written + `EventID` and `UTCMS` where they are said, with the action as revision. Many
cameras send motion without any time: nothing would tell tomorrow's from a repeat of today's, so it is refused; whoever
reads the stream adds `Time` to it (ISO 8601). Start and Stop have times of their own and are two identities.

`RealUTC` is seconds since 1970. `LocaleTime` is the camera's wall clock: the city's zone is assumed. `UTC`, despite its
name, is local time in part of the firmwares; alone it is believed, and a clock that is hours ahead is marked as such.

Plates (`Object.Text`, `TrafficCar`), attributes and names are not read; events about faces and about cards at doors are
refused: this is dispatch, not identification. Pictures stay with the device; we keep their hash.
"""

from __future__ import annotations

import json
import re
from typing import Any, ClassVar

from dispatch.ingest.hardened_json import parse_json
from dispatch.ingest.hardened_xml import decode_text
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
    device_time,
    draft,
    epoch_time,
    identity,
    tidy,
)
from dispatch.ingest.multipart import Part, boundary_of, digest_of, is_medium, split
from domain.event import MediaReference
from domain.vocabulary import AlertKind, AlertPhase, CameraHealth

PHASES = {"start": AlertPhase.START, "stop": AlertPhase.END, "pulse": AlertPhase.SINGLE}
KINDS: dict[str, AlertKind] = {
    "videomotion": AlertKind.MOTION,
    "smartmotionhuman": AlertKind.PERSON,
    "smartmotionvehicle": AlertKind.VEHICLE,
    "crosslinedetection": AlertKind.LINE_CROSSING,
    "crossfencedetection": AlertKind.LINE_CROSSING,
    "crossregiondetection": AlertKind.INTRUSION,
    "wanderdetection": AlertKind.LOITERING,
    "staydetection": AlertKind.LOITERING,
    "rioterdetection": AlertKind.CROWD,
    "crowddetection": AlertKind.CROWD,
    "humantrait": AlertKind.PERSON,
    "trafficjunction": AlertKind.VEHICLE,
    "parkingdetection": AlertKind.VEHICLE,
    "trafficparking": AlertKind.VEHICLE,
    "trafficjam": AlertKind.CONGESTION,
    "trafficaccident": AlertKind.ACCIDENT,
    "firedetection": AlertKind.SMOKE_FIRE,
    "smokedetection": AlertKind.SMOKE_FIRE,
    "firewarning": AlertKind.SMOKE_FIRE,
    "waterleveldetection": AlertKind.WATER_LEVEL,
    "shoppresence": AlertKind.ILLEGAL_STALL,
    "flowbusiness": AlertKind.ILLEGAL_STALL,
    "garbageexposure": AlertKind.LITTERING,
    "dustbinoverflow": AlertKind.LITTERING,
    "alarmlocal": AlertKind.IO_ALARM,
    "videoloss": AlertKind.VIDEO_LOSS,
    "videoblind": AlertKind.TAMPER,
    "videounfocus": AlertKind.TAMPER,
    "videoabnormaldetection": AlertKind.TAMPER,
    "scenechange": AlertKind.TAMPER,
}
"""Codes, in lower case. Anything else is `other` with the vendor's word beside it."""
TROUBLES: dict[str, CameraHealth] = {
    "videoloss": CameraHealth.OFFLINE,
    "videoblind": CameraHealth.DEGRADED,
    "videounfocus": CameraHealth.DEGRADED,
    "videoabnormaldetection": CameraHealth.DEGRADED,
    "scenechange": CameraHealth.DEGRADED,
}
"""How well a camera sees that says so. `StorageFailure` and its like are the recorder's: the camera sees as before."""
IDENTIFYING = frozenset(
    {"facedetection", "facerecognition", "facecomparision", "facecomparison", "facefeatureabstract"}
    | {"candidatelist", "citizenpicturecompare", "accesscontrol", "accessidentify"}
)
"""Faces, and cards at doors: both carry who somebody is."""
HOUSEKEEPING = frozenset(
    {"newfile", "intelliframe", "timechange", "ntpadjusttime", "rtspsessiondisconnect", "intervideoaccess"}
    | {"sipregisterresult", "videomotioninfo", "loginsuccess", "logout", "reboot"}
)
MEDIA_MAX = 20
_LINE = re.compile(
    r"Code=([^;\r\n]{1,200});\s*action=([^;\r\n]{1,50});\s*index=(\d{1,9})\s*(?:;\s*data=(.*))?", re.DOTALL
)
_BEGIN = re.compile(r"^(?=Code=)", re.MULTILINE)
_PAIR = re.compile(r"Events\[(\d{1,4})\]\.(?:EventBaseInfo\.)?(\w{1,50})=([^\r\n]{0,500})")
PAIRS_READ = frozenset({"Code", "Action", "Index", "Name", "UTC", "UTCMS", "RealUTC", "LocaleTime", "EventID"})


class DahuaAdapter:
    """What Dahua cameras and recorders say in their event stream, or post."""

    name: ClassVar[str] = "dahua"
    media_types: ClassVar[tuple[str, ...]] = (
        "text/plain",
        "application/json",
        "multipart/x-mixed-replace",
        "multipart/mixed",
        "multipart/form-data",
    )
    example: ClassVar[tuple[str, str]] = (
        "text/plain",
        (
            'Code=CrossLineDetection;action=Start;index=0;data={"Name":"Gate","Object":{"ObjectType":"Human"},'
            '"LocaleTime":"2026-08-01 21:14:05","EventID":10234,"RealUTC":1785590045}'
        ),
    )

    def parse(self, body: bytes, delivery: Delivery) -> Parsed:
        """One event, or each of a stream, a list, a multipart message."""
        boundary = boundary_of(delivery.content_type, body)
        if boundary is None:
            return _parsed(_told(body), (), delivery)
        parts = split(body, boundary)
        telling = [part.body for part in parts if not _is_picture(part)]
        if not telling:
            raise NotUnderstood("ingest.wrong_document", "No part of the message is a Dahua event.")
        if len(telling) == 1:
            return _parsed(_told(telling[0]), _pictures(parts), delivery)
        return _parsed([told for part in telling for told in _told_by_part(part)], _pictures(parts), delivery)


def _parsed(events: list[Any], media: tuple[MediaReference, ...], delivery: Delivery) -> Parsed:
    """An event that comes alone is refused by itself; of several, each is judged alone."""
    if len(events) > delivery.batch_max:
        raise NotUnderstood("ingest.too_many", f"A message has at most {delivery.batch_max} events. Split it.")
    if len(events) == 1 and not isinstance(events[0], Rejected):
        return Parsed((_draft(_event(events[0]), media, delivery),))
    return Parsed(tuple(_entry(told, media, delivery) for told in events), heartbeat=not events, batch=bool(events))


def _entry(told: Any, media: tuple[MediaReference, ...], delivery: Delivery) -> Entry:
    if isinstance(told, Rejected):
        return told
    try:
        return _draft(_event(told), media, delivery)
    except NotUnderstood as refusal:
        return Rejected(refusal, told.encode() if isinstance(told, str) else json.dumps(told).encode())


def _is_picture(part: Part) -> bool:
    return is_medium(part) or part.media_type == "application/octet-stream"


def _pictures(parts: list[Part]) -> tuple[MediaReference, ...]:
    pictures = [part for part in parts if _is_picture(part)]
    return tuple(
        MediaReference(
            uri=f"part:{clean(part.name, 200) or number}", sha256=digest_of(part), media_type=part.media_type or None
        )
        for number, part in enumerate(pictures[:MEDIA_MAX])
    )


def _told_by_part(body: bytes) -> list[Any]:
    """The same in a stream, where a broken part does not take the others with it."""
    try:
        return _told(body)
    except NotUnderstood as refusal:
        return [Rejected(refusal, body)]


def _told(body: bytes) -> list[Any]:
    """The events as they came: lines as text, the rest as dictionaries. None for the stream's keep-alive."""
    start = body.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith((b"{", b"[")):
        return _listed(parse_json(body))
    text = decode_text(body).strip()
    if text.lower() == "heartbeat":
        return []
    if text.startswith("Code="):
        return [line.strip() for line in _BEGIN.split(text) if line.strip()]
    if text.startswith("Events["):
        return _paired(text)
    raise NotUnderstood(
        "ingest.wrong_document", "This is no Dahua event: neither Code=…;action=…;index=… nor its JSON rendering."
    )


def _listed(document: Any) -> list[Any]:
    if isinstance(document, list):
        return document
    params = document.get("params")
    for holder, name in ((params, "eventList"), (document, "eventList"), (document, "Events")):
        if isinstance(holder, dict) and isinstance(holder.get(name), list) and "Code" not in holder:
            found: list[Any] = holder[name]
            return found
    return [document]


def _paired(text: str) -> list[Any]:
    """`Events[0].EventBaseInfo.Code=FireDetection`, a line each. Only what is read here is taken over."""
    found: dict[str, dict[str, Any]] = {}
    for number, name, value in _PAIR.findall(text):
        if name in PAIRS_READ and value.strip():
            numeric = name in {"UTC", "RealUTC", "Index"} and value.strip().isascii() and value.strip().isdigit()
            found.setdefault(number, {}).setdefault(name, int(value) if numeric else value.strip())
    return list(found.values())


def _event(told: Any) -> dict[str, Any]:
    """Code, Action, Index and Data, whatever they came in."""
    if isinstance(told, dict):
        data = told.get("Data", told.get("data"))
        return {**told, "Data": data if isinstance(data, dict) else {}}
    line = _LINE.fullmatch(told) if isinstance(told, str) else None
    if line is None:
        raise NotUnderstood("ingest.malformed", "An event is Code=…;action=…;index=… with data={…}, or a JSON object.")
    code, action, index, data = line.groups()
    document = parse_json(data.strip().encode()) if data is not None and data.strip() else {}
    return {"Code": code, "Action": action, "Index": int(index), "Data": document if isinstance(document, dict) else {}}


def _draft(event: dict[str, Any], media: tuple[MediaReference, ...], delivery: Delivery) -> Draft:
    code = _text(event, "Code")
    if code is None:
        raise NotUnderstood("ingest.malformed", "The event has no Code.", pointer="/Code")
    _check_is_alarm(code)
    action = (_text(event, "Action") or _text(event, "action") or "").lower()
    if action not in PHASES:
        raise NotUnderstood("ingest.malformed", "Action must be Start, Stop or Pulse.", pointer="/Action")
    index = _text(event, "Index") or _text(event, "index") or "0"
    said = _time(event, delivery)
    if said.text is None:
        raise NotUnderstood(
            "ingest.malformed",
            "The event says no time and no number, so tomorrow's could not be told from a repeat of this one. Let the"
            " program that reads the stream send JSON with Time (ISO 8601) beside Code, Action, Index and Data.",
            pointer="/Time",
        )
    channel = str(int(index) + 1) if index.isascii() and index.isdigit() and len(index) < 10 else index
    number = _text(event, "Data", "EventID") or _text(event, "EventID")
    fraction = _text(event, "Data", "UTCMS") or _text(event, "UTCMS")
    finer = (number, f"ms{fraction}" if fraction else None)
    return draft(
        delivery,
        said,
        cameras=(f"channel/{channel}",),
        adapter=DahuaAdapter.name,
        source_event_id=identity(delivery.camera or "", index, code, said.text, *(each for each in finer if each)),
        revision=action,
        kind=KINDS.get(code.lower(), AlertKind.OTHER),
        trouble=TROUBLES.get(code.lower()),
        vendor_type=clean(code, 100),
        phase=PHASES[action],
        text=_words(event),
        media=media,
    )


def _check_is_alarm(code: str) -> None:
    if code.lower() in IDENTIFYING:
        raise NotUnderstood(
            "ingest.identification",
            f"{clean(code, 100)} tells who somebody is. This system does not identify anybody; nothing was kept. Switch"
            " the event off for this receiver.",
        )
    if code.lower() in HOUSEKEEPING:
        raise NotUnderstood("ingest.not_an_alarm", f"{clean(code, 100)} is the device's own housekeeping.")


def _time(event: dict[str, Any], delivery: Delivery) -> SaidTime:
    """The best of the times the event says."""
    for holder in (event["Data"], event):
        if _is_number(holder.get("RealUTC")):
            return epoch_time(holder["RealUTC"], pointer="/Data/RealUTC")
    for holder, name in ((event, "Time"), (event["Data"], "LocaleTime"), (event, "LocaleTime")):
        if isinstance(holder.get(name), str) and holder[name].strip():
            return device_time(holder[name], delivery.zone)
    for holder in (event["Data"], event):
        if _is_number(holder.get("UTC")):
            return epoch_time(holder["UTC"], pointer="/Data/UTC")
    return NO_TIME


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _text(event: dict[str, Any], *path: str) -> str | None:
    found: Any = event
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    if isinstance(found, bool) or not isinstance(found, (str, int, float)):
        return None
    return clean(str(found), 300) or None


def _words(event: dict[str, Any]) -> str | None:
    """One line for people: the rule, what was seen, where. Marks of persons and cars are not among the fields read."""
    regions = event["Data"].get("RegionName")
    names = [clean(name, 50) for name in regions if isinstance(name, str)] if isinstance(regions, list) else []
    seen, direction = _text(event, "Data", "Object", "ObjectType"), _text(event, "Data", "Direction")
    told = [
        _text(event, "Data", "Name") or _text(event, "Name"),
        f"target {seen}" if seen else None,
        f"direction {direction}" if direction else None,
        f"region {', '.join(names[:20])}" if names else None,
    ]
    return tidy("; ".join(part for part in told if part), 4_000)
