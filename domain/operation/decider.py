"""Rules of operations.

    command           planned  under_way  ended
    AddMember         x        x          -
    RemoveMember      x        x          -
    SetCheckpoint     x        x          -
    AssignCamera      x        x          -
    ReleaseCamera     x        x          x
    StartOperation    x        .          -
    PassCheckpoint    -        x          -
    EndOperation      x        x          .
    AttachIncident    x        x          x
    DetachIncident    x        x          x
    SetLabels         x        x          -
    ReportPoint       x        x          -
    ReportSituation   x        x          -

`x` decides, `.` says nothing, `-` is refused. A checkpoint is passed once. Before an operation begins points may be
reported: a warning comes before the water. What happened may turn out to belong to an operation that has ended. Only a
restricted one has incidents of its own: what everybody may know of needs no label.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias, assert_never
from uuid import UUID

from domain.event import Event
from domain.operation.commands import (
    AddMember,
    AssignCamera,
    AttachIncident,
    DetachIncident,
    EndOperation,
    OperationCommand,
    PassCheckpoint,
    PlanOperation,
    ReleaseCamera,
    RemoveMember,
    ReportPoint,
    ReportSituation,
    SetCheckpoint,
    SetLabels,
    StartOperation,
)
from domain.operation.events import (
    CameraAssigned,
    CameraReleased,
    CheckpointPassed,
    CheckpointSet,
    IncidentAttached,
    IncidentDetached,
    LabelsSet,
    MemberAdded,
    MemberRemoved,
    OperationEnded,
    OperationPlanned,
    OperationStarted,
    PointReported,
    SituationReported,
)
from domain.refusals import Refusal
from domain.word import Word

Decision: TypeAlias = tuple[Event, ...] | Refusal
AFTER_ITS_END = (ReleaseCamera, EndOperation, AttachIncident, DetachIncident)
"""What may still be said when it is over."""

MEMBERS_MAX, CHECKPOINTS_MAX, CAMERAS_MAX, POINTS_MAX = 200, 500, 2_000, 5_000
INCIDENTS_MAX = 500
"""A center that joins or leaves is written to each of them at once."""


class OperationPhase(Word):
    """Life of an operation."""

    PLANNED = "planned"
    UNDER_WAY = "under_way"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class OperationState:
    """What a rule reads. `phase` None: there is none."""

    phase: OperationPhase | None = None
    planned: OperationPlanned | None = None
    members: frozenset[UUID] = frozenset()
    checkpoints: Mapping[UUID, CheckpointSet] = field(default_factory=dict)
    passed: frozenset[UUID] = frozenset()
    cameras: Mapping[UUID, UUID] = field(default_factory=dict)
    """Camera → the center that watches it."""
    points: Mapping[UUID, PointReported] = field(default_factory=dict)
    situations: int = 0
    incidents: frozenset[UUID] = frozenset()
    labels: LabelsSet | None = None
    """Which incidents are its from their first moment; none any more when it has ended."""


INITIAL = OperationState()


def evolve(state: OperationState, event: Event) -> OperationState:  # noqa: C901  # one case a fact, none nested
    """The operation after a fact. Never raises."""
    match event:
        case OperationPlanned():
            return OperationState(OperationPhase.PLANNED, event)
        case MemberAdded(center_id=center_id):
            return replace(state, members=state.members | {center_id})
        case MemberRemoved(center_id=center_id):
            return replace(state, members=state.members - {center_id})
        case CheckpointSet(checkpoint_id=checkpoint_id):
            return replace(state, checkpoints={**state.checkpoints, checkpoint_id: event})
        case CheckpointPassed(checkpoint_id=checkpoint_id):
            return replace(state, passed=state.passed | {checkpoint_id})
        case CameraAssigned(camera_id=camera_id, center_id=center_id):
            return replace(state, cameras={**state.cameras, camera_id: center_id})
        case CameraReleased(camera_id=camera_id):
            return replace(state, cameras={one: at for one, at in state.cameras.items() if one != camera_id})
        case OperationStarted():
            return replace(state, phase=OperationPhase.UNDER_WAY)
        case OperationEnded():
            return replace(state, phase=OperationPhase.ENDED, labels=None)
        case IncidentAttached(incident_id=incident_id):
            return replace(state, incidents=state.incidents | {incident_id})
        case IncidentDetached(incident_id=incident_id):
            return replace(state, incidents=state.incidents - {incident_id})
        case LabelsSet():
            return replace(state, labels=event if event.says_something else None)
        case PointReported(point_id=point_id):
            return replace(state, points={**state.points, point_id: event})
        case SituationReported(number=number):
            return replace(state, situations=max(state.situations, number))
        case _:
            return state


def decide(command: OperationCommand, state: OperationState) -> Decision:  # noqa: C901  # one case a command
    """Facts, nothing, or a refusal."""
    if isinstance(command, PlanOperation):
        return _plan(command.operation, state)
    if state.phase is None:
        return Refusal("operation.unknown", "There is no such operation. Check its code.")
    if state.phase is OperationPhase.ENDED and not isinstance(command, AFTER_ITS_END):
        return Refusal("operation.over", "The operation has ended. Plan another one for what is to be done now.")
    match command:
        case AddMember(center_id=center_id):
            return _add_member(center_id, state)
        case RemoveMember(center_id=center_id):
            return (MemberRemoved(center_id=center_id),) if center_id in state.members else ()
        case SetCheckpoint():
            return _set_checkpoint(command, state)
        case AssignCamera():
            return _assign(command, state)
        case ReleaseCamera(camera_id=camera_id):
            return (CameraReleased(camera_id=camera_id),) if camera_id in state.cameras else ()
        case StartOperation():
            return (OperationStarted(),) if state.phase is OperationPhase.PLANNED else ()
        case PassCheckpoint():
            return _pass(command, state)
        case EndOperation():
            return () if state.phase is OperationPhase.ENDED else (OperationEnded(note=command.note),)
        case AttachIncident(incident_id=incident_id):
            return _attach(incident_id, state)
        case DetachIncident(incident_id=incident_id):
            return (IncidentDetached(incident_id=incident_id),) if incident_id in state.incidents else ()
        case SetLabels(labels=labels):
            return _set_labels(labels, state)
        case ReportPoint(point=point):
            return _report(point, state)
        case ReportSituation(text=text):
            return (SituationReported(number=state.situations + 1, text=text),)
        case _:
            assert_never(command)


def visible_to(state: OperationState) -> frozenset[UUID]:
    """Centers that know of it: its own, those above, those that take part. What is not restricted everybody knows."""
    own = state.planned.path if state.planned is not None else ()
    return frozenset(own) | state.members


def _plan(operation: OperationPlanned, state: OperationState) -> Decision:
    if state.planned is not None:
        if state.planned == operation:
            return ()
        detail = f"There is an operation {operation.code} already. Give the new one another code."
        return Refusal("operation.code_taken", detail, {"operation": operation.code})
    if operation.ends_at <= operation.begins_at:
        detail = "An operation ends after it begins. Choose a later `ends_at`."
        return Refusal("operation.no_period", detail, {"ends_at": operation.ends_at.isoformat()})
    return (operation,)


def _add_member(center_id: UUID, state: OperationState) -> Decision:
    if center_id in visible_to(state):
        return ()
    if len(state.members) >= MEMBERS_MAX:
        return _too_many("members", MEMBERS_MAX)
    return (MemberAdded(center_id=center_id),)


def _set_checkpoint(command: SetCheckpoint, state: OperationState) -> Decision:
    wanted = CheckpointSet(**{name: getattr(command, name) for name in SetCheckpoint.model_fields})
    if state.checkpoints.get(command.checkpoint_id) == wanted:
        return ()
    if command.checkpoint_id in state.passed:
        return Refusal("operation.checkpoint_passed", "The checkpoint was passed. Set another one.")
    if command.checkpoint_id not in state.checkpoints and len(state.checkpoints) >= CHECKPOINTS_MAX:
        return _too_many("checkpoints", CHECKPOINTS_MAX)
    return (wanted,)


def _assign(command: AssignCamera, state: OperationState) -> Decision:
    if state.cameras.get(command.camera_id) == command.center_id:
        return ()
    if command.center_id not in visible_to(state):
        detail = "Only a center that takes part can watch a camera. Add it first."
        return Refusal("operation.not_a_member", detail, {"center_id": str(command.center_id)})
    if command.camera_id not in state.cameras and len(state.cameras) >= CAMERAS_MAX:
        return _too_many("cameras", CAMERAS_MAX)
    return (CameraAssigned(camera_id=command.camera_id, center_id=command.center_id),)


def _pass(command: PassCheckpoint, state: OperationState) -> Decision:
    checkpoint = state.checkpoints.get(command.checkpoint_id)
    if checkpoint is None:
        values = {"checkpoint_id": str(command.checkpoint_id)}
        return Refusal("operation.checkpoint_unknown", "The operation has no such checkpoint. Check its id.", values)
    if command.checkpoint_id in state.passed:
        return ()
    if state.phase is not OperationPhase.UNDER_WAY:
        return Refusal("operation.not_under_way", "Start the operation; then its checkpoints can be passed.")
    return (
        CheckpointPassed(
            checkpoint_id=command.checkpoint_id,
            late_s=_late_s(checkpoint.planned_at, command.passed_at),
            note=command.note,
        ),
    )


def _attach(incident_id: UUID, state: OperationState) -> Decision:
    if incident_id in state.incidents:
        return ()
    if state.planned is None or not state.planned.restricted:
        detail = "The operation is no secret, so its incidents are none. Attach incidents to a restricted operation."
        return Refusal("operation.not_restricted", detail)
    if len(state.incidents) >= INCIDENTS_MAX:
        return _too_many("incidents", INCIDENTS_MAX)
    return (IncidentAttached(incident_id=incident_id),)


def _set_labels(labels: LabelsSet, state: OperationState) -> Decision:
    if state.planned is None or not state.planned.restricted:
        detail = "The operation is no secret, so its incidents are none. Only a restricted one has labels to put on."
        return Refusal("operation.not_restricted", detail)
    if labels.ends_at <= labels.begins_at:
        detail = "The time in which it labels incidents ends after it begins. Choose a later `ends_at`."
        return Refusal("operation.no_period", detail, {"ends_at": labels.ends_at.isoformat()})
    if labels == state.labels or not (labels.says_something or state.labels):
        return ()
    return (labels,)


def _report(point: PointReported, state: OperationState) -> Decision:
    if state.points.get(point.point_id) == point:
        return ()
    before = state.points.get(point.point_id)
    if before is not None and before.kind is not point.kind:
        detail = f"The point is a {before.kind}. Report what else is there as a point of its own."
        return Refusal("operation.point_is_another", detail, {"kind": before.kind.value})
    if before is None and len(state.points) >= POINTS_MAX:
        return _too_many("points", POINTS_MAX)
    return (point,)


def _late_s(planned_at: datetime, passed_at: datetime) -> float:
    return (passed_at - planned_at).total_seconds()


def _too_many(what: str, limit: int) -> Refusal:
    detail = f"An operation has at most {limit} {what}. Plan a second one beside it."
    return Refusal("operation.too_many", detail, {"what": what, "limit": str(limit)})
