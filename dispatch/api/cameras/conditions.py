"""How cameras are: what gateways and people say of them, how they were, and which gateways are silent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Response
from pydantic import Field, model_validator

from dispatch.api.access.permissions import Caller, CallerOf, require_center
from dispatch.api.http.conditions import StepOf
from dispatch.api.http.shapes import Body, Listing, Reason, Written, answers, examples
from dispatch.api.http.writing import written
from dispatch.api.machines.ingest import sender_of
from dispatch.api.problems.problem import declared, not_found
from dispatch.api.routing import protected
from dispatch.api.wiring import ServicesOf
from dispatch.handling.cameras import CameraSaid, ConditionDesk
from dispatch.handling.gateways import GatewayDesk
from dispatch.ingest.states import STATES_MAX, StatesIntake, StatesReport, document_of_states
from domain.camera.vocabulary import ArmingCause, ConditionSource
from domain.gateway.commands import PromiseSigns, WithdrawPromise
from domain.gateway.events import SILENT_AFTER_S_MAX, SILENT_AFTER_S_MIN, GatewayPromised
from domain.identifiers import gateway_stream
from domain.vocabulary import CameraHealth, Role
from projections.queries import conditions as queries
from projections.queries.cameras import one
from projections.shown import shown
from projections.texts import LANGUAGES, code_text

router = protected("cameras")
reports = protected("ingest")

STATES_EXAMPLE = {"status": 200, "cameras": 412, "changed": 1, "unknown": [], "foreign": [], "position": 184467}
SPELL_EXAMPLE = {
    "what": "offline",
    "text_zh": "离线",
    "text_en": "offline",
    "source": "maintainer",
    "reason": "杆件被车撞断",
    "began_at": "2026-07-01T04:30:15Z",
    "ended_at": None,
}
HISTORY_EXAMPLE = {
    "camera_id": "0a6f2f0e-6c0e-5b0a-9a45-7f1d2b3c4d5e",
    "attachments": [
        {
            "attached_at": "2026-06-01T01:00:00Z",
            "expires_at": "2027-06-30T00:00:00Z",
            "owner": "春熙路商场",
            "approved_by": "li.wei",
            "reason": "夏季治安整治期间接入",
            "ended_at": None,
            "ended_by": None,
            "ended_reason": None,
        }
    ],
    "spells": [SPELL_EXAMPLE],
}
GATEWAY_EXAMPLE = {
    "gateway": "gb28181-jinjiang",
    "silent_after_s": 180,
    "promised_at": "2026-06-01T01:00:00Z",
    "silent_since": None,
    "silences": 2,
    "heard_at": "2026-07-01T04:30:15Z",
}
GatewayName = Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[\w.:@-]+$")]


class StatesBody(Body):
    """How a gateway's cameras are. What is left out of an entry is not said; an empty list is a sign of life."""

    model_config = examples(
        {
            "states": [
                {"camera": "51010400001310000017", "health": "offline", "reason": "no signal"},
                {"camera": "cam-18", "health": "online", "armed": False, "armed_by": "schedule"},
            ]
        }
    )

    states: Annotated[list[CameraSaid], Field(max_length=STATES_MAX)]


class ConditionBody(Body):
    """What a person says of a camera. It stands, whatever machines say, until a person says otherwise."""

    model_config = examples({"health": "degraded", "reason": "镜头积灰"})

    health: CameraHealth | None = None
    armed: bool | None = None
    reason: Reason

    @model_validator(mode="after")
    def _says_something(self) -> ConditionBody:
        if self.health is None and self.armed is None:
            msg = "say `health`, or `armed`, or both"
            raise ValueError(msg)
        return self


class PromiseBody(Body):
    """How long a gateway may be quiet."""

    model_config = examples({"silent_after_s": 180})

    silent_after_s: Annotated[int, Field(ge=SILENT_AFTER_S_MIN, le=SILENT_AFTER_S_MAX)]


class WithdrawBody(Body):
    """Why nothing is expected of it any more."""

    model_config = examples({"reason": "网关停用"})

    reason: Reason


@reports.post(
    "/cameras/states",
    operation_id="cameras_report_states",
    summary="How a gateway's cameras are",
    responses=answers(STATES_EXAMPLE, "How many cameras it changed, and the names that are none of its cameras."),
)
async def report_states(body: StatesBody, services: ServicesOf, caller: CallerOf) -> dict[str, Any]:
    """Send it every minute, with all cameras or with those that changed: what changes nothing records nothing."""
    desk = ConditionDesk(services.scribe, services.directory)
    intake = StatesIntake(desk, services.clock, services.ids)
    return document_of_states(await intake.take(StatesReport(states=tuple(body.states)), sender_of(caller)))


@router.post(
    "/cameras/{camera_id}/condition",
    operation_id="cameras_report_condition",
    summary="Say how a camera is",
    responses=declared(404),
)
async def report_condition(camera_id: UUID, body: ConditionBody, asked: StepOf, response: Response) -> Written:
    """An operator who sees nothing on it, or a maintainer who stands before it."""
    services = asked.services
    camera = services.directory.camera_by_id(camera_id)
    if camera is None:
        raise not_found("This camera")
    require_center(asked.caller, camera.path)
    said = CameraSaid(
        camera=camera.code,
        health=body.health,
        reason=body.reason[:500],
        armed=body.armed,
        armed_by=ArmingCause.PERSON,
        armed_reason=body.reason[:500],
    )
    request = asked.request(str(camera_id), body.model_dump(mode="json"))
    work = ConditionDesk(services.scribe, services.directory).say(
        camera_id, said.commands(_source(asked.caller)), request
    )
    done = await written(asked, response, work, views=("cameras", "camera_spells"))
    await services.directory.catch_up()
    return done


@router.get(
    "/cameras/{camera_id}/history",
    operation_id="cameras_history",
    summary="How a camera was",
    responses={**declared(404), **answers(HISTORY_EXAMPLE, "Every attachment, and the spells it could not see.")},
)
async def history(camera_id: UUID, services: ServicesOf) -> dict[str, Any]:
    """Attachments oldest first; spells newest first, its gateway's silences among them."""
    row = await services.database.row(one(camera_id))
    if row is None:
        raise not_found("This camera")
    spells = await services.database.rows(queries.spells_of(camera_id, row["city"], row["gateway"]))
    return {
        "camera_id": shown(camera_id),
        "attachments": shown(row["attachments"]),
        "spells": [spell_shown(spell) for spell in spells],
    }


@router.get(
    "/gateways",
    operation_id="gateways_list",
    summary="Gateways that promise signs of life",
    responses=answers({"items": [GATEWAY_EXAMPLE]}, "By name."),
)
async def list_gateways(services: ServicesOf) -> Listing:
    """Which are silent, and when each was last heard (within seconds)."""
    rows = await services.database.rows(queries.gateways(services.directory.city))
    heard = await services.alerts.heard()
    return Listing(items=[shown({**row, "heard_at": heard.get(row["gateway"])}) for row in rows])


@router.post(
    "/gateways/{gateway}/promise",
    operation_id="gateways_promise",
    summary="Expect signs of life of a gateway",
    responses=declared(404),
)
async def promise(gateway: GatewayName, body: PromiseBody, asked: StepOf, response: Response) -> Written:
    """If it says nothing for so long, that is recorded, and its cameras count as silent."""
    city = asked.services.directory.city
    if all(camera.gateway != gateway for camera in asked.services.directory.cameras.values()):
        raise not_found("This gateway")
    command = PromiseSigns(promise=GatewayPromised(city=city, gateway=gateway, silent_after_s=body.silent_after_s))
    request = asked.request(gateway, body.model_dump(mode="json"))
    work = GatewayDesk(asked.services.scribe).execute(gateway_stream(city, gateway), command, request)
    return await written(asked, response, work, views=("gateways",))


@router.post(
    "/gateways/{gateway}/promise/withdraw",
    operation_id="gateways_withdraw_promise",
    summary="Expect nothing of a gateway any more",
    responses=declared(404),
)
async def withdraw(gateway: GatewayName, body: WithdrawBody, asked: StepOf, response: Response) -> Written:
    """A silence that lasts ends with it."""
    request = asked.request(gateway, body.model_dump(mode="json"))
    stream = gateway_stream(asked.services.directory.city, gateway)
    if stream not in asked.services.directory.gateways and not asked.key:
        raise not_found("This gateway")
    work = GatewayDesk(asked.services.scribe).execute(stream, WithdrawPromise(reason=body.reason), request)
    return await written(asked, response, work, views=("gateways",))


def spell_shown(spell: Mapping[str, Any]) -> dict[str, Any]:
    """A spell with its name in both languages."""
    found: dict[str, Any] = {"what": spell["what"]}
    for language in LANGUAGES:
        found[f"text_{language}"] = code_text(f"camera.{spell['what']}", language)
    return found | {name: shown(spell[name]) for name in ("source", "reason", "began_at", "ended_at")}


def _source(caller: Caller) -> ConditionSource:
    return ConditionSource.MAINTAINER if caller.is_any(Role.MAINTAINER) else ConditionSource.OPERATOR
