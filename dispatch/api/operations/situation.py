"""What is found while an operation goes on, and how things stand (flows F18 and F19)."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID, uuid5

from fastapi import Response
from pydantic import Field

from dispatch.api.access.permissions import CallerOf
from dispatch.api.access.visibility import visible_state
from dispatch.api.http.conditions import CreationOf, MinPosition
from dispatch.api.http.paging import PagingOf
from dispatch.api.http.shapes import Body, Listing, PlaceBody, Written, examples
from dispatch.api.http.writing import allowed
from dispatch.api.operations.operation_access import request_of, row_of, taken_part
from dispatch.api.problems.problem import declared
from dispatch.api.routing import protected
from dispatch.api.wiring import ServicesOf
from domain.operation.commands import ReportPoint, ReportSituation
from domain.operation.events import Code, PointReported, Words
from domain.vocabulary import PointKind, PointStatus
from projections.operations import point_item
from projections.queries import operations as queries

router = protected("operations")

CHANGE = declared(404, 409)


class FoundBody(Body):
    """What is found at a place, or how it is there now (with its `point_id`)."""

    model_config = examples(
        {
            "kind": "shelter",
            "status": "active",
            "place": {"address": "实验小学体育馆"},
            "text": "安置点开放",
            "people": 120,
            "capacity": 300,
        },
        {"kind": "breach", "status": "active", "place": {"address": "锦江左岸 12 号桥"}, "text": "堤防渗漏"},
    )

    point_id: UUID | None = None
    kind: PointKind
    status: PointStatus = PointStatus.ACTIVE
    place: PlaceBody
    text: Words
    people: Annotated[int | None, Field(ge=0, le=1_000_000)] = None
    capacity: Annotated[int | None, Field(ge=0, le=1_000_000)] = None
    incident_id: UUID | None = None


class SituationBody(Body):
    """How things stand."""

    model_config = examples({"text": "20时水位回落0.4米，转移群众420人，两处安置点正常"})

    text: Words


@router.get(
    "/city-operations/{code}/points",
    operation_id="city_operations_points",
    summary="What was found",
    responses=declared(404),
)
async def list_points(
    code: Code,
    services: ServicesOf,
    caller: CallerOf,
    paging: PagingOf,
    kind: PointKind | None = None,
    status: PointStatus | None = None,
    min_position: MinPosition = None,
) -> Listing:
    """The last found first; each as it was last reported."""
    row = await row_of(services, caller, code, min_position)
    filters = {"operation": row["operation_id"], "kind": kind, "status": status}
    page = paging.of("operation-points", filters)
    statement = queries.points(
        row["operation_id"],
        sight=caller.sight,
        kind=kind.value if kind is not None else None,
        status=status.value if status is not None else None,
        before_position=page.after(int),
        limit=page.limit,
    )
    rows = await services.database.rows(statement)
    return Listing(items=[point_item(one) for one in page.cut(rows, "first_position")])


@router.post(
    "/city-operations/{code}/points",
    operation_id="city_operations_report_point",
    summary="Say what is found at a place",
    responses=CHANGE,
    status_code=201,
)
async def report_point(code: Code, body: FoundBody, asked: CreationOf, response: Response) -> Written:
    """By any center that takes part; a shelter reports how many it has and can take."""
    services = asked.services
    request = request_of(asked, code, body)
    if body.incident_id is not None:
        await allowed(asked, request, visible_state(services, asked.caller, body.incident_id))
    spot = body.place.wgs84()
    point_id = body.point_id or uuid5(request.request_id, "point")
    point = PointReported(
        point_id=point_id,
        place=body.place.place(within_city=spot is not None and bool(services.directory.locate(spot))),
        **body.model_dump(include={"kind", "status", "text", "people", "capacity", "incident_id"}),
    )
    return await taken_part(asked, response, code, ReportPoint(point=point), body, point_id=str(point_id))


@router.post(
    "/city-operations/{code}/situations",
    operation_id="city_operations_report_situation",
    summary="Say how things stand",
    responses=CHANGE,
    status_code=201,
)
async def report_situation(code: Code, body: SituationBody, asked: CreationOf, response: Response) -> Written:
    """Numbered; the newest is what the headquarters reads."""
    return await taken_part(asked, response, code, ReportSituation(text=body.text), body)
