"""Facts about a temporary headquarters. Its place in the tree is a center of its own: established in the moment
in which it is opened, closed in the moment in which it stands down.

Whom it commands is copied into each fact that changes it, whole: who saw what at an instant can be read from the last.
"""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from domain.event import Event, Frozen, Latitude, Longitude
from domain.ownership import Ownership

CENTERS_MAX = 300
STAFF_MAX = 50
HELD_MAX = 500
Ring = tuple[tuple[Longitude, Latitude], ...]
"""Closed ring of (lon, lat), WGS 84."""


class Scope(Frozen):
    """What it commands: `centers` with all below them. Those of `agencies` and those whose ground meets the `area` were
    looked up when it was said, and stand among the centers.
    """

    centers: tuple[UUID, ...] = Field(min_length=1, max_length=CENTERS_MAX)
    agencies: tuple[str, ...] = Field(default=(), max_length=50)
    area: tuple[Ring, ...] = Field(default=(), max_length=50)


class Returned(Frozen):
    """An incident that it had, and who owns it from here on."""

    incident_id: UUID
    number: str
    to: Ownership


class HeadquartersOpened(Event):
    """It commands from here on, until it stands down or `ends_at` has passed."""

    name: ClassVar[str] = "headquarters.opened"
    city: str
    code: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,60}$")
    center: Ownership
    purpose: str = Field(min_length=1, max_length=2_000)
    scope: Scope
    commander_id: UUID
    deputy_ids: tuple[UUID, ...] = Field(default=(), max_length=STAFF_MAX)
    ends_at: AwareDatetime


class HeadquartersChanged(Event):
    """It commands others, or others act for it, from here on."""

    name: ClassVar[str] = "headquarters.changed"
    scope: Scope
    commander_id: UUID
    deputy_ids: tuple[UUID, ...] = Field(default=(), max_length=STAFF_MAX)
    reason: str = Field(min_length=1, max_length=2_000)


class HeadquartersExtended(Event):
    """It lasts longer."""

    name: ClassVar[str] = "headquarters.extended"
    ended_before_at: AwareDatetime
    ends_at: AwareDatetime
    reason: str = Field(min_length=1, max_length=2_000)


class IncidentTaken(Event):
    """It has this incident itself from here on. `giver` had it, and gets it back unless another is named."""

    name: ClassVar[str] = "headquarters.incident_taken"
    incident_id: UUID
    number: str
    giver: Ownership
    reason: str = Field(min_length=1, max_length=2_000)


class IncidentGivenBack(Event):
    """It has this incident no more."""

    name: ClassVar[str] = "headquarters.incident_given_back"
    returned: Returned
    reason: str = Field(min_length=1, max_length=2_000)


class HeadquartersStoodDown(Event):
    """It is over, and all that it had is somebody's by name. What was not its any more is not listed."""

    name: ClassVar[str] = "headquarters.stood_down"
    reason: str = Field(min_length=1, max_length=2_000)
    returned: tuple[Returned, ...] = Field(default=(), max_length=HELD_MAX)


class HeadquartersExpired(Event):
    """Nobody prolonged it: it ended at `due_at` by itself, and all that it had went back to those it had it from."""

    name: ClassVar[str] = "headquarters.expired"
    due_at: AwareDatetime
    late_s: float = Field(ge=0)
    returned: tuple[Returned, ...] = Field(default=(), max_length=HELD_MAX)


EVENTS: tuple[type[Event], ...] = (
    HeadquartersOpened,
    HeadquartersChanged,
    HeadquartersExtended,
    IncidentTaken,
    IncidentGivenBack,
    HeadquartersStoodDown,
    HeadquartersExpired,
)
