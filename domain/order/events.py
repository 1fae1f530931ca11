"""Facts about orders.

Every fact that changes an order carries the order as it stands after it, whole: the text that is in force, a screen, a
CAP message and a partner's message are then made from the one fact, and who reads in the middle is right. Answers of
addressees name the edition they were given to, so an answer to an old text is never taken for one to the new.
"""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from domain.event import Event, Frozen, Latitude, Longitude
from domain.ownership import Ownership
from domain.vocabulary import MessageStatus, OrderKind

Corner = tuple[Longitude, Latitude]
Ring = tuple[Corner, ...]
"""Closed ring of (lon, lat), WGS 84: at least four corners, the last one the first."""

ADDRESSEES_MAX = 200
POLYGONS_MAX = 50


class Circle(Frozen):
    """All within a distance of a point; WGS 84."""

    lon: Longitude
    lat: Latitude
    radius_m: float = Field(gt=0, le=1_000_000)


class OrderArea(Frozen):
    """Where an order holds: on the map, in words, or both. Rings are outer rings; what has a hole says so in words."""

    polygons: tuple[Ring, ...] = ()
    circles: tuple[Circle, ...] = ()
    description: str | None = Field(default=None, max_length=2_000)


class Addressee(Frozen):
    """Who must do it: a center, root first in `path`. `agency` if it is that agency's part, which its feed then has."""

    center_id: UUID
    path: tuple[UUID, ...]
    agency: str | None = None


class OrderContent(Frozen):
    """An order as it stands. `edition` counts its texts from 1; extending it makes no new text.

    Authority is the issuing center (with those above it), the operator, and the law or plan it rests on.
    """

    number: str
    city: str
    kind: OrderKind
    status: MessageStatus
    edition: int = Field(ge=1)
    issuer: Ownership
    issued_by: UUID | None = None
    basis: str | None = Field(default=None, max_length=2_000)
    text: str = Field(max_length=4_000)
    area: OrderArea
    effective_at: AwareDatetime
    expires_at: AwareDatetime
    acknowledge_by: AwareDatetime
    addressees: tuple[Addressee, ...]
    incident_id: UUID | None = None


class OrderNumberAllocated(Event):
    """The n-th order of a city and day (n = this stream's version)."""

    name: ClassVar[str] = "order_number.allocated"
    number: str
    order_id: UUID


class OrderIssued(Event):
    """It is commanded. In force from `effective_at` on, whoever has acknowledged it."""

    name: ClassVar[str] = "order.issued"
    order: OrderContent
    issued_at: AwareDatetime


class OrderAmended(Event):
    """Another text, area or time replaces the one before, and has to be acknowledged anew."""

    name: ClassVar[str] = "order.amended"
    order: OrderContent
    reason: str = Field(max_length=2_000)
    amended_at: AwareDatetime


class OrderExtended(Event):
    """It holds longer; nothing else changed, and what was acknowledged stays acknowledged."""

    name: ClassVar[str] = "order.extended"
    order: OrderContent
    expired_before_at: AwareDatetime
    reason: str = Field(max_length=2_000)
    extended_at: AwareDatetime


class OrderLifted(Event):
    """It ended here and now, by somebody's word."""

    name: ClassVar[str] = "order.lifted"
    order: OrderContent
    reason: str = Field(max_length=2_000)
    lifted_at: AwareDatetime


class OrderExpired(Event):
    """Its time was over at `due_at`. `late_s` says how long after that this was noticed."""

    name: ClassVar[str] = "order.expired"
    order: OrderContent
    due_at: AwareDatetime
    late_s: float = Field(ge=0)


class OrderAcknowledged(Event):
    """An addressee said: understood, we do it. `reference` is its own number for it."""

    name: ClassVar[str] = "order.acknowledged"
    edition: int = Field(ge=1)
    center_id: UUID
    agency: str | None = None
    answered_at: AwareDatetime
    reference: str | None = Field(default=None, max_length=200)


class OrderDeclined(Event):
    """An addressee said that it cannot do it, and why. The order stays in force; its issuer must decide."""

    name: ClassVar[str] = "order.declined"
    edition: int = Field(ge=1)
    center_id: UUID
    agency: str | None = None
    answered_at: AwareDatetime
    reason: str = Field(max_length=2_000)


class MissedAnswer(Frozen):
    """One addressee that had not answered in time; `answered_at` if it did later, before this was noticed."""

    center_id: UUID
    agency: str | None = None
    answered_at: AwareDatetime | None = None


class OrderAcknowledgementMissed(Event):
    """The deadline of an edition passed without these addressees' answers; the issuer and the next level are told."""

    name: ClassVar[str] = "order.acknowledgement_missed"
    edition: int = Field(ge=1)
    missing: tuple[MissedAnswer, ...]
    told: tuple[Ownership, ...]
    due_at: AwareDatetime
    late_s: float = Field(ge=0)


EVENTS: tuple[type[Event], ...] = (
    OrderNumberAllocated,
    OrderIssued,
    OrderAmended,
    OrderExtended,
    OrderLifted,
    OrderExpired,
    OrderAcknowledged,
    OrderDeclined,
    OrderAcknowledgementMissed,
)
