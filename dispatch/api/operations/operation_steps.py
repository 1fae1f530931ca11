"""Running an operation (flow F20): who takes part, its checkpoints, the cameras that are watched, beginning and end."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID, uuid5

from fastapi import Response
from pydantic import Field

from dispatch.api.http.conditions import CreationOf, StepOf
from dispatch.api.http.shapes import CENTER, Body, Note, PointBody, Written, converted, examples
from dispatch.api.operations.operation_access import owned, request_of, taken_part
from dispatch.api.problems.problem import declared, not_found
from dispatch.api.routing import protected
from domain.operation.commands import (
    AddMember,
    AssignCamera,
    EndOperation,
    PassCheckpoint,
    ReleaseCamera,
    RemoveMember,
    SetCheckpoint,
    StartOperation,
)
from domain.operation.events import Code
from domain.storable import StorableInstant
from domain.vocabulary import CoordinateSystem

router = protected("operations")

CHANGE = declared(404, 409)
CAMERA = "0a6f2f0e-6c0e-5b0a-9a45-7f1d2b3c4d5e"


class MemberBody(Body):
    """A center that takes part."""

    model_config = examples({"center_id": CENTER})

    center_id: UUID


class CheckpointBody(Body):
    """Where, and when it is to be there. With an id: that checkpoint, set again."""

    model_config = examples(
        {
            "label": "天府广场",
            "location": {"type": "Point", "coordinates": [104.0657, 30.6595]},
            "planned_at": "2026-08-05T09:10:00+08:00",
        }
    )

    checkpoint_id: UUID | None = None
    label: Annotated[str, Field(min_length=1, max_length=200)]
    location: PointBody
    crs: CoordinateSystem = CoordinateSystem.WGS84
    planned_at: StorableInstant


class WatchBody(Body):
    """Which camera, and which center watches it."""

    model_config = examples({"camera_id": CAMERA, "center_id": CENTER})

    camera_id: UUID
    center_id: UUID


class CameraBody(Body):
    """Which camera."""

    model_config = examples({"camera_id": CAMERA})

    camera_id: UUID


class RemarkBody(Body):
    """A word about it, if it needs one."""

    model_config = examples({"note": "比计划晚两分钟"}, {})

    note: Note = None


@router.post(
    "/city-operations/{code}/members",
    operation_id="city_operations_add_member",
    summary="Let a center take part",
    responses=CHANGE,
)
async def add_member(code: Code, body: MemberBody, asked: StepOf, response: Response) -> Written:
    """From here on it knows of it."""
    if asked.services.directory.center(body.center_id) is None:
        raise not_found("This center")
    return await owned(asked, response, code, AddMember(center_id=body.center_id), body)


@router.post(
    "/city-operations/{code}/members/remove",
    operation_id="city_operations_remove_member",
    summary="Let a center take part no more",
    responses=CHANGE,
)
async def remove_member(code: Code, body: MemberBody, asked: StepOf, response: Response) -> Written:
    """What it saw it has seen."""
    return await owned(asked, response, code, RemoveMember(center_id=body.center_id), body)


@router.post(
    "/city-operations/{code}/checkpoints",
    operation_id="city_operations_set_checkpoint",
    summary="Set a checkpoint",
    responses=CHANGE,
    status_code=201,
)
async def set_checkpoint(code: Code, body: CheckpointBody, asked: CreationOf, response: Response) -> Written:
    """Or set one again, before it is passed."""
    request = request_of(asked, code, body)
    checkpoint_id = body.checkpoint_id or uuid5(request.request_id, "checkpoint")
    command = SetCheckpoint(
        checkpoint_id=checkpoint_id,
        label=body.label,
        location=converted(body.location, body.crs),
        planned_at=body.planned_at,
    )
    return await owned(asked, response, code, command, body, checkpoint_id=str(checkpoint_id))


@router.post(
    "/city-operations/{code}/checkpoints/{checkpoint_id}/pass",
    operation_id="city_operations_pass_checkpoint",
    summary="It is there",
    responses=CHANGE,
)
async def pass_checkpoint(
    code: Code, checkpoint_id: UUID, body: RemarkBody, asked: StepOf, response: Response
) -> Written:
    """Said by any center that takes part; how late it is follows from the plan."""
    command = PassCheckpoint(checkpoint_id=checkpoint_id, passed_at=asked.services.clock.now(), note=body.note)
    return await taken_part(asked, response, code, command, body, str(checkpoint_id))


@router.post(
    "/city-operations/{code}/cameras",
    operation_id="city_operations_assign_camera",
    summary="Let a center watch a camera",
    responses=CHANGE,
)
async def assign_camera(code: Code, body: WatchBody, asked: StepOf, response: Response) -> Written:
    """The center must take part."""
    if asked.services.directory.camera_by_id(body.camera_id) is None:
        raise not_found("This camera")
    command = AssignCamera(camera_id=body.camera_id, center_id=body.center_id)
    return await owned(asked, response, code, command, body)


@router.post(
    "/city-operations/{code}/cameras/release",
    operation_id="city_operations_release_camera",
    summary="Nobody has to watch it any more",
    responses=CHANGE,
)
async def release_camera(code: Code, body: CameraBody, asked: StepOf, response: Response) -> Written:
    """Also after the end."""
    return await owned(asked, response, code, ReleaseCamera(camera_id=body.camera_id), body)


@router.post(
    "/city-operations/{code}/start", operation_id="city_operations_start", summary="It goes on", responses=CHANGE
)
async def start(code: Code, asked: StepOf, response: Response) -> Written:
    """From here its checkpoints can be passed."""
    return await owned(asked, response, code, StartOperation(), None)


@router.post("/city-operations/{code}/end", operation_id="city_operations_end", summary="It is over", responses=CHANGE)
async def end(code: Code, body: RemarkBody, asked: StepOf, response: Response) -> Written:
    """What was found stays readable."""
    return await owned(asked, response, code, EndOperation(note=body.note), body)
