"""Which center's ground is a point on? Matched in memory: no PostgreSQL wheel brings PostGIS.

An STR tree over all areas answers in microseconds; of the areas that contain a point the deepest wins, and its path
is the answer. A point on a shared border belongs to the center with the smaller code, so that every process agrees.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol
from uuid import UUID

from shapely import Point, STRtree, unary_union
from shapely.geometry import MultiPolygon, Polygon
from shapely.prepared import PreparedGeometry, prep

from domain.center.events import Ring
from domain.event import GeoPoint


class Grounded(Protocol):
    """A center with ground of its own."""

    @property
    def id(self) -> UUID:
        """Center id."""

    @property
    def code(self) -> str:
        """Permanent code; breaks ties on borders."""

    @property
    def path(self) -> tuple[UUID, ...]:
        """Root first, itself last."""

    @property
    def area(self) -> tuple[tuple[Ring, ...], ...]:
        """Multipolygon, WGS 84."""


def shape_of(area: tuple[tuple[Ring, ...], ...]) -> MultiPolygon:
    """The area as one shapely multipolygon."""
    return MultiPolygon([Polygon(rings[0], rings[1:]) for rings in area])


class Jurisdiction:
    """Immutable index over the areas of one state of the tree."""

    def __init__(self, centers: Iterable[Grounded]) -> None:
        self._centers: list[Grounded] = [center for center in centers if center.area]
        self._shapes = [shape_of(center.area) for center in self._centers]
        self._prepared: list[PreparedGeometry[MultiPolygon]] = [prep(shape) for shape in self._shapes]
        self._tree = STRtree(self._shapes)

    def locate(self, point: GeoPoint) -> tuple[UUID, ...]:
        """Path of the deepest center whose area covers the point, root first; () where nobody's does."""
        spot = Point(point.lon, point.lat)
        covering: list[Grounded] = [
            self._centers[index] for index in self._tree.query(spot).tolist() if self._prepared[index].covers(spot)
        ]
        if not covering:
            return ()
        return min(covering, key=lambda center: (-len(center.path), center.code)).path

    def touched_by(self, rings: Iterable[Ring]) -> tuple[UUID, ...]:
        """Centers whose ground shares some area with the polygons, without those that stand above another of them."""
        wanted = unary_union([Polygon(ring) for ring in rings])
        found = [
            self._centers[index]
            for index in self._tree.query(wanted).tolist()
            if self._prepared[index].intersects(wanted) and self._shapes[index].intersection(wanted).area > 0
        ]
        above = {center_id for one in found for center_id in one.path[:-1]}
        return tuple(one.id for one in sorted(found, key=lambda one: one.code) if one.id not in above)
