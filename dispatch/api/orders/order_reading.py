"""Looking at orders: lists, one order, its history in sentences, and as CAP messages.

Seen by the issuer, the addressees and all above them. A partner reads an order of its agency as its feed tells it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response

from dispatch.api.access.permissions import Caller, CallerOf, covers
from dispatch.api.access.visibility import require_known, withheld
from dispatch.api.http.conditions import MinPosition
from dispatch.api.http.histories import Language, history_of
from dispatch.api.http.paging import Page, PagingOf
from dispatch.api.http.shapes import Listing
from dispatch.api.incidents.incidents import IfNoneMatch
from dispatch.api.orders import order_cap
from dispatch.api.partners.partner_view import order_for_partner
from dispatch.api.problems.problem import Problem, declared, not_found
from dispatch.api.routing import protected
from dispatch.api.wiring import Services, ServicesOf
from dispatch.handling.scribe import Loaded, as_fact
from domain.order.events import OrderContent
from domain.order.state import OrderState
from domain.refusals import Refused
from domain.storable import StorableInstant
from domain.vocabulary import MessageStatus, OrderKind
from projections import orders
from projections.queries import orders as queries
from projections.queries.progress import position as position_of

router = protected("orders")

VIEWS = (orders.Orders.name,)
STORY_FACTS_MAX = 10_000
"""Facts on the stream of one order: two hundred addressees that answer fifty editions."""


class CapResponse(Response):
    """A CAP message."""

    media_type = order_cap.MEDIA_TYPE


@router.get("/orders", operation_id="orders_list", summary="Orders you may see")
async def list_orders(
    services: ServicesOf,
    caller: CallerOf,
    paging: PagingOf,
    in_force: Annotated[bool | None, Query(description="true: in force now.")] = None,
    at: Annotated[StorableInstant | None, Query(description="In force at this instant; + as %2B.")] = None,
    center_id: Annotated[UUID | None, Query(description="Issued by or addressed to this center.")] = None,
    agency: Annotated[str | None, Query(max_length=50, description="Addressed to this agency.")] = None,
    kind: OrderKind | None = None,
    status: MessageStatus | None = None,
    overdue: Annotated[bool | None, Query(description="true: an acknowledgement was missed and still lacks.")] = None,
    min_position: MinPosition = None,
) -> Listing:
    """Newest first. Exercises and tests stand among them and say so in `status` and `is_exercise`."""
    await services.freshness.wait(min_position, VIEWS)
    now = services.clock.now()
    only = queries.OrderFilter(
        in_force_at=at or (now if in_force else None),
        center_id=center_id,
        agency=agency,
        kind=kind,
        status=status,
        is_overdue=overdue,
    )
    asked = {"in_force": in_force, "at": at, "center": center_id, "agency": agency, "kind": kind}
    filters = {**asked, "status": status, "overdue": overdue, "as": caller.centers, "for": caller.agency}
    page = paging.of("orders", filters)
    statement = _listing(caller, only, page)
    async with services.database.snapshot() as moment:
        reached = await moment.row(position_of(VIEWS))
        rows = await moment.rows(statement)
    shown = [orders.item(row, at or now) for row in page.cut(rows, "issued_position")]
    return Listing(items=shown, position=_first(reached))


def _listing(caller: Caller, only: queries.OrderFilter, page: Page) -> Any:
    center_ids = agency = None
    if not caller.sees_everything:
        if caller.center_id is None:
            raise Problem("forbidden", "Your token names no center, so no list is yours. Ask for an order by its id.")
        center_ids, agency = caller.centers, caller.agency if caller.speaks_for_agency else None
    return queries.listed(
        only,
        sight=caller.sight,
        center_ids=center_ids,
        agency=agency,
        before_position=page.after(int),
        limit=page.limit,
    )


@router.get(
    "/orders/{order_id}",
    operation_id="orders_get",
    summary="One order",
    responses={
        **declared(404),
        200: {"description": "The order; ETag is the version to decide on."},
        304: {"description": "The ETag you have is still the one."},
    },
)
async def get_order(
    order_id: UUID,
    response: Response,
    services: ServicesOf,
    caller: CallerOf,
    if_none_match: IfNoneMatch = None,
    min_position: MinPosition = None,
) -> Any:
    """With its addressees and who has not acknowledged. The ETag counts changes of the order, not answers.

    So a 304 says "decide as you were", and not "nobody answered". A partner sees what its feed tells.
    """
    await services.freshness.wait(min_position, VIEWS)
    async with services.database.snapshot() as moment:
        row = await moment.row(queries.one(order_id, sight=caller.sight))
        reached = await moment.row(position_of(VIEWS))
    if row is None:
        raise not_found("This order")
    _require(caller, OrderContent.model_validate(row["order"]), row["visible_center_ids"])
    etag = f'"{row["decided_version"]}"'
    headers = {"ETag": etag, "Dispatch-Position": str(_first(reached)), "Cache-Control": "private, no-cache"}
    if if_none_match is not None and etag in {tag.strip() for tag in if_none_match.split(",")}:
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    if caller.is_partner:
        return order_for_partner(services, str(caller.agency), row)
    return orders.item(row, services.clock.now())


@router.get(
    "/orders/{order_id}/history",
    operation_id="orders_history",
    summary="What happened to it, in sentences",
    responses=declared(404),
)
async def get_history(
    order_id: UUID,
    services: ServicesOf,
    caller: CallerOf,
    paging: PagingOf,
    language: Language = "zh",
) -> Listing:
    """Every fact about it from the log, oldest first, with the order as it stood after each change."""
    await visible_order(services, caller, order_id)
    return await history_of(services, caller, paging, order_id, language, said=withheld)


@router.get(
    "/orders/{order_id}/cap",
    operation_id="orders_cap",
    summary="As a CAP 1.2 message",
    response_class=CapResponse,
    responses={**declared(404), 200: {"description": "The message.", "content": {order_cap.MEDIA_TYPE: {}}}},
)
async def get_cap(
    order_id: UUID,
    services: ServicesOf,
    caller: CallerOf,
    message: Annotated[int | None, Query(ge=1, le=10_000, description="Which of its messages; the last.")] = None,
) -> Response:
    """The last message of the order's chain, or an earlier one: Alert, then Updates, then perhaps a Cancel.

    `Dispatch-Messages` says how many there are.
    """
    await visible_order(services, caller, order_id)
    facts = [as_fact(row) for row in await services.log.read_stream(order_id, limit=STORY_FACTS_MAX)]
    messages = order_cap.chain(facts, services.directory)
    number = message or len(messages)
    if number > len(messages):
        raise not_found(f"Message {number} of this order")
    body = order_cap.document(messages, number, services.directory)
    return CapResponse(body, headers={"Dispatch-Messages": str(len(messages)), "Cache-Control": "private, no-cache"})


async def visible_order(services: Services, caller: Caller, order_id: UUID) -> Loaded[OrderState]:
    """The order as decided so far. Raises `Problem` not_found for a missing and for a foreign one alike."""
    try:
        loaded = await services.orders.state(order_id)
    except Refused:
        raise not_found("This order") from None
    order = loaded.state.order
    assert order is not None, "the desk refuses what was never issued"
    _require(caller, order, [*order.issuer.path, *(center for one in order.addressees for center in one.path)])
    if not any(
        caller.center_id == one.center_id or (caller.speaks_for_agency and caller.agency == one.agency)
        for one in order.addressees
    ):
        await require_known(services, caller, order.incident_id, "This order")
    return loaded


def _require(caller: Caller, order: OrderContent, centers: Sequence[UUID]) -> None:
    """404 unless the caller issued it, is addressed, or is above who did or is. No exercise for a partner."""
    agencies = {one.agency for one in order.addressees if one.agency is not None}
    is_told = caller.speaks_for_agency and caller.agency in agencies
    if caller.is_partner:
        if not is_told or order.status is not MessageStatus.ACTUAL:
            raise not_found("This order")
    elif not (is_told or covers(caller, centers)):
        raise not_found("This order")


def _first(row: Any) -> int:
    value = next(iter(row.values()), None) if row is not None else None
    return int(value or 0)
