"""What a city's folder says, validated. Adding a city is adding a folder of this shape."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import Field
from shapely.geometry import MultiPolygon, shape
from shapely.geometry.base import BaseGeometry

from domain.event import Frozen, GeoPoint
from domain.vocabulary import Role, SiteClass, UnitKind

CITIES = Path(__file__).parent


class AgencySource(Frozen):
    """An organisation with a functional center."""

    code: str
    name_zh: str
    name_en: str
    has_feed: bool = False
    feed_fields: tuple[str, ...] = ()


class BranchSource(Frozen):
    """A second-level center that is no district: it takes the `stations` of `district` nearest to `location`."""

    code: str
    name_zh: str
    name_en: str
    district: str
    stations: int = Field(ge=1)
    location: GeoPoint


class PhaseSource(Frozen):
    """One building phase of the camera network."""

    phase: str
    sites: int = Field(ge=0)
    built_on: date
    owner: str
    operator: str
    maintainer: str


class ClassShare(Frozen):
    """What part of all sites is of this class."""

    site_class: SiteClass
    share: float = Field(ge=0, le=1)


class DensitySource(Frozen):
    """How much of everything a district gets, relative to the others."""

    district: str
    weight: float = Field(gt=0)


Placement = Literal["city", "level_two", "station", "functional"]


class UnitSource(Frozen):
    """`count` units at each center of this placement."""

    agency: str
    at: Placement
    kind: UnitKind
    skills: tuple[str, ...] = ()
    count: int = Field(ge=1)


class OperatorSource(Frozen):
    """`count` operators at each center of this placement."""

    at: Placement
    roles: tuple[Role, ...]
    count: int = Field(ge=1)


class CitySource(Frozen):
    """`city.json`."""

    code: str
    name_zh: str
    name_en: str
    number_prefix: str
    time_zone: str
    division_code: str
    valid_from: date
    center: GeoPoint
    agencies: tuple[AgencySource, ...]
    stations: int
    branches: tuple[BranchSource, ...]
    camera_phases: tuple[PhaseSource, ...]
    cameras: int
    site_classes: tuple[ClassShare, ...]
    density: tuple[DensitySource, ...]
    units: tuple[UnitSource, ...]
    operators: tuple[OperatorSource, ...]


@dataclass(frozen=True, slots=True)
class District:
    """An administrative district with its ground and streets."""

    code: str
    name_zh: str
    name_en: str
    ground: BaseGeometry
    streets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class City:
    """A city's folder, read."""

    source: CitySource
    districts: tuple[District, ...]
    rulebook: bytes


def read_city(code: str, *, folder: Path | None = None) -> City:
    """Read `<folder>/<code>`; raises `ValueError` with the file's name when it is not as it should be."""
    where = (folder or CITIES) / code
    if not (where / "city.json").is_file():
        known = sorted(path.parent.name for path in (folder or CITIES).glob("*/city.json"))
        msg = f"no city {code!r}; known: {', '.join(known)}"
        raise ValueError(msg)
    source = CitySource.model_validate_json((where / "city.json").read_bytes())
    streets: dict[str, list[str]] = {}
    with (where / "streets.csv").open(encoding="utf-8", newline="") as lines:
        for row in sorted(csv.DictReader(lines), key=lambda row: row["code"]):
            streets.setdefault(row["district_adcode"], []).append(row["name"])
    features = json.loads((where / "districts.geojson").read_text(encoding="utf-8"))["features"]
    districts = tuple(
        District(
            code=feature["properties"]["adcode"],
            name_zh=feature["properties"]["name"],
            name_en=feature["properties"]["name_en"],
            ground=shape(feature["geometry"]),
            streets=tuple(streets.get(feature["properties"]["adcode"], ())),
        )
        for feature in sorted(features, key=lambda feature: feature["properties"]["adcode"])
    )
    return City(source, districts, (where / "rulebook.json").read_bytes())


def polygons_of(ground: BaseGeometry) -> tuple[tuple[tuple[tuple[float, float], ...], ...], ...]:
    """A ground as rings of (lon, lat), rounded to 6 decimals (0.1 m)."""
    parts = ground.geoms if isinstance(ground, MultiPolygon) else [ground]
    return tuple(
        tuple(
            tuple((round(x, 6), round(y, 6)) for x, y in ring.coords) for ring in (polygon.exterior, *polygon.interiors)
        )
        for polygon in parts
        if polygon.geom_type == "Polygon"
    )
