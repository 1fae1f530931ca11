"""The camera directory: by place, by code, by station; sites and coverage as of a date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from math import cos, radians
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, DateTime, Select, Text, case, false, func, literal, or_, select, true
from sqlalchemy.dialects.postgresql import JSONB

from domain.policies.proximity import METRES_A_DEGREE
from projections import tables
from projections.queries.board import LIMIT_MAX
from projections.queries.conditions import blind, silent_now

RADIUS_MAX_M = 20_000.0
BOXES_MAX = 50
EYES_MAX = 500_000
"""Three times the cameras of the city, attached ones included."""


@dataclass(frozen=True, slots=True)
class Box:
    """Degrees, WGS 84."""

    west: float
    south: float
    east: float
    north: float


@dataclass(frozen=True, slots=True)
class DayEnd:
    """A day, and the instant at which it ends where the city is."""

    day: date
    at: datetime


_CAMERAS = select(
    tables.cameras,
    silent_now().label("silent"),
    tables.sites.c.site_class,
    tables.sites.c.address,
    tables.sites.c.phase.label("site_phase"),
).select_from(tables.cameras.outerjoin(tables.sites, tables.cameras.c.site_id == tables.sites.c.site_id))

_ATTACHED = case((tables.cameras.c.detached_at.is_(None), true()), else_=false())
"""True of nearly all. A database that has not counted yet takes `IS NULL` for one in 200, so that it would rather sort
all cameras of a district than look through an index for the first hundred: 37 ms instead of 0.3. Of this it thinks
every second."""


def near(
    lon: float, lat: float, *, radius_m: float, limit: int, site_class: str | None = None, with_detached: bool = False
) -> Select[Any]:
    """Cameras within a radius, nearest first, with `distance_m`. Flat-earth distance: within 0.1 % at this radius."""
    table = tables.cameras
    radius_m = min(radius_m, RADIUS_MAX_M)
    scale = max(cos(radians(lat)), 0.01)
    reach = radius_m / METRES_A_DEGREE
    distance = METRES_A_DEGREE * func.sqrt(func.pow(table.c.lat - lat, 2) + func.pow((table.c.lon - lon) * scale, 2))
    query = _CAMERAS.add_columns(distance.label("distance_m")).where(
        table.c.lat.between(lat - reach, lat + reach),
        table.c.lon.between(lon - reach / scale, lon + reach / scale),
        distance <= radius_m,
    )
    query = _filtered(query, site_class, with_detached=with_detached)
    return query.order_by(distance, table.c.code).limit(min(limit, LIMIT_MAX) + 1)


def inside(
    box: Box, *, after_code: str | None = None, limit: int, site_class: str | None = None, with_detached: bool = False
) -> Select[Any]:
    """Cameras in a bounding box, by code."""
    table = tables.cameras
    query = _CAMERAS.where(table.c.lat.between(box.south, box.north), table.c.lon.between(box.west, box.east))
    return _by_code(_filtered(query, site_class, with_detached=with_detached), after_code, limit)


def of_center(
    path: Sequence[UUID], *, after_code: str | None = None, limit: int, site_class: str | None = None
) -> Select[Any]:
    """Cameras of a center (its path, itself last) and of all below it, by code.

    A center stands at one place of every path below it, which an index finds in the order of codes; that it stands
    somewhere in the path, no index finds in any order.
    """
    cameras, sites = tables.cameras, tables.sites
    stands_at, center_id = cameras.c.path[len(path)], path[-1]
    if site_class is None:
        query = _CAMERAS.where(stands_at == center_id)
    else:
        # What is true of such a camera is true of its site, and sites of a class are few: they are found first. Said
        # as text, the same of the camera is only looked at; an index of all cameras of the center, walked anew for
        # each of its sites, is what a database takes that has not counted yet: a tenth of a second for a district.
        query = _CAMERAS.where(sites.c.path[len(path)] == center_id, stands_at.cast(Text) == str(center_id))
    return _by_code(_filtered(query, site_class, with_detached=False), after_code, limit)


def one(camera_id: UUID) -> Select[Any]:
    """One camera (an incident's: `board.camera_id`)."""
    return _CAMERAS.where(tables.cameras.c.camera_id == camera_id)


def by_reference(city: str, reference: str) -> Select[Any]:
    """By its 20-digit code, or by an alias a gateway uses."""
    table = tables.cameras
    return _CAMERAS.where(
        table.c.city == city, (table.c.code == reference) | table.c.aliases.contains([reference])
    ).limit(LIMIT_MAX)


def eyes(boxes: Sequence[Box], end: DayEnd | None) -> Select[Any]:
    """`camera_id`, `lon`, `lat`, `range_m` of cameras in some boxes that could be used at a day's end; None: now."""
    table, sites = tables.cameras, tables.sites
    query = select(table.c.camera_id, table.c.lon, table.c.lat, table.c.range_m).where(_within(boxes))
    if end is None:
        query = query.where(
            table.c.detached_at.is_(None), or_(table.c.expires_at.is_(None), table.c.expires_at > func.now())
        )
    else:
        query = query.outerjoin(sites, sites.c.site_id == table.c.site_id).where(
            or_(
                table.c.is_own & (sites.c.built_on <= end.day),
                _attached_at(end.at),
            )
        )
    return query.limit(EYES_MAX)


def blind_eyes(boxes: Sequence[Box], end: DayEnd | None) -> Select[Any]:
    """`camera_id`, `what`, `began_at` of those among them that could not see at a day's end; None: now."""
    return blind(_within(boxes), None if end is None else end.at)


def coverage(on: date) -> Select[Any]:
    """Sites standing on a day, by class and building phase."""
    table = tables.sites
    return (
        select(table.c.site_class, table.c.phase, func.count().label("sites"))
        .where(table.c.built_on <= on)
        .group_by(table.c.site_class, table.c.phase)
        .order_by(table.c.site_class, table.c.phase)
    )


def owned(query: Select[Any], *, is_own: bool | None) -> Select[Any]:
    """The city's own cameras only, or attached ones only; None: both."""
    return query if is_own is None else query.where(tables.cameras.c.is_own == is_own)


def in_condition(
    query: Select[Any], *, health: str | None = None, armed: bool | None = None, silent: bool | None = None
) -> Select[Any]:
    """Those only that are so now; None: however they are."""
    if health is not None:
        query = query.where(tables.cameras.c.health == health)
    if armed is not None:
        query = query.where(tables.cameras.c.armed == armed)
    if silent is not None:
        query = query.where(silent_now() if silent else ~silent_now())
    return query


def _within(boxes: Sequence[Box]) -> ColumnElement[bool]:
    table = tables.cameras
    return or_(
        *(
            table.c.lat.between(box.south, box.north) & table.c.lon.between(box.west, box.east)
            for box in boxes[:BOXES_MAX]
        )
    )


def _attached_at(after: datetime) -> ColumnElement[bool]:
    """Some attachment of it held at that instant, whatever came later."""
    one = func.jsonb_array_elements(tables.cameras.c.attachments).table_valued("value").render_derived()
    each = one.c.value.cast(JSONB)

    def at(name: str) -> ColumnElement[Any]:
        said: ColumnElement[Any] = each[name].astext.cast(DateTime(timezone=True))
        return said

    return (
        select(literal(1))
        .select_from(one)
        .where(
            at("attached_at") < after,
            or_(at("ended_at").is_(None), at("ended_at") >= after),
            or_(at("expires_at").is_(None), at("expires_at") >= after),
        )
        .exists()
    )


def _filtered(query: Select[Any], site_class: str | None, *, with_detached: bool) -> Select[Any]:
    if site_class is not None:
        query = query.where(tables.sites.c.site_class == site_class)
    return query if with_detached else query.where(_ATTACHED)


def _by_code(query: Select[Any], after_code: str | None, limit: int) -> Select[Any]:
    if after_code is not None:
        query = query.where(tables.cameras.c.code > after_code)
    return query.order_by(tables.cameras.c.code).limit(min(limit, LIMIT_MAX) + 1)
