"""Facts about the reactors themselves, on a journal of each."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import Field

from domain.event import Event


class EventParked(Event):
    """A reactor could not act on this event: set aside with its reason; the rest goes on, an alarm is raised."""

    name: ClassVar[str] = "reactor.event_parked"
    reactor: str = Field(max_length=100)
    position: int = Field(ge=1)
    stream_id: UUID
    topic: str
    reason: str = Field(max_length=2_000)


class EventDigested(Event):
    """A parked event was tried again, after an upgrade or a restart, and digested."""

    name: ClassVar[str] = "reactor.event_digested"
    reactor: str = Field(max_length=100)
    position: int = Field(ge=1)


EVENTS: tuple[type[Event], ...] = (EventParked, EventDigested)
