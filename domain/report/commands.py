"""What may be asked of a report."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from pydantic import Field

from domain.event import Frozen, MediaReference, Personal, Place
from domain.vocabulary import Severity

Channel = Literal["operator", "hotline_110", "hotline_12345", "citizen", "partner"]


class FileReport(Frozen):
    """A person told us something. Needs a point, an address or a camera: somebody must be able to find it."""

    channel: Channel
    category: Annotated[str, Field(max_length=100)]
    severity: Severity = Severity.UNKNOWN
    place: Place = Place()
    text: Annotated[str, Field(min_length=1, max_length=4_000)]
    camera_id: UUID | None = None
    media: tuple[MediaReference, ...] = Field(default=(), max_length=20)
    center_id: UUID
    caller: Personal | None = None
    caller_phone: Personal | None = None
    persons: tuple[Personal, ...] = Field(default=(), max_length=50)


class LinkReport(Frozen):
    """The report opened this incident, or is a duplicate of it."""

    incident_id: UUID
    relation: Literal["opened", "duplicate"]


class ReadPersonalFields(Frozen):
    """Open sealed fields (`caller`, `caller_phone`, `persons`) for a stated purpose."""

    purpose: Annotated[str, Field(max_length=500)]
    fields: tuple[str, ...]


ReportCommand: TypeAlias = FileReport | LinkReport | ReadPersonalFields
