"""Boards and queues, live: a snapshot or a resumption, then every change, page by page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Response

from dispatch.api.access.permissions import Caller, CallerOf, require_agency
from dispatch.api.centers.centers import center_of
from dispatch.api.http.shapes import Category
from dispatch.api.live.board_feed import Above, Key
from dispatch.api.live.order_feed import ORDERS, Viewer
from dispatch.api.live.response import LiveResponse
from dispatch.api.problems.problem import Problem, declared, not_found
from dispatch.api.routing import protected
from dispatch.api.wiring import Services, ServicesOf
from domain.vocabulary import OrderKind

router = protected("centers")

COMMAND_LIFE_S = 60.0
"""A stream that may show what only a headquarters lets its reader see ends after that long (`expired`) and is opened
anew from its last id: who acts no more for one, or for one that is over, sees nothing of it a minute later.
"""
_POSITION = re.compile(r"[0-9]{1,18}")

LastEventId = Annotated[
    str | None,
    Header(alias="Last-Event-ID", description="The position of the last page seen; browsers send it by themselves."),
]
After = Annotated[int | None, Query(ge=0, le=2**62, description="The same as Last-Event-ID, for clients without it.")]


@dataclass(frozen=True, slots=True)
class Resumption:
    """Where a reader says that it stopped reading."""

    last_event_id: str | None
    after: int | None

    def position(self) -> int | None:
        """The position to go on behind; None: a snapshot is wanted. Raises `Problem` invalid."""
        if self.last_event_id is None:
            return self.after
        if not _POSITION.fullmatch(self.last_event_id):
            raise Problem(
                "invalid",
                "Last-Event-ID must be the id of a page event of this stream. Leave it out for a snapshot.",
                errors=[("header:last-event-id", "not a position")],
            )
        return int(self.last_event_id)


async def _resumption(last_event_id: LastEventId = None, after: After = None) -> Resumption:
    return Resumption(last_event_id, after)


ResumptionOf = Annotated[Resumption, Depends(_resumption)]

STREAM_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events `snapshot`, `upsert`, `removal`, `page` (its id is where to resume), `reset`, `resync`, "
        "`expired` (the token has ended), `bye` (the server stops).",
        "content": {"text/event-stream": {"example": 'event: page\nid: 18250\ndata: {"position": 18250}\n\n'}},
    },
    **declared(404),
}


ORDER_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events `snapshot`, `upsert`, `page` (its id is where to resume), `reset`, `resync`, `expired` "
        "(the token has ended), `bye` (the server stops).",
        "content": {"text/event-stream": {"example": 'event: page\nid: 18250\ndata: {"position": 18250}\n\n'}},
    },
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
    resumed: ResumptionOf,
    category: Category = None,
) -> Response:
    """A snapshot, or what changed since the position given; then every change, page by page."""
    entry = center_of(services, caller, center)
    seen = services.directory.seen_from(entry.id)
    key: Key = ("center", entry.id) if len(seen) == 1 else ("centers", frozenset(seen))
    # Who commands a headquarters knows for that of no restricted incident of the centers that it commands.
    is_own = caller.center_id == entry.id and key[0] == "center"
    above = None if caller.sees_everything or is_own else caller.center_id
    return await _stream(services, caller, key, above, resumed, category)


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
    resumed: ResumptionOf,
    category: Category = None,
) -> Response:
    """A snapshot, or what changed since the position given; then every change, page by page."""
    require_agency(caller, agency)
    if services.directory.agency(agency) is None:
        raise not_found("This agency")
    return await _stream(services, caller, ("agency", agency), None, resumed, category)


@router.get(
    "/orders/stream",
    operation_id="orders_stream",
    summary="Orders you may see, live",
    responses=ORDER_RESPONSES,
    response_class=Response,
)
async def stream_orders(
    services: ServicesOf,
    caller: CallerOf,
    resumed: ResumptionOf,
    kind: Annotated[list[OrderKind] | None, Query(description="Only orders of these kinds.")] = None,
) -> Response:
    """Those that are not over, or what changed since the position given; then every change: issued, answered, amended,
    extended, lifted, expired, an acknowledgement missed. An order that has ended is told once more, as ended.

    Whether one is in force is not told, for that changes with the clock: compare `effective_at` and `ends_at`.
    """
    return await _stream(services, caller, (ORDERS, _viewer(caller)), None, resumed, kind)


def _viewer(caller: Caller) -> Viewer:
    if caller.sees_everything:
        return Viewer()
    if caller.center_id is None:
        raise Problem("forbidden", "Your token names no center, so no stream is yours. Ask for an order by its id.")
    agency = caller.agency if caller.speaks_for_agency else None
    return Viewer(frozenset(caller.centers), agency, caller.sight.center_id)


async def _stream(
    services: Services,
    caller: Caller,
    key: Key,
    above: Above,
    resumed: Resumption,
    category: Sequence[str] | None,
) -> LiveResponse:
    position = resumed.position()
    life_s = None
    if caller.expires_at_s is not None:
        life_s = max(0.0, caller.expires_at_s - services.clock.now().timestamp())
    if key[0] == "centers" or caller.commanded:
        life_s = COMMAND_LIFE_S if life_s is None else min(COMMAND_LIFE_S, life_s)
    wanted = (key, frozenset(category) if category else None, above)
    await services.hub.ready()
    services.hub.reserve()
    try:
        beginning = await services.beginnings.of(wanted, position)
    except BaseException:
        services.hub.release()
        raise
    return LiveResponse(services.hub, wanted, beginning, life_s=life_s)
