"""The public messages about orders. Each carries the order whole, as those about incidents carry the incident."""

from __future__ import annotations

from uuid import UUID

from pydantic import AwareDatetime, Field

from dispatch.partners.public_shapes import Contract, Message, PublicCenter


class PublicCircle(Contract):
    """All within a distance of a point (WGS 84)."""

    lon: float
    lat: float
    radius_m: float


class PublicArea(Contract):
    """Where an order holds. Polygons are closed outer rings of [longitude, latitude] in WGS 84."""

    polygons: tuple[tuple[tuple[float, float], ...], ...] = ()
    circles: tuple[PublicCircle, ...] = ()
    description: str | None = None


class OrderMessage(Message):
    """An order as it stands after the fact that `type` names. It holds from `effective_at` until it is over."""

    order_id: UUID
    incident_id: UUID | None = Field(default=None, description="the incident it is about, if it is about one")
    number: str | None = Field(default=None, description="the number people say on the radio")
    order_kind: str | None = Field(
        default=None,
        description="traffic_control, bridge_closure, road_closure, evacuation, shelter_opening, suspension, other",
    )
    phase: str | None = Field(default=None, description="issued, lifted, expired")
    message_status: str | None = Field(default=None, description="always `actual`: exercises and tests never leave")
    edition: int | None = Field(default=None, description="which text; name it when you acknowledge or decline")
    text: str | None = Field(default=None, description="what is commanded; numbers of persons are cut")
    basis: str | None = Field(default=None, description="law or plan it rests on")
    area: PublicArea | None = None
    effective_at: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None
    acknowledge_by: AwareDatetime | None = Field(default=None, description="by when you must have answered")
    owner: PublicCenter | None = Field(default=None, description="the center that issued it")
    note: str | None = Field(default=None, description="reason given with this very fact; numbers of persons are cut")
    reference: str | None = Field(
        default=None, description="set instead of all else when the message would exceed 64 KiB: where to read it"
    )


class OrderIssued(OrderMessage):
    """Your agency is commanded."""

    type = "dispatch.order.issued.v1"
    meaning = "You are commanded. Acknowledge this edition, or decline it with a reason."


class OrderAmended(OrderMessage):
    """Another text, area or time."""

    type = "dispatch.order.amended.v1"
    meaning = "It replaces the edition before. Acknowledge it anew."


class OrderExtended(OrderMessage):
    """It holds longer."""

    type = "dispatch.order.extended.v1"
    meaning = "It holds longer; nothing else changed, and your acknowledgement stands."


class OrderLifted(OrderMessage):
    """It ended by its issuer's word."""

    type = "dispatch.order.lifted.v1"
    meaning = "It ended here and now."


class OrderExpired(OrderMessage):
    """Its time is over."""

    type = "dispatch.order.expired.v1"
    meaning = "Its time is over."


ORDER_CONTRACTS: tuple[type[OrderMessage], ...] = (
    OrderIssued,
    OrderAmended,
    OrderExtended,
    OrderLifted,
    OrderExpired,
)
