"""Bodies and answers that several routes share, and how an answer is described with an example."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from dispatch.api.http.cursors import LIMIT_DEFAULT, LIMIT_MAX
from domain.event import GeoPoint, MediaReference, OriginalPoint, Place
from domain.geography import gcj02_to_wgs84
from domain.storable import UNSTORABLE, StorableInstant, is_storable
from domain.vocabulary import CoordinateSystem

LEAVES = "Partner agencies on the incident may read it: name no persons. Telephone and identity numbers are cut."
Reason = Annotated[str, Field(min_length=1, max_length=2_000, description=LEAVES)]
Note = Annotated[str | None, Field(min_length=1, max_length=2_000, description=LEAVES)]

Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description=f"Rows of a page, at most {LIMIT_MAX}.")]
Category = Annotated[list[str] | None, Query(description="Only these categories; repeat for several.", max_length=50)]
LIMIT = LIMIT_DEFAULT

INCIDENT = "0190f6a2-c4d8-8d1e-9c0b-5a7f3e2d1c0b"
CENTER = "3f1d6c6e-0b1a-5b7e-8d1f-6a2c4e9b7d10"
UNIT = "5b2f0a77-3c41-5d0e-9a55-0d6c1b8e4f21"
EXAMPLE_IDS = (INCIDENT, CENTER, UNIT)


def examples(*values: Any, forbid: bool = True) -> ConfigDict:
    """The configuration of a body: examples, and no member that means nothing."""
    return ConfigDict(extra="forbid" if forbid else "ignore", json_schema_extra={"examples": list(values)})


def answers(example: Any, description: str, *, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """The `responses=` entry of an answer that is a document of a projection, with an example."""
    return {status: {"description": description, "content": {"application/json": {"example": example}}}}


class Body(BaseModel):
    """What callers send. A NUL can be kept by no table, so it is refused where it comes in, also inside a list."""

    @field_validator("*", mode="before")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        if not is_storable(value):
            raise ValueError(UNSTORABLE)
        return value


class PointBody(Body):
    """A GeoJSON point: longitude first."""

    model_config = examples({"type": "Point", "coordinates": [104.0657, 30.6595]})

    type: Literal["Point"]
    coordinates: Annotated[list[float], Field(min_length=2, max_length=2)]

    @field_validator("coordinates")
    @classmethod
    def _on_earth(cls, degrees: list[float]) -> list[float]:
        lon, lat = degrees
        if not (-180 <= lon <= 180 and -90 <= lat <= 90):  # nor is NaN
            msg = "coordinates are longitude (-180 to 180), then latitude (-90 to 90)"
            raise ValueError(msg)
        return degrees


class PlaceBody(Body):
    """Where: a point, an address or landmark, or both. Coordinates are WGS 84 unless `crs` says gcj02."""

    model_config = examples(
        {"point": {"type": "Point", "coordinates": [104.0657, 30.6595]}, "address": "天府广场东侧"},
        {"point": {"type": "Point", "coordinates": [104.0682, 30.6570]}, "crs": "gcj02"},
    )

    point: PointBody | None = None
    address: Annotated[str | None, Field(min_length=1, max_length=500)] = None
    crs: CoordinateSystem = CoordinateSystem.WGS84

    @model_validator(mode="after")
    def _says_something(self) -> PlaceBody:
        if self.point is None and self.address is None:
            msg = "say a point or an address"
            raise ValueError(msg)
        return self

    def place(self, *, within_city: bool) -> Place:
        """In the domain's words: WGS 84, with the original where it was something else."""
        point = self.wgs84()
        original = None
        if self.point is not None and self.crs is CoordinateSystem.GCJ02:
            original = OriginalPoint(crs=self.crs, x=self.point.coordinates[0], y=self.point.coordinates[1])
        return Place(
            point=point, address=self.address, original=original, outside_city=point is not None and not within_city
        )

    def wgs84(self) -> GeoPoint | None:
        """The point, converted."""
        return None if self.point is None else converted(self.point, self.crs)


def converted(point: PointBody, crs: CoordinateSystem) -> GeoPoint:
    """A point in WGS 84."""
    here = GeoPoint(lon=point.coordinates[0], lat=point.coordinates[1])
    return gcj02_to_wgs84(here) if crs is CoordinateSystem.GCJ02 else here


class MediaBody(Body):
    """Video and pictures stay where they are: where, which time range, and the hash if it is known."""

    model_config = examples(
        {
            "uri": "rtsp://nvr-07.example.invalid/ch/12",
            "begins_at": "2024-06-05T20:14:00+08:00",
            "ends_at": "2024-06-05T20:16:30+08:00",
            "media_type": "video/mp4",
        }
    )

    uri: Annotated[str, Field(min_length=1, max_length=2_000)]
    sha256: Annotated[str | None, Field(pattern=r"^[0-9a-f]{64}$")] = None
    begins_at: StorableInstant | None = None
    ends_at: StorableInstant | None = None
    media_type: Annotated[str | None, Field(max_length=100)] = None

    def reference(self) -> MediaReference:
        """In the domain's words."""
        return MediaReference(**self.model_dump())


class Written(BaseModel):
    """What a write answers: the ids it made or touched. `Dispatch-Position` says where in the log it stands."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [{"incident_id": INCIDENT, "position": 18250, "changed": True, "visible": True}]
        },
    )

    position: int = Field(description="Ask reads for at least this with `min_position`.")
    changed: bool = Field(description="False: it was so already, nothing was recorded.")
    visible: bool | None = Field(default=None, description="With `Prefer: wait=N`: whether the views show it by now.")
    routed: bool | None = Field(default=None, description="The same, of what is routed: whether its recipients stand.")


class Listing(BaseModel):
    """One page. `Link: rel=next` leads to the next one; its absence says this was the last."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [{"items": [{"incident_id": INCIDENT, "number": "CD-20240605-0042"}], "position": 18250}]
        },
    )

    items: list[dict[str, Any]]
    position: int | None = Field(default=None, description="The log position that these rows hold at least.")


class CenterOut(BaseModel):
    """A center."""

    model_config = examples(
        {
            "center_id": CENTER,
            "code": "jinjiang",
            "name_zh": "锦江区指挥中心",
            "name_en": "Jinjiang District Command Centre",
            "kind": "district",
            "level": 2,
            "parent_id": "9a0c1f3e-7b2d-5c11-8e4a-2f6b0d9c3e55",
            "path": ["9a0c1f3e-7b2d-5c11-8e4a-2f6b0d9c3e55", CENTER],
            "agency": None,
            "location": {"type": "Point", "coordinates": [104.083, 30.656]},
        }
    )

    center_id: UUID
    code: str
    name_zh: str
    name_en: str
    kind: str
    level: int
    parent_id: UUID | None
    path: list[UUID]
    agency: str | None
    location: dict[str, Any]
    area: dict[str, Any] | None = Field(default=None, description="GeoJSON MultiPolygon; only with `?area=true`.")
