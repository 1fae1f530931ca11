"""The city of a simulated run: ten centers, few units, cameras on two gateways, and rules whose deadlines are short.

Few units and hot spots, so that dispatchers and alerts meet; short deadlines and windows, so that a run of some minutes
has accepted, missed and escalated ones. The rules are the sample city's own, with other numbers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import dispatch.cities
from dispatch.handling.scribe import Change, Request, Scribe
from dispatch.ports import RecordedEvent
from dispatch.simulation.process import at_once
from dispatch.simulation.vault import SimulatedSealer
from dispatch.simulation.virtual_loop import START
from dispatch.store.memory import MemoryLog
from domain.assignment.events import UnitRegistered, UnitWentOnDuty
from domain.camera.events import CameraInstalled, SiteBuilt
from domain.center.events import AgencyRegistered, Area, CenterEstablished
from domain.event import Actor, Event, GeoPoint
from domain.identifiers import (
    agency_stream,
    camera_id,
    center_id,
    named,
    operator_id,
    rulebook_stream,
    site_id,
    unit_id,
)
from domain.operator.events import OperatorEnrolled
from domain.ownership import Ownership
from domain.rulebook.content import Rulebook
from domain.rulebook.events import RulebookActivated, RulebookPublished
from domain.vocabulary import ActorKind, CenterKind, Role, SiteClass, UnitKind

CITY = "chengdu"
SINCE = date(2006, 1, 1)
FEEDS = ("flood_control", "police", "traffic_police", "urban_management")
"""Partner agencies, in the order of their codes."""
FIELDS = (
    "number", "category", "severity", "priority", "phase", "place", "headline", "opened_at", "role", "recipients",
    "owner", "assignments", "accept_by", "disposition", "merged_into", "note", "case", "order_kind", "edition", "text",
    "area", "effective_at", "expires_at", "acknowledge_by",
)  # fmt: skip
SPOTS = tuple(
    GeoPoint(lon=lon, lat=lat) for lon, lat in ((104.02, 30.70), (104.049, 30.71), (104.08, 30.66), (104.15, 30.72))
)
"""Hot spots: a street of each station, and one corner at the border of two."""
GATEWAYS = ("gw-west", "gw-east")
SHORT = {"accept_within_s": 20, "acknowledge_within_s": 12, "escalate_every_s": 15, "transfer_within_s": 14}
CASE_TIMES = {"handle_within_s": 18, "check_within_s": 12, "extension_s_max": 15, "by_severity": []}
WORKING_HOURS = [{"opens_s": 0, "closes_s": 70}, {"opens_s": 85, "closes_s": 86_400}]
"""By the city's own day, which begins half a minute into the run: some cases' time stands still for a while in it."""
COVER = (
    {"code": "patrol-west", "center_code": "s-west", "kinds": ["patrol_car"], "agency": "police", "minimum": 1},
    {"code": "police-east", "center_code": "b-east", "kinds": ["patrol_car", "foot_patrol"], "minimum": 1},
)
"""What must be free: few units are, so that gaps come and go, and one unit is the best for both."""
CHECKLISTS = ({"called_back", "unit_sent"}, {"called_back", "photographed"})
"""What the first version lists for categories without a list of their own, and what every later one does."""
OFFICE = Actor(kind=ActorKind.SYSTEM, id="founding")
_TREE: tuple[tuple[str, CenterKind, int, str | None, tuple[float, float] | None], ...] = (
    ("city", CenterKind.CITY, 1, None, (104.0, 104.2)),
    ("d-west", CenterKind.DISTRICT, 2, "city", (104.0, 104.1)),
    ("b-east", CenterKind.BRANCH, 2, "city", (104.1, 104.2)),
    ("s-west", CenterKind.STATION, 3, "d-west", (104.0, 104.05)),
    ("s-mid", CenterKind.STATION, 3, "d-west", (104.05, 104.1)),
    ("s-east", CenterKind.STATION, 3, "b-east", (104.1, 104.2)),
    ("dept-traffic-police", CenterKind.FUNCTIONAL, 0, "city", None),
    ("dept-urban-management", CenterKind.FUNCTIONAL, 0, "city", None),
    ("dept-flood-control", CenterKind.FUNCTIONAL, 0, "city", None),
    ("dept-fire", CenterKind.FUNCTIONAL, 0, "city", None),
)
_UNITS: tuple[tuple[str, str, str, UnitKind, str, int], ...] = (
    ("police-1", "police", "s-west", UnitKind.PATROL_CAR, "public_order", 0),
    ("police-2", "police", "s-mid", UnitKind.PATROL_CAR, "public_order", 2),
    ("police-3", "police", "s-east", UnitKind.FOOT_PATROL, "public_order", 3),
    ("traffic-1", "traffic_police", "dept-traffic-police", UnitKind.MOTORCYCLE, "traffic_control", 0),
    ("traffic-2", "traffic_police", "dept-traffic-police", UnitKind.TOW_TRUCK, "recovery", 2),
    ("urban-1", "urban_management", "dept-urban-management", UnitKind.REPAIR_CREW, "facility_repair", 1),
    ("flood-1", "flood_control", "dept-flood-control", UnitKind.PUMP_TRUCK, "drainage", 1),
    ("fire-1", "fire", "dept-fire", UnitKind.FIRE_ENGINE, "fire_fighting", 2),
)


@dataclass(frozen=True, slots=True)
class City:
    """What was founded, and the log that says so."""

    log: tuple[RecordedEvent, ...]
    centers: dict[str, Ownership]
    units: dict[str, UUID]
    unit_agencies: dict[UUID, str]
    bases: dict[UUID, Ownership]
    """Unit → the center it belongs to."""
    cameras: dict[UUID, Ownership]
    """Camera → its station."""
    staff: dict[UUID, tuple[UUID, ...]]
    """Center → its operators."""

    @property
    def operators(self) -> tuple[UUID, ...]:
        """All of them."""
        return tuple(operator_id for here in self.staff.values() for operator_id in here)


@cache
def rules(version: int) -> Rulebook:
    """The sample city's rules with short deadlines and windows. A later version asks less before it opens."""
    raw = json.loads((Path(dispatch.cities.__path__[0]) / CITY / "rulebook.json").read_text(encoding="utf-8"))
    raw["version"] = version
    for rule in raw["categories"]:
        rule["deadlines"] = SHORT
        rule["correlation"] |= {"window_s": 12 if version == 1 else 8, "quiet_after_dismissal_s": 10}
        if version > 1:
            rule["correlation"]["min_alerts"] = max(1, rule["correlation"]["min_alerts"] - 1)
        listed = sorted(CHECKLISTS[min(version, 2) - 1])
        rule["checklist"] = rule.get("checklist") or [{"code": e, "text_zh": e, "text_en": e} for e in listed]
    for case_class in raw["case_classes"]:
        case_class.update(CASE_TIMES)
    raw["casework"]["working_hours"] = WORKING_HOURS
    raw["cover"] = list(COVER)
    return Rulebook.model_validate(raw)


@cache
def founded() -> City:
    """The city, founded once a process: every run begins with the same log."""
    return _Founding().city()


class _Clock:
    def now(self) -> Any:
        return START


class _Founding:
    """Writes the city's first facts."""

    def __init__(self) -> None:
        self._log = MemoryLog(_Clock())
        self._scribe = Scribe(self._log, SimulatedSealer(), _Clock())
        self._centers: dict[str, Ownership] = {}

    def city(self) -> City:
        """Rules, agencies, tree, cameras, people and units."""
        first = rules(1)
        self._record(
            rulebook_stream(CITY),
            RulebookPublished(rulebook=first),
            RulebookActivated(version=1, effective_at=START),
            RulebookPublished(rulebook=rules(2)),
        )
        for code in (*FEEDS, "fire", "health"):
            has_feed = code in FEEDS
            registered = AgencyRegistered(
                city=CITY,
                code=code,
                name_zh=code,
                name_en=code,
                has_feed=has_feed,
                feed_fields=FIELDS if has_feed else (),
            )
            self._record(agency_stream(CITY, code), registered)
        for code, kind, level, parent, ground in _TREE:
            self._center(code, kind, level, parent, ground)
        cameras = dict(self._cameras())
        staff = {
            center.center_id: tuple(self._operator(f"{code}.{number:02d}", code) for number in (1, 2))
            for code, center in self._centers.items()
        }
        units, agencies, bases = {}, {}, {}
        for call_sign, agency, base, unit_kind, skill, spot in _UNITS:
            units[call_sign] = self._unit(call_sign, agency, base, unit_kind, skill, SPOTS[spot])
            agencies[units[call_sign]] = agency
            bases[units[call_sign]] = self._centers[base]
        log = tuple(at_once(self._log.read_after(0, limit=10_000)))
        return City(log, self._centers, units, agencies, bases, cameras, staff)

    def _record(self, stream_id: UUID, *events: Event) -> None:
        request = Request(OFFICE, START, named("founding", str(stream_id)))
        at_once(self._scribe.record([Change(stream_id, 0, events)], request))

    def _center(
        self, code: str, kind: CenterKind, level: int, parent: str | None, ground: tuple[float, float] | None
    ) -> None:
        above = self._centers[parent] if parent is not None else None
        key = center_id(CITY, code)
        path = (*(above.path if above else ()), key)
        self._record(
            key,
            CenterEstablished(
                city=CITY,
                code=code,
                name_zh=code,
                name_en=code,
                kind=kind,
                level=level,
                parent_id=above.center_id if above else None,
                path=path,
                agency=code.removeprefix("dept-").replace("-", "_") if kind is CenterKind.FUNCTIONAL else None,
                valid_from=SINCE,
                location=SPOTS[0],
                area=strip(*ground) if ground is not None else (),
            ),
        )
        self._centers[code] = Ownership(center_id=key, path=path)

    def _cameras(self) -> Iterator[tuple[UUID, Ownership]]:
        for number, spot in enumerate(SPOTS):
            station = self._centers[("s-west", "s-west", "s-mid", "s-east")[number]]
            code = f"site-{number}"
            site = site_id(CITY, code)
            built = SiteBuilt(
                city=CITY, code=code, site_class=SiteClass.STREET, location=spot, owner="city", operator="city",
                maintainer="city", phase="2006", built_on=SINCE, station_id=station.center_id, path=station.path,
            )  # fmt: skip
            self._record(site, built)
            camera = f"5101000000132{number:07d}"
            installed = CameraInstalled(
                city=CITY, code=camera, site_id=site, label=code, location=spot,
                gateway=GATEWAYS[number // 2], aliases=(f"cam_{number}",), station_id=station.center_id,
                path=station.path,
            )  # fmt: skip
            self._record(camera_id(CITY, camera), installed)
            yield camera_id(CITY, camera), station

    def _operator(self, login: str, center: str) -> UUID:
        key = operator_id(CITY, login)
        roles = (Role.DISPATCHER, Role.SUPERVISOR)
        self._record(
            key, OperatorEnrolled(city=CITY, login=login, roles=roles, center_id=self._centers[center].center_id)
        )
        return key

    def _unit(self, call_sign: str, agency: str, base: str, kind: UnitKind, skill: str, home: GeoPoint) -> UUID:
        key = unit_id(CITY, call_sign)
        registered = UnitRegistered(
            city=CITY,
            call_sign=call_sign,
            agency=agency,
            base=self._centers[base],
            kind=kind,
            skills=(skill,),
            home=home,
        )
        self._record(key, registered, UnitWentOnDuty())
        return key


def strip(west: float, east: float) -> Area:
    """Ground from the north of the city to its south."""
    return ((((west, 30.6), (east, 30.6), (east, 30.8), (west, 30.8), (west, 30.6)),),)
