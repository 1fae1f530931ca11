"""The tree of centers: what it is to be, from when on, and what it was.

A change is judged before anything is recorded, named together with all it touches, and applied whole at its instant.
Incidents that are open then stay with their owner; `/centers/{center}/misplaced` lists what is now elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Response

from dispatch import open_work
from dispatch.api.access.permissions import Caller, CallerOf
from dispatch.api.centers.centers import shown_center
from dispatch.api.city.tree_bodies import CallOffBody, PlanBody, TreeChangeBody
from dispatch.api.http.conditions import CreationOf
from dispatch.api.http.shapes import CENTER, Listing, Written, answers
from dispatch.api.http.writing import allowed, written
from dispatch.api.problems.problem import Problem, declared
from dispatch.api.routing import protected
from dispatch.api.wiring import Services, ServicesOf
from dispatch.audit.replay import as_of
from dispatch.audit.tree import tree_as_of
from dispatch.directory_entries import TreeChangeEntry
from dispatch.handling.tree import Left, TreeDesk
from dispatch.jurisdiction import shape_of
from dispatch.territory import Finding, after, area_m2, judged, moved
from domain.center.events import CenterChange, TreeChangeScheduled
from domain.event import GeoPoint
from domain.refusals import Refusal, Refused
from domain.storable import StorableInstant
from domain.vocabulary import Role
from projections.queries import board
from projections.shown import shown

router = protected("city")

STEP = declared(404, 409)
PLAN_EXAMPLE = {
    "is_possible": True,
    "refused": [],
    "warned": [{"code": "tree.gap", "center": "d-510104", "other": "station", "area_m2": 120000.0}],
    "centers": [
        {
            "center": "s-510104-01",
            "ground_m2_before": 4100000.0,
            "ground_m2_after": 3980000.0,
            "parent_before": "d-510104",
            "parent_after": "d-510104",
        }
    ],
    "moved": [{"from": "s-510104-01", "to": "s-510104-02", "cameras": 12, "open_incidents": 1}],
}


@router.post(
    "/tree/plan",
    operation_id="tree_plan",
    summary="What a change of the tree would do",
    responses={**declared(404), **answers(PLAN_EXAMPLE, "Nothing is recorded.")},
)
async def plan(body: PlanBody, services: ServicesOf, caller: CallerOf) -> dict[str, Any]:
    """Overlaps and ground outside a parent's (these refuse it), ground that nobody has any more (warned of), and which
    cameras and open incidents would be on another center's ground.
    """
    _require_city(services, caller)
    before = dict(services.directory.centers)
    now = services.clock.now()
    changes = tuple(one.change(services.directory.city, now.date()) for one in body.changes)
    then = after(before, changes)
    if isinstance(then, Refusal):
        raise Refused.by(then)
    rows = await services.database.rows(board.places_of_open(sight=caller.sight))
    incidents = [GeoPoint(lon=row["lon"], lat=row["lat"]) for row in rows]
    cameras = [one.location for one in services.directory.cameras.values()]
    # Of the real districts some 20 ms, and as much for ten thousand points: not in the way of other requests.
    found = await asyncio.to_thread(judged, before, then, changes)
    eyes = await asyncio.to_thread(moved, before, then, cameras)
    open_ones = await asyncio.to_thread(moved, before, then, incidents)
    return {
        "is_possible": not found.refused,
        "refused": [_finding(one) for one in found.refused],
        "warned": [_finding(one) for one in found.warned],
        "centers": [_compared(one, before, then) for one in changes],
        "moved": [
            {
                "from": here,
                "to": there,
                "cameras": eyes.get((here, there), 0),
                "open_incidents": open_ones.get((here, there), 0),
            }
            for here, there in sorted({*eyes, *open_ones}, key=lambda pair: (pair[0] or "", pair[1] or ""))
        ],
    }


@router.post(
    "/tree/changes",
    operation_id="tree_change",
    summary="Change the tree, now or from an instant on",
    responses=STEP,
    status_code=201,
)
async def change(body: TreeChangeBody, asked: CreationOf, response: Response) -> Written:
    """Whole or not at all. Routing decides by it from its instant on; what is open stays with its owner. A center that
    is to be closed must have nothing left at its instant, or the change is refused then.
    """
    services = asked.services
    _require_city(services, asked.caller)
    request = asked.request("tree", body.model_dump(mode="json"))
    effective_at = body.effective_at or request.received_at
    changes = tuple(one.change(services.directory.city, effective_at.date()) for one in body.changes)
    said = TreeChangeScheduled(
        city=services.directory.city,
        changes=changes,
        effective_at=effective_at,
        reason=body.reason,
        is_correction=body.is_correction,
    )
    is_ahead = effective_at > request.received_at
    left = {} if is_ahead else await allowed(asked, request, _left(services, changes)) or {}
    done = await written(asked, response, _desk(services).schedule(said, request, left=left), views=())
    await services.directory.catch_up()
    return done


@router.get("/tree/changes", operation_id="tree_changes", summary="Changes of the tree")
async def list_changes(
    services: ServicesOf, state: Literal["scheduled", "applied", "refused", "called_off"] | None = None
) -> Listing:
    """By their instants, the latest first, without the grounds."""
    found = sorted(services.directory.changes.values(), key=lambda one: (one.change.effective_at, one.id), reverse=True)
    items = [_line(one) for one in found if state is None or one.state == state]
    return Listing(items=items, position=services.directory.position)


@router.post(
    "/tree/changes/{change_id}/call-off",
    operation_id="tree_call_off",
    summary="Let a change of the tree be after all",
    responses=STEP,
)
async def call_off(change_id: UUID, body: CallOffBody, asked: CreationOf, response: Response) -> Written:
    """As long as its instant has not come."""
    services = asked.services
    _require_city(services, asked.caller)
    request = asked.request(f"tree/{change_id}", body.model_dump(mode="json"))
    done = await written(asked, response, _desk(services).call_off(change_id, body.reason, request), views=())
    await services.directory.catch_up()
    return done


TREE_EXAMPLE = {
    "as_of": {"position": 18250, "true_at": None},
    "items": [
        {
            "center_id": CENTER,
            "code": "s-510104-01",
            "name_zh": "督院街派出所",
            "name_en": "Jinjiang Station 1",
            "kind": "station",
            "level": 3,
            "parent_id": CENTER,
            "path": [CENTER],
            "agency": None,
            "location": {"type": "Point", "coordinates": [104.0825, 30.6571]},
            "area": None,
        }
    ],
}


@router.get(
    "/tree",
    operation_id="tree_get",
    summary="The tree as it was or is",
    responses={**declared(), **answers(TREE_EXAMPLE, "Every center that was then, in the order of their codes.")},
)
async def get_tree(
    services: ServicesOf,
    position: Annotated[int | None, Query(ge=0, le=2**62, description="As known at this position of the log.")] = None,
    instant: Annotated[StorableInstant | None, Query(description="As known at this instant; + as %2B.")] = None,
    true_at: Annotated[
        StorableInstant | None, Query(description="As valid at this instant, by all known then.")
    ] = None,
    *,
    area: bool = False,
) -> dict[str, Any]:
    """Known by a position or an instant is what routing decided with; true at an instant includes later corrections."""
    if position is not None and instant is not None:
        raise Problem("invalid", "Say a position or an instant, not both.", errors=[("query:instant", "one of two")])
    moment = await as_of(services.log, position=position, instant=instant, true_at=true_at)
    tree = await tree_as_of(services.log, moment)
    items = [shown_center(one, with_area=area) for one in sorted(tree.centers.values(), key=lambda one: one.code)]
    return {"as_of": {"position": moment.position, "true_at": shown(moment.true_at)}, "items": items}


def _desk(services: Services) -> TreeDesk:
    return TreeDesk(services.scribe, services.directory)


def _require_city(services: Services, caller: Caller) -> None:
    """Raises `Problem` forbidden: borders are between centers, so only who is above all of them draws them."""
    if not caller.is_any(Role.ADMINISTRATOR) and caller.center_id != services.directory.root().id:
        detail = "The tree is changed by supervisors of the city's own center, or by an administrator."
        raise Problem("forbidden", detail, roles=[Role.SUPERVISOR.value, Role.ADMINISTRATOR.value])


async def _left(services: Services, changes: tuple[CenterChange, ...]) -> Left:
    """What each center that is to be closed would leave behind."""
    found: dict[UUID, Mapping[str, int]] = {}
    for one in changes:
        if one.closes:
            tip = (await services.log.tip()).position
            await services.freshness.wait(tip, open_work.VIEWS)
            await services.directory.reach(tip)
            found[one.center_id] = await open_work.left_at(services.database, services.directory, one.center_id)
    return found


def _finding(found: Finding) -> dict[str, Any]:
    return {"code": found.code, "center": found.center, "other": found.other, "area_m2": round(found.area_m2, 1)}


def _compared(one: CenterChange, before: Any, then: Any) -> dict[str, Any]:
    was, will_be = before.get(one.center_id), then.get(one.center_id)

    def parent(entry: Any, tree: Any) -> str | None:
        above = tree.get(entry.parent_id) if entry is not None and entry.parent_id is not None else None
        return None if above is None else above.code

    def ground(entry: Any) -> float | None:
        return None if entry is None else round(area_m2(shape_of(entry.area)), 1) if entry.area else 0.0

    return {
        "center": one.code,
        "ground_m2_before": ground(was),
        "ground_m2_after": ground(will_be),
        "parent_before": parent(was, before),
        "parent_after": parent(will_be, then),
    }


def _line(entry: TreeChangeEntry) -> dict[str, Any]:
    document: dict[str, Any] = shown(
        {
            "change_id": entry.id,
            "state": entry.state,
            "effective_at": entry.change.effective_at,
            "reason": entry.change.reason,
            "is_correction": entry.change.is_correction,
            "refused": entry.refused,
            "centers": [one.code for one in entry.change.changes],
        }
    )
    return document
