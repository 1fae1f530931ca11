"""Changing how the city works: its rules, version by version, and who is on shift."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Annotated, Any
from uuid import UUID

from fastapi import Body as BodyParameter
from fastapi import Path, Response
from pydantic import Field

from dispatch.api.access import require_center
from dispatch.api.conditions import Asked, CreationOf, StepOf
from dispatch.api.problem import Problem, declared, not_found
from dispatch.api.routing import protected
from dispatch.api.shapes import CENTER, Body, Note, Written, examples
from dispatch.api.writing import written
from dispatch.handling.operators import OperatorDesk
from dispatch.handling.rulebook import RulebookHandler, unfit
from domain.operator.commands import EndShift, StartShift
from domain.rulebook.commands import ActivateRulebook, PublishRulebook
from domain.rulebook.content import Rulebook
from domain.storable import UNSTORABLE, is_storable

router = protected("city")


def _rulebook_example() -> dict[str, Any]:
    """The sample city's rules, cut to one category: an example that is really accepted."""
    rules: dict[str, Any] = json.loads(
        (files("dispatch.cities") / "chengdu" / "rulebook.json").read_text(encoding="utf-8")
    )
    kept = next(rule for rule in rules["categories"] if rule["code"] == rules["catch_all_category"])
    return rules | {"categories": [kept], "alerts": []}


RulebookBody = Annotated[
    Rulebook,
    BodyParameter(openapi_examples={"one category": {"summary": "One category", "value": _rulebook_example()}}),
]


class ShiftBody(Body):
    """Where the shift is; the operator's own center if left out."""

    model_config = examples({"center_id": CENTER}, {})

    center_id: UUID | None = None


class HandoverBody(Body):
    """What whoever takes over should know."""

    model_config = examples({"note": "两起未结，已口头交接"}, {})

    note: Annotated[Note, Field(description="Shown to whoever takes over.")] = None


@router.post(
    "/rulebook/versions",
    operation_id="rulebook_publish",
    summary="Publish a version of the rules",
    status_code=201,
    responses=declared(409),
)
async def publish(body: RulebookBody, asked: CreationOf, response: Response) -> Written:
    """It decides nothing until it is activated; a published version never changes."""
    if not is_storable(body.model_dump(mode="json")):
        raise Problem("invalid", f"In the rules, {UNSTORABLE}. Take it out, then publish again.")
    wrong = unfit(body, asked.services.directory)
    if wrong:
        raise Problem("invalid", "These rules name what the city does not have; see `errors`.", errors=wrong)
    ask = asked.request("rulebook", body.model_dump(mode="json"))
    handler = RulebookHandler(asked.services.scribe, asked.services.directory.city)
    done = await written(asked, response, handler.handle(PublishRulebook(rulebook=body), ask), views=())
    await asked.services.directory.catch_up()
    response.headers["Location"] = f"/v1/rulebook/versions/{body.version}"
    return done


@router.post(
    "/rulebook/versions/{version}/activate",
    operation_id="rulebook_activate",
    summary="Put a version of the rules in force",
    responses=declared(404, 409),
)
async def activate(version: Annotated[int, Path(ge=1, le=1_000_000)], asked: CreationOf, response: Response) -> Written:
    """From here on every decision is made with it; an older one too, which is how a bad change is taken back."""
    ask = asked.request(f"rulebook/{version}", None)
    handler = RulebookHandler(asked.services.scribe, asked.services.directory.city)
    command = ActivateRulebook(version=version, effective_at=ask.received_at)
    done = await written(asked, response, handler.handle(command, ask), views=())
    await asked.services.directory.catch_up()
    return done


@router.post(
    "/me/shift/start",
    operation_id="shifts_start",
    summary="Begin a shift",
    responses=declared(404, 409),
)
async def start_shift(body: ShiftBody, asked: StepOf, response: Response) -> Written:
    """At the operator's own center, or one below it."""
    operator_id = _operator(asked)
    center_id = body.center_id or asked.caller.center_id
    center = asked.services.directory.center(center_id) if center_id is not None else None
    if center is None:
        raise not_found("This center")
    require_center(asked.caller, center.path)
    ask = asked.request(str(operator_id), body.model_dump(mode="json"))
    work = OperatorDesk(asked.services.scribe).execute(operator_id, StartShift(center_id=center.id), ask)
    return await written(asked, response, work, views=())


@router.post("/me/shift/end", operation_id="shifts_end", summary="End the shift", responses=declared(409))
async def end_shift(body: HandoverBody, asked: StepOf, response: Response) -> Written:
    """With a word for whoever takes over."""
    operator_id = _operator(asked)
    ask = asked.request(str(operator_id), body.model_dump(mode="json"))
    work = OperatorDesk(asked.services.scribe).execute(operator_id, EndShift(note=body.note), ask)
    return await written(asked, response, work, views=())


def _operator(asked: Asked) -> UUID:
    if asked.caller.operator_id is None:
        raise Problem("forbidden", "Only an operator has shifts; your token names none.", roles=[])
    return asked.caller.operator_id
