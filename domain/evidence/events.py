"""Facts about a request for a recording. The recording stays where it is; what moves is who answers for it.

Cameras have clocks of their own. A request says the true time; whoever provides the recording says by how much the
camera's clock was off, so that what the picture shows as 20:14 can be told from what was 20:14.
"""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from domain.event import Event

HASH = r"^[0-9a-f]{64}$"
OFFSET_S_MAX = 366 * 86_400
"""A camera that was never set says 2000-01-01, and that is then its offset at most by the year."""


class EvidenceRequested(Event):
    """This camera's recording of this time is needed, for this purpose."""

    name: ClassVar[str] = "evidence.requested"
    camera_id: UUID
    camera_path: tuple[UUID, ...]
    """Centers of the camera: who can provide it."""
    center_id: UUID
    """Who asks."""
    incident_id: UUID | None = None
    case_number: str | None = Field(default=None, max_length=100)
    begins_at: AwareDatetime
    ends_at: AwareDatetime
    purpose: str = Field(min_length=1, max_length=500)


class EvidenceProvided(Event):
    """It was secured: where it is, its hash, and how the camera's clock went (its time minus the true time)."""

    name: ClassVar[str] = "evidence.provided"
    uri: str = Field(max_length=2_000)
    sha256: str = Field(pattern=HASH)
    clock_offset_s: float = Field(ge=-OFFSET_S_MAX, le=OFFSET_S_MAX)
    clock_checked_by: str = Field(max_length=200)
    """How the offset is known: against which clock."""
    holder: str = Field(max_length=200)


class EvidenceUnavailable(Event):
    """There is no such recording (overwritten, camera off), or it may not be given."""

    name: ClassVar[str] = "evidence.unavailable"
    reason: str = Field(max_length=2_000)


class EvidenceHandedOver(Event):
    """Somebody else answers for it from here on. The hash was taken again and was the same."""

    name: ClassVar[str] = "evidence.handed_over"
    from_holder: str = Field(max_length=200)
    to_holder: str = Field(max_length=200)
    sha256: str = Field(pattern=HASH)
    purpose: str = Field(max_length=500)


class EvidenceRead(Event):
    """Somebody looked where it is, for a purpose."""

    name: ClassVar[str] = "evidence.read"
    purpose: str = Field(max_length=500)


EVENTS: tuple[type[Event], ...] = (
    EvidenceRequested,
    EvidenceProvided,
    EvidenceUnavailable,
    EvidenceHandedOver,
    EvidenceRead,
)
