"""The checklist of an incident (flow F15): what must not be forgotten, and what is done of it."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Response
from pydantic import Field

from dispatch.api.access.permissions import CallerOf
from dispatch.api.access.visibility import visible_row, visible_state
from dispatch.api.http.conditions import Asked, MinPosition, StepOf
from dispatch.api.http.shapes import INCIDENT, Body, Note, Reason, Written, answers, examples
from dispatch.api.http.writing import allowed, written
from dispatch.api.problems.problem import declared
from dispatch.api.routing import protected
from dispatch.api.wiring import Services, ServicesOf
from dispatch.handling.checklists import ChecklistDesk
from dispatch.handling.scribe import Request
from domain.checklist.decider import UntickItem
from domain.checklist.events import ItemCode
from projections.checklists import done
from projections.queries import incidents

router = protected("checklists")

VIEWS = ("checklists", "timeline")
Item = Annotated[ItemCode, Field(examples=["lights_checked"])]
CHECKLIST_EXAMPLE = {
    "incident_id": INCIDENT,
    "category": "traffic.signal_failure",
    "rule_version": 3,
    "open_required": ["officer_sent"],
    "items": [
        {
            "code": "officer_sent",
            "text_zh": "安排民警到岗指挥",
            "text_en": "An officer directs the traffic",
            "required": True,
            "done": None,
        }
    ],
}


class TickBody(Body):
    """How it was done, if that is worth a word."""

    model_config = examples({"note": "已联系供电公司抢修"}, {})

    note: Note = None


class UntickBody(Body):
    """Why it is not done after all."""

    model_config = examples({"reason": "点错"})

    reason: Reason


@router.get(
    "/incidents/{incident_id}/checklist",
    operation_id="checklists_get",
    summary="What must not be forgotten",
    responses={**declared(404), **answers(CHECKLIST_EXAMPLE, "The list of the rules that bind this incident.")},
)
async def get_checklist(
    incident_id: UUID, services: ServicesOf, caller: CallerOf, min_position: MinPosition = None
) -> dict[str, Any]:
    """Of the version by which it was first routed as what it is: later versions do not change it under your hands."""
    await services.freshness.wait(min_position, ["board", "checklists"])
    await visible_row(services, caller, incident_id)
    pinned = await _desk(services).pinned(incident_id)
    rows = await services.database.rows(incidents.checklist(incident_id))
    ticked = {row["item"]: done(row) for row in rows}
    items = [{**item.model_dump(mode="json"), "done": ticked.get(item.code)} for item in pinned.items]
    return {
        "incident_id": str(incident_id),
        "category": pinned.category,
        "rule_version": pinned.rule_version,
        "open_required": [item["code"] for item in items if item["required"] and item["done"] is None],
        "items": items,
    }


@router.post(
    "/incidents/{incident_id}/checklist/{item}/done",
    operation_id="checklists_tick",
    summary="It is done",
    responses=declared(404, 409),
)
async def tick(incident_id: UUID, item: Item, body: TickBody, asked: StepOf, response: Response) -> Written:
    """Ticked twice is ticked once."""
    request = await _seen(asked, incident_id, item, body)
    return await written(
        asked, response, _desk(asked.services).tick(incident_id, item, request, note=body.note), views=VIEWS
    )


@router.post(
    "/incidents/{incident_id}/checklist/{item}/undone",
    operation_id="checklists_untick",
    summary="It is not done after all",
    responses=declared(404, 409),
)
async def untick(incident_id: UUID, item: Item, body: UntickBody, asked: StepOf, response: Response) -> Written:
    """Both stay in the timeline."""
    request = await _seen(asked, incident_id, item, body)
    command = UntickItem(incident_id=incident_id, item=item, reason=body.reason)
    return await written(asked, response, _desk(asked.services).execute(command, request), views=VIEWS)


def _desk(services: Services) -> ChecklistDesk:
    return ChecklistDesk(services.scribe, services.directory)


async def _seen(asked: Asked, incident_id: UUID, item: str, body: Body) -> Request:
    request = asked.request(f"{incident_id}/{item}", body.model_dump(mode="json"), correlation_id=incident_id)
    await allowed(asked, request, visible_state(asked.services, asked.caller, incident_id))
    return request
