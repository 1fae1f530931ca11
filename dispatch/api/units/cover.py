"""Minimum cover of a center, and who should move up: looked at, accepted, declined, sent home again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Response

from dispatch.api.access.permissions import CallerOf, covers
from dispatch.api.access.visibility import visible_unit
from dispatch.api.centers.centers import center_of
from dispatch.api.http.conditions import Asked, MinPosition, StepOf
from dispatch.api.http.shapes import CENTER, UNIT, Body, Listing, Note, Reason, Written, answers, examples
from dispatch.api.http.writing import written
from dispatch.api.problems.problem import declared, not_found
from dispatch.api.routing import protected
from dispatch.api.wiring import Services, ServicesOf
from dispatch.handling.cover import CoverDesk, minima_of
from domain.assignment.commands import RecallUnit
from domain.cover.decider import AcceptMove, CoverCommand, DeclineMove
from domain.event import GeoPoint
from domain.identifiers import cover_of
from domain.ownership import Ownership
from domain.policies.cover import CoverUnit, Minimum, free_of
from domain.vocabulary import UnitKind
from projections.queries import cover as queries
from projections.shown import shown

router = protected("cover")

VIEWS = ("cover", "units", "aid")
COVER_EXAMPLE = {
    "items": [
        {
            "code": "ambulances-wuhou",
            "center_id": CENTER,
            "kinds": ["ambulance"],
            "agency": None,
            "required": 2,
            "free": 1,
            "gap": 1,
            "fell_at": "2026-07-03T12:10:00Z",
            "suggestion": {
                "suggestion_id": "7d3b0c52-2f3c-5a40-9a5e-1b6a0d5f7c21",
                "unit_id": UNIT,
                "call_sign": "急救07",
                "distance_m": 4210.5,
            },
            "answer": None,
            "standing_by": [],
        }
    ],
    "position": 18250,
}
RuleCode = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_-]{0,60}$")]
STEP = declared(404, 409)


class AcceptBody(Body):
    """With a word, if you like."""

    model_config = examples({"note": "先到三环路口备勤"}, {})

    note: Note = None


class WithReason(Body):
    """Why not."""

    model_config = examples({"reason": "车组正在用餐"})

    reason: Reason


@router.get(
    "/centers/{center}/cover",
    operation_id="cover_list",
    summary="Cover of a center",
    responses={**declared(404), **answers(COVER_EXAMPLE, "Each minimum of the rulebook, the largest gaps first.")},
)
async def list_cover(center: str, services: ServicesOf, caller: CallerOf, min_position: MinPosition = None) -> Listing:
    """What must be free at the center and at those below it, what is, and who should move up."""
    entry = center_of(services, caller, center)
    await services.freshness.wait(min_position, list(VIEWS))
    directory = services.directory
    minima = [each for each in minima_of(directory.rulebook(), directory) if entry.id in each.center.path]
    position = await services.freshness.position("units")
    kinds = sorted({kind.value for each in minima for kind in each.rule.kinds})
    units = await _units(services, kinds) if minima else []
    known = {row["cover_id"]: row for row in await services.database.rows(queries.of([m.stream_id for m in minima]))}
    items = [_item(each, units, known.get(each.stream_id)) for each in minima]
    items.sort(key=lambda item: (-item["gap"], item["code"]))
    return Listing(items=items, position=position)


def _item(minimum: Minimum, units: Sequence[CoverUnit], row: Mapping[str, Any] | None) -> dict[str, Any]:
    rule, free = minimum.rule, free_of(minimum, units)
    return {
        "code": rule.code,
        "center_id": str(minimum.center.center_id),
        "kinds": [kind.value for kind in rule.kinds],
        "agency": rule.agency,
        "required": rule.minimum,
        "free": free,
        "gap": max(0, rule.minimum - free),
        "fell_at": None if row is None else shown(row["fell_at"]),
        "suggestion": None if row is None else row["suggestion"],
        "answer": None if row is None else row["answer"],
        "standing_by": [
            {"unit_id": str(unit.unit_id), "call_sign": unit.call_sign} for unit in units if minimum.hosts(unit)
        ],
    }


async def _units(services: Services, kinds: Sequence[str]) -> list[CoverUnit]:
    """As the rows say it; the keeper of cover folds the same facts (`dispatch.workers.cover`)."""
    requests = await services.database.rows(queries.lent())
    lent = {one["unit_id"] for row in requests for one in row["units"] if one["released_at"] is None}
    return [_unit(services, row, lent) for row in await services.database.rows(queries.units(kinds))]


def _unit(services: Services, row: Mapping[str, Any], lent: set[str]) -> CoverUnit:
    posted = None
    if row["posted"] is not None:
        # Also of a center that is no more, as the keeper counts it: it stands by there until it is called home.
        center = services.directory.known_center(UUID(row["posted"]["center_id"]))
        posted = None if center is None else center.ownership
    is_reserved = any(one["has_begun"] for one in row["reservations"])
    return CoverUnit(
        unit_id=row["unit_id"],
        call_sign=row["call_sign"],
        agency=row["agency"],
        kind=UnitKind(row["kind"]),
        base=services.directory.standing(Ownership(center_id=row["base_center_id"], path=tuple(row["base_path"]))),
        place=GeoPoint(lon=row["home_lon"], lat=row["home_lat"]),
        is_free=row["is_on_duty"] and not row["assignments"] and not is_reserved and str(row["unit_id"]) not in lent,
        posted=posted,
    )


@router.post(
    "/cover/{code}/suggestions/{suggestion_id}/accept",
    operation_id="cover_accept",
    summary="Let the unit move up",
    responses=STEP,
)
async def accept(code: RuleCode, suggestion_id: UUID, body: AcceptBody, asked: StepOf, response: Response) -> Written:
    """By a supervisor of the center or of one above it. The unit is posted in the same decision, if it is free."""
    reason = body.note or f"按最低值守要求前置备勤（{code}）。Moves up to cover {code}."
    return await _answer(asked, response, code, AcceptMove(suggestion_id=suggestion_id), body, reason)


@router.post(
    "/cover/{code}/suggestions/{suggestion_id}/decline",
    operation_id="cover_decline",
    summary="It shall not move up",
    responses=STEP,
)
async def decline(code: RuleCode, suggestion_id: UUID, body: WithReason, asked: StepOf, response: Response) -> Written:
    """With the reason. The next best unit is suggested; this one not again, until cover was restored."""
    command = DeclineMove(suggestion_id=suggestion_id, reason=body.reason)
    return await _answer(asked, response, code, command, body, body.reason)


@router.post("/units/{unit_id}/recall", operation_id="units_recall", summary="Send a unit home", responses=STEP)
async def recall(unit_id: UUID, body: WithReason, asked: StepOf, response: Response) -> Written:
    """It stands by no more. Of itself it is called home when the center has enough of its own again."""
    visible_unit(asked.services, asked.caller, unit_id)
    ask = asked.request(f"{unit_id}/recall", body.model_dump(mode="json"))
    work = asked.services.assignments.execute(unit_id, RecallUnit(reason=body.reason), ask)
    return await written(asked, response, work, views=("units",))


async def _answer(
    asked: Asked, response: Response, code: str, command: CoverCommand, body: Body, reason: str
) -> Written:
    stream_id = cover_of(asked.services.directory.city, code)
    desk = CoverDesk(asked.services.scribe)
    state = (await desk.state(stream_id)).state
    if state.center is None or not covers(asked.caller, state.center.path):
        raise not_found("This minimum")
    ask = asked.request(f"cover/{code}/{command.suggestion_id}", body.model_dump(mode="json"))
    return await written(asked, response, desk.answer(stream_id, command, ask, reason), views=VIEWS)
