"""What callers send about temporary headquarters."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field

from dispatch.api.http.shapes import CENTER, INCIDENT, Body, PointBody, Reason, examples
from dispatch.api.orders.order_bodies import Geometry
from domain.headquarters.events import CENTERS_MAX, HELD_MAX, STAFF_MAX, Ring
from domain.storable import StorableInstant

OPERATOR = "7d3b0c52-2f3c-5a40-9a5e-1b6a0d5f7c21"
Name = Annotated[str, Field(min_length=1, max_length=200)]


class ScopeBody(Body):
    """Whom it commands and who acts for it."""

    centers: Annotated[tuple[UUID, ...], Field(max_length=CENTERS_MAX, description="With all below them.")] = ()
    agencies: Annotated[tuple[str, ...], Field(max_length=50, description="Their own centers.")] = ()
    area: Annotated[
        Geometry | None, Field(description="The centers whose ground meets it now are commanded as well.")
    ] = None
    commander_id: UUID
    deputy_ids: Annotated[tuple[UUID, ...], Field(max_length=STAFF_MAX)] = ()

    def rings(self) -> tuple[Ring, ...]:
        """The outer rings of the area."""
        if self.area is None:
            return ()
        return tuple(tuple((lon, lat) for lon, lat in ring) for ring in self.area.rings())


class OpenBody(ScopeBody):
    """What it is for, whom it commands, who acts for it, until when."""

    model_config = examples(
        {
            "code": "flood-2026-07-03",
            "name_zh": "7·3汛期前线指挥部",
            "name_en": "Headquarters of the flood of 3 July",
            "purpose": "统一指挥抢险、转移和交通管制",
            "centers": [CENTER],
            "agencies": ["flood_control", "traffic_police"],
            "commander_id": OPERATOR,
            "deputy_ids": [],
            "ends_at": "2026-07-04T12:00:00+08:00",
        }
    )

    code: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,60}$")]
    name_zh: Name
    name_en: Name
    purpose: Reason
    ends_at: StorableInstant
    location: Annotated[PointBody | None, Field(description="Where it sits; at the city's center if left out.")] = None


class ChangeBody(ScopeBody):
    """The whole scope and all who act for it, as they are to be, and why."""

    model_config = examples({"centers": [CENTER], "commander_id": OPERATOR, "reason": "险情扩大至下游两区"})

    reason: Reason


class ExtensionBody(Body):
    """Until when, and why."""

    model_config = examples({"ends_at": "2026-07-05T12:00:00+08:00", "reason": "第二次洪峰预计明晨过境"})

    ends_at: StorableInstant
    reason: Reason


class TakeBody(Body):
    """Why it takes it."""

    model_config = examples({"reason": "跨区险情，由指挥部直接指挥"})

    reason: Reason


class GiveBackBody(Body):
    """Why, and to whom if not to the center it was taken from."""

    model_config = examples({"reason": "险情已控制"}, {"reason": "移交下游区", "to_center_id": CENTER})

    reason: Reason
    to_center_id: UUID | None = None


class StandDownBody(Body):
    """Why, and which incidents go to another center than they were taken from."""

    model_config = examples({"reason": "水位回落至警戒线以下"}, {"reason": "解除", "to": {INCIDENT: CENTER}})

    reason: Reason
    to: Annotated[dict[UUID, UUID], Field(max_length=HELD_MAX, description="Incident → center.")] = Field(default={})
