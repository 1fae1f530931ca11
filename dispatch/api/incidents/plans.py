"""Response plans in use: the alarm level of an incident, and all units that its plan lacks sent at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any
from uuid import UUID

from fastapi import Request, Response
from pydantic import Field

from dispatch.api.access.permissions import sees_unit
from dispatch.api.access.visibility import require_owner, visible_state, visible_unit
from dispatch.api.http.conditions import Asked, CreationOf, DecisionOf
from dispatch.api.http.shapes import UNIT, Body, Reason, Written, answers, examples
from dispatch.api.http.writing import allowed, until_routed, written
from dispatch.api.incidents.assignments import PROGRESS_VIEWS, Assignments
from dispatch.api.incidents.discretion import discreetly
from dispatch.api.problems.problem import declared
from dispatch.api.routing import protected
from dispatch.api.wiring import Services
from dispatch.handling.plans import UNITS_MAX, PlanDesk
from domain.refusals import Refusal
from domain.rulebook.plans import LEVELS_MAX
from projections.queries import incidents as queries

router = protected("plans")

DECISION = declared(404, 409, 412, 422, 428)
ASSIGNED_EXAMPLE = {
    "position": 18_301,
    "changed": True,
    "units": [
        {"unit_id": UNIT, "call_sign": "fire-fire_engine-jinjiang-1", "verdict": "assigned", "assignment_id": UNIT},
        {
            "unit_id": UNIT,
            "call_sign": "fire-fire_engine-wuhou-2",
            "verdict": "unit.already_assigned",
            "detail": "Unit fire-fire_engine-wuhou-2 is on incident CD-20260701-0042. Choose another unit.",
        },
    ],
}


class AlarmBody(Body):
    """To which level, and why. Levels add up: the second asks for all that the first does, and more."""

    model_config = examples({"level": 2, "reason": "火势蔓延至三层，需登高车"})

    level: Annotated[int, Field(ge=1, le=LEVELS_MAX)]
    reason: Reason


class PlanBody(Body):
    """Which units. Left out: those of the latest recommendation."""

    model_config = examples({}, {"unit_ids": [UNIT]})

    unit_ids: Annotated[tuple[UUID, ...] | None, Field(min_length=1, max_length=UNITS_MAX)] = None


@router.post(
    "/incidents/{incident_id}/alarm/raise",
    operation_id="incidents_raise_alarm",
    summary="Raise the alarm level",
    responses=DECISION,
)
async def raise_alarm(incident_id: UUID, body: AlarmBody, asked: DecisionOf, response: Response) -> Written:
    """More is needed. What the plan asks for then and is not there is on the card at once; a recommendation follows."""
    return await _set_alarm(incident_id, body, asked, response, raises=True)


@router.post(
    "/incidents/{incident_id}/alarm/lower",
    operation_id="incidents_lower_alarm",
    summary="Lower the alarm level",
    responses=DECISION,
)
async def lower_alarm(incident_id: UUID, body: AlarmBody, asked: DecisionOf, response: Response) -> Written:
    """Less is needed. No unit is called back by it, and no rule ever does it."""
    return await _set_alarm(incident_id, body, asked, response, raises=False)


async def _set_alarm(incident_id: UUID, body: AlarmBody, asked: Asked, response: Response, *, raises: bool) -> Written:
    request = asked.request(str(incident_id), body.model_dump(mode="json"), correlation_id=incident_id)
    loaded = await allowed(asked, request, visible_state(asked.services, asked.caller, incident_id))
    if loaded is not None:
        require_owner(asked.caller, loaded.state)
    work = _desk(asked.services).set_alarm(incident_id, body.level, request, reason=body.reason, raises=raises)
    return await until_routed(asked, await written(asked, response, work, stream_id=incident_id))


@router.post(
    "/incidents/{incident_id}/assignments/plan",
    operation_id="incidents_assign_plan",
    summary="Send what the plan lacks",
    responses={**declared(404, 409), **answers(ASSIGNED_EXAMPLE, "A verdict for each unit.", status=201)},
    status_code=201,
)
async def assign_plan(
    incident_id: UUID, body: PlanBody, asked: CreationOf, request: Request, response: Response
) -> Written:
    """Those that can go are sent by one decision; each of the others is told why not, and keeps nobody waiting.

    A unit goes only if it fills something that the plan asks for and nobody on the incident fills.
    """
    services = asked.services
    ask = asked.request(str(incident_id), body.model_dump(mode="json"), correlation_id=incident_id)
    await allowed(asked, ask, visible_state(services, asked.caller, incident_id))
    repeated = await services.scribe.answered_before(ask)
    unit_ids: tuple[UUID, ...] = ()
    if repeated is None:
        unit_ids = body.unit_ids or await _recommended(services, incident_id)
    for unit_id in body.unit_ids or ():
        visible_unit(services, asked.caller, unit_id)

    async def told(unit_id: UUID, refusal: Refusal) -> Refusal:
        unit = services.directory.unit(unit_id)
        return refusal if unit is None else await discreetly(services, asked.caller, unit, refusal)

    work = _desk(services).assign(incident_id, unit_ids, ask, of_others=_of_others(asked, unit_ids), told=told)
    done = await written(asked, response, work, views=PROGRESS_VIEWS)
    known: Assignments = request.app.state.assignments
    for each in (done.model_extra or {})["units"]:
        if each["verdict"] == "assigned":
            known.remember(UUID(each["assignment_id"]), UUID(each["unit_id"]))
    return done


async def _recommended(services: Services, incident_id: UUID) -> tuple[UUID, ...]:
    """The units of the latest recommendation; none if there is none yet."""
    row: Any = await services.database.row(queries.card(incident_id))
    recommendation = None if row is None else row["document"]["recommendation"]
    return () if recommendation is None else tuple(UUID(each) for each in recommendation["unit_ids"])[:UNITS_MAX]


def _of_others(asked: Asked, unit_ids: Iterable[UUID]) -> frozenset[UUID]:
    """Those that another office sends: a recommendation looks at the whole city."""
    known = (asked.services.directory.unit(each) for each in unit_ids)
    return frozenset(
        unit.id
        for unit in known
        if unit is not None and not sees_unit(asked.caller, agency=unit.agency, path=unit.base.path)
    )


def _desk(services: Services) -> PlanDesk:
    return PlanDesk(services.scribe, services.directory, services.positions, services.incidents.commitments)
