"""Our own JSON: one alert, a list of them, or NDJSON.

Identity: source + `id` + `revision`, with `occurred_at` as the time prefix. The sender promises that an id is never
used for two events; if it is, the second content is recorded as a revision.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationError, field_validator

from dispatch.ingest.hardened_json import parse_json
from dispatch.ingest.message import (
    Delivery,
    Draft,
    Entry,
    NotUnderstood,
    Parsed,
    Rejected,
    SaidTime,
    draft,
    invalid,
    place_at,
    said_time,
)
from domain.event import Frozen, MediaReference, Place
from domain.vocabulary import AlertKind, AlertPhase, CameraHealth, CoordinateSystem, MessageStatus, Severity

NDJSON = "application/x-ndjson"
TROUBLES = {AlertKind.VIDEO_LOSS: CameraHealth.OFFLINE, AlertKind.TAMPER: CameraHealth.DEGRADED}
"""How well a camera sees that says so."""


class Location(Frozen):
    """A GeoJSON point: longitude, latitude (a third number, the height, is ignored)."""

    type: Literal["Point"] = "Point"
    coordinates: tuple[float, ...] = Field(min_length=2, max_length=3)


class NativeAlert(Frozen):
    """One alert as a program sends it. Only `id` and `kind` are demanded; a time without offset is the city's."""

    id: str = Field(min_length=1, max_length=300, description="The source's own id of this event, never reused.")
    revision: str = Field(default="", max_length=100, description="Set it to say something new under the same id.")
    kind: AlertKind
    occurred_at: str | None = Field(default=None, max_length=100, description="ISO 8601, with offset.")
    camera: str | None = Field(default=None, max_length=100, description="20-digit code, or the gateway's own name.")
    location: Location | None = None
    crs: CoordinateSystem | None = Field(default=None, description="Datum of `location`; GCJ-02 only if you say so.")
    address: str | None = Field(default=None, max_length=500)
    severity: Severity = Severity.UNKNOWN
    status: MessageStatus = MessageStatus.ACTUAL
    phase: AlertPhase = AlertPhase.SINGLE
    text: str | None = Field(default=None, max_length=4_000)
    vendor_type: str | None = Field(default=None, max_length=100)
    confidence: float | None = Field(default=None, ge=0, le=1)
    media: tuple[MediaReference, ...] = Field(default=(), max_length=20)

    @field_validator("severity", mode="before")
    @classmethod
    def _severity_by_name(cls, value: object) -> object:
        """`"severe"` says what `3` says, and does not depend on remembering the scale."""
        if isinstance(value, str) and value.upper() in Severity.__members__:
            return Severity[value.upper()]
        return value


class NativeAdapter:
    """`POST /v1/alerts` and gateways that speak our own format."""

    name: ClassVar[str] = "native"
    media_types: ClassVar[tuple[str, ...]] = ("application/json", NDJSON, "application/ndjson")
    example: ClassVar[tuple[str, str]] = (NDJSON, '{"id":"a1","kind":"motion"}\n{"id":"a2","kind":"motion"}\n')

    def parse(self, body: bytes, delivery: Delivery) -> Parsed:
        """Each entry is judged alone: one that is wrong does not take its neighbours with it."""
        if "ndjson" in delivery.content_type.lower():
            return Parsed(tuple(_lines(body, delivery)), batch=True)
        document = parse_json(body)
        if not isinstance(document, list):
            return Parsed((_alert(document, delivery),))
        _check_count(len(document), delivery.batch_max)
        return Parsed(tuple(_entry(item, delivery) for item in document), batch=True)


def _lines(body: bytes, delivery: Delivery) -> Iterator[Entry]:
    lines = [line for line in body.splitlines() if line.strip()]
    _check_count(len(lines), delivery.batch_max)
    for line in lines:
        try:
            yield _alert(parse_json(line), delivery)
        except NotUnderstood as refusal:
            yield Rejected(refusal, line)


def _entry(item: Any, delivery: Delivery) -> Entry:
    try:
        return _alert(item, delivery)
    except NotUnderstood as refusal:
        return Rejected(refusal, json.dumps(item, ensure_ascii=False).encode())


def _check_count(count: int, limit: int) -> None:
    if count > limit:
        raise NotUnderstood("ingest.too_many", f"A batch has at most {limit} alerts; this one has {count}. Split it.")
    if count == 0:
        raise NotUnderstood("ingest.malformed", "The batch is empty.")


def _alert(item: Any, delivery: Delivery) -> Draft:
    if not isinstance(item, dict):
        raise NotUnderstood("ingest.malformed", "An alert is a JSON object with at least `id` and `kind`.")
    try:
        alert = NativeAlert.model_validate(item)
    except ValidationError as error:
        raise invalid(error) from None
    return draft(
        delivery,
        _occurred(alert, delivery),
        cameras=(alert.camera,),
        adapter=NativeAdapter.name,
        source_event_id=alert.id,
        revision=alert.revision,
        kind=alert.kind,
        trouble=TROUBLES.get(alert.kind),
        vendor_type=alert.vendor_type,
        phase=alert.phase,
        status=alert.status,
        severity=alert.severity,
        place=_place(alert, delivery),
        text=alert.text,
        confidence=alert.confidence,
        media=alert.media,
    )


def _occurred(alert: NativeAlert, delivery: Delivery) -> SaidTime:
    try:
        return said_time(alert.occurred_at, delivery.zone)
    except ValueError:
        raise NotUnderstood(
            "ingest.malformed",
            f"occurred_at {alert.occurred_at!r} is no ISO 8601 time; write 2026-08-01T09:30:00+08:00.",
            pointer="/occurred_at",
        ) from None


def _place(alert: NativeAlert, delivery: Delivery) -> Place:
    if alert.location is None:
        return Place(address=alert.address)
    lon, lat = alert.location.coordinates[:2]
    crs = alert.crs or delivery.crs
    return place_at(lon, lat, crs, pointer="/location/coordinates", address=alert.address)
