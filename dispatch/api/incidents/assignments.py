"""Units and what they are sent to: assignment, the crew's progress, duty, positions, the roster."""

from __future__ import annotations

from collections import OrderedDict
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

import sqlalchemy as sa
from fastapi import Query, Request, Response
from pydantic import Field

from dispatch.api.access.permissions import CallerOf, covers
from dispatch.api.access.visibility import visible_state, visible_unit
from dispatch.api.http.conditions import Asked, CreationOf, MinPosition, StepOf
from dispatch.api.http.paging import PagingOf
from dispatch.api.http.shapes import (
    UNIT,
    Body,
    Listing,
    PointBody,
    Reason,
    Written,
    converted,
    examples,
)
from dispatch.api.http.writing import allowed, written
from dispatch.api.incidents.discretion import discreet, known_assignments, orders_of_the_crew
from dispatch.api.problems.problem import Problem, declared, not_found
from dispatch.api.routing import protected
from dispatch.api.wiring import Services, ServicesOf
from dispatch.ports import UnitPosition
from domain.assignment.commands import (
    AcknowledgeAssignment,
    CancelAssignment,
    ClearAssignment,
    DeclineAssignment,
    GoOffDuty,
    GoOnDuty,
    ProgressCommand,
    ReportEnRoute,
    ReportOnScene,
)
from domain.storable import StorableInstant
from domain.vocabulary import CoordinateSystem, UnitKind, UnitStatus
from projections import tables
from projections.queries import units as queries
from projections.units import item

router = protected("units")

PROGRESS_VIEWS = ("board", "units")
RECENT_ASSIGNMENTS_MAX = 20_000
CATCH_UP_S = 2.0
"""How long a step waits for the roster to know an assignment that another process has just made."""
FUTURE_TOLERANCE = timedelta(minutes=2)
PROGRESS = declared(404, 409)


class AssignBody(Body):
    """Which unit to send. `stacked`: on purpose, behind what it is already on."""

    model_config = examples({"unit_id": UNIT}, {"unit_id": UNIT, "stacked": True})

    unit_id: UUID
    stacked: bool = False
    recommended: bool = Field(default=False, description="The dispatcher took it from the recommendation.")
    override: Reason | None = Field(default=None, description="Why it is sent although it is reserved.")


class WithReason(Body):
    """Why not."""

    model_config = examples({"reason": "车辆故障"})

    reason: Reason


class Clearing(Body):
    """What came of it."""

    model_config = examples({"outcome": "双方自行协商，车辆已移离"}, {})

    outcome: Annotated[str | None, Field(max_length=2_000)] = None


class PositionBody(Body):
    """Where a unit is, and when its device said so."""

    model_config = examples(
        {"point": {"type": "Point", "coordinates": [104.0712, 30.6633]}, "reported_at": "2024-06-05T20:16:02+08:00"}
    )

    point: PointBody
    reported_at: StorableInstant
    crs: CoordinateSystem = CoordinateSystem.WGS84
    source: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,30}$")] = "avl"


class Assignments:
    """Which unit an assignment is of. Made here: remembered; made elsewhere: asked of the roster and the boards."""

    def __init__(self) -> None:
        self._recent: OrderedDict[UUID, UUID] = OrderedDict()

    def remember(self, assignment_id: UUID, unit_id: UUID) -> None:
        """Keep one."""
        self._recent[assignment_id] = unit_id
        if len(self._recent) > RECENT_ASSIGNMENTS_MAX:
            self._recent.popitem(last=False)

    def forget(self) -> None:
        """Know nothing by heart, as a process that has just started."""
        self._recent.clear()

    async def unit_of(self, services: Services, assignment_id: UUID) -> UUID:
        """The unit. Raises `Problem` not_found."""
        found = self._recent.get(assignment_id) or await self._asked(services, assignment_id)
        if found is None:
            tip = (await services.log.tip()).position
            await services.freshness.reached(tip, PROGRESS_VIEWS, wait_s=CATCH_UP_S)
            found = await self._asked(services, assignment_id)
        if found is None:
            raise not_found("This assignment")
        self.remember(assignment_id, found)
        return found

    async def _asked(self, services: Services, assignment_id: UUID) -> UUID | None:
        roster = sa.select(tables.units.c.unit_id).where(
            tables.units.c.assignments.contains([{"assignment_id": str(assignment_id)}])
        )
        row = await services.database.row(roster)
        if row is not None:
            return UUID(str(row["unit_id"]))
        # Not open any more: the incident's row still names it, so that a late step is told what became of it.
        entry = tables.board.c.assignments[str(assignment_id)]
        ended = sa.select(entry["unit_id"].astext.label("unit_id")).where(
            tables.board.c.assignments.has_key(str(assignment_id))
        )
        row = await services.database.row(ended)
        return UUID(row["unit_id"]) if row is not None else None


@router.post(
    "/incidents/{incident_id}/assignments",
    operation_id="incidents_assign",
    summary="Send a unit",
    responses=declared(404, 409),
    status_code=201,
)
async def assign(
    incident_id: UUID, body: AssignBody, asked: CreationOf, request: Request, response: Response
) -> Written:
    """The unit's own state decides: of two dispatchers who take one unit at once, the second is told who has it."""
    services = asked.services
    ask = asked.request(str(incident_id), body.model_dump(mode="json"), correlation_id=incident_id)
    await allowed(asked, ask, visible_state(services, asked.caller, incident_id))
    unit = visible_unit(services, asked.caller, body.unit_id)
    work = services.assignments.assign(
        body.unit_id,
        incident_id,
        ask,
        stacked=body.stacked,
        recommended=body.recommended,
        override=body.override,
    )
    work = discreet(services, asked.caller, unit, work)
    done = await written(asked, response, work, views=PROGRESS_VIEWS)
    known: Assignments = request.app.state.assignments
    known.remember(UUID(str((done.model_extra or {})["assignment_id"])), body.unit_id)
    return done


async def _progress(
    asked: Asked, request: Request, response: Response, assignment_id: UUID, command: ProgressCommand
) -> Written:
    known: Assignments = request.app.state.assignments
    unit_id = await known.unit_of(asked.services, assignment_id)
    unit = visible_unit(asked.services, asked.caller, unit_id)
    ask = asked.request(str(assignment_id), command.model_dump(mode="json"))
    work = discreet(asked.services, asked.caller, unit, asked.services.assignments.progress(unit_id, command, ask))
    return await written(asked, response, work, views=PROGRESS_VIEWS)


@router.post("/assignments/{assignment_id}/acknowledge", operation_id="assignments_acknowledge", responses=PROGRESS)
async def acknowledge(assignment_id: UUID, asked: StepOf, request: Request, response: Response) -> Written:
    """The crew: understood."""
    return await _progress(asked, request, response, assignment_id, AcknowledgeAssignment(assignment_id=assignment_id))


@router.post("/assignments/{assignment_id}/decline", operation_id="assignments_decline", responses=PROGRESS)
async def decline(
    assignment_id: UUID, body: WithReason, asked: StepOf, request: Request, response: Response
) -> Written:
    """The crew cannot go."""
    command = DeclineAssignment(assignment_id=assignment_id, reason=body.reason)
    return await _progress(asked, request, response, assignment_id, command)


@router.post("/assignments/{assignment_id}/en-route", operation_id="assignments_en_route", responses=PROGRESS)
async def en_route(assignment_id: UUID, asked: StepOf, request: Request, response: Response) -> Written:
    """The crew: moving."""
    return await _progress(asked, request, response, assignment_id, ReportEnRoute(assignment_id=assignment_id))


@router.post("/assignments/{assignment_id}/on-scene", operation_id="assignments_on_scene", responses=PROGRESS)
async def on_scene(assignment_id: UUID, asked: StepOf, request: Request, response: Response) -> Written:
    """The crew: there."""
    return await _progress(asked, request, response, assignment_id, ReportOnScene(assignment_id=assignment_id))


@router.post("/assignments/{assignment_id}/clear", operation_id="assignments_clear", responses=PROGRESS)
async def clear(assignment_id: UUID, body: Clearing, asked: StepOf, request: Request, response: Response) -> Written:
    """The crew: done there, free again."""
    command = ClearAssignment(assignment_id=assignment_id, outcome=body.outcome)
    return await _progress(asked, request, response, assignment_id, command)


@router.post("/assignments/{assignment_id}/cancel", operation_id="assignments_cancel", responses=PROGRESS)
async def cancel(assignment_id: UUID, body: WithReason, asked: StepOf, request: Request, response: Response) -> Written:
    """Call the unit back."""
    command = CancelAssignment(assignment_id=assignment_id, reason=body.reason)
    return await _progress(asked, request, response, assignment_id, command)


@router.get("/units", operation_id="units_list", summary="The roster")
async def list_units(
    services: ServicesOf,
    caller: CallerOf,
    paging: PagingOf,
    center_id: UUID | None = None,
    agency: Annotated[str | None, Query(max_length=50)] = None,
    status: Annotated[list[UnitStatus] | None, Query(max_length=10)] = None,
    kind: Annotated[list[UnitKind] | None, Query(max_length=20)] = None,
    min_position: MinPosition = None,
) -> Listing:
    """Units based at the caller's center and below it, or of the caller's agency, by call sign."""
    await services.freshness.wait(min_position, ["units"])
    base, agency = _roster_of(services, caller, center_id, agency)
    filters = {"center": base, "agency": agency, "status": status, "kind": kind}
    page = paging.of("units", filters)
    statement = queries.roster(
        center_id=base,
        agency=agency,
        statuses=[found.value for found in status or ()],
        kinds=[found.value for found in kind or ()],
        after_call_sign=page.after(str),
        limit=page.limit,
    )
    position = await services.freshness.position("units")
    rows = await services.database.rows(statement)
    known = await known_assignments(services, caller, page.cut(rows, "call_sign"))
    return Listing(items=[item(row) for row in known], position=position)


def _roster_of(
    services: Services, caller: Any, center_id: UUID | None, agency: str | None
) -> tuple[UUID | None, str | None]:
    """What the caller may see of what was asked. Raises `Problem` not_found for a foreign center."""
    if caller.sees_everything:
        return center_id, agency
    if caller.speaks_for_agency:
        if agency not in {None, caller.agency}:
            raise not_found("This agency's roster")
        return center_id, caller.agency
    wanted = center_id or caller.center_id
    center = services.directory.center(wanted) if wanted is not None else None
    if center is None or not covers(caller, center.path):
        raise not_found("This center")
    return center.id, agency


@router.get("/units/{unit_id}", operation_id="units_get", summary="One unit", responses=declared(404))
async def get_unit(
    unit_id: UUID, response: Response, services: ServicesOf, caller: CallerOf, min_position: MinPosition = None
) -> dict[str, Any]:
    """With its open assignments (`waits`: its place in the stack), its reservations, where it stands by and, if any was
    reported, its position and the age of that.

    Of an assignment to a restricted incident others than the crew's own side see only that there is one.
    """
    await services.freshness.wait(min_position, ["units"])
    visible_unit(services, caller, unit_id)
    row = await services.database.row(queries.one(unit_id))
    if row is None:
        raise not_found("This unit")
    response.headers["ETag"] = f'"{row["version"]}"'
    position = (await services.positions.get([unit_id])).get(unit_id)
    shown = item(await orders_of_the_crew(services, caller, row))
    if any(each["incident_id"] is None for each in shown["assignments"]):
        position = None  # where it is would tell where the incident is
    shown["position"] = None if position is None else _position(services, position)
    return shown


def _position(services: Services, position: UnitPosition) -> dict[str, Any]:
    age_s = (services.clock.now() - position.reported_at).total_seconds()
    return {
        "point": {"type": "Point", "coordinates": [position.point.lon, position.point.lat]},
        "reported_at": position.reported_at.isoformat(),
        "age_s": round(max(0.0, age_s), 1),
        "source": position.source,
    }


@router.put(
    "/units/{unit_id}/position",
    operation_id="units_set_position",
    summary="Say where a unit is",
    responses=declared(404),
    status_code=204,
)
async def set_position(unit_id: UUID, body: PositionBody, services: ServicesOf, caller: CallerOf) -> None:
    """The latest by the device's own time counts; a position is no fact of the log."""
    visible_unit(services, caller, unit_id)
    now = services.clock.now()
    if body.reported_at > now + FUTURE_TOLERANCE:
        raise Problem(
            "invalid",
            "reported_at lies in the future by more than two minutes. Set the device's clock.",
            errors=[("/reported_at", "in the future")],
        )
    point = converted(body.point, body.crs)
    position = UnitPosition(unit_id=unit_id, point=point, reported_at=body.reported_at, source=body.source)
    await services.positions.put(position, received_at=now)


@router.post("/units/{unit_id}/on-duty", operation_id="units_on_duty", summary="Begin duty", responses=PROGRESS)
async def on_duty(unit_id: UUID, asked: StepOf, response: Response) -> Written:
    """It may be assigned from here on."""
    visible_unit(asked.services, asked.caller, unit_id)
    ask = asked.request(str(unit_id), None)
    work = asked.services.assignments.execute(unit_id, GoOnDuty(), ask)
    return await written(asked, response, work, views=("units",))


@router.post("/units/{unit_id}/off-duty", operation_id="units_off_duty", summary="End duty", responses=PROGRESS)
async def off_duty(unit_id: UUID, asked: StepOf, response: Response) -> Written:
    """It may not be assigned; refused while it is on an incident."""
    unit = visible_unit(asked.services, asked.caller, unit_id)
    ask = asked.request(str(unit_id), None)
    work = discreet(asked.services, asked.caller, unit, asked.services.assignments.execute(unit_id, GoOffDuty(), ask))
    return await written(asked, response, work, views=("units",))
