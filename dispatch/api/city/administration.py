"""Changing how the city works: its rules, version by version, and who is on shift."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Annotated, Any
from uuid import UUID

from fastapi import Body as BodyParameter
from fastapi import Path, Response
from pydantic import Field

from dispatch.api.access.permissions import covers, require_center
from dispatch.api.centers.open_items import Leaving, leaving
from dispatch.api.http.conditions import Asked, CreationOf, StepOf
from dispatch.api.http.shapes import CENTER, Body, Note, Reason, Written, examples
from dispatch.api.http.writing import written
from dispatch.api.problems.problem import Problem, declared, not_found
from dispatch.api.routing import protected
from dispatch.api.wiring import Services
from dispatch.directory_entries import CenterEntry
from dispatch.handling.operators import OperatorDesk
from dispatch.handling.rulebook import RulebookHandler, require_known_holidays, unfit
from domain.operator.commands import EndShift, StartShift
from domain.rulebook.commands import ActivateRulebook, PublishRulebook, ScheduleRulebook, UnscheduleRulebook
from domain.rulebook.content import Rulebook
from domain.storable import UNSTORABLE, StorableInstant, is_storable
from domain.vocabulary import Role

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


Version = Annotated[int, Path(ge=1, le=1_000_000)]


class ScheduleBody(Body):
    """From when on it is to decide."""

    model_config = examples({"effective_at": "2027-01-01T00:00:00+08:00"})

    effective_at: StorableInstant


class UnscheduleBody(Body):
    """Why not."""

    model_config = examples({"reason": "试算发现误派，延后启用"})

    reason: Reason


class ShiftBody(Body):
    """Where the shift is; the operator's own center if left out."""

    model_config = examples({"center_id": CENTER}, {})

    center_id: UUID | None = None


class HandoverBody(Body):
    """What whoever takes over should know."""

    model_config = examples({"note": "两起未结，已口头交接"}, {})

    note: Annotated[Note, Field(description="Shown to whoever takes over.")] = None
    without_handover: Annotated[
        Reason | None, Field(description="A supervisor's reason why it ends without the hand-over that is demanded.")
    ] = None


class EndedBody(Body):
    """Why somebody else ends it, and without a hand-over if there is none."""

    model_config = examples({"without_handover": "突发疾病送医，事项由值班长接管"})

    without_handover: Reason
    note: Note = None


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
async def activate(version: Version, asked: CreationOf, response: Response) -> Written:
    """From here on every decision is made with it; an older one too, which is how a bad change is taken back."""
    ask = asked.request(f"rulebook/{version}", None)
    rules = asked.services.directory.rulebooks.get(version)
    if rules is not None:
        require_known_holidays(rules, ask.received_at)
    handler = RulebookHandler(asked.services.scribe, asked.services.directory.city)
    command = ActivateRulebook(version=version, effective_at=ask.received_at)
    done = await written(asked, response, handler.handle(command, ask), views=())
    await asked.services.directory.catch_up()
    return done


@router.post(
    "/rulebook/versions/{version}/schedule",
    operation_id="rulebook_schedule",
    summary="Put a version in force at an instant ahead",
    responses=declared(404, 409),
)
async def schedule(version: Version, body: ScheduleBody, asked: CreationOf, response: Response) -> Written:
    """Nothing changes until then; scheduled again, it is another instant. `/unschedule` takes it back."""
    ask = asked.request(f"rulebook/{version}", body.model_dump(mode="json"))
    rules = asked.services.directory.rulebooks.get(version)
    if rules is not None:
        require_known_holidays(rules, body.effective_at)
    handler = RulebookHandler(asked.services.scribe, asked.services.directory.city)
    command = ScheduleRulebook(version=version, effective_at=body.effective_at, asked_at=ask.received_at)
    return await written(asked, response, handler.handle(command, ask), views=())


@router.post(
    "/rulebook/versions/{version}/unschedule",
    operation_id="rulebook_unschedule",
    summary="Do not put it in force by itself",
    responses=declared(404, 409),
)
async def unschedule(version: Version, body: UnscheduleBody, asked: StepOf, response: Response) -> Written:
    """What is in force stays in force."""
    ask = asked.request(f"rulebook/{version}", body.model_dump(mode="json"))
    handler = RulebookHandler(asked.services.scribe, asked.services.directory.city)
    command = UnscheduleRulebook(version=version, reason=body.reason)
    return await written(asked, response, handler.handle(command, ask), views=())


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
    """With a word for whoever takes over. Where the rules demand it, a shift ends with a signed hand-over while
    anything is open at the center; only a supervisor may say why it ends without one.
    """
    if body.without_handover is not None and not asked.caller.is_any(Role.SUPERVISOR):
        detail = "Only a supervisor lets a shift end without a hand-over. Hand it over, or ask one to end it."
        raise Problem("forbidden", detail, roles=[Role.SUPERVISOR.value])
    return await _ended(asked, response, _operator(asked), body)


@router.post(
    "/operators/{operator_id}/shift/end",
    operation_id="operators_end_shift",
    summary="End somebody's shift",
    responses=declared(404, 409),
)
async def end_shift_of(operator_id: UUID, body: EndedBody, asked: StepOf, response: Response) -> Written:
    """By a supervisor of the center or of one above it: of who had to go at once, or forgot. The reason stays."""
    center_id = await OperatorDesk(asked.services.scribe).on_shift_at(operator_id)
    operator = asked.services.directory.operator(operator_id)
    found = asked.services.directory.center(center_id or operator.center_id) if operator is not None else None
    if found is None or not covers(asked.caller, found.path):
        raise not_found("This operator")
    return await _ended(asked, response, operator_id, body)


async def _leaving(
    services: Services, operator_id: UUID, center: CenterEntry, without_handover: str | None
) -> Leaving | None:
    """What stands, where the rules demand a hand-over; None elsewhere: there, nobody waits for a view to go home.

    Whom a supervisor lets go waits for none either: what was open is then not counted.
    """
    if center.kind not in services.directory.rulebook().handover_demanded_at:
        return None
    try:
        return await leaving(services, operator_id, center)
    except Problem:
        if without_handover is None:
            raise
        return Leaving(open_items=None, handover_id=None)


async def _ended(asked: Asked, response: Response, operator_id: UUID, body: HandoverBody | EndedBody) -> Written:
    services, desk = asked.services, OperatorDesk(asked.services.scribe)
    center_id = await desk.on_shift_at(operator_id)
    center = services.directory.center(center_id) if center_id is not None else None
    ask = asked.request(str(operator_id), body.model_dump(mode="json"))
    found = await _leaving(services, operator_id, center, body.without_handover) if center is not None else None
    command = EndShift(
        note=body.note,
        without_handover=body.without_handover,
        open_items=None if found is None else found.open_items,
        handover_id=None if found is None else found.handover_id,
        demands_handover=found is not None,
    )
    return await written(asked, response, desk.execute(operator_id, command, ask), views=())


def _operator(asked: Asked) -> UUID:
    if asked.caller.operator_id is None:
        raise Problem("forbidden", "Only an operator has shifts; your token names none.", roles=[])
    return asked.caller.operator_id
