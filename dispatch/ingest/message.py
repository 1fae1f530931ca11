"""What an adapter is, and what it makes of bytes: drafts of alerts, or a named refusal.

An adapter is pure: bytes and the circumstances of their delivery go in, drafts come out. It reads no clock, no city and
no database, so a message kept aside can be re-driven years later by the adapter of that day.

NotUnderstood (a `Refused`)
├── ingest.malformed            syntax or shape is broken; `pointer` says where
├── ingest.encoding             the bytes are in no character set we can tell
├── ingest.hostile              a DTD, an entity, nesting or size that no honest device sends
├── ingest.wrong_document       well-formed, but not a message of this adapter's format
├── ingest.not_an_alarm         understood, and by its own word no alarm (catalogue, keep-alive, acknowledgement)
├── ingest.out_of_range         a coordinate that is nowhere on earth
├── ingest.too_many             more than the written limit
└── ingest.identification       the message identifies a person; this system does not

`kept` tells whether the bytes go to the quarantine: a keep-alive that comes every ten seconds does not, nor does a
face.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any, ClassVar, Protocol, TypeAlias

from pydantic import ValidationError

from dispatch.ingest.limits import BATCH_ALERTS_MAX, CLOCK_TOLERANCE_S, IDENTITY_CHARACTERS_MAX, LATE_AFTER_S
from domain.alert.events import AlertContent
from domain.event import GeoPoint, OriginalPoint, Place
from domain.geography import gcj02_to_wgs84
from domain.refusals import Refused
from domain.vocabulary import AlertPhase, CameraHealth, ClockQuality, CoordinateSystem

CITY_ZONE = timezone(timedelta(hours=8), "Asia/Shanghai")
"""Assumed for a time without offset. China has one zone and no summer time (since 1991)."""
BELIEVABLE_YEARS = range(1970, 2200)
"""A device that lost its clock says 1900 or 0001; a time outside is as good as none."""
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), check_circular=False)
NOT_KEPT = frozenset({"ingest.not_an_alarm", "ingest.identification"})


class NotUnderstood(Refused):
    """The adapter cannot make an alert of this. `pointer` is a JSON pointer or element path into the message."""

    def __init__(self, code: str, detail: str, *, pointer: str = "", **values: str) -> None:
        super().__init__(code, detail, **values)
        self.pointer = pointer

    @property
    def kept(self) -> bool:
        """Whether the bytes are to be kept aside."""
        return self.code not in NOT_KEPT


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a message came. `camera` is the camera's code if whoever configured the device put it into the address."""

    source: str
    content_type: str = ""
    crs: CoordinateSystem = CoordinateSystem.WGS84
    camera: str | None = None
    zone: tzinfo = CITY_ZONE
    batch_max: int = BATCH_ALERTS_MAX


@dataclass(frozen=True, slots=True)
class SaidTime:
    """A time as the message said it. `at` is None when it said none that can be believed."""

    text: str | None
    at: datetime | None
    clock: ClockQuality


_LOOSE_TIME = re.compile(
    r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})[T ]+(\d{1,2}):(\d{1,2})(?::(\d{1,2})(\.\d{1,6})?)?\s*"
    r"(?:(Z)|([+-])(\d{1,2})(?::?(\d{2}))?)?",
    re.ASCII,
)
NO_TIME = SaidTime(None, None, ClockQuality.MISSING)


@dataclass(frozen=True, slots=True)
class Draft:
    """One alert as the message tells it, before anybody looked at the clock, the cameras or the city.

    `cameras` are the names under which the camera may be known, best first. `camera_health` is what the message says
    of the camera's own seeing; None, and it says nothing of that.
    """

    content: AlertContent
    said_at: datetime | None
    cameras: tuple[str, ...] = ()
    camera_health: CameraHealth | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """One entry of a batch that is not understood while its neighbours are; `body` is that entry alone."""

    refusal: NotUnderstood
    body: bytes


Entry: TypeAlias = Draft | Rejected


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a message holds, in its order. `heartbeat`: it only says that the device lives; nothing is recorded.

    `all_clears` are no alarms: each says that one trouble of a camera's seeing is not there. A device says so every ten
    seconds, so it is recorded only where it ends a trouble that lasts.
    """

    entries: tuple[Entry, ...] = ()
    heartbeat: bool = False
    batch: bool = False
    """The sender wrote a list and expects one, even of one entry."""
    all_clears: tuple[Draft, ...] = ()


class Adapter(Protocol):
    """Understands one format. Adding one is a module in `dispatch.ingest.adapters`, and its tests.

    `name` is part of addresses and of recorded facts: permanent. `example` is a media type and a whole message of it.
    """

    name: ClassVar[str]
    media_types: ClassVar[tuple[str, ...]]
    example: ClassVar[tuple[str, str]]

    def parse(self, body: bytes, delivery: Delivery) -> Parsed:
        """Drafts, in the message's order. Raises `NotUnderstood`, and nothing else, for any bytes."""


def said_time(text: str | None, zone: tzinfo) -> SaidTime:
    """Read an ISO 8601 time. Raises `ValueError` for text that is no time; a year nobody can mean is no time."""
    if text is None or not text.strip():
        return NO_TIME
    text = text.strip()[:100]
    moment = datetime.fromisoformat(text)
    if moment.year not in BELIEVABLE_YEARS:
        return SaidTime(text, None, ClockQuality.MISSING)
    if moment.tzinfo is None:
        return SaidTime(text, moment.replace(tzinfo=zone).astimezone(UTC), ClockQuality.ZONE_ASSUMED)
    return SaidTime(text, moment.astimezone(UTC), ClockQuality.ZONED)


def device_time(text: str | None, zone: tzinfo) -> SaidTime:
    """The same for a device nobody can correct: an unreadable time is a missing one, its text is kept.

    Devices write `2026-8-1 9:05:03` and `+8:00`; what such a time means is beyond doubt.
    """
    said = clean(text or "", 100)
    for attempt in (said, _padded(said)):
        try:
            return replace(said_time(attempt, zone), text=said or None)
        except ValueError:
            continue
    return SaidTime(said, None, ClockQuality.MISSING)


def _padded(text: str) -> str:
    """The same time with every number at its full width."""
    found = _LOOSE_TIME.fullmatch(text)
    if found is None:
        return text
    year, month, day, hour, minute, second, fraction, zulu, sign, zone_hour, zone_minute = found.groups(default="")
    offset = f"{sign}{zone_hour:0>2}:{zone_minute or '00'}" if sign else zulu
    clock = f"{hour:0>2}:{minute:0>2}:{second or '0':0>2}{fraction}"
    return f"{year}-{month:0>2}-{day:0>2}T{clock}{offset}"


def epoch_time(seconds: object, *, pointer: str) -> SaidTime:
    """Seconds since 1970, as programs send them."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise NotUnderstood("ingest.malformed", f"{pointer} must be seconds since 1970.", pointer=pointer)
    if not 0 <= seconds < 7_258_118_400:
        return SaidTime(repr(seconds)[:100], None, ClockQuality.MISSING)
    return SaidTime(repr(seconds), datetime.fromtimestamp(seconds, UTC), ClockQuality.ZONED)


def place_at(lon: float, lat: float, crs: CoordinateSystem, *, pointer: str, address: str | None = None) -> Place:
    """A place from coordinates as they came; the original is kept when the datum is not ours."""
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise NotUnderstood(
            "ingest.out_of_range",
            f"Longitude {lon} or latitude {lat} is nowhere on earth. Longitude is −180…180, latitude −90…90, in this"
            " order; check whether they were exchanged.",
            pointer=pointer,
        )
    said = GeoPoint(lon=lon, lat=lat)
    if crs is CoordinateSystem.WGS84:
        return Place(point=said, address=address)
    return Place(point=gcj02_to_wgs84(said), address=address, original=OriginalPoint(crs=crs, x=lon, y=lat))


def draft(
    delivery: Delivery,
    said: SaidTime,
    *,
    cameras: Sequence[str | None] = (),
    trouble: CameraHealth | None = None,
    **fields: Any,
) -> Draft:
    """A draft with its digest. Raises `NotUnderstood` for a value the domain does not hold.

    `trouble` is how well a camera sees of which this is said; None for what says nothing of that. When it is over the
    camera sees again.
    """
    names = tuple(name for name in (delivery.camera, *cameras) if name)
    said_fields = {
        **fields,
        "source": delivery.source,
        "camera_code": names[0][:100] if names else None,
        "said_time": said.text,
        "clock": said.clock,
    }
    try:
        content = AlertContent.model_validate({**said_fields, "content_sha256": "0" * 64})
    except ValidationError as error:
        raise invalid(error) from None
    is_over = trouble is not None and content.phase is AlertPhase.END
    health = CameraHealth.ONLINE if is_over else trouble
    return Draft(content.model_copy(update={"content_sha256": digest(content)}), said.at, names, health)


def digest(content: AlertContent) -> str:
    """SHA-256 of what was said; our own judgement (clock, camera found) is no part of it.

    Defaults are left out, so that a field added by a later release does not make every old message look changed.
    """
    said = content.model_dump(mode="json", exclude={"content_sha256", "clock", "camera_id"}, exclude_defaults=True)
    return hashlib.sha256(_CANONICAL.encode(said).encode()).hexdigest()


def invalid(error: ValidationError, *, pointer: str = "") -> NotUnderstood:
    """A validation failure as a refusal that names the first wrong value."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = pointer + "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in first["loc"])
    return NotUnderstood("ingest.malformed", f"{where or 'The message'}: {first['msg']}.", pointer=where)


def clean(text: str, limit: int) -> str:
    """Text as it can be shown and stored: no NUL, no lone surrogate, at most `limit` characters."""
    text = text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8").strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def identity(*parts: str) -> str:
    """The parts of a source's id as one text. A long one is cut behind a hash of the whole, never merely cut: two
    ids that differ only in their last letters are two ids.
    """
    whole = clean("/".join(parts), IDENTITY_CHARACTERS_MAX * 10)
    if len(whole) <= IDENTITY_CHARACTERS_MAX:
        return whole
    return f"{whole[: IDENTITY_CHARACTERS_MAX - 65]}#{hashlib.sha256('/'.join(parts).encode()).hexdigest()}"


def tidy(text: str | None, limit: int) -> str | None:
    """The same for optional text; empty text is none."""
    return (clean(text, limit) or None) if text else None


@dataclass(frozen=True, slots=True)
class Judged:
    """A said time seen from the moment of receipt."""

    occurred_at: datetime
    clock: ClockQuality


def judge(said_at: datetime | None, clock: ClockQuality, received_at: datetime) -> Judged:
    """A time in the future is not believed, one of yesterday is: storms and broken lines deliver late."""
    if said_at is None:
        return Judged(received_at, ClockQuality.MISSING)
    if said_at > received_at + timedelta(seconds=CLOCK_TOLERANCE_S):
        return Judged(received_at, ClockQuality.IN_FUTURE)
    if said_at < received_at - timedelta(seconds=LATE_AFTER_S):
        return Judged(said_at, ClockQuality.LATE)
    return Judged(said_at, clock)
