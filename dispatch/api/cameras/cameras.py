"""The camera directory: where they hang, what they may see, and which sites host them."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import sqlalchemy as sa
from fastapi import Query

from dispatch.api.http.paging import Page, PagingOf
from dispatch.api.http.shapes import Listing
from dispatch.api.problems.problem import Problem, declared, not_found
from dispatch.api.routing import protected
from dispatch.api.wiring import Services, ServicesOf
from domain.vocabulary import CameraHealth, SiteClass
from projections import tables
from projections.cameras import item, site_item
from projections.queries import cameras as queries

router = protected("cameras")

NEAR_RADIUS_M = 500.0
Health = Annotated[CameraHealth | None, Query(description="Only those that are so now.")]
Armed = Annotated[bool | None, Query(description="Only those whose alarms are on; false: off.")]
Silent = Annotated[bool | None, Query(description="Only those whose gateway is silent; false: is not.")]


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
    services: ServicesOf,
    paging: PagingOf,
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
    own: Annotated[bool | None, Query(description="Only the city's own cameras; false: only attached ones.")] = None,
    health: Health = None,
    armed: Armed = None,
    silent: Silent = None,
) -> Listing:
    """Say exactly one of `bbox`, `near`, `center_id` and `reference`."""
    if sum(value is not None for value in (bbox, near, center_id, reference)) != 1:
        raise Problem("invalid", "Say exactly one of bbox, near, center_id and reference.")
    filters: dict[str, Any] = {"bbox": bbox, "center": center_id, "class": site_class, "own": own}
    filters |= {"health": health, "armed": armed, "silent": silent}
    page = paging.of("cameras", filters)
    wanted = site_class.value if site_class is not None else None
    statement: Any
    if near is not None:
        lon, lat = numbers(near, "near", 2)
        statement = queries.near(lon, lat, radius_m=radius_m, limit=page.limit, site_class=wanted)
    elif reference is not None:
        statement = queries.by_reference(services.directory.city, reference)
    else:
        statement = _by_code(services, bbox, center_id, page, wanted)
    so = None if health is None else health.value
    of_those = queries.in_condition(queries.owned(statement, is_own=own), health=so, armed=armed, silent=silent)
    rows = await services.database.rows(of_those)
    is_by_code = near is None and reference is None
    shown = page.cut(rows, "code") if is_by_code else rows[: page.limit]
    return Listing(items=[item(row) for row in shown])


def _by_code(
    services: Services,
    bbox: str | None,
    center_id: UUID | None,
    page: Page,
    site_class: str | None,
) -> Any:
    """Those in a box, or of a center."""
    if bbox is not None:
        box = queries.Box(*numbers(bbox, "bbox", 4))
        return queries.inside(box, after_code=page.after(str), limit=page.limit, site_class=site_class)
    assert center_id is not None, "one of the four was said"
    center = services.directory.center(center_id)
    path = center.path if center is not None else (center_id,)
    return queries.of_center(path, after_code=page.after(str), limit=page.limit, site_class=site_class)


@router.get("/cameras/{camera_id}", operation_id="cameras_get", summary="One camera", responses=declared(404))
async def get_camera(camera_id: UUID, services: ServicesOf) -> dict[str, Any]:
    """With its site's class and address."""
    row = await services.database.row(queries.one(camera_id))
    if row is None:
        raise not_found("This camera")
    return item(row)


@router.get("/sites", operation_id="sites_list", summary="Sites that host cameras")
async def list_sites(
    services: ServicesOf,
    paging: PagingOf,
    site_class: SiteClass | None = None,
    center_id: UUID | None = None,
) -> Listing:
    """By code."""
    table = tables.sites
    filters = {"class": site_class, "center": center_id}
    page = paging.of("sites", filters)
    statement = sa.select(table).order_by(table.c.code).limit(page.limit + 1)
    after = page.after(str)
    if after is not None:
        statement = statement.where(table.c.code > after)
    if site_class is not None:
        statement = statement.where(table.c.site_class == site_class.value)
    if center_id is not None:
        statement = statement.where(table.c.path.contains([center_id]))
    rows = await services.database.rows(statement)
    return Listing(items=[site_item(row) for row in page.cut(rows, "code")])
