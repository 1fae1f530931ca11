"""The camera directory: by place, by code, by station; sites and coverage as of a date."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from math import cos, radians
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select

from projections import tables
from projections.queries.board import LIMIT_MAX

METRES_PER_DEGREE = 111_195.0
"""Of latitude, on a sphere of 6,371 km."""
RADIUS_MAX_M = 20_000.0


@dataclass(frozen=True, slots=True)
class Box:
    """Degrees, WGS 84."""

    west: float
    south: float
    east: float
    north: float


_CAMERAS = select(
    tables.cameras,
    tables.sites.c.site_class,
    tables.sites.c.address,
    tables.sites.c.phase.label("site_phase"),
).select_from(tables.cameras.outerjoin(tables.sites, tables.cameras.c.site_id == tables.sites.c.site_id))


def near(
    lon: float, lat: float, *, radius_m: float, limit: int, site_class: str | None = None, with_detached: bool = False
) -> Select[Any]:
    """Cameras within a radius, nearest first, with `distance_m`. Flat-earth distance: within 0.1 % at this radius."""
    table = tables.cameras
    radius_m = min(radius_m, RADIUS_MAX_M)
    scale = max(cos(radians(lat)), 0.01)
    reach = radius_m / METRES_PER_DEGREE
    distance = METRES_PER_DEGREE * func.sqrt(func.pow(table.c.lat - lat, 2) + func.pow((table.c.lon - lon) * scale, 2))
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
    center_id: UUID, *, after_code: str | None = None, limit: int, site_class: str | None = None
) -> Select[Any]:
    """Cameras of a center and of all below it, by code."""
    query = _CAMERAS.where(tables.cameras.c.path.contains([center_id]))
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


def coverage(on: date) -> Select[Any]:
    """Sites standing on a day, by class and building phase."""
    table = tables.sites
    return (
        select(table.c.site_class, table.c.phase, func.count().label("sites"))
        .where(table.c.built_on <= on)
        .group_by(table.c.site_class, table.c.phase)
        .order_by(table.c.site_class, table.c.phase)
    )


def _filtered(query: Select[Any], site_class: str | None, *, with_detached: bool) -> Select[Any]:
    if site_class is not None:
        query = query.where(tables.sites.c.site_class == site_class)
    return query if with_detached else query.where(tables.cameras.c.detached_at.is_(None))


def _by_code(query: Select[Any], after_code: str | None, limit: int) -> Select[Any]:
    if after_code is not None:
        query = query.where(tables.cameras.c.code > after_code)
    return query.order_by(tables.cameras.c.code).limit(min(limit, LIMIT_MAX) + 1)
