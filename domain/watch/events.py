"""Facts about a watch. It is for people who are lost or in danger, looked for by people: nothing here is matched by a
machine, and whom it is about is sealed. It ends by itself at `expires_at`, which is said from the outset.
"""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from domain.event import Event, Personal, Place
from domain.vocabulary import WatchOutcome, WatchSubject


class WatchOpened(Event):
    """These centers keep their eyes open until then. No centers: all of the city."""

    name: ClassVar[str] = "watch.opened"
    incident_id: UUID
    subject: WatchSubject
    description: Personal
    purpose: str = Field(min_length=1, max_length=500)
    center_id: UUID
    path: tuple[UUID, ...]
    center_ids: tuple[UUID, ...] = Field(default=(), max_length=200)
    last_seen: Place | None = None
    expires_at: AwareDatetime


class WatchAcknowledged(Event):
    """This center has told its operators."""

    name: ClassVar[str] = "watch.acknowledged"
    center_id: UUID


class WatchRead(Event):
    """Somebody looked whom it is about."""

    name: ClassVar[str] = "watch.read"
    center_id: UUID
    purpose: str = Field(max_length=500)


class WatchSighting(Event):
    """Perhaps seen, there."""

    name: ClassVar[str] = "watch.sighting"
    sighting_id: UUID
    center_id: UUID
    place: Place
    camera_id: UUID | None = None
    text: str = Field(min_length=1, max_length=2_000)


class WatchExtended(Event):
    """It goes on a while longer."""

    name: ClassVar[str] = "watch.extended"
    expires_at: AwareDatetime
    reason: str = Field(max_length=2_000)


class WatchEnded(Event):
    """Found, or called off."""

    name: ClassVar[str] = "watch.ended"
    outcome: WatchOutcome
    note: str | None = Field(default=None, max_length=2_000)


EVENTS: tuple[type[Event], ...] = (
    WatchOpened,
    WatchAcknowledged,
    WatchRead,
    WatchSighting,
    WatchExtended,
    WatchEnded,
)
