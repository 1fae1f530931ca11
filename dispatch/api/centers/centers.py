"""Centers: who is who, their boards and inboxes."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response

from dispatch.api.access.permissions import Caller, CallerOf, require_center
from dispatch.api.http.conditions import MinPosition
from dispatch.api.http.cursors import next_link
from dispatch.api.http.shapes import LIMIT, Category, CenterOut, CursorParameter, Limit, Listing
from dispatch.api.incidents.boards import board_cursor, link, page
from dispatch.api.problems.problem import declared, not_found
from dispatch.api.routing import protected
from dispatch.api.wiring import Services, ServicesOf
from dispatch.directory_entries import CenterEntry
from domain.vocabulary import CenterKind, Severity
from projections.board import item
from projections.inbox import inbox_item
from projections.queries import board as queries
from projections.queries.board import BoardFilter

router = protected("centers")


def shown_center(center: CenterEntry, *, with_area: bool = False) -> CenterOut:
    """A center as JSON shows it."""
    area = None
    if with_area and center.area:
        area = {"type": "MultiPolygon", "coordinates": [[list(ring) for ring in polygon] for polygon in center.area]}
    return CenterOut(
        center_id=center.id,
        code=center.code,
        name_zh=center.name_zh,
        name_en=center.name_en,
        kind=center.kind.value,
        level=center.level,
        parent_id=center.parent_id,
        path=list(center.path),
        agency=center.agency,
        location={"type": "Point", "coordinates": [center.location.lon, center.location.lat]},
        area=area,
    )


def center_of(services: Services, caller: Caller, reference: str) -> CenterEntry:
    """A center by id or code, if it is the caller's or below it. Raises `Problem` not_found."""
    try:
        center = services.directory.center(UUID(reference))
    except ValueError:
        center = services.directory.center_by_code(reference)
    if center is None:
        raise not_found("This center")
    require_center(caller, center.path)
    return center


@router.get("/centers", operation_id="centers_list", summary="All centers of the city")
async def list_centers(
    request: Request,
    response: Response,
    services: ServicesOf,
    kind: CenterKind | None = None,
    parent_id: UUID | None = None,
    cursor: CursorParameter = None,
    limit: Limit = LIMIT,
) -> list[CenterOut]:
    """In the order of their codes."""
    filters = {"kind": kind, "parent_id": parent_id}
    key = services.cursors.read("centers", filters, cursor)
    found = sorted(
        (
            center
            for center in services.directory.centers.values()
            if (kind is None or center.kind is kind)
            and (parent_id is None or center.parent_id == parent_id)
            and (key is None or center.code > str(key[0]))
        ),
        key=lambda center: center.code,
    )
    if len(found) > limit:
        cursor = services.cursors.make("centers", filters, [found[limit - 1].code])
        response.headers["Link"] = next_link(request, cursor)
    return [shown_center(center) for center in found[:limit]]


@router.get("/centers/{center}", operation_id="centers_get", summary="One center", responses=declared(404))
async def get_center(center: str, services: ServicesOf, *, area: bool = False) -> CenterOut:
    """By id or code. Who is who is no secret among the people of the city."""
    try:
        found = services.directory.center(UUID(center))
    except ValueError:
        found = services.directory.center_by_code(center)
    if found is None:
        raise not_found("This center")
    return shown_center(found, with_area=area)


@router.get(
    "/centers/{center}/board", operation_id="centers_board", summary="The board of a center", responses=declared(404)
)
async def get_board(
    center: str,
    request: Request,
    response: Response,
    services: ServicesOf,
    caller: CallerOf,
    category: Category = None,
    agency: Annotated[list[str] | None, Query(max_length=50)] = None,
    min_severity: Severity = Severity.UNKNOWN,
    with_exercises: bool = True,  # a query parameter
    min_position: MinPosition = None,
    cursor: CursorParameter = None,
    limit: Limit = LIMIT,
) -> Listing:
    """What it owns, what lies below it, what it was told of, and what it is offered: most urgent first."""
    entry = center_of(services, caller, center)
    only = BoardFilter(
        agencies=agency or (),
        categories=category or (),
        min_severity=int(min_severity),
        with_exercises=with_exercises,
    )
    filters = {
        "center": entry.id,
        "category": category,
        "agency": agency,
        "severity": min_severity,
        "ex": with_exercises,
    }
    at = board_cursor(services.cursors.read("board", filters, cursor))
    await services.freshness.wait(min_position, ["board"])
    also = services.directory.seen_from(entry.id)[1:]
    statement = queries.for_center(entry.id, sight=caller.sight, also=also, cursor=at, limit=limit, only=only)
    rows, position = await page(services, statement)
    link(services, request, response, "board", filters, rows, limit)
    response.headers["Dispatch-Position"] = str(position)
    return Listing(items=[item(row) for row in rows[:limit]], position=position)


@router.get(
    "/centers/{center}/inbox",
    operation_id="centers_inbox",
    summary="What waits for this center",
    responses=declared(404),
)
async def get_inbox(
    center: str,
    request: Request,
    response: Response,
    services: ServicesOf,
    caller: CallerOf,
    min_position: MinPosition = None,
    cursor: CursorParameter = None,
    limit: Limit = LIMIT,
) -> Listing:
    """Incidents to accept, transfers to answer, escalations to act on."""
    entry = center_of(services, caller, center)
    filters = {"center": entry.id}
    at = board_cursor(services.cursors.read("inbox", filters, cursor))
    await services.freshness.wait(min_position, ["board"])
    rows, position = await page(services, queries.inbox(entry.id, sight=caller.sight, cursor=at, limit=limit))
    link(services, request, response, "inbox", filters, rows, limit)
    response.headers["Dispatch-Position"] = str(position)
    return Listing(items=[inbox_item(row, entry.id) for row in rows[:limit]], position=position)
