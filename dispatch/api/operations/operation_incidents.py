"""Incidents of a restricted operation (flow F21): known to whom the operation is known, and to nobody else."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Response
from pydantic import Field

from dispatch.api.access.permissions import CallerOf
from dispatch.api.access.visibility import visible_state
from dispatch.api.http.conditions import Asked, MinPosition, StepOf
from dispatch.api.http.paging import PagingOf
from dispatch.api.http.shapes import Body, Listing, Reason, Written, examples
from dispatch.api.http.writing import INCIDENT_VIEWS, allowed, written
from dispatch.api.operations.operation_access import VIEWS, known, owned, request_of, row_of
from dispatch.api.orders.order_bodies import Geometry
from dispatch.api.problems.problem import Problem, declared
from dispatch.api.routing import protected
from dispatch.api.wiring import ServicesOf
from dispatch.handling.operations import OperationDesk
from dispatch.handling.restrictions import RestrictionDesk
from domain.identifiers import operation_id as id_of
from domain.operation.commands import SetLabels
from domain.operation.events import LABEL_CAMERAS_MAX, Code, LabelsSet
from domain.storable import StorableInstant
from projections.board import item
from projections.queries import board

router = protected("operations")

CHANGE = declared(404, 409)


class BelongsBody(Body):
    """Why it belongs to the operation, or does no more. It is recorded with your name."""

    model_config = examples({"reason": "警卫路线上发现，属本次行动"})

    reason: Reason


@router.post(
    "/city-operations/{code}/incidents/{incident_id}",
    operation_id="city_operations_attach_incident",
    summary="An incident belongs to it",
    responses=CHANGE,
)
async def attach(code: Code, incident_id: UUID, body: BelongsBody, asked: StepOf, response: Response) -> Written:
    """By a center that takes part in a restricted operation and sees the incident.

    From here on the incident, and what was merged into it, is known to the operation's centers only: it leaves every
    other board, stream, list, figure and partner feed. Its owner must be one of them. Units that are on it, and the
    agency that sent them, keep seeing what they are to do.
    """
    await _allowed(asked, code, incident_id, body, owner=False)
    desk = RestrictionDesk(asked.services.scribe, asked.services.directory)
    work = desk.attach(
        id_of(asked.services.directory.city, code), incident_id, body.reason, _request(asked, code, body, incident_id)
    )
    return await written(asked, response, work, stream_id=incident_id, views=(*VIEWS, *INCIDENT_VIEWS))


@router.post(
    "/city-operations/{code}/incidents/{incident_id}/detach",
    operation_id="city_operations_detach_incident",
    summary="It does no more",
    responses=CHANGE,
)
async def detach(code: Code, incident_id: UUID, body: BelongsBody, asked: StepOf, response: Response) -> Written:
    """By the operation's own center and those above it: whoever would see the incident sees it again."""
    await _allowed(asked, code, incident_id, body, owner=True)
    desk = RestrictionDesk(asked.services.scribe, asked.services.directory)
    work = desk.detach(
        id_of(asked.services.directory.city, code), incident_id, body.reason, _request(asked, code, body, incident_id)
    )
    return await written(asked, response, work, stream_id=incident_id, views=(*VIEWS, *INCIDENT_VIEWS))


class LabelsBody(Body):
    """Whose incidents are the operation's from their first moment: what these cameras see, what happens in this area,
    in this time (the operation's own where it is left out). Nothing of both: none any more.
    """

    model_config = examples(
        {
            "area": {
                "type": "Polygon",
                "coordinates": [[[104.05, 30.64], [104.07, 30.64], [104.07, 30.66], [104.05, 30.64]]],
            },
            "begins_at": "2026-08-05T08:00:00+08:00",
            "ends_at": "2026-08-05T12:00:00+08:00",
            "reason": "警卫区域内一切事件",
        }
    )

    camera_ids: Annotated[tuple[UUID, ...], Field(max_length=LABEL_CAMERAS_MAX)] = ()
    area: Geometry | None = None
    begins_at: StorableInstant | None = None
    ends_at: StorableInstant | None = None
    reason: Reason

    def rings(self) -> tuple[tuple[tuple[float, float], ...], ...]:
        """The outer rings of the area."""
        rings = self.area.rings() if self.area is not None else []
        return tuple(tuple((lon, lat) for lon, lat in ring) for ring in rings)


@router.post(
    "/city-operations/{code}/labels",
    operation_id="city_operations_set_labels",
    summary="What happens here belongs to it from its first moment",
    responses=CHANGE,
)
async def set_labels(code: Code, body: LabelsBody, asked: StepOf, response: Response) -> Written:
    """By the operation's own center and those above it, of a restricted operation, until it ends. The label is put on
    in the same append that opens the incident, so nobody else ever sees it.

    An incident whose first owner takes no part in the operation opens without a label: nobody who must act would know
    of it. Let the stations of the area take part.
    """
    services = asked.services
    unknown = [number for number, one in enumerate(body.camera_ids) if services.directory.camera_by_id(one) is None]
    if unknown:
        errors = [(f"/camera_ids/{number}", "there is no such camera") for number in unknown]
        raise Problem("invalid", "Name cameras of the city.", errors=errors)
    await allowed(asked, request_of(asked, code, body), known(asked, code, owner=True))
    loaded = await OperationDesk(services.scribe).state(id_of(services.directory.city, code))
    planned = loaded.state.planned
    assert planned is not None, "it is known"
    labels = LabelsSet(
        camera_ids=body.camera_ids,
        area=body.rings(),
        begins_at=body.begins_at or planned.begins_at,
        ends_at=body.ends_at or planned.ends_at,
        reason=body.reason,
    )
    done = await owned(asked, response, code, SetLabels(labels=labels), body)
    await services.directory.catch_up()
    return done


@router.get(
    "/city-operations/{code}/incidents",
    operation_id="city_operations_incidents",
    summary="Incidents of a restricted operation",
    responses=declared(404),
)
async def list_incidents(
    code: Code,
    services: ServicesOf,
    caller: CallerOf,
    paging: PagingOf,
    min_position: MinPosition = None,
) -> Listing:
    """Newest first, those that have ended too."""
    row = await row_of(services, caller, code, min_position)
    await services.freshness.wait(min_position, ["board"])
    filters = {"operation": row["operation_id"]}
    page = paging.of("operation-incidents", filters)
    statement = board.of_operation(
        row["operation_id"],
        sight=caller.sight,
        before_position=page.after(int),
        limit=page.limit,
    )
    rows: list[Any] = await services.database.rows(statement)
    return Listing(items=[item(one) for one in page.cut(rows, "opened_position")])


def _request(asked: Asked, code: str, body: Body, incident_id: UUID) -> Any:
    return request_of(asked, code, body, "incidents", str(incident_id))


async def _allowed(asked: Asked, code: str, incident_id: UUID, body: Body, *, owner: bool) -> None:
    request = _request(asked, code, body, incident_id)
    await allowed(asked, request, known(asked, code, owner=owner))
    await allowed(asked, request, visible_state(asked.services, asked.caller, incident_id))
