"""The camera directory: where they hang, what they may see, and which sites host them."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import sqlalchemy as sa
from fastapi import Query, Request, Response

from dispatch.api.cursors import next_link
from dispatch.api.problem import Problem, declared, not_found
from dispatch.api.routing import protected
from dispatch.api.shapes import LIMIT, CursorParameter, Limit, Listing
from dispatch.api.wiring import ServicesOf
from domain.vocabulary import SiteClass
from projections import tables
from projections.cameras import item
from projections.queries import cameras as queries

router = protected("cameras")

NEAR_RADIUS_M = 500.0


def numbers(text: str, name: str, count: int) -> list[float]:
    """Comma-separated degrees of a query parameter. Raises `Problem` invalid."""
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if len(found) != count or not all(abs(value) <= 180 for value in found):
        raise Problem(
            "invalid",
            f"{name} must be {count} numbers in degrees, separated by commas, longitude first.",
            errors=[(f"query:{name}", f"not {count} numbers in degrees")],
        )
    return found


@router.get("/cameras", operation_id="cameras_list", summary="Cameras by place, center or reference")
async def list_cameras(
    request: Request,
    response: Response,
    services: ServicesOf,
    bbox: Annotated[
        str | None, Query(max_length=100, description="west,south,east,north", examples=["104.05,30.65,104.08,30.67"])
    ] = None,
    near: Annotated[
        str | None, Query(max_length=60, description="lon,lat: nearest first", examples=["104.0657,30.6595"])
    ] = None,
    radius_m: Annotated[float, Query(gt=0, le=20_000)] = NEAR_RADIUS_M,
    center_id: UUID | None = None,
    reference: Annotated[str | None, Query(max_length=100, description="A code, or a gateway's own id.")] = None,
    site_class: SiteClass | None = None,
    cursor: CursorParameter = None,
    limit: Limit = LIMIT,
) -> Listing:
    """Say exactly one of `bbox`, `near`, `center_id` and `reference`."""
    if sum(value is not None for value in (bbox, near, center_id, reference)) != 1:
        raise Problem("invalid", "Say exactly one of bbox, near, center_id and reference.")
    filters = {"bbox": bbox, "center": center_id, "class": site_class}
    key = services.cursors.read("cameras", filters, cursor)
    after = str(key[0]) if key is not None else None
    wanted = site_class.value if site_class is not None else None
    statement: Any
    if bbox is not None:
        box = queries.Box(*numbers(bbox, "bbox", 4))
        statement = queries.inside(box, after_code=after, limit=limit, site_class=wanted)
    elif near is not None:
        lon, lat = numbers(near, "near", 2)
        statement = queries.near(lon, lat, radius_m=radius_m, limit=limit, site_class=wanted)
    elif center_id is not None:
        statement = queries.of_center(center_id, after_code=after, limit=limit, site_class=wanted)
    else:
        statement = queries.by_reference(services.directory.city, reference or "")
    rows = await services.database.rows(statement)
    if len(rows) > limit and near is None and reference is None:
        cursor = services.cursors.make("cameras", filters, [rows[limit - 1]["code"]])
        response.headers["Link"] = next_link(request, cursor)
    return Listing(items=[item(row) for row in rows[:limit]])


@router.get("/cameras/{camera_id}", operation_id="cameras_get", summary="One camera", responses=declared(404))
async def get_camera(camera_id: UUID, services: ServicesOf) -> dict[str, Any]:
    """With its site's class and address."""
    row = await services.database.row(queries.one(camera_id))
    if row is None:
        raise not_found("This camera")
    return item(row)


@router.get("/sites", operation_id="sites_list", summary="Sites that host cameras")
async def list_sites(
    request: Request,
    response: Response,
    services: ServicesOf,
    site_class: SiteClass | None = None,
    center_id: UUID | None = None,
    cursor: CursorParameter = None,
    limit: Limit = LIMIT,
) -> Listing:
    """By code."""
    table = tables.sites
    filters = {"class": site_class, "center": center_id}
    key = services.cursors.read("sites", filters, cursor)
    statement = sa.select(table).order_by(table.c.code).limit(limit + 1)
    if key is not None:
        statement = statement.where(table.c.code > str(key[0]))
    if site_class is not None:
        statement = statement.where(table.c.site_class == site_class.value)
    if center_id is not None:
        statement = statement.where(table.c.path.contains([center_id]))
    rows = await services.database.rows(statement)
    if len(rows) > limit:
        cursor = services.cursors.make("sites", filters, [rows[limit - 1]["code"]])
        response.headers["Link"] = next_link(request, cursor)
    return Listing(items=[item(row) for row in rows[:limit]])
