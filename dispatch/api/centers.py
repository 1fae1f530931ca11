"""Centers and agencies: who is who, their boards, inboxes and queues, and both live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import Header, Query, Request, Response

from dispatch.api.access import Caller, CallerOf, require_agency, require_center
from dispatch.api.conditions import MinPosition
from dispatch.api.cursors import next_link
from dispatch.api.live import Key, LiveResponse
from dispatch.api.problem import Problem, declared, not_found
from dispatch.api.routing import protected
from dispatch.api.services import Services, ServicesOf
from dispatch.api.shapes import LIMIT, Category, CenterOut, CursorParameter, Limit, Listing
from dispatch.directory import CenterEntry
from domain.vocabulary import CenterKind, Severity
from projections.agency_queue import queue_item
from projections.board import item
from projections.inbox import inbox_item
from projections.queries import board as queries
from projections.queries.board import BoardCursor, BoardFilter
from projections.queries.progress import checkpoints

router = protected("centers")

SNAPSHOT_INCIDENTS_MAX = 5_000
"""Open incidents of one board that a live stream begins with; the most urgent come first."""

LastEventId = Annotated[
    str | None,
    Header(alias="Last-Event-ID", description="The position of the last page seen; browsers send it by themselves."),
]
After = Annotated[int | None, Query(ge=0, le=2**62, description="The same as Last-Event-ID, for clients without it.")]


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
    at = _board_cursor(services.cursors.read("board", filters, cursor))
    await services.freshness.wait(min_position, ["board"])
    rows, position = await _page(services, queries.for_center(entry.id, cursor=at, limit=limit, only=only))
    _link(services, request, response, "board", filters, rows, limit)
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
    at = _board_cursor(services.cursors.read("inbox", filters, cursor))
    await services.freshness.wait(min_position, ["board"])
    rows, position = await _page(services, queries.inbox(entry.id, cursor=at, limit=limit))
    _link(services, request, response, "inbox", filters, rows, limit)
    response.headers["Dispatch-Position"] = str(position)
    return Listing(items=[inbox_item(row, entry.id) for row in rows[:limit]], position=position)


@router.get("/agencies", operation_id="agencies_list", summary="All agencies of the city")
async def list_agencies(services: ServicesOf) -> list[dict[str, Any]]:
    """Those with a feed get their own NATS stream."""
    agencies = sorted(services.directory.agencies.values(), key=lambda agency: agency.code)
    return [
        {"code": entry.code, "name_zh": entry.name_zh, "name_en": entry.name_en, "has_feed": entry.has_feed}
        for entry in agencies
    ]


@router.get(
    "/agencies/{agency}/queue",
    operation_id="agencies_queue",
    summary="What an agency has to do",
    responses=declared(404),
)
async def get_queue(
    agency: str,
    request: Request,
    response: Response,
    services: ServicesOf,
    caller: CallerOf,
    role: Annotated[list[str] | None, Query(description="responsible, supporting, informed", max_length=3)] = None,
    answer: Annotated[str | None, Query(pattern="^(none|accepted|declined)$")] = None,
    min_position: MinPosition = None,
    cursor: CursorParameter = None,
    limit: Limit = LIMIT,
) -> Listing:
    """City-wide, most urgent first."""
    require_agency(caller, agency)
    if services.directory.agency(agency) is None:
        raise not_found("This agency")
    filters = {"agency": agency, "role": role, "answer": answer}
    at = _board_cursor(services.cursors.read("queue", filters, cursor))
    await services.freshness.wait(min_position, ["board"])
    statement = queries.for_agency(agency, cursor=at, limit=limit, roles=role or (), answer=answer)
    rows, position = await _page(services, statement)
    _link(services, request, response, "queue", filters, rows, limit)
    response.headers["Dispatch-Position"] = str(position)
    return Listing(items=[queue_item(row, agency) for row in rows[:limit]], position=position)


STREAM_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events `snapshot`, `upsert`, `removal`, `page` (its id is where to resume), `reset`, `resync`.",
        "content": {"text/event-stream": {"example": 'event: page\nid: 18250\ndata: {"position": 18250}\n\n'}},
    },
    **declared(404),
}


@router.get(
    "/centers/{center}/stream",
    operation_id="centers_stream",
    summary="The board of a center, live",
    responses=STREAM_RESPONSES,
    response_class=Response,
)
async def stream_center(
    center: str,
    services: ServicesOf,
    caller: CallerOf,
    last_event_id: LastEventId = None,
    after: After = None,
    category: Category = None,
) -> Response:
    """A snapshot, or what changed since the position given; then every change, page by page."""
    entry = center_of(services, caller, center)
    return _stream(services, ("center", entry.id), last_event_id, after, category)


@router.get(
    "/agencies/{agency}/stream",
    operation_id="agencies_stream",
    summary="The queue of an agency, live",
    responses=STREAM_RESPONSES,
    response_class=Response,
)
async def stream_agency(
    agency: str,
    services: ServicesOf,
    caller: CallerOf,
    last_event_id: LastEventId = None,
    after: After = None,
    category: Category = None,
) -> Response:
    """A snapshot, or what changed since the position given; then every change, page by page."""
    require_agency(caller, agency)
    if services.directory.agency(agency) is None:
        raise not_found("This agency")
    return _stream(services, ("agency", agency), last_event_id, after, category)


def _stream(
    services: Services, key: Key, last_event_id: str | None, after: int | None, category: Sequence[str] | None
) -> LiveResponse:
    position = after
    if last_event_id is not None:
        if not last_event_id.isdigit() or len(last_event_id) > 18:
            raise Problem(
                "invalid",
                "Last-Event-ID must be the id of a page event of this stream. Leave it out for a snapshot.",
                errors=[("header:last-event-id", "not a position")],
            )
        position = int(last_event_id)
    subscriber = services.hub.subscribe(key, frozenset(category) if category else None)

    async def snapshot(key: Key, categories: frozenset[str] | None) -> tuple[int, list[Mapping[str, Any]]]:
        return await _snapshot(services, key, categories)

    return LiveResponse(services.hub, subscriber, position, snapshot)


async def _snapshot(
    services: Services, key: Key, categories: frozenset[str] | None
) -> tuple[int, list[Mapping[str, Any]]]:
    shown: list[Mapping[str, Any]] = []
    at: BoardCursor | None = None
    only = BoardFilter(categories=sorted(categories or ()))
    async with services.database.snapshot() as moment:
        checkpoint = await moment.row(checkpoints(["board"]))
        while len(shown) < SNAPSHOT_INCIDENTS_MAX:
            limit = queries.LIMIT_MAX
            if key[0] == "center":
                statement = queries.for_center(UUID(str(key[1])), cursor=at, limit=limit, only=only)
            else:
                statement = queries.for_agency(str(key[1]), cursor=at, limit=limit)
            rows = await moment.rows(statement)
            shown += [item(row) for row in rows[:limit] if not categories or row["category"] in categories]
            if len(rows) <= limit:
                break
            at = (rows[limit - 1]["priority"], rows[limit - 1]["opened_position"])
    return (int(checkpoint["position"]) if checkpoint is not None else 0), shown


def _board_cursor(key: list[Any] | None) -> BoardCursor | None:
    return None if key is None else (int(key[0]), int(key[1]))


async def _page(services: Services, statement: Any) -> tuple[list[Any], int]:
    async with services.database.snapshot() as moment:
        checkpoint = await moment.row(checkpoints(["board"]))
        rows = await moment.rows(statement)
    return rows, int(checkpoint["position"]) if checkpoint is not None else 0


def _link(
    services: Services,
    request: Request,
    response: Response,
    listing: str,
    filters: Mapping[str, Any],
    rows: Sequence[Any],
    limit: int,
) -> None:
    if len(rows) > limit:
        last = rows[limit - 1]
        cursor = services.cursors.make(listing, filters, [last["priority"], last["opened_position"]])
        response.headers["Link"] = next_link(request, cursor)
