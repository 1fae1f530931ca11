"""ONVIF events (WS-BaseNotification): a `NotificationMessage`, alone, in a `Notify` or `PullMessagesResponse` with or
without its SOAP envelope, or in a metadata stream; Axis speaks the same with topics of its own.

Identity: ONVIF numbers nothing. Ours is source + producer (else the camera of the address) + topic without prefixes +
the items of Source and Key + `UtcTime` as written, with the property's operation as revision. An event without a time
would be the same for ever and is refused.

A property that is `Initialized` was there when somebody subscribed: if it is off it is no alarm, if it is on it goes
on. `Changed` to true starts, to false ends, `Deleted` ends; an event without operation or state is single. `UtcTime` is
UTC by its name; without an offset that is assumed and marked.

Only rule, object and class are read for people's eyes. Plates are dropped; recognised faces and credentials at doors
are refused: this is dispatch, not identification.
"""

from __future__ import annotations

import re
from datetime import UTC
from typing import ClassVar
from xml.etree.ElementTree import Element, tostring

from dispatch.ingest.hardened_xml import child, children, local, parse_xml, text_of
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
from domain.vocabulary import AlertKind, AlertPhase, CameraHealth

MESSAGE = "NotificationMessage"
HOLDERS = frozenset({"MetadataStream", "Notify", "PullMessagesResponse"})
"""What may hold messages, and holds none when nothing happened."""
KINDS: tuple[tuple[str, AlertKind], ...] = (
    ("videosource/motionalarm", AlertKind.MOTION),
    ("ruleengine/cellmotiondetector", AlertKind.MOTION),
    ("ruleengine/motionregiondetector", AlertKind.MOTION),
    ("ruleengine/vmd3", AlertKind.MOTION),
    ("cameraapplicationplatform/vmd", AlertKind.MOTION),
    ("cameraapplicationplatform/motionguard", AlertKind.MOTION),
    ("device/sensor/pir", AlertKind.MOTION),
    ("ruleengine/fielddetector", AlertKind.INTRUSION),
    ("ruleengine/linedetector", AlertKind.LINE_CROSSING),
    ("cameraapplicationplatform/fenceguard", AlertKind.LINE_CROSSING),
    ("ruleengine/loiteringdetector", AlertKind.LOITERING),
    ("cameraapplicationplatform/loiteringguard", AlertKind.LOITERING),
    ("ruleengine/myruledetector/peopledetect", AlertKind.PERSON),
    ("ruleengine/myruledetector/vehicledetect", AlertKind.VEHICLE),
    ("ruleengine/recognition/licenseplate", AlertKind.VEHICLE),
    ("ruleengine/tamperdetector", AlertKind.TAMPER),
    ("videosource/globalscenechange", AlertKind.TAMPER),
    ("videosource/imagetooblurry", AlertKind.TAMPER),
    ("videosource/imagetoodark", AlertKind.TAMPER),
    ("videosource/imagetoobright", AlertKind.TAMPER),
    ("videosource/tampering", AlertKind.TAMPER),
    ("device/casing", AlertKind.TAMPER),
    ("videosource/signalloss", AlertKind.VIDEO_LOSS),
    ("device/trigger/digitalinput", AlertKind.IO_ALARM),
    ("device/io/port", AlertKind.IO_ALARM),
    ("device/io/virtualinput", AlertKind.IO_ALARM),
    ("accesscontrol/duress", AlertKind.PANIC_BUTTON),
)
"""Beginnings of topics, in lower case and without prefixes. Anything else is `other` with its topic beside it; so is
Axis Object Analytics, whose events do not say what their scenario looks for."""
TROUBLES: tuple[tuple[str, CameraHealth], ...] = (
    ("videosource/signalloss", CameraHealth.OFFLINE),
    ("videosource/globalscenechange", CameraHealth.DEGRADED),
    ("videosource/imagetooblurry", CameraHealth.DEGRADED),
    ("videosource/imagetoodark", CameraHealth.DEGRADED),
    ("videosource/imagetoobright", CameraHealth.DEGRADED),
    ("videosource/tampering", CameraHealth.DEGRADED),
    ("ruleengine/tamperdetector", CameraHealth.DEGRADED),
)
"""How well a camera sees that says so, by the beginning of the topic. An opened casing does not cover the lens."""
IDENTIFYING = ("accesscontrol/", "credential/", "ruleengine/recognition/face")
FACES = re.compile(r"(?:^|/)face|face(?:detect|recogn|match|compar|capture)")
"""No interface and no surface."""
HOUSEKEEPING = (
    "monitoring/",
    "device/operationmode",
    "device/status",
    "recordingconfig/",
    "configuration/",
    "media/",
    "ptzcontroller/",
    "videosource/daynightvision",
    "videosource/livestreamaccessed",
    "videosource/autofocus",
)
STATES = frozenset({"state", "logicalstate", "active", "ismotion", "isinside", "istamper", "alarm", "triggered"})
TRUE, FALSE = frozenset({"true", "1", "on"}), frozenset({"false", "0", "off"})
TOKENS = ("VideoSourceConfigurationToken", "VideoSource", "VideoSourceToken", "Source")
WORDS = (("Rule", "rule"), ("ObjectId", "object"), ("ClassTypes", "class"), ("ObjectType", "class"))
ITEMS_MAX = 50


class OnvifAdapter:
    """Events of ONVIF cameras and of Axis."""

    name: ClassVar[str] = "onvif"
    media_types: ClassVar[tuple[str, ...]] = ("application/soap+xml", "application/xml", "text/xml")
    example: ClassVar[tuple[str, str]] = (
        "application/soap+xml",
        (
            '<Envelope xmlns="http://www.w3.org/2003/05/soap-envelope"><Body><Notify'
            ' xmlns="http://docs.oasis-open.org/wsn/b-2"><NotificationMessage><Topic>tns1:RuleEngine/LineDetector/Crossed'
            '</Topic><Message><Message xmlns="http://www.onvif.org/ver10/schema" UtcTime="2026-08-01T13:14:05Z">'
            '<Source><SimpleItem Name="VideoSourceConfigurationToken" Value="vsc_1"/>'
            '<SimpleItem Name="Rule" Value="Gate"/></Source><Data><SimpleItem Name="ObjectId" Value="15"/></Data>'
            "</Message></Message></NotificationMessage></Notify></Body></Envelope>"
        ),
    )

    def parse(self, body: bytes, delivery: Delivery) -> Parsed:
        """Each notification of the message."""
        root = parse_xml(body)
        messages = _messages(root)
        if len(messages) > delivery.batch_max:
            raise NotUnderstood("ingest.too_many", f"A message has at most {delivery.batch_max} events. Split it.")
        if not messages and not _holds(root):
            raise NotUnderstood(
                "ingest.wrong_document",
                f"The root element is {clean(local(root), 100)} and holds no {MESSAGE}, as ONVIF events are.",
            )
        if len(messages) == 1:
            return Parsed((_draft(messages[0], delivery),))
        entries = tuple(_entry(message, delivery) for message in messages)
        return Parsed(entries, heartbeat=not entries, batch=bool(entries))


def _messages(element: Element) -> list[Element]:
    """All notifications, none inside another."""
    if local(element) == MESSAGE:
        return [element]
    return [found for part in element for found in _messages(part)]


def _holds(root: Element) -> bool:
    body = child(root, "Body") if local(root) == "Envelope" else None
    return local(root) in HOLDERS or (body is not None and any(local(part) in HOLDERS for part in body))


def _entry(message: Element, delivery: Delivery) -> Entry:
    try:
        return _draft(message, delivery)
    except NotUnderstood as refusal:
        return Rejected(refusal, tostring(message, encoding="utf-8"))


def _draft(message: Element, delivery: Delivery) -> Draft:
    topic = _topic(message)
    _check_is_alarm(topic.lower())
    told = child(message, "Message")
    told = child(told, "Message") if told is not None else None
    if told is None:
        raise NotUnderstood("ingest.malformed", f"The {MESSAGE} has no Message.", pointer=f"/{MESSAGE}/Message")
    said = device_time(told.get("UtcTime"), UTC)
    if said.text is None:
        raise NotUnderstood(
            "ingest.malformed",
            "The event has no UtcTime, so tomorrow's could not be told from a repeat of this one.",
            pointer=f"/{MESSAGE}/Message/Message/@UtcTime",
        )
    source, key, data = (_items(told, name) for name in ("Source", "Key", "Data"))
    producer = _producer(message)
    token = next((source[name] for name in TOKENS if source.get(name)), None)
    operation = clean(told.get("PropertyOperation", ""), 50).lower()
    named = [f"{name}={value}" for name, value in sorted((source | key).items())]
    return draft(
        delivery,
        said,
        cameras=(f"{producer}/{token}" if producer and token else None, producer, token),
        adapter=OnvifAdapter.name,
        source_event_id=identity(producer or delivery.camera or "", topic, *named, said.text),
        revision=operation,
        kind=next((kind for beginning, kind in KINDS if topic.lower().startswith(beginning)), AlertKind.OTHER),
        trouble=next((health for beginning, health in TROUBLES if topic.lower().startswith(beginning)), None),
        vendor_type=clean(topic, 100),
        phase=_phase(operation, data),
        text=_words(source | key | data),
    )


def _topic(message: Element) -> str:
    """The path without prefixes: which prefix stands for which vendor is each message's own affair."""
    said = text_of(message, "Topic")
    if said is None:
        raise NotUnderstood("ingest.malformed", f"The {MESSAGE} has no Topic.", pointer=f"/{MESSAGE}/Topic")
    return clean("/".join(step.rpartition(":")[2].strip() for step in said.split("/")), 1_000)


def _check_is_alarm(topic: str) -> None:
    if FACES.search(topic) or (topic.startswith(IDENTIFYING) and not topic.startswith("accesscontrol/duress")):
        raise NotUnderstood(
            "ingest.identification",
            f"{clean(topic, 100)} tells who somebody is. This system does not identify anybody; nothing was kept."
            " Leave the topic out of the subscription.",
        )
    if topic.startswith(HOUSEKEEPING):
        raise NotUnderstood("ingest.not_an_alarm", f"{clean(topic, 100)} is the device's own housekeeping.")


def _producer(message: Element) -> str | None:
    said = text_of(message, "ProducerReference", "Address")
    return tidy(said.removeprefix("uri://").removesuffix("/ProducerReference"), 100) if said else None


def _items(told: Element, name: str) -> dict[str, str]:
    """Simple items by name; the first of equal names counts."""
    found: dict[str, str] = {}
    holder = child(told, name)
    for item in children(holder, "SimpleItem")[:ITEMS_MAX] if holder is not None else []:
        found.setdefault(clean(item.get("Name", ""), 100), clean(item.get("Value", ""), 200))
    return found


def _phase(operation: str, data: dict[str, str]) -> AlertPhase:
    state = _state(data)
    if operation == "initialized" and state is not True:
        raise NotUnderstood("ingest.not_an_alarm", "This says how things stood when somebody subscribed: no alarm.")
    if operation == "initialized":
        return AlertPhase.UPDATE
    if operation == "deleted" or (operation == "changed" and state is False):
        return AlertPhase.END
    return AlertPhase.START if operation == "changed" and state is True else AlertPhase.SINGLE


def _state(data: dict[str, str]) -> bool | None:
    """Whether the property is on; None if the event is none that is on or off."""
    for name, value in data.items():
        said = value.lower()
        if name.lower() in STATES and said in TRUE | FALSE:
            return said in TRUE
    return next((value.lower() == "true" for value in data.values() if value.lower() in {"true", "false"}), None)


def _words(items: dict[str, str]) -> str | None:
    return tidy("; ".join(f"{word} {items[name]}" for name, word in WORDS if items.get(name)), 4_000)
