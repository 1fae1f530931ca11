"""DATEX II situations (CEN 16157-3): a SituationPublication of version 3 or 2.x, as road authorities exchange them.

Identity: source + the situation's `id`, with its version as revision: `situationVersionTime`, else the newest
`situationRecordVersionTime`, as written. That time is also the alert's: feeds repeat every situation at each
publication, and the same version is the same message.

A situation is one alert, however many records it has: what happened (an accident, an obstruction, a queue, works) comes
first, what was done about it (closures, diversions, speed limits) does not happen a second time. Measures without a
cause that is known here are no alarm, nor is what is planned. A situation is over when its life-cycle says `end` or
`cancel`, its validity is `suspended`, or its period ended before the publication; it is recorded as the alert's end.

`informationStatus` other than real never dispatches anybody. Positions are latitude first, WGS 84 (ETRS 89 differs by
less than a metre); of a line the corner in its middle is the alert's point.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from xml.etree.ElementTree import Element, SubElement, tostring

from dispatch.ingest.adapters import datex2_words as words
from dispatch.ingest.adapters.road_times import Standing, middle_of, phase_of, revision_of, standing
from dispatch.ingest.hardened_xml import child, children, local, parse_xml, text_of
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
from domain.vocabulary import AlertKind, CoordinateSystem, MessageStatus, Severity

TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
PUBLICATIONS = frozenset({"payloadPublication", "payload", "situationPublication"})
COMMENTS_MAX = 20


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a situation, as far as it is looked at. `kind` None: a measure whose cause is not known."""

    element: Element
    klass: str
    subtype: str | None
    kind: AlertKind | None
    standing: Standing

    @property
    def rank(self) -> tuple[bool, int, bool]:
        """What is there before what is not, what happened before what followed, a closure before a speed limit."""
        order = list(words.KINDS)
        place = order.index(self.klass) if self.klass in order else len(order) + (self.klass in words.MEASURES)
        return self.standing is not Standing.THERE, place, self.kind is not AlertKind.ROAD_BLOCKED

    def words(self) -> str:
        """What it calls itself."""
        cause = text_of(self.element, "cause", "causeType") if self.klass in words.MEASURES else None
        return "/".join(part for part in (self.klass, self.subtype, cause) if part)


class Datex2Adapter:
    """What road authorities say of their roads."""

    name: ClassVar[str] = "datex2"
    media_types: ClassVar[tuple[str, ...]] = ("application/xml", "text/xml", "application/soap+xml")
    example: ClassVar[tuple[str, str]] = (
        "application/xml",
        (
            '<payload xmlns="http://datex2.eu/schema/3/d2Payload" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
            ' xmlns:com="http://datex2.eu/schema/3/common" xmlns:sit="http://datex2.eu/schema/3/situation"'
            ' xmlns:loc="http://datex2.eu/schema/3/locationReferencing" xsi:type="sit:SituationPublication" lang="zh">'
            "<com:publicationTime>2026-08-01T21:16:00+08:00</com:publicationTime>"
            '<sit:situation id="CD-260801-0118"><sit:overallSeverity>high</sit:overallSeverity>'
            "<sit:situationVersionTime>2026-08-01T21:15:30+08:00</sit:situationVersionTime>"
            "<sit:headerInformation><com:informationStatus>real</com:informationStatus></sit:headerInformation>"
            '<sit:situationRecord xsi:type="sit:Accident" id="CD-260801-0118-1" version="1">'
            "<sit:situationRecordCreationTime>2026-08-01T21:15:30+08:00</sit:situationRecordCreationTime>"
            "<sit:situationRecordVersionTime>2026-08-01T21:15:30+08:00</sit:situationRecordVersionTime>"
            "<sit:probabilityOfOccurrence>certain</sit:probabilityOfOccurrence>"
            "<sit:validity><com:validityStatus>active</com:validityStatus><com:validityTimeSpecification>"
            "<com:overallStartTime>2026-08-01T21:14:00+08:00</com:overallStartTime></com:validityTimeSpecification>"
            '</sit:validity><sit:locationReference xsi:type="loc:PointLocation"><loc:pointByCoordinates>'
            "<loc:pointCoordinates><loc:latitude>30.6574</loc:latitude><loc:longitude>104.0801</loc:longitude>"
            "</loc:pointCoordinates></loc:pointByCoordinates></sit:locationReference>"
            "<sit:accidentType>multipleVehicleAccident</sit:accidentType></sit:situationRecord></sit:situation></payload>"
        ),
    )

    def parse(self, body: bytes, delivery: Delivery) -> Parsed:
        """Each situation of the publication. An empty publication only says that the service lives."""
        root = parse_xml(body)
        if delivery.crs is not CoordinateSystem.WGS84:
            raise NotUnderstood(
                "ingest.malformed", "DATEX II is WGS 84 by its own standard. Leave `crs` out.", pointer="query:crs"
            )
        publications = list(_publications(root))
        if not publications:
            raise NotUnderstood(
                "ingest.wrong_document",
                f"The root element is {clean(local(root), 100)} and holds no SituationPublication of DATEX II.",
            )
        told = [(publication, found) for publication in publications for found in children(publication, "situation")]
        if len(told) > delivery.batch_max:
            raise NotUnderstood(
                "ingest.too_many", f"A publication has at most {delivery.batch_max} situations here. Split it."
            )
        entries = tuple(_entry(publication, found, delivery) for publication, found in told)
        return Parsed(entries, heartbeat=not entries, batch=True)


def _publications(element: Element) -> Iterator[Element]:
    """All publications of situations, none inside another; those of other kinds are passed over."""
    if local(element) in PUBLICATIONS:
        if "SituationPublication" in {_type(element), local(element)[:1].upper() + local(element)[1:]}:
            yield element
        return
    if local(element) != "situation":
        for part in element:
            yield from _publications(part)


def _type(element: Element) -> str:
    """The class an element says it is of, without its prefix."""
    return element.get(TYPE, "").rpartition(":")[2]


def _entry(publication: Element, situation: Element, delivery: Delivery) -> Entry:
    try:
        return _draft(publication, situation, delivery)
    except NotUnderstood as refusal:
        return Rejected(refusal, _alone(publication, situation))


def _alone(publication: Element, situation: Element) -> bytes:
    """A publication with this one situation, so that what is kept aside can be tried again."""
    holder = Element(publication.tag, publication.attrib)
    published = child(publication, "publicationTime")
    if published is not None:
        SubElement(holder, published.tag).text = published.text
    holder.append(situation)
    body: bytes = tostring(holder, encoding="utf-8")
    return body


def _draft(publication: Element, situation: Element, delivery: Delivery) -> Draft:
    code = (situation.get("id") or "").strip()
    if not code:
        raise NotUnderstood("ingest.malformed", "The situation has no id.", pointer="/situation/@id")
    elements = children(situation, "situationRecord")
    if not elements:
        raise NotUnderstood(
            "ingest.malformed", "The situation has no situationRecord.", pointer="/situation/situationRecord"
        )
    version = _version(situation, elements, delivery)
    published = _time(publication, "publicationTime", delivery).at or version.at
    records = [_record(element, published, delivery) for element in elements]
    first = min((record for record in records if record.kind is not None), key=lambda each: each.rank, default=None)
    if first is None or first.kind is None:
        raise NotUnderstood(
            "ingest.not_an_alarm", "The situation says what is done on the road, and of no cause that is known here."
        )
    phase = phase_of(first.standing, is_first=_is_first(situation, elements, version))
    said = version.text or ""
    return draft(
        delivery,
        version,
        adapter=Datex2Adapter.name,
        source_event_id=identity(code),
        revision=revision_of(said, phase),
        kind=first.kind,
        vendor_type=tidy(first.words(), 100),
        phase=phase,
        status=_status(situation),
        severity=_severity(situation, elements),
        place=_place(first.element, elements),
        text=_text(first, elements),
    )


def _version(situation: Element, records: Sequence[Element], delivery: Delivery) -> SaidTime:
    """When this was said. Raises `NotUnderstood` without it: a change could not be told from a repeat."""
    said = _time(situation, "situationVersionTime", delivery)
    if said.at is None:
        of_records = [_time(record, "situationRecordVersionTime", delivery) for record in records]
        known = {each.at: each for each in of_records if each.at is not None}
        if not known:
            raise NotUnderstood(
                "ingest.malformed",
                "Neither the situation nor its records say when this version was made, so a change could not be told"
                " from a repeat.",
                pointer="/situation/situationVersionTime",
            )
        said = known[max(known)]
    return said


def _time(holder: Element, name: str, delivery: Delivery) -> SaidTime:
    text = text_of(holder, name)
    try:
        return said_time(tidy(text, 80), delivery.zone)
    except ValueError:
        raise NotUnderstood(
            "ingest.malformed",
            f"{clean(text or '', 100)!r} is no ISO 8601 time.",
            pointer=f"/situation//{name}",
        ) from None


def _is_first(situation: Element, records: Sequence[Element], version: SaidTime) -> bool:
    """Whether nothing was said of it before: its version is 1, or it was made when it was said."""
    numbers = {situation.get("version")} - {None} or {record.get("version") for record in records}
    made = {text_of(record, "situationRecordCreationTime") for record in records}
    return numbers == {"1"} or made == {version.text}


def _record(element: Element, published: datetime | None, delivery: Delivery) -> Record:
    klass = _type(element)
    subtype = next((said for name in words.SUBTYPE_FIELDS if (said := _deep_text(element, name))), None)
    return Record(element, klass, subtype, _kind(element, klass, subtype), _standing(element, published, delivery))


def _kind(element: Element, klass: str, subtype: str | None) -> AlertKind | None:
    if klass not in words.MEASURES:
        return words.SUBTYPES.get(subtype or "", words.KINDS.get(klass, AlertKind.OTHER))
    cause = words.CAUSES.get(text_of(element, "cause", "causeType") or "")
    return AlertKind.ROAD_BLOCKED if subtype in words.CLOSURES and cause in {None, AlertKind.ROADWORKS} else cause


def _standing(element: Element, published: datetime | None, delivery: Delivery) -> Standing:
    life = next((found for found in element.iter() if local(found) == "lifeCycleManagement"), None)
    if life is not None and "true" in {text_of(life, "end"), text_of(life, "cancel")}:
        return Standing.OVER
    validity = child(element, "validity")
    status = text_of(validity, "validityStatus") if validity is not None else None
    period = child(validity, "validityTimeSpecification") if validity is not None else None
    if status == "suspended":
        return Standing.OVER
    if status == "planned":
        return Standing.TO_COME
    if period is None or status == "active":
        return Standing.THERE
    start, end = (_time(period, name, delivery).at for name in ("overallStartTime", "overallEndTime"))
    return standing(start, end, published)


def _status(situation: Element) -> MessageStatus:
    said = text_of(situation, "headerInformation", "informationStatus") or ""
    status = words.STATUSES.get(said)
    if status is None:
        raise NotUnderstood(
            "ingest.malformed",
            f"informationStatus {clean(said, 50)!r} is not of DATEX II; nothing may be assumed of it.",
            pointer="/situation/headerInformation/informationStatus",
        )
    return status


def _severity(situation: Element, records: Sequence[Element]) -> Severity:
    """The worst that is said of the whole or of a record."""
    said = [text_of(situation, "overallSeverity"), *(text_of(record, "severity") for record in records)]
    return max((words.SEVERITIES.get(each or "", Severity.UNKNOWN) for each in said), default=Severity.UNKNOWN)


def _place(first: Element, records: Sequence[Element]) -> Place:
    """Where it happened; a record that says no position borrows another's of the same situation."""
    address = _address(first)
    for record in (first, *records):
        point = _point(record)
        if point is not None:
            lat, lon = point
            return place_at(
                lon, lat, CoordinateSystem.WGS84, pointer="/situation/situationRecord/location", address=address
            )
    return Place(address=address)


def _located(record: Element) -> list[Element]:
    """`locationReference` is of version 3, `groupOfLocations` of version 2."""
    return [*children(record, "locationReference"), *children(record, "groupOfLocations")]


def _point(record: Element) -> tuple[float, float] | None:
    """(latitude, longitude); None if the location is words or codes only, or cannot be read."""
    points, line = [], []
    for found in (each for location in _located(record) for each in location.iter()):
        if local(found) == "posList":
            line += _corners(found.text or "", 3 if found.get("srsDimension") == "3" else 2)
        elif local(found) == "gmlLineString" and (found.get("srsName") or "").lower() not in words.WGS84_NAMES:
            return None
        elif child(found, "latitude") is not None:
            points += _corners(f"{text_of(found, 'latitude')} {text_of(found, 'longitude')}", 2)
    return middle_of(line) or (points[0] if points else None)


def _corners(text: str, dimensions: int) -> list[tuple[float, float]]:
    """Pairs of a list of numbers; none of a list that is not all numbers, or ends within a corner."""
    try:
        numbers = [float(number) for number in text.split()]
    except ValueError:
        return []
    if len(numbers) % dimensions or not all(map(math.isfinite, numbers)):
        return []
    return [(numbers[at], numbers[at + 1]) for at in range(0, len(numbers), dimensions)]


def _address(record: Element) -> str | None:
    """Roads, places and junctions that the location names, each once."""
    names: dict[str, None] = {}
    for found in (each for location in _located(record) for each in location.iter()):
        if local(found) in {"roadName", "roadNumber"} and found.text:
            names[found.text.strip()] = None
        if local(found) in {"roadName", "descriptor", "alertCLocationName", "locationDescription"}:
            names[_words(found) or ""] = None
    return tidy(", ".join(name for name in names if name), 500)


def _text(first: Record, records: Sequence[Element]) -> str | None:
    """Its comments for everybody, else what it is called."""
    comments: dict[str, None] = {}
    for record in (first.element, *records):
        for comment in children(record, "generalPublicComment")[:COMMENTS_MAX]:
            said = child(comment, "comment")
            comments[(_words(said) if said is not None else None) or ""] = None
    told = "; ".join(comment for comment in comments if comment)
    return tidy(told, 4_000) or tidy(first.words(), 4_000)


def _words(element: Element) -> str | None:
    """The first language of a multilingual text: it is the supplier's own."""
    return _deep_text(element, "value")


def _deep_text(element: Element, name: str) -> str | None:
    found = next((part.text for part in element.iter() if local(part) == name and part.text), None)
    return " ".join(found.split()) or None if found else None
