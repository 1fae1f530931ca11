"""A town small enough to know by heart: two districts with a station each, two agencies' own centers, a few people.

city ── east ── east-station        lon 104.0–104.1, lat 30.6–30.7
     └─ west ── west-station        lon 103.9–104.0
lateral: police-hq, traffic-hq
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from dispatch.handling.scribe import Change, Request, Scribe
from domain import identifiers
from domain.assignment.events import UnitRegistered, UnitWentOnDuty
from domain.camera.events import CameraInstalled, SiteBuilt
from domain.center.events import AgencyRegistered, CenterEstablished
from domain.event import Actor, Event, GeoPoint
from domain.operator.events import OperatorEnrolled
from domain.ownership import Ownership
from domain.rulebook.content import (
    AlertRule,
    CaseClass,
    CategoryRule,
    CorrelationRule,
    DeadlineRule,
    Rulebook,
)
from domain.rulebook.events import RulebookActivated, RulebookPublished
from domain.rulebook.plans import AgencyRule, ResponseRule
from domain.vocabulary import (
    ActorKind,
    AgencyRole,
    AlertKind,
    CenterKind,
    OwnerRule,
    Role,
    SiteClass,
    TimeCounting,
    UnitKind,
)

CITY = "chengdu"
LOADED_AT = datetime(2024, 6, 5, 0, 0, tzinfo=UTC)
GATEWAY = "gw-east"

CENTERS: dict[str, tuple[CenterKind, int, str | None, str | None, tuple[float, float]]] = {
    "city": (CenterKind.CITY, 1, None, None, (103.9, 104.1)),
    "east": (CenterKind.DISTRICT, 2, "city", None, (104.0, 104.1)),
    "west": (CenterKind.DISTRICT, 2, "city", None, (103.9, 104.0)),
    "east-station": (CenterKind.STATION, 3, "east", "police", (104.0, 104.1)),
    "west-station": (CenterKind.STATION, 3, "west", "police", (103.9, 104.0)),
    "police-hq": (CenterKind.FUNCTIONAL, 0, None, "police", (0, 0)),
    "traffic-hq": (CenterKind.FUNCTIONAL, 0, None, "traffic_police", (0, 0)),
}
UNITS = {"E-1": "east-station", "E-2": "east-station", "W-1": "west-station"}
FEED_FIELDS = (
    "number",
    "category",
    "severity",
    "phase",
    "place",
    "headline",
    "opened_at",
    "message_status",
    "role",
    "recipients",
    "owner",
    "assignments",
    "disposition",
    "merged_into",
    "order_kind",
    "edition",
    "text",
    "area",
    "effective_at",
    "expires_at",
    "acknowledge_by",
)
"""What the partners of this town are told."""
IN_EAST, IN_WEST = (104.05, 30.65), (103.95, 30.65)
EAST_CAMERA, WEST_CAMERA = "51010400001320000001", "51010500001320000001"


def center(code: str) -> UUID:
    return identifiers.center_id(CITY, code)


def operator(login: str) -> UUID:
    return identifiers.operator_id(CITY, login)


def unit(call_sign: str) -> UUID:
    return identifiers.unit_id(CITY, call_sign)


def camera(code: str) -> UUID:
    return identifiers.camera_id(CITY, code)


def path(code: str) -> tuple[UUID, ...]:
    parent = CENTERS[code][2]
    return (*(path(parent) if parent else ()), center(code))


def ownership(code: str) -> Ownership:
    return Ownership(center_id=center(code), path=path(code))


def rulebook(version: int = 1) -> Rulebook:
    near = CorrelationRule(radius_m=200, window_s=600)
    return Rulebook(
        city=CITY,
        version=version,
        categories=(
            CategoryRule(
                code="traffic.accident",
                name_zh="交通事故",
                name_en="Traffic accident",
                priority=3,
                agencies=(
                    AgencyRule(agency="traffic_police", role=AgencyRole.RESPONSIBLE),
                    AgencyRule(agency="police", role=AgencyRole.INFORMED),
                ),
                correlation=near,
                response=(ResponseRule(agency="police", unit_kinds=(UnitKind.PATROL_CAR,)),),
                deadlines=DeadlineRule(),
            ),
            CategoryRule(
                code="other.unclassified",
                name_zh="未分类",
                name_en="Unclassified",
                priority=6,
                owner=OwnerRule.STATION,
                agencies=(AgencyRule(agency="police", role=AgencyRole.RESPONSIBLE),),
                correlation=near,
            ),
        ),
        case_classes=(
            CaseClass(
                code="traffic.debris",
                name_zh="道路遗撒",
                name_en="Debris on the road",
                major_code="03",
                minor_code="03",
                category="traffic.accident",
                department="traffic_police",
                counting=TimeCounting.AROUND_THE_CLOCK,
                handle_within_s=36_000,
                check_within_s=7_200,
                extension_s_max=7_200,
            ),
            CaseClass(
                code="other.stall",
                name_zh="流动摊点",
                name_en="Stall",
                major_code="05",
                minor_code="01",
                category="other.unclassified",
                department="fire",
                counting=TimeCounting.AROUND_THE_CLOCK,
                handle_within_s=36_000,
            ),
        ),
        alerts=(AlertRule(kind=AlertKind.ACCIDENT, category="traffic.accident"),),
        catch_all_center_code="city",
        catch_all_category="other.unclassified",
        number_prefix="CD",
        time_zone="Asia/Shanghai",
    )


def facts() -> Iterator[tuple[UUID, tuple[Event, ...]]]:
    """Everything the town is made of, by stream."""
    rules = rulebook()
    yield (
        identifiers.rulebook_stream(CITY),
        (RulebookPublished(rulebook=rules), RulebookActivated(version=1, effective_at=LOADED_AT)),
    )
    for code in ("police", "traffic_police", "fire"):
        listed = () if code == "fire" else FEED_FIELDS
        event = AgencyRegistered(
            city=CITY, code=code, name_zh=code, name_en=code, has_feed=code != "fire", feed_fields=listed
        )
        yield identifiers.agency_stream(CITY, code), (event,)
    for code in CENTERS:
        yield center(code), (_established(code),)
    yield from _cameras()
    for login, roles in _people().items():
        code = login.rsplit(".", 1)[0]
        enrolled = OperatorEnrolled(
            city=CITY, login=login, roles=roles, center_id=center(code), agency=CENTERS[code][3]
        )
        yield operator(login), (enrolled,)
    for call_sign, code in UNITS.items():
        registered = UnitRegistered(
            city=CITY,
            call_sign=call_sign,
            agency="police",
            base=ownership(code),
            kind=UnitKind.PATROL_CAR,
            home=_middle(code),
        )
        yield unit(call_sign), (registered, UnitWentOnDuty())


def _people() -> dict[str, tuple[Role, ...]]:
    people = {f"{code}.01": (Role.DISPATCHER,) for code in CENTERS}
    return people | {f"{code}.02": (Role.SUPERVISOR,) for code in CENTERS}


def _established(code: str) -> CenterEstablished:
    kind, level, parent, agency, (west, east) = CENTERS[code]
    ring = ((west, 30.6), (east, 30.6), (east, 30.7), (west, 30.7), (west, 30.6))
    return CenterEstablished(
        city=CITY,
        code=code,
        name_zh=f"{code} 指挥中心",
        name_en=f"{code} centre",
        kind=kind,
        level=level,
        parent_id=center(parent) if parent else None,
        path=path(code),
        agency=agency,
        valid_from=date(2006, 1, 1),
        location=_middle(code),
        area=((ring,),) if level else (),
    )


def _middle(code: str) -> GeoPoint:
    west, east = CENTERS[code][4]
    return GeoPoint(lon=(west + east) / 2, lat=30.65)


def _cameras() -> Iterator[tuple[UUID, tuple[Event, ...]]]:
    for code, station, gateway in ((EAST_CAMERA, "east-station", GATEWAY), (WEST_CAMERA, "west-station", "gw-west")):
        site = identifiers.site_id(CITY, f"site-{station}")
        place: dict[str, Any] = {"location": _middle(station), "station_id": center(station), "path": path(station)}
        yield (
            site,
            (
                SiteBuilt(
                    city=CITY,
                    code=f"site-{station}",
                    site_class=SiteClass.MAIN_JUNCTION,
                    owner="police",
                    operator="police",
                    maintainer="police",
                    phase="2006",
                    built_on=date(2006, 5, 1),
                    **place,
                ),
            ),
        )
        installed = CameraInstalled(
            city=CITY, code=code, site_id=site, label=f"{station} 路口", gateway=gateway, aliases=("cam_1",), **place
        )
        yield camera(code), (installed,)


async def load(scribe: Scribe) -> None:
    """Record the whole town in one command."""
    request = Request(
        actor=Actor(kind=ActorKind.SYSTEM, id="town"),
        received_at=LOADED_AT,
        request_id=identifiers.named("town", CITY),
    )
    await scribe.record([Change(stream, 0, events) for stream, events in facts()], request)
