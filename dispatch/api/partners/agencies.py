"""Agencies: their queues, and what a partner answers. The same answers can come over NATS."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response
from pydantic import Field

from dispatch.api.access.permissions import CallerOf, require_agency
from dispatch.api.access.visibility import visible_state
from dispatch.api.http.conditions import Asked, CreationOf, MinPosition
from dispatch.api.http.paging import PagingOf
from dispatch.api.http.shapes import Body, Listing, Reason, Written, examples
from dispatch.api.http.writing import written
from dispatch.api.incidents.boards import BY_URGENCY, board_rows
from dispatch.api.partners.partner_view import partner_items
from dispatch.api.problems.problem import declared, not_found
from dispatch.api.routing import protected
from dispatch.api.wiring import ServicesOf
from domain.incident.commands import AcceptForAgency, DeclineForAgency
from projections.agency_queue import queue_item
from projections.queries import board as queries
from projections.queries.board import BoardFilter

router = protected("centers")


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
    response: Response,
    services: ServicesOf,
    caller: CallerOf,
    paging: PagingOf,
    role: Annotated[list[str] | None, Query(description="responsible, supporting, informed", max_length=3)] = None,
    answer: Annotated[str | None, Query(pattern="^(none|accepted|declined)$")] = None,
    min_position: MinPosition = None,
) -> Listing:
    """City-wide, most urgent first. A partner sees of each incident what its feed tells."""
    require_agency(caller, agency)
    if services.directory.agency(agency) is None:
        raise not_found("This agency")
    filters = {"agency": agency, "role": role, "answer": answer}
    page = paging.of("queue", filters)
    await services.freshness.wait(min_position, ["board"])
    only = BoardFilter(with_exercises=not caller.is_partner)
    statement = queries.for_agency(
        agency,
        sight=caller.sight,
        cursor=page.after(int, int),
        limit=page.limit,
        roles=role or (),
        answer=answer,
        only=only,
    )
    rows, position = await board_rows(services, statement)
    rows = page.cut(rows, *BY_URGENCY)
    response.headers["Dispatch-Position"] = str(position)
    shown = [queue_item(row, agency) for row in rows]
    if caller.is_partner:
        told = await partner_items(services, agency, rows)
        shown = [item | {"mine": whole["mine"]} for item, whole in zip(told, shown, strict=True)]
    return Listing(items=shown, position=position)


class AgencyAcceptance(Body):
    """The agency takes its part; its own file number, if it has one."""

    model_config = examples({"reference": "JJ-2024-0605-118"}, {})

    reference: Annotated[str | None, Field(max_length=200)] = None


class AgencyRefusal(Body):
    """Why it is not theirs."""

    model_config = examples({"reason": "路段属高速交警管辖"})

    reason: Reason


@router.post(
    "/agencies/{agency}/incidents/{incident_id}/accept",
    operation_id="agencies_accept",
    summary="The agency takes its part",
    responses=declared(404, 409),
)
async def accept_for_agency(
    agency: str, incident_id: UUID, body: AgencyAcceptance, asked: CreationOf, response: Response
) -> Written:
    """The same answer that a partner can give over NATS."""
    command = AcceptForAgency(agency=agency, reference=body.reference)
    return await _answer(asked, response, incident_id, command)


@router.post(
    "/agencies/{agency}/incidents/{incident_id}/decline",
    operation_id="agencies_decline",
    summary="The agency says: not ours",
    responses=declared(404, 409),
)
async def decline_for_agency(
    agency: str, incident_id: UUID, body: AgencyRefusal, asked: CreationOf, response: Response
) -> Written:
    """With its reason; the owner sees it at once."""
    command = DeclineForAgency(agency=agency, reason=body.reason)
    return await _answer(asked, response, incident_id, command)


async def _answer(
    asked: Asked, response: Response, incident_id: UUID, command: AcceptForAgency | DeclineForAgency
) -> Written:
    require_agency(asked.caller, command.agency)
    await visible_state(asked.services, asked.caller, incident_id)
    ask = asked.request(str(incident_id), command.model_dump(mode="json"), correlation_id=incident_id)
    work = asked.services.incidents.execute(incident_id, command, ask)
    return await written(asked, response, work, stream_id=incident_id)
