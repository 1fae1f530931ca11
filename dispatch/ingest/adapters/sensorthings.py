"""River gauges: OGC SensorThings Observations (1.0, 1.1), and a reading in our own few words.

Identity: a SensorThings server numbers its Observations: ours is source + `@iot.id`. One that is on its way to a server
has no number yet: then Datastream + `phenomenonTime` as written. A reading in our own words is gauge + `measured_at` as
written. Another level under the same identity is a revision: that is how a water authority corrects a reading.

What level is an alarm is said with the reading and nowhere else: `warn_m` and `alarm_m`, in metres above the gauge's
own zero, stand in the Datastream's `properties`, else in the Observation's `parameters`. A reading without either
cannot be judged and is kept aside rather than taken for a quiet one. Below `warn_m` (of a gauge without one,
`alarm_m`) it is understood and not recorded; from it on it is moderate, from `alarm_m` on severe. The end of a flood is
therefore not said here: silence is not "all clear".
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import Field, ValidationError

from dispatch.ingest.adapters.native import Location
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
    invalid,
    place_at,
    said_time,
    tidy,
)
from domain.event import Frozen, Place
from domain.vocabulary import AlertKind, CoordinateSystem, Severity

METRES: dict[str, float] = {
    **dict.fromkeys(("m", "metre", "metres", "meter", "meters", "米"), 1.0),
    **dict.fromkeys(("dm", "decimetre", "decimeter"), 0.1),
    **dict.fromkeys(("cm", "centimetre", "centimeter", "厘米"), 0.01),
    **dict.fromkeys(("mm", "millimetre", "millimeter", "毫米"), 0.001),
    **dict.fromkeys(("ft", "foot", "feet", "[ft_i]"), 0.3048),
}
"""Units of a level, in lower case, by symbol or name."""
LEVELS_M = (-500.0, 9_000.0)
"""No water stands outside: loggers write -9999 or 99999 for "no reading"."""

STREAM_FIELDS = ("@iot.id", "name", "unitOfMeasurement", "properties", "Thing")
STREAM_CHARACTERS_MAX = 8_192
"""A page of 500 repeats it for each reading that is kept aside."""


class GaugeReading(Frozen):
    """A reading as a small program sends it. At least one of the two thresholds is demanded."""

    gauge: str = Field(min_length=1, max_length=100, description="The gauge's code, or the name a camera has.")
    measured_at: str = Field(min_length=1, max_length=80, description="ISO 8601, with offset: half of its identity.")
    level_m: float = Field(ge=LEVELS_M[0], le=LEVELS_M[1], strict=True)
    warn_m: float | None = Field(default=None, ge=LEVELS_M[0], le=LEVELS_M[1], strict=True)
    alarm_m: float | None = Field(default=None, ge=LEVELS_M[0], le=LEVELS_M[1], strict=True)
    name: str | None = Field(default=None, max_length=200)
    location: Location | None = None
    crs: CoordinateSystem | None = None


@dataclass(frozen=True, slots=True)
class Level:
    """A level beside its thresholds, in metres; `said` is how the sender wrote it."""

    metres: float
    warn: float | None
    alarm: float | None
    said: str

    def severity(self, pointer: str) -> Severity:
        """Moderate or severe. Raises `NotUnderstood` for a quiet reading and for thresholds that say nothing."""
        if self.warn is None and self.alarm is None:
            raise NotUnderstood(
                "ingest.malformed",
                "The reading has no threshold, so nobody can say whether it is an alarm. Put warn_m or alarm_m, in"
                " metres, into the Datastream's properties and send it expanded, or into the Observation's parameters.",
                pointer=pointer,
            )
        if self.warn is not None and self.alarm is not None and self.warn > self.alarm:
            raise NotUnderstood("ingest.malformed", "warn_m is above alarm_m. Exchange them.", pointer=pointer)
        if self.alarm is not None and self.metres >= self.alarm:
            return Severity.SEVERE
        if self.warn is not None and self.metres >= self.warn:
            return Severity.MODERATE
        raise NotUnderstood("ingest.not_an_alarm", f"A level of {self.words()} is a reading and no alarm.")

    def words(self) -> str:
        """What was measured, beside what it was compared with."""
        limits = [
            f"{name} {value:g} m" for name, value in (("warn", self.warn), ("alarm", self.alarm)) if value is not None
        ]
        return f"{self.said} ({', '.join(limits)})"


class SensorThingsAdapter:
    """Readings of river gauges that stand above their thresholds."""

    name: ClassVar[str] = "sensorthings"
    media_types: ClassVar[tuple[str, ...]] = ("application/json",)
    example: ClassVar[tuple[str, str]] = (
        "application/json",
        (
            '{"@iot.id":88012,"phenomenonTime":"2026-08-01T21:10:00+08:00","result":4.62,"Datastream":{"@iot.id":7,'
            '"unitOfMeasurement":{"name":"metre","symbol":"m","definition":"ucum:m"},"properties":{"warn_m":4.0,'
            '"alarm_m":4.6},"Thing":{"@iot.id":3,"name":"Gauge Jinjiang bridge","Locations":[{"encodingType":'
            '"application/geo+json","location":{"type":"Point","coordinates":[104.0812,30.6533]}}]}}}'
        ),
    )

    def parse(self, body: bytes, delivery: Delivery) -> Parsed:
        """One reading, a list or page of them, or a Datastream with its Observations expanded."""
        document = parse_json(body)
        if isinstance(document, list):
            return _batch(document, delivery)
        if not isinstance(document, dict):
            raise NotUnderstood("ingest.malformed", "A reading is a JSON object, or a list of them.")
        if isinstance(document.get("value"), list):
            return _batch(document["value"], delivery)
        if isinstance(document.get("Observations"), list):
            return _batch(_of_stream(document), delivery)
        return Parsed((_reading(document, delivery),))


def _of_stream(document: dict[str, Any]) -> list[Any]:
    """Observations each with the Datastream they were expanded from, so that one kept aside can be tried again."""
    stream = {name: document[name] for name in STREAM_FIELDS if name in document}
    if len(json.dumps(stream)) > STREAM_CHARACTERS_MAX:
        raise NotUnderstood(
            "ingest.too_many", f"What a Datastream says of itself has at most {STREAM_CHARACTERS_MAX} characters."
        )
    return [{**item, "Datastream": stream} if isinstance(item, dict) else item for item in document["Observations"]]


def _batch(items: Sequence[Any], delivery: Delivery) -> Parsed:
    """Each reading is judged alone; an empty page only says that the server lives."""
    if len(items) > delivery.batch_max:
        raise NotUnderstood("ingest.too_many", f"A page has at most {delivery.batch_max} readings. Split it.")
    return Parsed(tuple(_entry(item, delivery) for item in items), heartbeat=not items, batch=True)


def _entry(item: Any, delivery: Delivery) -> Entry:
    try:
        return _reading(item, delivery)
    except NotUnderstood as refusal:
        return Rejected(refusal, json.dumps(item, ensure_ascii=False).encode())


def _reading(item: Any, delivery: Delivery) -> Draft:
    if not isinstance(item, dict):
        raise NotUnderstood("ingest.malformed", "A reading is a JSON object.")
    if "result" in item:
        return _observation(item, delivery)
    if "level_m" in item or "gauge" in item:
        return _simple(item, delivery)
    raise NotUnderstood(
        "ingest.wrong_document",
        "This is neither an Observation (it has no result) nor a gauge's reading (it has no level_m).",
    )


def _simple(item: dict[str, Any], delivery: Delivery) -> Draft:
    try:
        reading = GaugeReading.model_validate(item)
    except ValidationError as error:
        raise invalid(error) from None
    level = Level(reading.level_m, reading.warn_m, reading.alarm_m, f"{reading.level_m:g} m")
    place = Place()
    if reading.location is not None:
        lon, lat = reading.location.coordinates[:2]
        place = place_at(lon, lat, reading.crs or delivery.crs, pointer="/location/coordinates")
    return _draft(
        delivery,
        _time(reading.measured_at, delivery, "/measured_at"),
        level,
        event_id=identity(reading.gauge, reading.measured_at.strip()),
        gauge=clean(reading.gauge, 100),
        name=tidy(reading.name, 200) or clean(reading.gauge, 100),
        place=place,
        pointer="/warn_m",
    )


def _observation(item: dict[str, Any], delivery: Delivery) -> Draft:
    stream, thing = _member(item, "Datastream"), _member(item, "Datastream", "Thing")
    said = item.get("phenomenonTime")
    if said is not None and not isinstance(said, str):
        raise NotUnderstood("ingest.malformed", "phenomenonTime must be a text.", pointer="/phenomenonTime")
    # An interval says when its mean was complete: at its end.
    time = _time(said.rpartition("/")[2] if said else None, delivery, "/phenomenonTime")
    stream_id = _id(stream) or _id_text(item.get("Datastream@iot.id"))
    gauge = _text(thing, "name") or (f"thing/{_id(thing)}" if _id(thing) else None)
    return _draft(
        delivery,
        time,
        _level(item, stream),
        event_id=_event_id(item, stream_id, clean(said or "", 100)),
        gauge=gauge or (f"datastream/{stream_id}" if stream_id else None),
        name=_text(thing, "name") or _text(stream, "name") or "Gauge",
        place=_place(item, thing, delivery),
        pointer="/Datastream/properties",
    )


def _draft(
    delivery: Delivery,
    time: SaidTime,
    level: Level,
    *,
    event_id: str,
    gauge: str | None,
    name: str,
    place: Place,
    pointer: str,
) -> Draft:
    severity = level.severity(pointer)
    passed = "alarm" if severity is Severity.SEVERE else "warn"
    return draft(
        delivery,
        time,
        cameras=(gauge,),
        adapter=SensorThingsAdapter.name,
        source_event_id=event_id,
        kind=AlertKind.WATER_LEVEL,
        vendor_type=clean(f"level {level.words()}", 100),
        severity=severity,
        place=place,
        text=tidy(f"{name}: water level {level.words()}, at or above {passed}", 4_000),
    )


def _event_id(item: dict[str, Any], stream_id: str | None, said: str) -> str:
    number = _id(item)
    if number is not None:
        return identity("observation", number)
    if stream_id is None or not said:
        raise NotUnderstood(
            "ingest.malformed",
            "The Observation has no @iot.id, and not both a Datastream and a phenomenonTime: a repeat could not be"
            " told from a new reading.",
            pointer="/@iot.id",
        )
    return identity("datastream", stream_id, said)


def _level(item: dict[str, Any], stream: dict[str, Any]) -> Level:
    limits = {**_member(item, "parameters"), **_member(stream, "properties")}
    warn, alarm = (_threshold(limits.get(name), name) for name in ("warn_m", "alarm_m"))
    unit, known = _unit(stream)
    factor = METRES.get(unit.lower()) if known else 1.0
    if factor is None and warn is None and alarm is None:
        raise NotUnderstood("ingest.not_an_alarm", f"A measurement in {unit} is no water level.")
    if factor is None:
        raise NotUnderstood(
            "ingest.malformed",
            f"{unit} is no unit of a level known here; send m, dm, cm, mm or ft.",
            pointer="/Datastream/unitOfMeasurement",
        )
    result = item["result"]
    if isinstance(result, bool) or not isinstance(result, (int, float)):
        raise NotUnderstood("ingest.malformed", "result must be a number.", pointer="/result")
    # Compared as it came: an integer of four thousand digits is none of the doubles.
    if not LEVELS_M[0] / factor <= result <= LEVELS_M[1] / factor:
        raise NotUnderstood(
            "ingest.malformed",
            "No water stands at such a level; a logger without a reading says so.",
            pointer="/result",
        )
    metres = round(float(result) * factor, 4)
    said = f"{metres:g} m" if factor == 1.0 else f"{metres:g} m, said as {result:g} {unit}"
    return Level(metres, warn, alarm, said if known else f"{said}, unit assumed")


def _unit(stream: dict[str, Any]) -> tuple[str, bool]:
    """The unit as written and whether one was: a Datastream that is only referred to does not say it."""
    unit = _member(stream, "unitOfMeasurement")
    said = _text(unit, "symbol") or _text(unit, "name")
    return (clean(said, 30), True) if said else ("m", False)


def _threshold(value: object, name: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not LEVELS_M[0] <= value <= LEVELS_M[1]:
        raise NotUnderstood(
            "ingest.malformed", f"{name} must be a number of metres.", pointer=f"/Datastream/properties/{name}"
        )
    return float(value)


def _time(text: str | None, delivery: Delivery, pointer: str) -> SaidTime:
    try:
        return said_time(text, delivery.zone)
    except ValueError:
        raise NotUnderstood(
            "ingest.malformed", f"{clean(text or '', 100)!r} is no ISO 8601 time.", pointer=pointer
        ) from None


def _place(item: dict[str, Any], thing: dict[str, Any], delivery: Delivery) -> Place:
    """Where the Thing stands, else the feature of interest: the first that is a point."""
    places = thing.get("Locations")
    told = [each.get("location") for each in places if isinstance(each, dict)] if isinstance(places, list) else []
    for found in (*told, _member(item, "FeatureOfInterest").get("feature")):
        shape = found.get("geometry") if isinstance(found, dict) and found.get("type") == "Feature" else found
        if not isinstance(shape, dict) or shape.get("type") != "Point":
            continue
        try:
            lon, lat = Location.model_validate(shape, extra="ignore").coordinates[:2]
        except ValidationError as error:
            raise invalid(error, pointer="/Datastream/Thing/Locations") from None
        return place_at(lon, lat, delivery.crs, pointer="/Datastream/Thing/Locations")
    return Place()


def _member(holder: dict[str, Any], *path: str) -> dict[str, Any]:
    """An object below a path, empty if there is none."""
    found: Any = holder
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _text(holder: dict[str, Any], name: str) -> str | None:
    value = holder.get(name)
    return tidy(value, 200) if isinstance(value, str) else None


def _id(entity: dict[str, Any]) -> str | None:
    return _id_text(entity.get("@iot.id"))


def _id_text(value: object) -> str | None:
    """An id as text; servers number, name or UUID their entities."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    return tidy(str(value), 3_000)
