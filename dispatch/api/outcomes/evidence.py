"""Recordings asked for after the fact (flow F23): who asked, who secured them, whose they are now, who looked."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Response
from pydantic import Field

from dispatch.api.access.permissions import Caller, CallerOf, covers
from dispatch.api.access.visibility import require_known, visible_state
from dispatch.api.http.conditions import Asked, CreationOf, DecisionOf, MinPosition
from dispatch.api.http.paging import PagingOf
from dispatch.api.http.shapes import (
    INCIDENT,
    Body,
    Listing,
    Reason,
    Written,
    answers,
    examples,
)
from dispatch.api.http.writing import allowed, written
from dispatch.api.problems.problem import Problem, declared, not_found
from dispatch.api.routing import protected
from dispatch.api.wiring import Services, ServicesOf
from dispatch.handling.evidence import EvidenceDesk
from dispatch.handling.scribe import Loaded
from domain.evidence.commands import (
    DeclineEvidence,
    EvidenceCommand,
    HandOverEvidence,
    Hash,
    Holder,
    ProvideEvidence,
    Purpose,
    ReadEvidence,
    RequestEvidence,
)
from domain.evidence.decider import EvidenceState
from domain.evidence.events import OFFSET_S_MAX
from domain.refusals import Refused
from domain.storable import StorableInstant
from projections.evidence import item
from projections.queries import evidence as queries
from projections.shown import id_text

router = protected("evidence")

VIEWS = ("evidence_requests",)
DECISION = declared(404, 409, 412, 428)
CAMERA = "0a6f2f0e-6c0e-5b0a-9a45-7f1d2b3c4d5e"
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


RECORDING_EXAMPLE = {
    "request_id": "5b2f0a77-3c41-5d0e-9a55-0d6c1b8e4f21",
    "position": 18250,
    "uri": "file://evidence-store/2026/7781.mp4",
    "sha256": SHA256,
    "clock_offset_s": -412.5,
    "clock_checked_by": "与路口报时画面比对",
    "holder": "刑侦大队 张警官",
}
REQUEST_EXAMPLE = {
    "request_id": "5b2f0a77-3c41-5d0e-9a55-0d6c1b8e4f21",
    "phase": "provided",
    "camera_id": CAMERA,
    "purpose": "核查三个月前盗窃案嫌疑车辆去向",
    "holder": "刑侦大队 张警官",
    "custody": [
        {
            "position": 18250,
            "at": "2026-07-04T01:10:00Z",
            "by": "7d3b0c52-2f3c-5a40-9a5e-1b6a0d5f7c21",
            "from_holder": None,
            "to_holder": "锦江区指挥中心证据室",
            "purpose": None,
        }
    ],
    "reads": [],
}


class AskBody(Body):
    """Which camera, from when to when in true time, and what for."""

    model_config = examples(
        {
            "camera_id": CAMERA,
            "begins_at": "2026-07-03T20:10:00+08:00",
            "ends_at": "2026-07-03T20:20:00+08:00",
            "purpose": "核查三个月前盗窃案嫌疑车辆去向",
            "incident_id": INCIDENT,
            "case_number": "A5101042026070001",
        }
    )

    camera_id: UUID
    begins_at: StorableInstant
    ends_at: StorableInstant
    purpose: Purpose
    incident_id: UUID | None = None
    case_number: Annotated[str | None, Field(min_length=1, max_length=100)] = None


class ProvideBody(Body):
    """Where the recording is, its hash, and how far off the camera's clock was (its time minus the true time)."""

    model_config = examples(
        {
            "uri": "file://evidence-store/2026/7781.mp4",
            "sha256": SHA256,
            "clock_offset_s": -412.5,
            "clock_checked_by": "与路口报时画面比对",
            "holder": "锦江区指挥中心证据室",
        }
    )

    uri: Annotated[str, Field(min_length=1, max_length=2_000)]
    sha256: Hash
    clock_offset_s: Annotated[float, Field(ge=-OFFSET_S_MAX, le=OFFSET_S_MAX)]
    clock_checked_by: Annotated[str, Field(min_length=1, max_length=200)]
    holder: Holder


class DeclineBody(Body):
    """Why there is none."""

    model_config = examples({"reason": "录像保存期已过，已被覆盖"})

    reason: Reason


class HandOverBody(Body):
    """To whom, what for, and the hash that the taker computed."""

    model_config = examples({"to_holder": "刑侦大队 张警官", "sha256": SHA256, "purpose": "案件侦查"})

    to_holder: Holder
    sha256: Hash
    purpose: Purpose


class ReadBody(Body):
    """What it is needed for; it is recorded with your name."""

    model_config = examples({"purpose": "核对时间线"})

    purpose: Purpose


@router.post(
    "/evidence/requests",
    operation_id="evidence_request",
    summary="Ask for a recording",
    responses=declared(404),
    status_code=201,
)
async def ask(body: AskBody, asked: CreationOf, response: Response) -> Written:
    """Any camera of the city: the clue of a past case is rarely where the case is."""
    services, caller = asked.services, asked.caller
    camera = services.directory.camera_by_id(body.camera_id)
    if camera is None:
        raise not_found("This camera")
    if caller.center_id is None:
        raise Problem("forbidden", "Recordings are asked for by people of a center; your token names none.", roles=[])
    request = asked.request("evidence", body.model_dump(mode="json"), correlation_id=body.incident_id)
    if body.incident_id is not None:
        await allowed(asked, request, visible_state(services, caller, body.incident_id))
    command = RequestEvidence(
        **body.model_dump(), camera_path=camera.path, center_id=caller.center_id, asked_at=request.received_at
    )
    done = await written(asked, response, EvidenceDesk(services.scribe).ask(command, request), views=VIEWS)
    response.headers["Location"] = f"/v1/evidence/requests/{(done.model_extra or {})['request_id']}"
    return done


@router.get("/evidence/requests", operation_id="evidence_list", summary="Recordings asked for")
async def list_requests(
    services: ServicesOf,
    caller: CallerOf,
    paging: PagingOf,
    phase: Literal["requested", "provided", "unavailable"] | None = None,
    incident_id: UUID | None = None,
    min_position: MinPosition = None,
) -> Listing:
    """What your center asked for, and what it can provide; newest first."""
    await services.freshness.wait(min_position, list(VIEWS))
    filters = {"phase": phase, "incident": incident_id, "center": caller.centers}
    page = paging.of("evidence", filters)
    statement = queries.listed(
        sight=caller.sight,
        center_id=None if caller.sees_everything else caller.center_id,
        also=sorted(caller.commanded),
        phase=phase,
        incident_id=incident_id,
        before_position=page.after(int),
        limit=page.limit,
    )
    rows = await services.database.rows(statement)
    return Listing(items=[item(row) for row in page.cut(rows, "requested_position")])


@router.get(
    "/evidence/requests/{request_id}",
    operation_id="evidence_get",
    summary="One request and its chain",
    responses={**declared(404), **answers(REQUEST_EXAMPLE, "The chain, and who looked.")},
)
async def get_request(
    request_id: UUID, response: Response, services: ServicesOf, caller: CallerOf, min_position: MinPosition = None
) -> dict[str, Any]:
    """Who asked, who provided, who holds it, who looked. Where it is, only a recorded reading says."""
    await services.freshness.wait(min_position, list(VIEWS))
    row = await services.database.row(queries.one(request_id, sight=caller.sight))
    if row is None or not _concerns(services, caller, row["center_id"], row["camera_path"]):
        raise not_found("This request")
    response.headers["ETag"] = f'"{row["version"]}"'
    return item(row)


@router.post(
    "/evidence/requests/{request_id}/provide",
    operation_id="evidence_provide",
    summary="Say where the recording is",
    responses=DECISION,
)
async def provide(request_id: UUID, body: ProvideBody, asked: DecisionOf, response: Response) -> Written:
    """By a center of the camera. The hash and the clock's offset are part of it and never change."""
    return await _provider(asked, response, request_id, ProvideEvidence(**body.model_dump()), body)


@router.post(
    "/evidence/requests/{request_id}/decline",
    operation_id="evidence_decline",
    summary="Say that there is no recording",
    responses=DECISION,
)
async def decline(request_id: UUID, body: DeclineBody, asked: DecisionOf, response: Response) -> Written:
    """Overwritten, switched off, or not to be given: with the reason."""
    return await _provider(asked, response, request_id, DeclineEvidence(reason=body.reason), body)


@router.post(
    "/evidence/requests/{request_id}/hand-over",
    operation_id="evidence_hand_over",
    summary="Let somebody else answer for it",
    responses=DECISION,
)
async def hand_over(request_id: UUID, body: HandOverBody, asked: DecisionOf, response: Response) -> Written:
    """Refused if the taker computed another hash: then it is another recording."""
    command = HandOverEvidence(**body.model_dump())
    return await _decided(asked, response, request_id, command, body)


@router.post(
    "/evidence/requests/{request_id}/read",
    operation_id="evidence_read",
    summary="Look where the recording is",
    responses={**declared(404, 409), **answers(RECORDING_EXAMPLE, "Where it is, and whose it is now.")},
)
async def read(request_id: UUID, body: ReadBody, asked: CreationOf) -> dict[str, Any]:
    """That you did, and what for, is recorded before it is told."""
    request = asked.request(str(request_id), body.model_dump(mode="json"))
    loaded = await allowed(asked, request, _seen(asked, request_id))
    desk = EvidenceDesk(asked.services.scribe)
    outcome = await desk.execute(request_id, ReadEvidence(purpose=body.purpose), request)
    state = (loaded or await desk.state(request_id)).state
    assert state.provided is not None, "what is not provided cannot be read"
    return {
        "request_id": id_text(request_id),
        "position": outcome.position,
        **state.provided.model_dump(mode="json"),
        "holder": state.holder,
    }


async def _provider(
    asked: Asked, response: Response, request_id: UUID, command: EvidenceCommand, body: Body
) -> Written:
    return await _decided(asked, response, request_id, command, body, of_the_camera=True)


async def _decided(
    asked: Asked,
    response: Response,
    request_id: UUID,
    command: EvidenceCommand,
    body: Body,
    *,
    of_the_camera: bool = False,
) -> Written:
    request = asked.request(str(request_id), body.model_dump(mode="json"))
    await allowed(asked, request, _seen(asked, request_id, of_the_camera=of_the_camera))
    work = EvidenceDesk(asked.services.scribe).execute(request_id, command, request)
    return await written(asked, response, work, stream_id=request_id, views=VIEWS)


async def _seen(asked: Asked, request_id: UUID, *, of_the_camera: bool = False) -> Loaded[EvidenceState]:
    """The request, if it concerns the caller. Raises `Problem` not_found, not_the_owner."""
    try:
        loaded = await EvidenceDesk(asked.services.scribe).state(request_id)
    except Refused:
        raise not_found("This request") from None
    said = loaded.state.asked
    assert said is not None, "a request that exists was asked for"
    if not _concerns(asked.services, asked.caller, said.center_id, said.camera_path):
        raise not_found("This request")
    if said.camera_path[-1:] != (asked.caller.center_id,):
        await require_known(asked.services, asked.caller, said.incident_id, "This request")
    if of_the_camera and not covers(asked.caller, said.camera_path):
        raise Problem(
            "not_the_owner",
            "A recording is provided by the centers of its camera. Yours asked for it; wait for their answer.",
            owner_center_id=id_text(said.camera_path[-1]) if said.camera_path else "",
        )
    return loaded


def _concerns(services: Services, caller: Caller, center_id: UUID, camera_path: tuple[UUID, ...]) -> bool:
    """Whether the caller's center asked for it, is above who asked, or is of the camera."""
    center = services.directory.center(center_id)
    return covers(caller, center.path if center is not None else (center_id,)) or covers(caller, camera_path)
