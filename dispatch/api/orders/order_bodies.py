"""What callers send about orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Discriminator, Field, Tag, model_validator

from dispatch.api.http.shapes import CENTER, LEAVES, Body, PointBody, Reason, examples
from domain.order.events import ADDRESSEES_MAX, POLYGONS_MAX, Circle, OrderArea
from domain.storable import StorableInstant
from domain.vocabulary import MessageStatus, OrderKind

CORNERS_MAX = 2_000
"""Of all polygons of an order; a district's border has some hundred."""
CIRCLES_MAX = 50
RING_CORNERS_MIN = 4

Coordinates = Annotated[list[float], Field(min_length=2, max_length=2)]
RingBody = Annotated[list[Coordinates], Field(min_length=RING_CORNERS_MIN, max_length=CORNERS_MAX)]
PolygonBody = Annotated[list[RingBody], Field(min_length=1, max_length=1)]
"""One outer ring. A hole would be read as covered by whoever has only the outer ring, so it is refused."""


class PolygonGeometry(Body):
    """A GeoJSON Polygon (WGS 84, longitude first): one closed outer ring."""

    type: Literal["Polygon"]
    coordinates: PolygonBody

    @model_validator(mode="after")
    def _possible(self) -> PolygonGeometry:
        _check_rings(self.coordinates)
        return self

    def rings(self) -> list[list[list[float]]]:
        """The outer ring."""
        return self.coordinates


class MultiPolygonGeometry(Body):
    """A GeoJSON MultiPolygon (WGS 84, longitude first) of closed outer rings."""

    type: Literal["MultiPolygon"]
    coordinates: Annotated[list[PolygonBody], Field(min_length=1, max_length=POLYGONS_MAX)]

    @model_validator(mode="after")
    def _possible(self) -> MultiPolygonGeometry:
        _check_rings(self.rings())
        return self

    def rings(self) -> list[list[list[float]]]:
        """The outer rings."""
        return [ring for polygon in self.coordinates for ring in polygon]


def _type_of(said: Any) -> str | None:
    """A function, because a field that is looked at before it is read (`Body`) can be no discriminator."""
    found = said.get("type") if isinstance(said, dict) else getattr(said, "type", None)
    return found if isinstance(found, str) else None


Geometry = Annotated[
    Annotated[PolygonGeometry, Tag("Polygon")] | Annotated[MultiPolygonGeometry, Tag("MultiPolygon")],
    Discriminator(_type_of),
]


def _check_rings(rings: Sequence[Sequence[Sequence[float]]]) -> None:
    """Raises `ValueError` for rings that are open, nowhere on earth or too many corners together."""
    for ring in rings:
        if ring[0] != ring[-1]:
            msg = "a ring ends where it begins: repeat the first corner as the last"
            raise ValueError(msg)
        for lon, lat in ring:
            if not (-180 <= lon <= 180 and -90 <= lat <= 90):  # nor is NaN
                msg = "coordinates are longitude (-180 to 180), then latitude (-90 to 90)"
                raise ValueError(msg)
    if sum(map(len, rings)) > CORNERS_MAX:
        msg = f"an order's polygons have at most {CORNERS_MAX} corners together"
        raise ValueError(msg)


class CircleBody(Body):
    """Around a point."""

    center: PointBody
    radius_m: Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)]


class AreaBody(Body):
    """Where it holds: on the map, in words, or both."""

    geometry: Geometry | None = None
    circles: Annotated[tuple[CircleBody, ...], Field(max_length=CIRCLES_MAX)] = ()
    description: Annotated[str | None, Field(min_length=1, max_length=2_000, description=LEAVES)] = None

    @model_validator(mode="after")
    def _says_where(self) -> AreaBody:
        if self.geometry is None and not self.circles and self.description is None:
            msg = "say where it holds: a geometry, circles or a description"
            raise ValueError(msg)
        return self

    def area(self) -> OrderArea:
        """In the domain's words."""
        circles = [
            Circle(lon=one.center.coordinates[0], lat=one.center.coordinates[1], radius_m=one.radius_m)
            for one in self.circles
        ]
        rings = self.geometry.rings() if self.geometry is not None else []
        polygons = tuple(tuple((lon, lat) for lon, lat in ring) for ring in rings)
        return OrderArea(polygons=polygons, circles=tuple(circles), description=self.description)


class AddresseeBody(Body):
    """A center, or an agency (then its own center, unless another acts for it)."""

    center_id: UUID | None = None
    agency: Annotated[str | None, Field(min_length=1, max_length=50)] = None

    @model_validator(mode="after")
    def _names_somebody(self) -> AddresseeBody:
        if self.center_id is None and self.agency is None:
            msg = "name a center_id or an agency"
            raise ValueError(msg)
        return self


AREA = {
    "geometry": {
        "type": "Polygon",
        "coordinates": [[[104.02, 30.62], [104.08, 30.62], [104.08, 30.68], [104.02, 30.68], [104.02, 30.62]]],
    },
    "description": "九眼桥至合江亭",
}


class OrderBody(Body):
    """An order. It holds from `effective_at` (at once if left out) until `expires_at`."""

    model_config = examples(
        {
            "kind": "bridge_closure",
            "text": "封闭九眼桥双向交通，车辆绕行",
            "basis": "成都市防汛应急预案 II级响应",
            "area": AREA,
            "expires_at": "2024-06-06T06:00:00+08:00",
            "acknowledge_by": "2024-06-05T20:30:00+08:00",
            "addressees": [{"agency": "traffic_police"}, {"center_id": CENTER}],
        }
    )

    kind: OrderKind
    status: Literal[MessageStatus.ACTUAL, MessageStatus.EXERCISE, MessageStatus.TEST] = MessageStatus.ACTUAL
    text: Annotated[str, Field(min_length=1, max_length=4_000, description=LEAVES)]
    basis: Annotated[str | None, Field(min_length=1, max_length=2_000, description="Law or plan it rests on.")] = None
    area: AreaBody
    effective_at: StorableInstant | None = None
    expires_at: StorableInstant
    acknowledge_by: StorableInstant = Field(description="By when each addressee must have answered.")
    addressees: Annotated[list[AddresseeBody], Field(min_length=1, max_length=ADDRESSEES_MAX)]
    incident_id: UUID | None = Field(default=None, description="The incident it is about; of the same status.")
    center_id: UUID | None = Field(default=None, description="Who issues it; the caller's own center if left out.")


class AmendmentBody(Body):
    """What replaces the text before; what is left out stays. Every addressee has to acknowledge anew."""

    model_config = examples(
        {"text": "封闭九眼桥、安顺桥双向交通", "acknowledge_by": "2024-06-05T21:10:00+08:00", "reason": "水位继续上涨"}
    )

    reason: Reason
    acknowledge_by: StorableInstant
    text: Annotated[str | None, Field(min_length=1, max_length=4_000, description=LEAVES)] = None
    area: AreaBody | None = None
    effective_at: StorableInstant | None = Field(default=None, description="Only while it is not in force yet.")
    expires_at: StorableInstant | None = None


class ExtensionBody(Body):
    """Until when it holds now."""

    model_config = examples({"expires_at": "2024-06-06T12:00:00+08:00", "reason": "洪峰推迟"})

    expires_at: StorableInstant
    reason: Reason


class LiftingBody(Body):
    """Why it ends."""

    model_config = examples({"reason": "水位回落至警戒线以下"})

    reason: Reason


class AcknowledgementBody(Body):
    """Which edition was read, and the addressee's own number for it."""

    model_config = examples({"edition": 1, "reference": "JJ-0605-17"})

    edition: Annotated[int, Field(ge=1, le=2**31)]
    reference: Annotated[str | None, Field(min_length=1, max_length=200)] = None


class RefusalBody(Body):
    """Which edition cannot be carried out, and why."""

    model_config = examples({"edition": 1, "reason": "警力不足，无法在30分钟内封闭"})

    edition: Annotated[int, Field(ge=1, le=2**31)]
    reason: Reason
