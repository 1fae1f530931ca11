"""Boards and queues, live: a snapshot or a resumption, then every change, page by page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Header, Query, Response

from dispatch.api.access import Caller, CallerOf, require_agency
from dispatch.api.board_feed import Key
from dispatch.api.centers import center_of
from dispatch.api.live_response import LiveResponse
from dispatch.api.problem import Problem, declared, not_found
from dispatch.api.routing import protected
from dispatch.api.shapes import Category
from dispatch.api.wiring import Services, ServicesOf

router = protected("centers")

_POSITION = re.compile(r"[0-9]{1,18}")

LastEventId = Annotated[
    str | None,
    Header(alias="Last-Event-ID", description="The position of the last page seen; browsers send it by themselves."),
]
After = Annotated[int | None, Query(ge=0, le=2**62, description="The same as Last-Event-ID, for clients without it.")]

STREAM_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events `snapshot`, `upsert`, `removal`, `page` (its id is where to resume), `reset`, `resync`, "
        "`expired` (the token has ended), `bye` (the server stops).",
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
    return await _stream(services, caller, ("center", entry.id), last_event_id, after, category)


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
    return await _stream(services, caller, ("agency", agency), last_event_id, after, category)


async def _stream(
    services: Services,
    caller: Caller,
    key: Key,
    last_event_id: str | None,
    after: int | None,
    category: Sequence[str] | None,
) -> LiveResponse:
    position = after
    if last_event_id is not None:
        if not _POSITION.fullmatch(last_event_id):
            raise Problem(
                "invalid",
                "Last-Event-ID must be the id of a page event of this stream. Leave it out for a snapshot.",
                errors=[("header:last-event-id", "not a position")],
            )
        position = int(last_event_id)
    life_s = None
    if caller.expires_at_s is not None:
        life_s = max(0.0, caller.expires_at_s - services.clock.now().timestamp())
    wanted = (key, frozenset(category) if category else None)
    await services.hub.ready()
    services.hub.reserve()
    try:
        beginning = await services.beginnings.of(wanted, position)
    except BaseException:
        services.hub.release()
        raise
    return LiveResponse(services.hub, wanted, beginning, life_s=life_s)
