"""Facts about an operation: its plan, who takes part, which cameras watch it, how it goes, what is found on the way.

A restricted operation is known to its own center, to those above it, and to the centers that take part: to nobody else,
in no list and by no id (flow F21). That is said once, when it is planned, and never taken back.
"""

from __future__ import annotations

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from domain.event import Event, GeoPoint, Place
from domain.vocabulary import PointKind, PointStatus

ROUTE_POINTS_MAX = 5_000
LABEL_CAMERAS_MAX, LABEL_RINGS_MAX = 2_000, 50
Ring = Annotated[tuple[tuple[float, float], ...], Field(max_length=2_000)]
"""Corners as (lon, lat), WGS 84, the last one the first."""
Code = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,60}$")]
Words = Annotated[str, Field(min_length=1, max_length=4_000)]


class OperationPlanned(Event):
    """There is one, with an owner, a time and perhaps a route."""

    name: ClassVar[str] = "operation.planned"
    city: str
    code: Code
    name_zh: str = Field(min_length=1, max_length=200)
    name_en: str = Field(min_length=1, max_length=200)
    purpose: str = Field(min_length=1, max_length=2_000)
    center_id: UUID
    path: tuple[UUID, ...]
    restricted: bool = False
    begins_at: AwareDatetime
    ends_at: AwareDatetime
    route: tuple[GeoPoint, ...] = Field(default=(), max_length=ROUTE_POINTS_MAX)


class MemberAdded(Event):
    """This center takes part, and knows of it."""

    name: ClassVar[str] = "operation.member_added"
    center_id: UUID


class MemberRemoved(Event):
    """It takes part no more. What it saw it has seen."""

    name: ClassVar[str] = "operation.member_removed"
    center_id: UUID


class CheckpointSet(Event):
    """Something is to be at this place by then; set again, it is another place or time."""

    name: ClassVar[str] = "operation.checkpoint_set"
    checkpoint_id: UUID
    label: str = Field(min_length=1, max_length=200)
    location: GeoPoint
    planned_at: AwareDatetime


class CameraAssigned(Event):
    """Somebody watches this camera while the operation goes on."""

    name: ClassVar[str] = "operation.camera_assigned"
    camera_id: UUID
    center_id: UUID


class CameraReleased(Event):
    """Nobody has to watch it any more."""

    name: ClassVar[str] = "operation.camera_released"
    camera_id: UUID


class OperationStarted(Event):
    """It goes on."""

    name: ClassVar[str] = "operation.started"


class CheckpointPassed(Event):
    """It was there, so long after (or, negative, before) the plan."""

    name: ClassVar[str] = "operation.checkpoint_passed"
    checkpoint_id: UUID
    late_s: float
    note: str | None = Field(default=None, max_length=2_000)


class OperationEnded(Event):
    """It is over."""

    name: ClassVar[str] = "operation.ended"
    note: str | None = Field(default=None, max_length=2_000)


class IncidentAttached(Event):
    """An incident belongs to it: a restricted operation's incident is known to those who know of the operation."""

    name: ClassVar[str] = "operation.incident_attached"
    incident_id: UUID


class IncidentDetached(Event):
    """It does no more."""

    name: ClassVar[str] = "operation.incident_detached"
    incident_id: UUID


class LabelsSet(Event):
    """What happens before these cameras or within this area in this time belongs to the operation from its first
    moment. Said again, it is this from here on; with no camera and no area nothing does any more.
    """

    name: ClassVar[str] = "operation.labels_set"
    camera_ids: tuple[UUID, ...] = Field(default=(), max_length=LABEL_CAMERAS_MAX)
    area: tuple[Ring, ...] = Field(default=(), max_length=LABEL_RINGS_MAX)
    begins_at: AwareDatetime
    ends_at: AwareDatetime
    reason: str = Field(min_length=1, max_length=2_000)

    @property
    def says_something(self) -> bool:
        """Whether anything is labelled by it."""
        return bool(self.camera_ids or self.area)


class PointReported(Event):
    """Something is found at a place (a breach, a slide, a shelter …); said again, it is so now."""

    name: ClassVar[str] = "operation.point_reported"
    point_id: UUID
    kind: PointKind
    status: PointStatus
    place: Place
    text: Words
    people: int | None = Field(default=None, ge=0, le=1_000_000)
    capacity: int | None = Field(default=None, ge=0, le=1_000_000)
    """Of a shelter."""
    incident_id: UUID | None = None


class SituationReported(Event):
    """How things stand, for whoever commands: the n-th of its kind."""

    name: ClassVar[str] = "operation.situation_reported"
    number: int = Field(ge=1)
    text: Words


EVENTS: tuple[type[Event], ...] = (
    OperationPlanned,
    MemberAdded,
    MemberRemoved,
    CheckpointSet,
    CameraAssigned,
    CameraReleased,
    OperationStarted,
    CheckpointPassed,
    OperationEnded,
    IncidentAttached,
    IncidentDetached,
    LabelsSet,
    PointReported,
    SituationReported,
)
