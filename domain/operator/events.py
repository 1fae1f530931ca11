"""Facts about operators. The name is personal; the login is what screens and the timeline show."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import Field

from domain.event import Event, Personal
from domain.vocabulary import Role


class OperatorEnrolled(Event):
    """May log in, with these roles, at this center or for this agency."""

    name: ClassVar[str] = "operator.enrolled"
    city: str
    login: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,60}$")
    full_name: Personal | None = None
    roles: tuple[Role, ...]
    center_id: UUID
    agency: str | None = None


class ShiftStarted(Event):
    """On duty at a center."""

    name: ClassVar[str] = "operator.shift_started"
    center_id: UUID


class ShiftEnded(Event):
    """Off duty; claims are released by the one who takes over.

    `open_items` were open at the center then, None: nobody counted; `handover_id` is the signed hand-over of the shift;
    `without_handover` says why a supervisor let it end without the one that was demanded.
    """

    name: ClassVar[str] = "operator.shift_ended"
    center_id: UUID
    note: str | None = Field(default=None, max_length=2_000)
    open_items: int | None = Field(default=None, ge=0)
    handover_id: UUID | None = None
    without_handover: str | None = Field(default=None, max_length=2_000)


EVENTS: tuple[type[Event], ...] = (OperatorEnrolled, ShiftStarted, ShiftEnded)
