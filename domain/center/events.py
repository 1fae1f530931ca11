"""Facts about centers and agencies."""

from __future__ import annotations

from datetime import date
from typing import ClassVar
from uuid import UUID

from pydantic import Field

from domain.event import Event, GeoPoint
from domain.vocabulary import CenterKind

Ring = tuple[tuple[float, float], ...]
"""Closed ring of (lon, lat), WGS 84."""


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
    area: tuple[tuple[Ring, ...], ...] = ()


class CenterClosed(Event):
    """The node owns nothing from `valid_to` on; open work was moved before."""

    name: ClassVar[str] = "center.closed"
    valid_to: date
    reason: str = Field(max_length=2_000)


EVENTS: tuple[type[Event], ...] = (AgencyRegistered, CenterEstablished, CenterClosed)
