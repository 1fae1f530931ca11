"""Units kept for something: an operation, an event, a time of day."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID, uuid5

from fastapi import Response
from pydantic import Field

from dispatch.api.access.visibility import visible_unit
from dispatch.api.http.conditions import CreationOf, StepOf
from dispatch.api.http.shapes import Body, PlaceBody, Reason, Written, examples
from dispatch.api.http.writing import written
from dispatch.api.operations.operation_access import row_of
from dispatch.api.problems.problem import Problem, declared
from dispatch.api.routing import protected
from domain.assignment.commands import ReleaseReservation, ReserveUnit
from domain.assignment.events import UnitReserved
from domain.operation.events import Code
from domain.ownership import Ownership
from domain.storable import StorableInstant

router = protected("units")

VIEWS = ("units",)


class ReserveBody(Body):
    """For what, from when until when; where, and for which operation, if for one."""

    model_config = examples(
        {
            "purpose": "火炬传递沿线备勤",
            "begins_at": "2026-08-05T08:00:00+08:00",
            "ends_at": "2026-08-05T12:00:00+08:00",
            "operation": "torch-relay",
            "place": {"point": {"type": "Point", "coordinates": [104.0657, 30.6595]}, "address": "天府广场东侧"},
        }
    )

    purpose: Annotated[str, Field(min_length=1, max_length=2_000)]
    begins_at: StorableInstant
    ends_at: StorableInstant
    operation: Code | None = Field(default=None, description="The code of an operation that you may know of.")
    place: PlaceBody | None = None


class WithReason(Body):
    """Why not."""

    model_config = examples({"reason": "活动取消"})

    reason: Reason


@router.post(
    "/units/{unit_id}/reservations",
    operation_id="units_reserve",
    summary="Reserve a unit",
    responses=declared(404, 409),
    status_code=201,
)
async def reserve(unit_id: UUID, body: ReserveBody, asked: CreationOf, response: Response) -> Written:
    """While it holds the unit is recommended for no incident and assigned only with a reason. Two may not overlap."""
    services, caller = asked.services, asked.caller
    unit = visible_unit(services, caller, unit_id)
    ask = asked.request(str(unit_id), body.model_dump(mode="json"))
    center = services.directory.center(caller.center_id) if caller.center_id is not None else None
    if center is None:
        raise Problem("forbidden", "Units are reserved by people of a center; your token names none.", roles=[])
    operation = await row_of(services, caller, body.operation, None) if body.operation is not None else None
    point = None if body.place is None else body.place.wgs84()
    within = point is None or bool(services.directory.locate(point))
    reservation_id = uuid5(ask.request_id, f"reservation\x1f{unit.id}")
    reserved = UnitReserved(
        reservation_id=reservation_id,
        purpose=body.purpose,
        center=Ownership(center_id=center.id, path=center.path),
        begins_at=body.begins_at,
        ends_at=body.ends_at,
        operation_id=None if operation is None else operation["operation_id"],
        is_restricted=operation is not None and operation["is_restricted"],
        place=None if body.place is None else body.place.place(within_city=within),
    )
    command = ReserveUnit(reservation=reserved, at=ask.received_at)
    work = services.assignments.execute(unit_id, command, ask, reservation_id=str(reservation_id))
    return await written(asked, response, work, stream_id=unit_id, views=VIEWS)


@router.post(
    "/units/{unit_id}/reservations/{reservation_id}/release",
    operation_id="units_release_reservation",
    summary="Release a reservation",
    responses=declared(404, 409),
)
async def release(unit_id: UUID, reservation_id: UUID, body: WithReason, asked: StepOf, response: Response) -> Written:
    """Before its time, or before it is over. A repeat changes nothing."""
    visible_unit(asked.services, asked.caller, unit_id)
    ask = asked.request(f"{unit_id}/{reservation_id}", body.model_dump(mode="json"))
    command = ReleaseReservation(reservation_id=reservation_id, reason=body.reason)
    work = asked.services.assignments.execute(unit_id, command, ask)
    return await written(asked, response, work, stream_id=unit_id, views=VIEWS)
