"""What an incident is told that loses a unit to another one. On its decision stream (`domain.incident.events`)."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import Field

from domain.event import Event


class UnitDiverted(Event):
    """A unit that was on this incident was put on another one, and why. Somebody else may be needed here.

    `override`: why, although this incident is the more urgent one.
    """

    name: ClassVar[str] = "incident.unit_diverted"
    unit_id: UUID
    call_sign: str = Field(max_length=50)
    agency: str
    assignment_id: UUID
    to_incident_id: UUID
    to_number: str = Field(max_length=50)
    reason: str = Field(max_length=2_000)
    override: str | None = Field(default=None, max_length=2_000)
