"""Facts about centers and agencies."""

from __future__ import annotations

from datetime import date
from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from domain.event import Event, Frozen, GeoPoint
from domain.vocabulary import CenterKind

Ring = tuple[tuple[float, float], ...]
"""Closed ring of (lon, lat), WGS 84."""
Area = tuple[tuple[Ring, ...], ...]
"""A multipolygon: polygons of rings, outer ring first."""
CHANGES_MAX = 100
CORNERS_MAX = 50_000
"""Of all grounds of one change of the tree: some twenty times a whole district's border."""


class AgencyRegistered(Event):
    """An organisation that acts. `has_feed`: it gets its own NATS stream. `feed_fields`: what may leave, no more."""

    name: ClassVar[str] = "agency.registered"
    city: str
    code: str = Field(pattern=r"^[a-z][a-z0-9_]{1,40}$")
    name_zh: str
    name_en: str
    has_feed: bool = False
    feed_fields: tuple[str, ...] = ()


class CenterEstablished(Event):
    """A node of the tree from `valid_from` on. `path` is root first, itself last. `level`: 1 city, 2, 3; 0 lateral.

    `area` is a multipolygon (polygons of rings, outer ring first) or empty for lateral centers.
    """

    name: ClassVar[str] = "center.established"
    city: str
    code: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,60}$")
    name_zh: str
    name_en: str
    kind: CenterKind
    level: int = Field(ge=0, le=5)
    parent_id: UUID | None = None
    path: tuple[UUID, ...]
    agency: str | None = None
    valid_from: date
    division_code: str | None = None
    location: GeoPoint
    area: Area = ()
    effective_at: AwareDatetime | None = None
    """The instant, where one was said; else the beginning of `valid_from`."""


class CenterClosed(Event):
    """The node owns nothing from `valid_to` on; open work was moved before."""

    name: ClassVar[str] = "center.closed"
    valid_to: date
    reason: str = Field(max_length=2_000)
    effective_at: AwareDatetime | None = None


class GroundChanged(Event):
    """Its ground is this one from `effective_at` on. Recorded when that instant has come, or later as a correction."""

    name: ClassVar[str] = "center.ground_changed"
    area: Area
    effective_at: AwareDatetime
    change_id: UUID
    is_correction: bool = False


class CenterMoved(Event):
    """It stands below another center from `effective_at` on. So do all below it, each by a fact of its own."""

    name: ClassVar[str] = "center.moved"
    parent_id: UUID
    path: tuple[UUID, ...]
    effective_at: AwareDatetime
    change_id: UUID
    is_correction: bool = False


class CenterChange(Frozen):
    """What is to become of one center: another ground, another parent, an end, or (`opens`) a beginning."""

    center_id: UUID
    code: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,60}$")
    area: Area | None = None
    parent_id: UUID | None = None
    closes: bool = False
    opens: CenterEstablished | None = None


class TreeChangeScheduled(Event):
    """The tree is to be another from `effective_at` on. Nothing is, until it is applied."""

    name: ClassVar[str] = "tree.change_scheduled"
    city: str
    changes: tuple[CenterChange, ...] = Field(min_length=1, max_length=CHANGES_MAX)
    effective_at: AwareDatetime
    reason: str = Field(min_length=1, max_length=2_000)
    is_correction: bool = False


class TreeChangeApplied(Event):
    """It is so: the facts of each center were recorded in the same append, so many seconds after the instant."""

    name: ClassVar[str] = "tree.change_applied"
    late_s: float = Field(ge=0)


class TreeRedrawn(Event):
    """The n-th tree of the city (n = this stream's version): whoever changes it demands the edition that was judged."""

    name: ClassVar[str] = "tree.redrawn"
    change_id: UUID


class TreeChangeRefused(Event):
    """When its instant came it could not be: the tree had become another meanwhile, or somebody still had work where a
    center was to be closed. Nothing of it was done."""

    name: ClassVar[str] = "tree.change_refused"
    code: str = Field(max_length=100)
    detail: str = Field(max_length=4_000)


class TreeChangeCalledOff(Event):
    """It is not to be after all."""

    name: ClassVar[str] = "tree.change_called_off"
    reason: str = Field(min_length=1, max_length=2_000)


EVENTS: tuple[type[Event], ...] = (
    AgencyRegistered,
    CenterEstablished,
    CenterClosed,
    GroundChanged,
    CenterMoved,
    TreeChangeScheduled,
    TreeChangeApplied,
    TreeRedrawn,
    TreeChangeRefused,
    TreeChangeCalledOff,
)
