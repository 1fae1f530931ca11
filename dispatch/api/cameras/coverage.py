"""What the city's cameras see, as of a date: routes, blind spots, and how coverage grew (flows F20 and F26)."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Query
from pydantic import Field
from shapely import contains_xy

from dispatch.api.access.permissions import CallerOf
from dispatch.api.centers.centers import center_of
from dispatch.api.http.shapes import CENTER, Body, answers, examples
from dispatch.api.problems.problem import Problem, declared
from dispatch.api.routing import protected
from dispatch.api.wiring import Services, ServicesOf
from dispatch.jurisdiction import shape_of
from domain.event import GeoPoint
from domain.policies import coverage
from domain.policies.coverage import Eye, Gap
from domain.policies.proximity import METRES_A_DEGREE
from projections.queries import cameras as queries
from projections.queries.cameras import Box
from projections.shown import id_text, shown

router = protected("cameras")

ROUTE_POINTS_MAX = 5_000
ROUTE_M_MAX = 200_000.0
SEEN_BY_MAX = 1_000
SPOTS_MAX = 5_000
PLACES_MAX = 250_000
"""Places of one area that are looked at: a county of 2,500 square kilometres at 100 m."""
RANGE_M = 80.0
"""Taken for a camera whose range nobody said, as of most attached ones."""
Position = Annotated[list[float], Field(min_length=2, max_length=3)]
Range = Annotated[
    float, Query(gt=0, le=1_000, description="Range of a camera whose own is not known: attached ones, mostly.")
]
AsOf = Annotated[date | None, Query(description="Cameras as they hung on this day; now, if left out.")]


class LineString(Body):
    """A GeoJSON line: longitude first, WGS 84."""

    model_config = examples({"type": "LineString", "coordinates": [[104.0657, 30.6595], [104.0721, 30.6603]]})

    type: Literal["LineString"]
    coordinates: Annotated[list[Position], Field(min_length=2, max_length=ROUTE_POINTS_MAX)]

    def points(self) -> list[GeoPoint]:
        """In the domain's words. Raises `Problem` invalid."""
        found = []
        for number, (lon, lat, *_) in enumerate(self.coordinates):
            if not (-180 <= lon <= 180 and -90 <= lat <= 90):  # nor is NaN
                raise Problem(
                    "invalid",
                    "A route is made of points on earth, longitude first.",
                    errors=[(f"/route/coordinates/{number}", "longitude is −180…180, latitude −90…90")],
                )
            found.append(GeoPoint(lon=lon, lat=lat))
        return found


class RouteBody(Body):
    """A route, and of which day."""

    model_config = examples(
        {
            "route": {"type": "LineString", "coordinates": [[104.0657, 30.6595], [104.0721, 30.6603]]},
            "as_of": "2011-07-03",
        }
    )

    route: LineString
    as_of: date | None = Field(default=None, description="Cameras as they hung on this day; now, if left out.")
    default_range_m: Annotated[float, Field(gt=0, le=1_000)] = RANGE_M


CANNOT_SEE_EXAMPLE = {
    "cannot_see": [
        {"camera_id": "0a6f2f0e-6c0e-5b0a-9a45-7f1d2b3c4d5e", "what": "offline", "since": "2026-07-01T04:30:15Z"}
    ],
    "cannot_see_left_out": 0,
}
ROUTE_EXAMPLE: dict[str, Any] = {
    "length_m": 618.4,
    "covered_m": 502.1,
    "covered_share": 0.812,
    "cameras": 7,
    "seen_by": ["0a6f2f0e-6c0e-5b0a-9a45-7f1d2b3c4d5e"],
    "gaps": {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "geometry": {"type": "LineString", "coordinates": [[104.0662, 30.6596], [104.0674, 30.6597]]},
                "properties": {"from_m": 48.2, "to_m": 164.5, "length_m": 116.3},
            }
        ],
    },
}
ROUTE_EXAMPLE |= CANNOT_SEE_EXAMPLE
AREA_EXAMPLE = {
    "center_id": CENTER,
    "as_of": None,
    "spacing_m": 100.0,
    "places": 6_120,
    "seen": 4_407,
    "covered_share": 0.72,
    "blind_spots": {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "geometry": {"type": "Point", "coordinates": [104.07, 30.65]}, "properties": {}}
        ],
    },
    "blind_spots_left_out": 0,
    **CANNOT_SEE_EXAMPLE,
}
GROWTH_EXAMPLE = {
    "as_of": "2011-12-31",
    "sites": 15_800,
    "items": [{"site_class": "main_junction", "phase": "2006", "sites": 512}],
}


@router.post(
    "/coverage/route",
    operation_id="coverage_route",
    summary="Where nobody sees a route",
    responses=answers(ROUTE_EXAMPLE, "Gaps as GeoJSON, with metres from the route's start."),
)
async def of_route(body: RouteBody, services: ServicesOf) -> dict[str, Any]:
    """A camera sees a circle of its range. A gap is a gap; what is in range may still stand behind a house."""
    route = body.route.points()
    eyes, blind = await eyes_along(services, route, body.as_of, body.default_range_m)
    found = coverage.of_route(route, eyes)
    if found.length_m > ROUTE_M_MAX:
        raise Problem("invalid", f"The route is {found.length_m:,.0f} m long; at most {ROUTE_M_MAX:,.0f} m at once.")
    return shown_coverage(found) | cannot_see(coverage.of_route(route, [one.eye for one in blind]).seen_by, blind)


def shown_coverage(found: coverage.RouteCoverage) -> dict[str, Any]:
    """What is seen of a route, as JSON."""
    return {
        "length_m": round(found.length_m, 1),
        "covered_m": round(found.covered_m, 1),
        "covered_share": _share(found.covered_m, found.length_m),
        "cameras": len(found.seen_by),
        "seen_by": [id_text(camera_id) for camera_id in found.seen_by[:SEEN_BY_MAX]],
        "gaps": {"type": "FeatureCollection", "features": [_gap(gap) for gap in found.gaps]},
    }


@router.get(
    "/centers/{center}/coverage",
    operation_id="coverage_area",
    summary="Blind spots of a center's area",
    responses={**declared(404), **answers(AREA_EXAMPLE, "Places that no camera sees, as GeoJSON points.")},
)
async def of_area(
    center: str,
    services: ServicesOf,
    caller: CallerOf,
    as_of: AsOf = None,
    spacing_m: Annotated[float, Query(ge=20, le=1_000, description="Between the places that are looked at.")] = 100.0,
    default_range_m: Range = RANGE_M,
) -> dict[str, Any]:
    """Places on a square grid over the area; a finer grid takes longer and finds smaller spots."""
    entry = center_of(services, caller, center)
    if not entry.area:
        raise Problem("invalid", f"{entry.name_en} has no area of its own; ask for a center that has one.")
    shape = shape_of(entry.area)
    west, south, east, north = shape.bounds
    places = list(_grid(shape, spacing_m))
    reach = 1_000.0 / METRES_A_DEGREE
    box = Box(west - 2 * reach, south - reach, east + 2 * reach, north + reach)
    eyes, blind = await _eyes(services, [box], as_of, default_range_m)
    spots = coverage.unseen(places, eyes)
    return {
        "center_id": id_text(entry.id),
        "as_of": None if as_of is None else as_of.isoformat(),
        "spacing_m": spacing_m,
        "places": len(places),
        "seen": len(places) - len(spots),
        "covered_share": _share(len(places) - len(spots), len(places)),
        "blind_spots": {"type": "FeatureCollection", "features": [_spot(spot) for spot in spots[:SPOTS_MAX]]},
        "blind_spots_left_out": max(0, len(spots) - SPOTS_MAX),
        **cannot_see(_in_shape(shape, blind), blind),
    }


@router.get(
    "/coverage/growth",
    operation_id="coverage_growth",
    summary="Sites standing on a day",
    responses=answers(GROWTH_EXAMPLE, "By class and building phase."),
)
async def growth(services: ServicesOf, as_of: Annotated[date, Query(examples=["2011-12-31"])]) -> dict[str, Any]:
    """Ask for two days, and the difference is what was built between them."""
    rows = await services.database.rows(queries.coverage(as_of))
    items = [{"site_class": row["site_class"], "phase": row["phase"], "sites": row["sites"]} for row in rows]
    return {"as_of": as_of.isoformat(), "sites": sum(item["sites"] for item in items), "items": items}


@dataclass(frozen=True, slots=True)
class Blind:
    """A camera that hangs there and cannot see (or is not to ring), why, and since when."""

    eye: Eye
    what: str
    since: datetime


def cannot_see(which: Collection[UUID], blind: Sequence[Blind]) -> dict[str, Any]:
    """As JSON: those of `which` that cannot see, the longest first."""
    wanted = set(which)
    found = [one for one in blind if one.eye.camera_id in wanted]
    return {
        "cannot_see": [
            {"camera_id": id_text(one.eye.camera_id), "what": one.what, "since": shown(one.since)}
            for one in found[:SEEN_BY_MAX]
        ],
        "cannot_see_left_out": max(0, len(found) - SEEN_BY_MAX),
    }


async def eyes_along(
    services: Services, route: list[GeoPoint], as_of: date | None, default_range_m: float
) -> tuple[list[Eye], list[Blind]]:
    """The cameras that may see any of a route, and those that would if they could."""
    return await _eyes(services, _boxes(route), as_of, default_range_m)


async def _eyes(
    services: Services, boxes: list[Box], as_of: date | None, default_range_m: float
) -> tuple[list[Eye], list[Blind]]:
    end = None if as_of is None else _end_of(services, as_of)
    async with services.database.snapshot() as moment:
        rows = await moment.rows(queries.eyes(boxes, end))
        spells = await moment.rows(queries.blind_eyes(boxes, end))
    hanging = {
        row["camera_id"]: Eye(
            row["camera_id"], GeoPoint(lon=row["lon"], lat=row["lat"]), row["range_m"] or default_range_m
        )
        for row in rows
    }
    blind: dict[UUID, Blind] = {}
    for spell in spells:
        eye = hanging.get(spell["camera_id"])
        if eye is not None and spell["camera_id"] not in blind:
            blind[eye.camera_id] = Blind(eye, spell["what"], spell["began_at"])
    return [eye for camera_id, eye in hanging.items() if camera_id not in blind], list(blind.values())


def _end_of(services: Services, day: date) -> queries.DayEnd:
    zone = ZoneInfo(services.directory.rulebook().time_zone)
    return queries.DayEnd(day, datetime.combine(day + timedelta(days=1), time(), zone))


def _boxes(route: list[GeoPoint]) -> list[Box]:
    """Boxes around pieces of a route, wide enough for any camera that may see it: not the city, for a ring road."""
    reach = 1_000.0 / METRES_A_DEGREE
    found = []
    size = max(1, math.ceil(len(route) / queries.BOXES_MAX))
    for start in range(0, len(route) - 1, size):
        piece = route[start : start + size + 1]
        lons, lats = [point.lon for point in piece], [point.lat for point in piece]
        aside = reach / max(0.01, math.cos(math.radians(max(map(abs, lats)))))
        found.append(Box(min(lons) - aside, min(lats) - reach, max(lons) + aside, max(lats) + reach))
    return found


def _in_shape(shape: Any, blind: Sequence[Blind]) -> set[UUID]:
    return {one.eye.camera_id for one in blind if contains_xy(shape, one.eye.location.lon, one.eye.location.lat)}


def _grid(shape: Any, spacing_m: float) -> Iterator[GeoPoint]:
    """Places on a square grid within a shape. Raises `Problem` for too many."""
    west, south, east, north = shape.bounds
    step_lat = spacing_m / METRES_A_DEGREE
    step_lon = step_lat / max(0.01, math.cos(math.radians((south + north) / 2)))
    columns, rows = math.ceil((east - west) / step_lon), math.ceil((north - south) / step_lat)
    if columns * rows > PLACES_MAX:
        raise Problem(
            "invalid",
            f"{columns * rows:,} places are more than {PLACES_MAX:,}. Say a wider `spacing_m`, or a smaller center.",
            errors=[("query:spacing_m", "too fine for this area")],
        )
    lons = [west + (column + 0.5) * step_lon for column in range(columns)]
    for row in range(rows):
        lat = south + (row + 0.5) * step_lat
        inside = contains_xy(shape, lons, [lat] * columns)
        for lon, is_inside in zip(lons, inside.tolist(), strict=True):
            if is_inside:
                yield GeoPoint(lon=lon, lat=lat)


def _gap(gap: Gap) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": "LineString", "coordinates": [[point.lon, point.lat] for point in gap.line]},
        "properties": {
            "from_m": round(gap.from_m, 1),
            "to_m": round(gap.to_m, 1),
            "length_m": round(gap.length_m, 1),
        },
    }


def _spot(place: GeoPoint) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [round(place.lon, 6), round(place.lat, 6)]},
        "properties": {},
    }


def _share(part: float, whole: float) -> float:
    return round(part / whole, 4) if whole else 1.0
