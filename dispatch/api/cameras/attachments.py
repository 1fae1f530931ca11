"""Attaching social cameras and detaching them: a lifecycle with who approved it, why and until when, not a flag."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Response
from pydantic import Field

from dispatch.api.access.permissions import Caller, require_center
from dispatch.api.http.conditions import CreationOf, StepOf
from dispatch.api.http.shapes import Body, PointBody, Reason, Written, converted, examples
from dispatch.api.http.writing import written
from dispatch.api.problems.problem import Problem, declared
from dispatch.api.routing import protected
from dispatch.api.wiring import Services
from dispatch.handling.cameras import CameraDesk
from domain.camera.commands import AttachCamera, CameraCommand, DetachCamera
from domain.camera.events import CameraAttached
from domain.identifiers import camera_id as id_of
from domain.storable import StorableInstant
from domain.vocabulary import CenterKind, CoordinateSystem

router = protected("cameras")

CAMERAS_MAX = 1_000
"""Attached with one request: an owner's whole yard."""


class AttachedCamera(Body):
    """A camera of somebody else."""

    model_config = examples(
        {
            "code": "51010400001329000017",
            "label": "春熙路商场东门",
            "location": {"type": "Point", "coordinates": [104.0779, 30.6571]},
        }
    )

    code: Annotated[str, Field(min_length=1, max_length=100)]
    label: Annotated[str, Field(min_length=1, max_length=200)]
    location: PointBody


class AttachBody(Body):
    """Which cameras, whose they are, why they may be used, and until when."""

    model_config = examples(
        {
            "owner": "春熙路商场",
            "reason": "夏季治安整治期间接入",
            "expires_at": "2027-06-30T00:00:00+08:00",
            "cameras": [AttachedCamera.model_config["json_schema_extra"]["examples"][0]],  # type: ignore[index]
        }
    )

    owner: Annotated[str, Field(min_length=1, max_length=100)]
    reason: Reason
    expires_at: StorableInstant = Field(
        description="A camera that is attached for ever is one that nobody looks after."
    )
    crs: CoordinateSystem = CoordinateSystem.WGS84
    cameras: Annotated[list[AttachedCamera], Field(min_length=1, max_length=CAMERAS_MAX)]


class DetachBody(Body):
    """Why it may not be used any more."""

    model_config = examples({"reason": "业主收回授权"})

    reason: Reason


@router.post(
    "/cameras/attachments",
    operation_id="cameras_attach",
    summary="Attach social cameras",
    responses=declared(404, 409),
    status_code=201,
)
async def attach(body: AttachBody, asked: CreationOf, response: Response) -> Written:
    """All of them or none. Who asks is who approved it; each must lie in the approver's area."""
    services = asked.services
    if body.expires_at <= services.clock.now():
        raise Problem("invalid", "`expires_at` must lie ahead.", errors=[("/expires_at", "is past")])
    codes = [camera.code for camera in body.cameras]
    if len(set(codes)) != len(codes):
        again = next(number for number, code in enumerate(codes) if code in codes[:number])
        raise Problem("invalid", "A camera is attached once.", errors=[(f"/cameras/{again}/code", "comes twice")])
    commands: dict[UUID, CameraCommand] = {}
    for number, camera in enumerate(body.cameras):
        commands[id_of(services.directory.city, camera.code)] = AttachCamera(
            camera=_attached(services, asked.caller, body, camera, number)
        )
    request = asked.request("cameras", body.model_dump(mode="json"))
    done = await written(asked, response, CameraDesk(services.scribe).execute(commands, request), views=("cameras",))
    await services.directory.catch_up()
    return done


@router.post(
    "/cameras/{camera_id}/detach",
    operation_id="cameras_detach",
    summary="Detach a social camera",
    responses=declared(404, 409),
)
async def detach(camera_id: UUID, body: DetachBody, asked: StepOf, response: Response) -> Written:
    """Its alerts are taken no more, and no coverage counts it."""
    services = asked.services
    camera = services.directory.camera_by_id(camera_id)
    if camera is not None:
        require_center(asked.caller, camera.path)
    request = asked.request(str(camera_id), body.model_dump(mode="json"))
    work = CameraDesk(services.scribe).execute({camera_id: DetachCamera(reason=body.reason)}, request)
    done = await written(asked, response, work, views=("cameras",))
    await services.directory.catch_up()
    return done


def _attached(
    services: Services, caller: Caller, body: AttachBody, camera: AttachedCamera, number: int
) -> CameraAttached:
    location = converted(camera.location, body.crs)
    centers = services.directory.locate(location)
    if not centers:
        raise Problem(
            "invalid",
            "A camera hangs in the city.",
            errors=[(f"/cameras/{number}/location", "lies in no center's area")],
        )
    path = tuple(center.id for center in centers)
    require_center(caller, path)
    return CameraAttached(
        city=services.directory.city,
        code=camera.code,
        label=camera.label,
        location=location,
        owner=body.owner,
        approved_by=caller.login or caller.subject,
        reason=body.reason,
        expires_at=body.expires_at,
        station_id=path[-1] if centers[-1].kind is CenterKind.STATION else None,
        path=path,
    )
