"""Where a warning holds: CAP writes latitude first and circles in kilometres; inside it is longitude first, metres.

A warning must not be lost for a typing error in its map (GDACS has published `8.72977),-68.13409`): a ring or circle
that cannot be read is counted as unreadable, the rest of the warning stands. A coordinate that reads well and is
nowhere on earth is another matter: whoever exchanges the axes does so in every message, and is refused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from dispatch.ingest.hardened_xml import children, text_of
from dispatch.ingest.limits import CAP_POINTS_MAX
from dispatch.ingest.message import NotUnderstood, clean
from domain.alert.areas import middle_of
from domain.event import GeoPoint

Ring = tuple[tuple[float, float], ...]
Circle = tuple[float, float, float]
DESCRIPTION_CHARACTERS_MAX = 2_000
GEOCODES_MAX = 5_000
RADIUS_KM_MAX = 20_040
"""Half the equator: no circle reaches farther."""


@dataclass(frozen=True, slots=True)
class Area:
    """All areas of a warning together, each ring, circle and code once."""

    description: str
    polygons: tuple[Ring, ...]
    circles: tuple[Circle, ...]
    geocodes: tuple[str, ...]
    unreadable: int

    @property
    def middle(self) -> GeoPoint | None:
        """A point to show on a map: the middle of the first circle or ring. A warning of codes alone has none.

        Where another of them is in the city, that one is shown (`dispatch.handling.alerts`).
        """
        if self.circles:
            return GeoPoint(lon=self.circles[0][0], lat=self.circles[0][1])
        return middle_of(self.polygons[0]) if self.polygons else None


def read_areas(infos: Sequence[Element]) -> Area:
    """The areas of infos that are translations of one another. Raises `NotUnderstood`."""
    areas = [area for info in infos for area in children(info, "area")]
    descriptions = dict.fromkeys(text_of(area, "areaDesc") or "" for area in areas)
    rings = dict.fromkeys(text for area in areas for text in _texts(area, "polygon"))
    circles = dict.fromkeys(text for area in areas for text in _texts(area, "circle"))
    codes = dict.fromkeys(_code(code) for area in areas for code in children(area, "geocode"))
    read_rings = [_ring(text) for text in rings]
    read_circles = [_circle(text) for text in circles]
    polygons = tuple(ring for ring in read_rings if ring is not None)
    points = sum(len(ring) for ring in polygons)
    if points > CAP_POINTS_MAX or len(codes) > GEOCODES_MAX:
        raise NotUnderstood(
            "ingest.too_many",
            f"The warning's area has {points} corners and {len(codes)} codes; at most {CAP_POINTS_MAX} and"
            f" {GEOCODES_MAX} are recorded.",
        )
    description = "; ".join(text for text in descriptions if text)
    return Area(
        clean(description, DESCRIPTION_CHARACTERS_MAX),
        polygons,
        tuple(circle for circle in read_circles if circle is not None),
        tuple(codes),
        unreadable=read_rings.count(None) + read_circles.count(None),
    )


def _texts(area: Element, name: str) -> list[str]:
    return [found.text.strip() for found in children(area, name) if found.text and found.text.strip()]


def _code(code: Element) -> str:
    return clean(f"{text_of(code, 'valueName') or ''}={text_of(code, 'value') or ''}", 200)


def _ring(text: str) -> Ring | None:
    """At least four points, the last one the first; None if it is not that."""
    points = [_point(pair) for pair in text.split()]
    ring = tuple(point for point in points if point is not None)
    return ring if len(ring) == len(points) >= 4 and ring[0] == ring[-1] else None


def _point(pair: str) -> tuple[float, float] | None:
    """`lat,lon` as (lon, lat); None if it is no pair of numbers."""
    lat, lon = (_number(text) for text in pair.partition(",")[::2])
    if lat is None or lon is None:
        return None
    if not (-90 <= lat <= 90 and -180 <= lon <= 180):
        raise NotUnderstood(
            "ingest.out_of_range",
            f"{clean(pair, 100)} is nowhere on earth. CAP writes latitude,longitude, in this order.",
            pointer="/alert/info/area",
        )
    return lon, lat


def _circle(text: str) -> Circle | None:
    """`lat,lon radius_km`; None if it is not that."""
    middle, _, radius = text.partition(" ")
    point, radius_km = _point(middle), _number(radius)
    if point is None or radius_km is None or not 0 <= radius_km <= RADIUS_KM_MAX:
        return None
    return *point, radius_km * 1_000


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
