"""Facts about who may know of an incident, on its decision stream.

An incident that belongs to a restricted operation carries the operation's label: from the first of these facts to the
last it exists for the centers of the operation alone (decision record 0032).
"""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import Field

from domain.event import Event, Explanation

CLEARED_MAX = 300
"""More than an operation has members, its own center and those above it."""


class IncidentRestricted(Event):
    """A person attached it to a restricted operation, or it happened where that said that all is its: then it explains
    itself. `center_ids` are all who know of it from here on, sorted.

    `agencies` are those whose own centers are among them: what they are told of it they are told as before.
    """

    name: ClassVar[str] = "incident.restricted"
    operation_id: UUID
    center_ids: tuple[UUID, ...] = Field(min_length=1, max_length=CLEARED_MAX)
    agencies: tuple[str, ...] = Field(default=(), max_length=CLEARED_MAX)
    reason: str = Field(min_length=1, max_length=2_000)
    explanation: Explanation | None = None


class ClearanceChanged(Event):
    """A center joined the operation or left it: these know of the incident from here on."""

    name: ClassVar[str] = "incident.clearance_changed"
    operation_id: UUID
    center_ids: tuple[UUID, ...] = Field(min_length=1, max_length=CLEARED_MAX)
    agencies: tuple[str, ...] = Field(default=(), max_length=CLEARED_MAX)


class RestrictionLifted(Event):
    """A person took it off the operation: whoever would see it sees it again."""

    name: ClassVar[str] = "incident.restriction_lifted"
    operation_id: UUID
    reason: str = Field(min_length=1, max_length=2_000)


EVENTS: tuple[type[Event], ...] = (IncidentRestricted, ClearanceChanged, RestrictionLifted)
