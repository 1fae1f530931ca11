"""Operations of the city (flows F20 and F21): what is planned, who knows of it, and where nobody sees its route.

Not to be confused with long work of this system, which `/v1/operations/{id}` shows.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID, uuid5

from fastapi import Response
from pydantic import Field

from dispatch.api.access.permissions import CallerOf, require_center
from dispatch.api.cameras.coverage import RANGE_M, ROUTE_EXAMPLE, LineString, cannot_see, eyes_along, shown_coverage
from dispatch.api.http.conditions import CreationOf, MinPosition
from dispatch.api.http.paging import PagingOf
from dispatch.api.http.shapes import CENTER, Body, Listing, Written, answers, examples
from dispatch.api.http.writing import written
from dispatch.api.operations.operation_access import VIEWS, centers_of, row_of
from dispatch.api.problems.problem import declared, not_found
from dispatch.api.routing import protected
from dispatch.api.wiring import ServicesOf
from dispatch.handling.operations import OperationDesk
from domain.event import GeoPoint
from domain.identifiers import operation_id as id_of
from domain.operation.commands import PlanOperation
from domain.operation.events import Code, OperationPlanned
from domain.policies import coverage
from domain.storable import StorableInstant
from projections.operations import item
from projections.queries import operations as queries
from projections.queries.units import reserved_for
from projections.units import kept_for

router = protected("operations")

CHANGE = declared(404, 409)
CODE_KEPT, CODE_OWN = 50, 10
"""Characters of a restricted operation's code: from the one asked for, and its own."""


OPERATION_EXAMPLE = {
    "operation_id": "5b2f0a77-3c41-5d0e-9a55-0d6c1b8e4f21",
    "code": "torch-relay",
    "name_zh": "火炬传递",
    "name_en": "Torch relay",
    "is_restricted": False,
    "phase": "under_way",
    "members": [CENTER],
    "checkpoints": [
        {
            "checkpoint_id": "0a6f2f0e-6c0e-5b0a-9a45-7f1d2b3c4d5e",
            "label": "天府广场",
            "location": {"type": "Point", "coordinates": [104.0657, 30.6595]},
            "planned_at": "2026-08-05T01:10:00Z",
            "passed_at": "2026-08-05T01:12:00Z",
            "late_s": 120.0,
            "note": None,
        }
    ],
    "cameras": {},
    "units": [],
    "situations": [],
    "labels": None,
}


class PlanBody(Body):
    """What, when, and along which route; who is not of a restricted one does not know that there is one."""

    model_config = examples(
        {
            "code": "torch-relay",
            "name_zh": "火炬传递",
            "name_en": "Torch relay",
            "purpose": "沿途全程可视、无缝衔接",
            "restricted": False,
            "begins_at": "2026-08-05T08:00:00+08:00",
            "ends_at": "2026-08-05T12:00:00+08:00",
            "route": {"type": "LineString", "coordinates": [[104.0657, 30.6595], [104.0721, 30.6603]]},
        }
    )

    code: Code
    name_zh: Annotated[str, Field(min_length=1, max_length=200)]
    name_en: Annotated[str, Field(min_length=1, max_length=200)]
    purpose: Annotated[str, Field(min_length=1, max_length=2_000)]
    center_id: UUID | None = Field(default=None, description="Whose it is; the caller's own center if left out.")
    restricted: bool = False
    begins_at: StorableInstant
    ends_at: StorableInstant
    route: LineString | None = None


@router.post("/city-operations", operation_id="city_operations_plan", summary="Plan", responses=CHANGE, status_code=201)
async def plan(body: PlanBody, asked: CreationOf, response: Response) -> Written:
    """Its code is permanent, and so is whether it is restricted.

    A restricted one is given a code of its own, which begins with yours and is in the answer: a code that is refused
    because it is taken would tell that there is one.
    """
    services, caller = asked.services, asked.caller
    center_id = body.center_id or caller.center_id
    center = services.directory.center(center_id) if center_id is not None else None
    if center is None:
        raise not_found("The center whose operation it is")
    require_center(caller, center.path)
    said = body.model_dump(exclude={"center_id", "route"})
    request = asked.request(f"city-operations/{body.code}", body.model_dump(mode="json"))
    if body.restricted:
        said["code"] = f"{body.code[:CODE_KEPT]}-{uuid5(request.request_id, 'code').hex[:CODE_OWN]}"
    operation = OperationPlanned(
        city=services.directory.city,
        center_id=center.id,
        path=center.path,
        route=tuple(body.route.points()) if body.route is not None else (),
        **said,
    )
    operation_id, plan_it = id_of(services.directory.city, operation.code), PlanOperation(operation=operation)
    work = OperationDesk(services.scribe).execute(operation_id, plan_it, request, code=operation.code)
    done = await written(asked, response, work, views=VIEWS)
    response.headers["Location"] = f"/v1/city-operations/{operation.code}"
    return done


@router.get("/city-operations", operation_id="city_operations_list", summary="Operations you may know of")
async def list_operations(
    services: ServicesOf,
    caller: CallerOf,
    paging: PagingOf,
    phase: Literal["planned", "under_way", "ended"] | None = None,
    min_position: MinPosition = None,
) -> Listing:
    """Newest first."""
    await services.freshness.wait(min_position, list(VIEWS))
    filters = {"phase": phase, "center": caller.center_id}
    page = paging.of("city-operations", filters)
    statement = queries.listed(centers_of(caller), phase=phase, before_position=page.after(int), limit=page.limit)
    rows = await services.database.rows(statement)
    return Listing(items=[item(row) for row in page.cut(rows, "planned_position")])


@router.get(
    "/city-operations/{code}",
    operation_id="city_operations_get",
    summary="One operation",
    responses={**declared(404), **answers(OPERATION_EXAMPLE, "The plan, and how it goes.")},
)
async def get_operation(
    code: Code, response: Response, services: ServicesOf, caller: CallerOf, min_position: MinPosition = None
) -> dict[str, Any]:
    """Plan, members, checkpoints, cameras, units that are reserved for it, situation reports."""
    await services.freshness.wait(min_position, ["units"])
    row = await row_of(services, caller, code, min_position)
    response.headers["ETag"] = f'"{row["version"]}"'
    kept = await services.database.rows(reserved_for(row["operation_id"]))
    return {**item(row), "units": [one for unit in kept for one in kept_for(unit, row["operation_id"])]}


@router.get(
    "/city-operations/{code}/coverage",
    operation_id="city_operations_coverage",
    summary="Where nobody sees its route",
    responses={**declared(404), **answers(ROUTE_EXAMPLE, "Gaps as GeoJSON, with metres from the route's start.")},
)
async def get_coverage(
    code: Code,
    services: ServicesOf,
    caller: CallerOf,
    *,
    assigned_only: bool = False,
    min_position: MinPosition = None,
) -> dict[str, Any]:
    """By all cameras of the city, or by those that somebody was assigned to watch."""
    row = await row_of(services, caller, code, min_position)
    route = [GeoPoint(lon=lon, lat=lat) for lon, lat in row["route"]]
    eyes, blind = await eyes_along(services, route, None, RANGE_M) if len(route) > 1 else ([], [])
    if assigned_only:
        eyes = [eye for eye in eyes if str(eye.camera_id) in row["cameras"]]
        blind = [one for one in blind if str(one.eye.camera_id) in row["cameras"]]
    along = coverage.of_route(route, [one.eye for one in blind]).seen_by
    return shown_coverage(coverage.of_route(route, eyes)) | cannot_see(along, blind)
