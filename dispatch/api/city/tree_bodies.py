"""What callers send about the tree: a ground, a parent, an end or a beginning for each center that is to be another."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Discriminator, Field, Tag, model_validator

from dispatch.api.http.shapes import Body, PointBody, Reason, converted, examples
from domain.center.events import CHANGES_MAX, CORNERS_MAX, Area, CenterChange, CenterEstablished
from domain.identifiers import center_id
from domain.storable import StorableInstant
from domain.vocabulary import CenterKind, CoordinateSystem

RING = [[104.0, 30.6], [104.1, 30.6], [104.1, 30.7], [104.0, 30.6]]
Code = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,60}$")]
Name = Annotated[str, Field(min_length=1, max_length=200)]
RingBody = Annotated[list[Annotated[list[float], Field(min_length=2, max_length=2)]], Field(min_length=4)]


class PolygonGround(Body):
    """A GeoJSON Polygon (WGS 84, longitude first), with its holes."""

    type: Literal["Polygon"]
    coordinates: Annotated[list[RingBody], Field(min_length=1, max_length=1_000)]

    @model_validator(mode="after")
    def _possible(self) -> PolygonGround:
        _check([self.coordinates])
        return self

    def polygons(self) -> list[list[list[list[float]]]]:
        """The one polygon."""
        return [self.coordinates]


class MultiPolygonGround(Body):
    """A GeoJSON MultiPolygon (WGS 84, longitude first)."""

    type: Literal["MultiPolygon"]
    coordinates: Annotated[
        list[Annotated[list[RingBody], Field(min_length=1, max_length=1_000)]], Field(min_length=1, max_length=1_000)
    ]

    @model_validator(mode="after")
    def _possible(self) -> MultiPolygonGround:
        _check(self.coordinates)
        return self

    def polygons(self) -> list[list[list[list[float]]]]:
        """The polygons."""
        return self.coordinates


def _check(polygons: list[list[list[list[float]]]]) -> None:
    """Raises `ValueError` for rings that are open, nowhere on earth or too many corners together."""
    rings = [ring for polygon in polygons for ring in polygon]
    for ring in rings:
        if ring[0] != ring[-1]:
            msg = "a ring ends where it begins: repeat the first corner as the last"
            raise ValueError(msg)
        if not all(-180 <= lon <= 180 and -90 <= lat <= 90 for lon, lat in ring):  # nor is NaN
            msg = "coordinates are longitude (-180 to 180), then latitude (-90 to 90)"
            raise ValueError(msg)
    if sum(map(len, rings)) > CORNERS_MAX:
        msg = f"a ground has at most {CORNERS_MAX} corners"
        raise ValueError(msg)


def _type_of(said: Any) -> str | None:
    """A function, because a field that is looked at before it is read (`Body`) can be no discriminator."""
    found = said.get("type") if isinstance(said, dict) else getattr(said, "type", None)
    return found if isinstance(found, str) else None


Ground = Annotated[
    Annotated[PolygonGround, Tag("Polygon")] | Annotated[MultiPolygonGround, Tag("MultiPolygon")],
    Discriminator(_type_of),
]


class OpeningBody(Body):
    """A center that begins."""

    name_zh: Name
    name_en: Name
    kind: CenterKind
    level: Annotated[int, Field(ge=0, le=5)]
    parent: Code
    location: PointBody
    agency: str | None = None
    division_code: str | None = None
    ground: Ground | None = None


class CenterChangeBody(Body):
    """What is to become of one center."""

    center: Code
    ground: Ground | None = None
    parent: Code | None = None
    closes: bool = False
    opens: OpeningBody | None = None

    def change(self, city: str, valid_from: date) -> CenterChange:
        """In the domain's words. The path is the tree's to say."""
        opens = None
        if self.opens is not None:
            said, own = self.opens, center_id(city, self.center)
            parent_id = center_id(city, said.parent)
            opens = CenterEstablished(
                city=city,
                code=self.center,
                name_zh=said.name_zh,
                name_en=said.name_en,
                kind=said.kind,
                level=said.level,
                parent_id=parent_id,
                path=(parent_id, own),
                agency=said.agency,
                valid_from=valid_from,
                division_code=said.division_code,
                location=converted(said.location, CoordinateSystem.WGS84),
                area=area_of(said.ground) or (),
            )
        return CenterChange(
            center_id=center_id(city, self.center),
            code=self.center,
            area=area_of(self.ground),
            parent_id=None if self.parent is None else center_id(city, self.parent),
            closes=self.closes,
            opens=opens,
        )


def area_of(ground: PolygonGround | MultiPolygonGround | None) -> Area | None:
    """The ground as facts hold it."""
    if ground is None:
        return None
    return tuple(tuple(tuple((lon, lat) for lon, lat in ring) for ring in polygon) for polygon in ground.polygons())


class PlanBody(Body):
    """All centers that are to be another, together: what one gives the other takes."""

    model_config = examples(
        {"changes": [{"center": "s-510104-01", "ground": {"type": "Polygon", "coordinates": [RING]}}]}
    )

    changes: Annotated[tuple[CenterChangeBody, ...], Field(min_length=1, max_length=CHANGES_MAX)]


class TreeChangeBody(PlanBody):
    """From when on, and why. Without an instant: now."""

    model_config = examples(
        {
            "changes": [{"center": "s-510104-01", "parent": "d-510105"}],
            "effective_at": "2027-01-01T00:00:00+08:00",
            "reason": "区划调整",
        }
    )

    effective_at: StorableInstant | None = None
    reason: Reason
    is_correction: Annotated[bool, Field(description="It has been so since the instant, which has passed.")] = False


class CallOffBody(Body):
    """Why not."""

    model_config = examples({"reason": "区划调整推迟"})

    reason: Reason


class MisplacedBody(Body):
    """Which of those that are listed; nobody named: all of them."""

    model_config = examples({"reason": "辖区边界调整"}, {"reason": "辖区边界调整", "incident_ids": []})

    reason: Reason
    incident_ids: Annotated[tuple[UUID, ...], Field(max_length=500)] = ()
