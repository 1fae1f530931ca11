"""Deterministic ground: station areas inside districts, and spots inside areas.

Both use the R2 low-discrepancy sequence (Roberts 2018), which fills a rectangle evenly without a random number, so
every machine makes the same city.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from shapely import GeometryCollection, MultiPoint, Point, contains_xy, prepare, unary_union, voronoi_polygons
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

PLASTIC = 1.32471795724474602596
"""The plastic number: the sequence's steps are its first two negative powers."""
RELAXATIONS = 4
"""Lloyd steps that even out the station areas."""


def r2(offset: float) -> Iterator[tuple[float, float]]:
    """Points of the unit square, in order."""
    for index in count(1):
        yield (offset + index / PLASTIC) % 1.0, (offset + index / PLASTIC**2) % 1.0


def spots(ground: BaseGeometry, wanted: int, *, offset: float = 0.5) -> list[Point]:
    """`wanted` points inside the ground, evenly spread. Ground must have an area."""
    west, south, east, north = ground.bounds
    prepare(ground)
    found: list[Point] = []
    for u, v in r2(offset):
        x, y = west + u * (east - west), south + v * (north - south)
        if contains_xy(ground, x, y):
            found.append(Point(round(x, 6), round(y, 6)))
            if len(found) == wanted:
                return found
    raise AssertionError("the sequence is endless")


def partition(ground: BaseGeometry, parts: int) -> list[BaseGeometry]:
    """Cut the ground into `parts` areas that cover it without overlap, of similar size, in a stable order."""
    seeds = spots(ground, parts)
    cells = _cells(ground, seeds)
    for _ in range(RELAXATIONS):
        seeds = [cell.representative_point() if not cell.contains(cell.centroid) else cell.centroid for cell in cells]
        cells = _cells(ground, seeds)
    return sorted(cells, key=lambda cell: (-round(cell.centroid.y, 4), round(cell.centroid.x, 4)))


def _cells(ground: BaseGeometry, seeds: list[Point]) -> list[BaseGeometry]:
    if len(seeds) == 1:
        return [ground]
    diagram = voronoi_polygons(MultiPoint(seeds), extend_to=ground.envelope)
    cells = [_areas_only(cell.intersection(ground)) for cell in diagram.geoms]
    return [cell for cell in cells if not cell.is_empty]


def _areas_only(shape: BaseGeometry) -> BaseGeometry:
    """Drop the points and lines that an intersection along a border leaves."""
    if isinstance(shape, GeometryCollection) and not isinstance(shape, MultiPolygon):
        return unary_union([part for part in shape.geoms if isinstance(part, Polygon | MultiPolygon)])
    return shape


def shares(weights: dict[str, float], total: int) -> dict[str, int]:
    """`total` whole things divided by weight (largest remainder; ties by name), at least one each."""
    assert total >= len(weights), "fewer things than takers"
    rest = total - len(weights)
    scale = sum(weights.values())
    exact = {name: rest * weight / scale for name, weight in weights.items()}
    given = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: (given[name] - exact[name], name))
    for name in by_remainder[: rest - sum(given.values())]:
        given[name] += 1
    return {name: 1 + number for name, number in given.items()}
