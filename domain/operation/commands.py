"""What may be asked of an operation. Ids and times are fields."""

from __future__ import annotations

from typing import Annotated, TypeAlias
from uuid import UUID

from pydantic import AwareDatetime, Field

from domain.event import Frozen, GeoPoint
from domain.operation.events import LabelsSet, OperationPlanned, PointReported, Words

Note = Annotated[str, Field(min_length=1, max_length=2_000)]


class PlanOperation(Frozen):
    """Plan one. The same again is nothing."""

    operation: OperationPlanned


class AddMember(Frozen):
    """Let a center take part."""

    center_id: UUID


class RemoveMember(Frozen):
    """Let it take part no more."""

    center_id: UUID


class SetCheckpoint(Frozen):
    """Set a checkpoint, or set it again before it is passed."""

    checkpoint_id: UUID
    label: Annotated[str, Field(min_length=1, max_length=200)]
    location: GeoPoint
    planned_at: AwareDatetime


class AssignCamera(Frozen):
    """Let a center watch a camera. Assigned again, another center does."""

    camera_id: UUID
    center_id: UUID


class ReleaseCamera(Frozen):
    """Let nobody have to watch it."""

    camera_id: UUID


class StartOperation(Frozen):
    """It goes on from here."""


class PassCheckpoint(Frozen):
    """It is there."""

    checkpoint_id: UUID
    passed_at: AwareDatetime
    note: Note | None = None


class EndOperation(Frozen):
    """It is over."""

    note: Note | None = None


class AttachIncident(Frozen):
    """Let an incident belong to it."""

    incident_id: UUID


class DetachIncident(Frozen):
    """Let it belong to it no more."""

    incident_id: UUID


class SetLabels(Frozen):
    """Say which incidents are its from their first moment."""

    labels: LabelsSet


class ReportPoint(Frozen):
    """Say what is at a place, or how it is there now."""

    point: PointReported


class ReportSituation(Frozen):
    """Say how things stand."""

    text: Words


OperationCommand: TypeAlias = (
    PlanOperation
    | AddMember
    | RemoveMember
    | SetCheckpoint
    | AssignCamera
    | ReleaseCamera
    | StartOperation
    | PassCheckpoint
    | EndOperation
    | AttachIncident
    | DetachIncident
    | SetLabels
    | ReportPoint
    | ReportSituation
)
