"""Near and far, in memory: a grid over points, and the distance between two of them. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from functools import lru_cache
from math import asin, cos, radians, sin, sqrt
from typing import Generic, TypeVar

from domain.event import GeoPoint

EARTH_RADIUS_M = 6_371_008.8
METRES_A_DEGREE = 111_195.0
"""Of latitude, on the same sphere."""
COSINE_MIN = 0.01
"""Keeps the width of a degree of longitude above zero at the poles, where no city is."""

CIRCLES_KEPT_MAX = 20_000
"""Most alerts come from a city's cameras, which do not move."""

K = TypeVar("K", bound=Hashable)


def distance_m(one: GeoPoint, other: GeoPoint) -> float:
    """Great-circle distance (haversine), metres."""
    north, south = radians(one.lat), radians(other.lat)
    half_lat = sin((south - north) / 2)
    half_lon = sin(radians(other.lon - one.lon) / 2)
    return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(half_lat**2 + cos(north) * cos(south) * half_lon**2)))


class Spot:
    """A point that is measured against many: what its distances have in common is worked out once."""

    __slots__ = ("cosine", "latitude", "lon")

    def __init__(self, point: GeoPoint) -> None:
        self.latitude = radians(point.lat)
        self.cosine = cos(self.latitude)
        self.lon = point.lon

    def distances_m(self, others: Iterable[Spot]) -> list[float]:
        """`distance_m` to each, equal to the last bit: what is recommended must come out the same wherever it is."""
        latitude, cosine, lon, diameter_m = self.latitude, self.cosine, self.lon, 2 * EARTH_RADIUS_M
        halves = [
            sin((other.latitude - latitude) / 2) ** 2 + cosine * other.cosine * sin(radians(other.lon - lon) / 2) ** 2
            for other in others
        ]
        return [diameter_m * asin(sqrt(half) if half < 1.0 else 1.0) for half in halves]


class Grid(Generic[K]):
    """Keys at points, in square cells of `cell_m`. `near` may name keys beyond the radius, never misses one."""

    __slots__ = ("_rows", "_step", "_where")

    def __init__(self, cell_m: float) -> None:
        self._step = cell_m / METRES_A_DEGREE
        self._rows: dict[int, dict[int, set[K]]] = {}
        """Row → column → keys. No row and no cell is empty."""
        self._where: dict[K, tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self._where)

    def put(self, key: K, point: GeoPoint) -> None:
        """Place a key, or move it."""
        cell = int(point.lat // self._step), int(point.lon // self._step)
        before = self._where.get(key)
        if before == cell:
            return
        if before is not None:
            self.remove(key)
        self._where[key] = cell
        row, column = cell
        self._rows.setdefault(row, {}).setdefault(column, set()).add(key)

    def remove(self, key: K) -> None:
        """Forget a key; an unknown one is no matter."""
        cell = self._where.pop(key, None)
        if cell is None:
            return
        row, column = cell
        cells = self._rows[row]
        keys = cells[column]
        keys.discard(key)
        if not keys:
            del cells[column]
            if not cells:
                del self._rows[row]

    def near(self, point: GeoPoint, radius_m: float) -> list[K]:
        """Keys in all cells that the circle touches, in no particular order."""
        found: list[K] = []
        if not self._where:
            return found
        rows, columns = _touched(self._step, point.lat, point.lon, radius_m)
        # A warning for half a city covers more rows and columns than are in use: look at those in use.
        for row in rows if len(rows) < len(self._rows) else [row for row in self._rows if row in rows]:
            cells = self._rows.get(row)
            if cells is None:
                continue
            if len(cells) < len(columns):
                for column, keys in cells.items():
                    if column in columns:
                        found.extend(keys)
                continue
            for column in columns:
                here = cells.get(column)
                if here is not None:
                    found.extend(here)
        return found


@lru_cache(CIRCLES_KEPT_MAX)
def _touched(step: float, lat: float, lon: float, radius_m: float) -> tuple[range, range]:
    """Rows and columns of the cells that a circle touches."""
    up = radius_m / METRES_A_DEGREE
    farthest = radians(min(89.0, abs(lat) + up))
    aside = up / max(COSINE_MIN, cos(farthest))
    rows = range(int((lat - up) // step), int((lat + up) // step) + 1)
    columns = range(int((lon - aside) // step), int((lon + aside) // step) + 1)
    return rows, columns
