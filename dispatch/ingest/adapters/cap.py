"""OASIS Common Alerting Protocol 1.2, and 1.1 and 1.0 as what they are.

Identity: source + sender + identifier, with `sent` as revision and time: the triple by which other warnings refer to
it. A warning is one alert; infos that say the same in other languages are translations of one another (Chinese is
kept, else English, else the first), infos that say something else are alerts of their own, numbered in the revision.

`status` other than Actual never dispatches anybody; it is recorded as what it is. `msgType` Update and Cancel carry
their references; Ack and Error answer a warning and are none. `expires` may lie before `onset` (the United States'
weather service lets the message expire before the hazard begins): both are kept, neither is corrected.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar
from xml.etree.ElementTree import Element

from dispatch.ingest.adapters.cap_area import Area, read_areas
from dispatch.ingest.hardened_xml import children, local, namespace, parse_xml, text_of
from dispatch.ingest.limits import CAP_INFOS_MAX
from dispatch.ingest.message import (
    Delivery,
    Draft,
    NotUnderstood,
    Parsed,
    SaidTime,
    clean,
    draft,
    identity,
    said_time,
    tidy,
)
from domain.alert.events import WarningDetails
from domain.event import MediaReference, Place
from domain.vocabulary import AlertKind, AlertPhase, CoordinateSystem, MessageStatus, Severity

NAMESPACES = {
    "urn:oasis:names:tc:emergency:cap:1.2": "1.2",
    "urn:oasis:names:tc:emergency:cap:1.1": "1.1",
    "http://www.incident.com/cap/1.0": "1.0",
}
PHASES = {"Alert": AlertPhase.START, "Update": AlertPhase.UPDATE, "Cancel": AlertPhase.END}
LANGUAGES = ("zh", "en")
"""In order of preference."""
MEDIA_MAX = 20


class CapAdapter:
    """Public warnings."""

    name: ClassVar[str] = "cap"
    media_types: ClassVar[tuple[str, ...]] = ("application/cap+xml", "application/xml", "text/xml")
    example: ClassVar[tuple[str, str]] = (
        "application/cap+xml",
        (
            '<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>CD-FLOOD-7</identifier>'
            "<sender>water@example.cn</sender><sent>2026-08-01T21:00:00+08:00</sent><status>Actual</status>"
            "<msgType>Alert</msgType><scope>Public</scope><info><category>Met</category><event>Flood</event>"
            "<urgency>Immediate</urgency><severity>Severe</severity><certainty>Likely</certainty><area>"
            "<areaDesc>Jinjiang</areaDesc><circle>30.65,104.08 2</circle></area></info></alert>"
        ),
    )

    def parse(self, body: bytes, delivery: Delivery) -> Parsed:
        """One draft for each distinct info of the warning."""
        root = parse_xml(body)
        _check_is_warning(root)
        if delivery.crs is not CoordinateSystem.WGS84:
            raise NotUnderstood(
                "ingest.malformed", "CAP is WGS 84 by its own standard. Leave `crs` out.", pointer="query:crs"
            )
        groups = _translations(children(root, "info"))
        drafts = [_draft(root, group, number, delivery) for number, group in enumerate(groups)]
        return Parsed(tuple(drafts), batch=len(drafts) > 1)


def _check_is_warning(root: Element) -> None:
    name, space = local(root), namespace(root)
    if name != "alert" or space not in NAMESPACES:
        hint = {
            "feed": "an Atom index lists warnings; fetch and send each of them",
            "rss": "an RSS index lists warnings; fetch and send each of them",
            "schema": "a schema describes warnings; send a warning",
        }.get(name, "a CAP 1.2 warning has the root element alert in namespace urn:oasis:names:tc:emergency:cap:1.2")
        raise NotUnderstood(
            "ingest.wrong_document", f"The root element is {clean(name, 100)} ({clean(space, 200)}): {hint}."
        )
    kind = text_of(root, "msgType")
    if kind in {"Ack", "Error"}:
        raise NotUnderstood("ingest.not_an_alarm", f"msgType {kind} answers a warning and is none.")
    if kind not in PHASES:
        raise NotUnderstood(
            "ingest.malformed", f"msgType {clean(kind or '', 50)!r} is not of CAP.", pointer="/alert/msgType"
        )


def _required(root: Element, name: str, limit: int) -> str:
    found = text_of(root, name)
    if found is None:
        raise NotUnderstood("ingest.malformed", f"The warning has no {name}.", pointer=f"/alert/{name}")
    return clean(found, limit)


def _status(root: Element) -> MessageStatus:
    said = _required(root, "status", 50)
    try:
        return MessageStatus(said.lower())
    except ValueError:
        raise NotUnderstood(
            "ingest.malformed", f"status {said!r} is not of CAP; nothing may be assumed of it.", pointer="/alert/status"
        ) from None


def _time(text: str | None, delivery: Delivery, pointer: str) -> SaidTime:
    try:
        return said_time(text, delivery.zone)
    except ValueError:
        raise NotUnderstood(
            "ingest.malformed", f"{clean(text or '', 100)!r} is no ISO 8601 time.", pointer=pointer
        ) from None


def _translations(infos: Sequence[Element]) -> list[list[Element]]:
    """Infos grouped by what they say; within a group each language once. A warning without info is one group."""
    if len(infos) > CAP_INFOS_MAX:
        raise NotUnderstood("ingest.too_many", f"A warning has at most {CAP_INFOS_MAX} infos; this has {len(infos)}.")
    groups: list[tuple[list[Element], set[str]]] = []
    for info in infos:
        language = _language(info)
        for members, languages in groups:
            if language not in languages and _say_the_same(members[0], info):
                languages.add(language)
                members.append(info)
                break
        else:
            groups.append(([info], {language}))
    return [members for members, _ in groups] or [[]]


def _say_the_same(one: Element, other: Element) -> bool:
    """Whether nothing but the language tells them apart. Real translations leave fields out; none contradicts."""
    return all(
        not said or not also_said or said == also_said
        for said, also_said in zip(_meaning(one), _meaning(other), strict=True)
    )


def _meaning(info: Element) -> tuple[tuple[str | None, ...] | str | None, ...]:
    """What does not change with the language."""
    said = [text_of(info, name) for name in ("urgency", "severity", "certainty", "effective", "onset", "expires")]
    categories = tuple(sorted(category.text or "" for category in children(info, "category")))
    codes = tuple(text_of(code, "value") for code in children(info, "eventCode"))
    return (*said, categories, codes)


def _language(info: Element) -> str:
    return (text_of(info, "language") or "en-US").lower()


def _preferred(infos: Sequence[Element]) -> Element | None:
    for language in LANGUAGES:
        for info in infos:
            if _language(info).startswith(language):
                return info
    return infos[0] if infos else None


def _draft(root: Element, infos: Sequence[Element], number: int, delivery: Delivery) -> Draft:
    sender, identifier = _required(root, "sender", 500), _required(root, "identifier", 500)
    sent_text = _required(root, "sent", 80)
    sent = _time(sent_text, delivery, "/alert/sent")
    info = _preferred(infos)
    area = read_areas(infos)
    event = tidy(text_of(info, "event"), 100) if info is not None else None
    return draft(
        delivery,
        sent,
        adapter=CapAdapter.name,
        source_event_id=identity(f"{sender},{identifier}"),
        revision=sent_text if number == 0 else f"{sent_text} #{number + 1}",
        kind=AlertKind.PUBLIC_WARNING,
        vendor_type=event,
        phase=PHASES[text_of(root, "msgType") or ""],
        status=_status(root),
        severity=_severity(infos),
        place=Place(point=area.middle, address=tidy(area.description, 500)),
        text=_text(root, info),
        media=_media(infos),
        warning=_details(root, infos, info, area, delivery, sender=sender, event=event or ""),
    )


def _severity(infos: Sequence[Element]) -> Severity:
    said = [(text_of(info, "severity") or "").upper() for info in infos]
    return max((Severity[name] for name in said if name in Severity.__members__), default=Severity.UNKNOWN)


def _text(root: Element, info: Element | None) -> str | None:
    if info is None:
        return tidy(text_of(root, "note"), 4_000)
    return tidy(text_of(info, "description") or text_of(info, "headline") or text_of(root, "note"), 4_000)


def _details(
    root: Element,
    infos: Sequence[Element],
    info: Element | None,
    area: Area,
    delivery: Delivery,
    *,
    sender: str,
    event: str,
) -> WarningDetails:
    def said(name: str) -> str | None:
        return text_of(info, name) if info is not None else None

    def instant(name: str) -> datetime | None:
        told = said(name) or next((found for other in infos if (found := text_of(other, name))), None)
        return _time(told, delivery, f"/alert/info/{name}").at

    instructions = [found.text or "" for found in children(info, "instruction")] if info is not None else []
    return WarningDetails(
        sender=sender,
        message_type=text_of(root, "msgType") or "",
        event=event,
        urgency=clean(said("urgency") or "Unknown", 50),
        certainty=clean(said("certainty") or "Unknown", 50),
        language=tidy(said("language"), 50),
        headline=tidy(said("headline"), 500),
        instruction=tidy("\n".join(part.strip() for part in instructions if part.strip()), 4_000),
        effective_at=instant("effective"),
        onset_at=instant("onset"),
        expires_at=instant("expires"),
        references=_references(root),
        area_description=tidy(area.description, 2_000),
        polygons=area.polygons,
        circles=area.circles,
        geocodes=area.geocodes,
        unreadable_areas=area.unreadable,
    )


def _references(root: Element) -> tuple[str, ...]:
    """`sender,identifier,sent` triples. A warning that names itself refers to nothing new."""
    own = f"{text_of(root, 'sender')},{text_of(root, 'identifier')},"
    said = (text_of(root, "references") or "").split()
    return tuple(clean(reference, 500) for reference in said[:200] if not reference.startswith(own))


def _media(infos: Sequence[Element]) -> tuple[MediaReference, ...]:
    found: dict[str, MediaReference] = {}
    for info in infos:
        for resource in children(info, "resource"):
            uri = text_of(resource, "uri")
            if uri is not None and len(uri) <= 2_000 and len(found) < MEDIA_MAX:
                media_type = tidy(text_of(resource, "mimeType"), 100)
                found.setdefault(uri, MediaReference(uri=clean(uri, 2_000), media_type=media_type))
    return tuple(found.values())
