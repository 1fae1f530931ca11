"""What a unit is on, and what waits for it: diverted from one incident to another, stacked, put in order.

A plain assignment and the crew's steps are `dispatch.api.incidents.assignments`.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Request, Response
from pydantic import Field

from dispatch.api.access.visibility import visible_state, visible_unit
from dispatch.api.http.conditions import DecisionOf, DispatchingOf, StepOf
from dispatch.api.http.shapes import INCIDENT, UNIT, Body, Reason, Written, examples
from dispatch.api.http.writing import allowed, written
from dispatch.api.incidents.assignments import PROGRESS_VIEWS, Assignments
from dispatch.api.incidents.discretion import discreet, require_task
from dispatch.api.problems.problem import Problem, declared
from dispatch.api.routing import protected
from dispatch.handling.assignments import Diversion
from domain.assignment.commands import OrderStack, TakeFromStack
from domain.vocabulary import Role

router = protected("units")

DECISION = declared(404, 409, 412, 428)
Version = Annotated[int, Field(ge=1, le=2**62)]


class DivertBody(Body):
    """Where to, why, and on which versions of the two incidents that was decided. The unit's is `If-Match`."""

    model_config = examples(
        {"to_incident_id": INCIDENT, "reason": "那边有人被困", "from_version": 7, "to_version": 4},
        {
            "to_incident_id": INCIDENT,
            "reason": "那边有人被困",
            "from_version": 7,
            "to_version": 4,
            "override": "此处已有两车，可等待",
        },
    )

    to_incident_id: UUID
    reason: Reason
    from_version: Version = Field(description="The ETag of the incident that loses the unit.")
    to_version: Version = Field(description="The ETag of the incident that gets it.")
    override: Reason | None = Field(
        default=None,
        description="A supervisor's reason, if the first incident is the more urgent one or the unit is reserved.",
    )


class OrderBody(Body):
    """All that waits for the unit, in the order in which it is to be taken."""

    model_config = examples({"assignment_ids": [INCIDENT, UNIT]})

    assignment_ids: Annotated[tuple[UUID, ...], Field(max_length=100)]


class TakeBody(Body):
    """Why now."""

    model_config = examples({"reason": "顺路，先处理"})

    reason: Reason


@router.post(
    "/assignments/{assignment_id}/divert",
    operation_id="assignments_divert",
    summary="Divert a unit to another incident",
    responses=DECISION,
    status_code=201,
)
async def divert(
    assignment_id: UUID, body: DivertBody, asked: DispatchingOf, request: Request, response: Response
) -> Written:
    """Called back from one incident and put on the other in one decision, or neither.

    The first incident is told, waits in its owner's inbox (`unit_lost`), and units are recommended for it anew. The
    crew's agency hears one message. Refused off the more urgent incident, unless a supervisor says why.
    """
    services, caller = asked.services, asked.caller
    known: Assignments = request.app.state.assignments
    ask = asked.request(str(assignment_id), body.model_dump(mode="json"), correlation_id=body.to_incident_id)
    unit_id = await known.unit_of(services, assignment_id)
    unit = visible_unit(services, caller, unit_id)
    await allowed(asked, ask, visible_state(services, caller, body.to_incident_id))
    await allowed(asked, ask, require_task(services, caller, unit, assignment_id))
    if body.override is not None and not caller.is_any(Role.SUPERVISOR):
        raise Problem(
            "forbidden",
            "Only a supervisor takes a unit off the more urgent incident. Leave `override` out, or have one decide.",
            roles=[Role.SUPERVISOR.value],
        )
    wanted = Diversion(assignment_id, **body.model_dump())
    work = discreet(services, caller, unit, services.assignments.divert(unit_id, wanted, ask))
    done = await written(asked, response, work, stream_id=unit_id, views=PROGRESS_VIEWS)
    known.remember(UUID(str((done.model_extra or {})["assignment_id"])), unit_id)
    return done


@router.post(
    "/assignments/{assignment_id}/take",
    operation_id="assignments_take",
    summary="Take one from a unit's stack",
    responses=declared(404, 409),
)
async def take(assignment_id: UUID, body: TakeBody, asked: StepOf, request: Request, response: Response) -> Written:
    """Before its turn. What the unit was on waits as the next, unless the unit moves for it: then divert."""
    services = asked.services
    known: Assignments = request.app.state.assignments
    unit_id = await known.unit_of(services, assignment_id)
    unit = visible_unit(services, asked.caller, unit_id)
    ask = asked.request(str(assignment_id), body.model_dump(mode="json"))
    command = TakeFromStack(assignment_id=assignment_id, reason=body.reason)
    work = discreet(services, asked.caller, unit, services.assignments.progress(unit_id, command, ask))
    return await written(asked, response, work, views=PROGRESS_VIEWS)


@router.put(
    "/units/{unit_id}/stack",
    operation_id="units_order_stack",
    summary="Put a unit's stack in order",
    responses=DECISION,
)
async def order_stack(unit_id: UUID, body: OrderBody, asked: DecisionOf, response: Response) -> Written:
    """Every assignment that waits for it, once. What the unit is on is not among them."""
    unit = visible_unit(asked.services, asked.caller, unit_id)
    ask = asked.request(str(unit_id), body.model_dump(mode="json"))
    command = OrderStack(assignment_ids=body.assignment_ids)
    work = discreet(asked.services, asked.caller, unit, asked.services.assignments.execute(unit_id, command, ask))
    return await written(asked, response, work, stream_id=unit_id, views=PROGRESS_VIEWS)
