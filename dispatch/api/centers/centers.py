"""Centers: who is who, their boards and inboxes."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from dispatch.api.access.permissions import Caller, CallerOf, require_center
from dispatch.api.http.conditions import MinPosition
from dispatch.api.http.paging import PagingOf
from dispatch.api.http.shapes import Category, CenterOut, Listing
from dispatch.api.incidents.boards import BY_URGENCY, board_rows
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
    services: ServicesOf,
    paging: PagingOf,
    kind: CenterKind | None = None,
    parent_id: UUID | None = None,
) -> list[CenterOut]:
    """In the order of their codes."""
    filters = {"kind": kind, "parent_id": parent_id}
    page = paging.of("centers", filters)
    after = page.after(str)
    found = sorted(
        (
            center
            for center in services.directory.centers.values()
            if (kind is None or center.kind is kind)
            and (parent_id is None or center.parent_id == parent_id)
            and (after is None or center.code > after)
        ),
        key=lambda center: center.code,
    )
    return [shown_center(center) for center in page.cut(found, "code")]


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
    response: Response,
    services: ServicesOf,
    caller: CallerOf,
    paging: PagingOf,
    category: Category = None,
    agency: Annotated[list[str] | None, Query(max_length=50)] = None,
    min_severity: Severity = Severity.UNKNOWN,
    with_exercises: bool = True,  # a query parameter
    min_position: MinPosition = None,
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
    page = paging.of("board", filters)
    await services.freshness.wait(min_position, ["board"])
    also = services.directory.seen_from(entry.id)[1:]
    statement = queries.for_center(
        entry.id, sight=caller.sight, also=also, cursor=page.after(int, int), limit=page.limit, only=only
    )
    rows, position = await board_rows(services, statement)
    response.headers["Dispatch-Position"] = str(position)
    return Listing(items=[item(row) for row in page.cut(rows, *BY_URGENCY)], position=position)


@router.get(
    "/centers/{center}/inbox",
    operation_id="centers_inbox",
    summary="What waits for this center",
    responses=declared(404),
)
async def get_inbox(
    center: str,
    response: Response,
    services: ServicesOf,
    caller: CallerOf,
    paging: PagingOf,
    min_position: MinPosition = None,
) -> Listing:
    """Incidents to accept, transfers to answer, escalations to act on."""
    entry = center_of(services, caller, center)
    filters = {"center": entry.id}
    page = paging.of("inbox", filters)
    await services.freshness.wait(min_position, ["board"])
    statement = queries.inbox(entry.id, sight=caller.sight, cursor=page.after(int, int), limit=page.limit)
    rows, position = await board_rows(services, statement)
    response.headers["Dispatch-Position"] = str(position)
    return Listing(items=[inbox_item(row, entry.id) for row in page.cut(rows, *BY_URGENCY)], position=position)
