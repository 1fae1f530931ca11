"""Orders as CAP 1.2 messages: an Alert when issued, an Update for each later text or time, a Cancel when lifted.

Each message names all before it in its `references`, so a receiver that missed one still knows what it replaces. An
order that ran out sends nothing: every message says when it expires. The status is the order's own, so an exercise is
an Exercise to every machine. An order commands and warns of nothing measured: severity and certainty are Unknown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from xml.etree.ElementTree import Element, SubElement, tostring
from zoneinfo import ZoneInfo

from dispatch.directory import Directory
from domain.event import Event, Fact
from domain.order.events import (
    Circle,
    OrderAmended,
    OrderArea,
    OrderContent,
    OrderExtended,
    OrderIssued,
    OrderLifted,
    Ring,
)
from domain.vocabulary import OrderKind
from projections.texts import code_text

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
MEDIA_TYPE = "application/cap+xml"
LANGUAGES = (("zh", "zh-CN"), ("en", "en-US"))
CATEGORIES = {
    OrderKind.TRAFFIC_CONTROL: "Transport",
    OrderKind.BRIDGE_CLOSURE: "Transport",
    OrderKind.ROAD_CLOSURE: "Transport",
    OrderKind.EVACUATION: "Safety",
    OrderKind.SHELTER_OPENING: "Safety",
    OrderKind.SUSPENSION: "Safety",
    OrderKind.OTHER: "Other",
}
RESPONSES = {
    OrderKind.TRAFFIC_CONTROL: "Execute",
    OrderKind.BRIDGE_CLOSURE: "Avoid",
    OrderKind.ROAD_CLOSURE: "Avoid",
    OrderKind.EVACUATION: "Evacuate",
    OrderKind.SHELTER_OPENING: "Shelter",
    OrderKind.SUSPENSION: "Execute",
    OrderKind.OTHER: "Execute",
}
IMMEDIATELY_S, SOON_S = 0, 3_600
"""Begins by now; begins within the hour. Anything later is Future."""

Change: TypeAlias = OrderIssued | OrderAmended | OrderExtended | OrderLifted
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold; a text may."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of an order's chain."""

    kind: str
    identifier: str
    sender: str
    sent_at: datetime
    order: OrderContent
    note: str | None

    def reference(self, zone: ZoneInfo) -> str:
        """How later messages refer to it."""
        return f"{self.sender},{self.identifier},{_time(self.sent_at, zone)}"


def chain(facts: Sequence[Fact[Event]], directory: Directory) -> list[Message]:
    """The messages of an order, oldest first, of all facts on its stream."""
    found: list[Message] = []
    for fact in facts:
        event = fact.event
        if not isinstance(event, OrderIssued | OrderAmended | OrderExtended | OrderLifted):
            continue
        order = event.order
        issuer = directory.center(order.issuer.center_id)
        sender = f"{issuer.code if issuer else order.issuer.center_id}@{order.city}"
        identifier = f"{order.number}.{len(found) + 1}"
        note = None if isinstance(event, OrderIssued) else event.reason
        found.append(Message(_kind(event), identifier, sender, fact.occurred_at, order, note))
    return found


def _kind(event: Change) -> str:
    match event:
        case OrderIssued():
            return "Alert"
        case OrderLifted():
            return "Cancel"
        case _:
            return "Update"


def document(messages: Sequence[Message], number: int, directory: Directory) -> bytes:
    """The n-th message (from 1), in the order of elements that the standard's schema prescribes."""
    said, zone = messages[number - 1], ZoneInfo(directory.rulebook().time_zone)
    root = Element("alert", {"xmlns": NAMESPACE})
    _add(root, "identifier", said.identifier)
    _add(root, "sender", said.sender)
    _add(root, "sent", _time(said.sent_at, zone))
    _add(root, "status", said.order.status.value.capitalize())
    _add(root, "msgType", said.kind)
    _add(root, "scope", "Private")
    _add(root, "addresses", " ".join(_addresses(said.order, directory)))
    _add(root, "note", said.note)
    _add(root, "references", " ".join(earlier.reference(zone) for earlier in messages[: number - 1]))
    for language, tag in LANGUAGES:
        _add_info(root, said, language, tag, zone, directory)
    text: str = tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()


def _addresses(order: OrderContent, directory: Directory) -> list[str]:
    found = []
    for one in order.addressees:
        center = directory.center(one.center_id)
        code = center.code if center else str(one.center_id)
        found.append(f"{code}/{one.agency}" if one.agency else code)
    return found


def _add_info(root: Element, said: Message, language: str, tag: str, zone: ZoneInfo, directory: Directory) -> None:
    order = said.order
    info = SubElement(root, "info")
    kind = code_text(f"order_kind.{order.kind.value}", language)
    issuer = directory.center(order.issuer.center_id)
    _add(info, "language", tag)
    _add(info, "category", CATEGORIES[order.kind])
    _add(info, "event", kind)
    _add(info, "responseType", "AllClear" if said.kind == "Cancel" else RESPONSES[order.kind])
    _add(info, "urgency", "Past" if said.kind == "Cancel" else _urgency(order, said.sent_at))
    _add(info, "severity", "Unknown")
    _add(info, "certainty", "Unknown")
    _add(info, "effective", _time(order.effective_at, zone))
    _add(info, "expires", _time(order.expires_at, zone))
    if issuer is not None:
        _add(info, "senderName", issuer.name_zh if language == "zh" else issuer.name_en)
    _add(info, "headline", f"{order.number} {kind}")
    _add(info, "description", order.text)
    _add_parameter(info, "number", order.number)
    _add_parameter(info, "edition", str(order.edition))
    _add_parameter(info, "acknowledgeBy", _time(order.acknowledge_by, zone))
    _add_parameter(info, "basis", order.basis)
    _add_area(info, order.area, order.number)


def _add_parameter(info: Element, name: str, value: str | None) -> None:
    if value is not None:
        parameter = SubElement(info, "parameter")
        _add(parameter, "valueName", name)
        _add(parameter, "value", value)


def _add_area(info: Element, area: OrderArea, number: str) -> None:
    element = SubElement(info, "area")
    _add(element, "areaDesc", area.description or number)
    for ring in area.polygons:
        _add(element, "polygon", _polygon(ring))
    for circle in area.circles:
        _add(element, "circle", _circle(circle))


def _polygon(ring: Ring) -> str:
    """CAP writes latitude first."""
    return " ".join(f"{_degrees(lat)},{_degrees(lon)}" for lon, lat in ring)


def _circle(circle: Circle) -> str:
    return f"{_degrees(circle.lat)},{_degrees(circle.lon)} {_degrees(circle.radius_m / 1_000)}"


def _degrees(value: float) -> str:
    """Never in the form 1e-05, which is no number to many readers; seven places are a centimetre."""
    return f"{value:.7f}".rstrip("0").rstrip(".")


def _urgency(order: OrderContent, sent_at: datetime) -> str:
    begins_in_s = (order.effective_at - sent_at).total_seconds()
    if begins_in_s <= IMMEDIATELY_S:
        return "Immediate"
    return "Expected" if begins_in_s <= SOON_S else "Future"


def _time(at: datetime, zone: ZoneInfo) -> str:
    """The standard's only form: whole seconds and an offset in figures."""
    return at.astimezone(zone).isoformat(timespec="seconds")


def _add(parent: Element, name: str, text: str | None) -> None:
    """An empty element is no element."""
    if text:
        SubElement(parent, name).text = _NOT_XML.sub("�", text)
