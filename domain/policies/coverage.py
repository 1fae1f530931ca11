"""What cameras see of a route and of an area: where nobody looks. Pure geometry, in metres around each place.

A camera is taken to see a full circle of its range: which way it looks is known, how wide is not, and most can turn. A
gap found here is a gap; that a stretch is within range does not promise that nothing stands in the way.

A route is cut where it enters and leaves the circles, by solving for it, not by sampling: a gap of one metre is found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import cos, hypot, radians, sqrt
from uuid import UUID

from domain.event import GeoPoint
from domain.policies.proximity import COSINE_MIN, METRES_A_DEGREE, Grid

CELL_M = 500.0
SHORTEST_GAP_M = 0.5
"""Less than that is rounding."""


@dataclass(frozen=True, slots=True)
class Eye:
    """A camera as far as coverage goes."""

    camera_id: UUID
    location: GeoPoint
    range_m: float


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of a route that nobody sees: metres from the route's start, and the points of it."""

    from_m: float
    to_m: float
    line: tuple[GeoPoint, ...]

    @property
    def length_m(self) -> float:
        """How long."""
        return self.to_m - self.from_m


@dataclass(frozen=True, slots=True)
class RouteCoverage:
    """What is seen of a route. `seen_by` are the cameras that see any of it, in the order they first do."""

    length_m: float
    covered_m: float
    gaps: tuple[Gap, ...]
    seen_by: tuple[UUID, ...]


def of_route(route: Sequence[GeoPoint], eyes: Iterable[Eye]) -> RouteCoverage:
    """Where the route is seen and where not. A route of one point, or of no length, has no gaps."""
    known = _Eyes(eyes)
    seen: list[tuple[float, float]] = []
    first_seen: dict[UUID, float] = {}
    walked, legs = 0.0, []
    for one, other in pairwise(route):
        leg = _Leg(one, other, walked)
        if leg.length_m == 0:
            continue
        legs.append(leg)
        for eye in known.near(leg):
            found = leg.within(eye)
            if found is not None:
                seen.append(found)
                first_seen[eye.camera_id] = min(found[0], first_seen.get(eye.camera_id, found[0]))
        walked += leg.length_m
    gaps = tuple(
        Gap(begin, end, tuple(_line(legs, begin, end)))
        for begin, end in _between(sorted(seen), walked)
        if end - begin >= SHORTEST_GAP_M
    )
    covered = walked - sum(gap.length_m for gap in gaps)
    order = sorted(first_seen, key=lambda camera_id: (first_seen[camera_id], camera_id))
    return RouteCoverage(walked, covered, gaps, tuple(order))


def unseen(places: Iterable[GeoPoint], eyes: Iterable[Eye]) -> list[GeoPoint]:
    """Those of the places that no camera sees."""
    known = _Eyes(eyes)
    return [place for place in places if not known.see(place)]


class _Eyes:
    """Cameras by place."""

    def __init__(self, eyes: Iterable[Eye]) -> None:
        self._eyes = {eye.camera_id: eye for eye in eyes}
        self._reach_m = max((eye.range_m for eye in self._eyes.values()), default=0.0)
        self._grid: Grid[UUID] = Grid(CELL_M)
        for eye in self._eyes.values():
            self._grid.put(eye.camera_id, eye.location)

    def near(self, leg: _Leg) -> Iterator[Eye]:
        """Those that may see any of a leg."""
        return self._within(leg.middle, leg.length_m / 2 + self._reach_m)

    def see(self, place: GeoPoint) -> bool:
        """Whether any of them sees a place."""
        return any(hypot(*_offset(place, eye.location)) <= eye.range_m for eye in self._within(place, self._reach_m))

    def _within(self, place: GeoPoint, radius_m: float) -> Iterator[Eye]:
        return (self._eyes[camera_id] for camera_id in self._grid.near(place, radius_m))


class _Leg:
    """One straight piece of a route, on a plane that touches the earth at its start."""

    __slots__ = ("_east_m", "_north_m", "begin", "end", "length_m", "start_m")

    def __init__(self, begin: GeoPoint, end: GeoPoint, start_m: float) -> None:
        self.begin, self.end, self.start_m = begin, end, start_m
        self._east_m, self._north_m = _offset(begin, end)
        self.length_m = hypot(self._east_m, self._north_m)

    @property
    def middle(self) -> GeoPoint:
        """Half way."""
        return self.at(self.length_m / 2)

    def at(self, along_m: float) -> GeoPoint:
        """The point so far along it."""
        share = min(1.0, max(0.0, along_m / self.length_m))
        return GeoPoint(
            lon=self.begin.lon + share * (self.end.lon - self.begin.lon),
            lat=self.begin.lat + share * (self.end.lat - self.begin.lat),
        )

    def within(self, eye: Eye) -> tuple[float, float] | None:
        """From where to where a camera sees it, in metres from the route's start; None where it does not."""
        east_m, north_m = _offset(self.begin, eye.location)
        along_m = (east_m * self._east_m + north_m * self._north_m) / self.length_m
        aside_squared = east_m * east_m + north_m * north_m - along_m * along_m
        half_squared = eye.range_m * eye.range_m - aside_squared
        if half_squared <= 0:
            return None
        half_m = sqrt(half_squared)
        begin, end = max(0.0, along_m - half_m), min(self.length_m, along_m + half_m)
        return None if begin >= end else (self.start_m + begin, self.start_m + end)


def _offset(origin: GeoPoint, place: GeoPoint) -> tuple[float, float]:
    """Metres east and north, on a plane: within 0.1 % over the 20 km of a city."""
    width = max(COSINE_MIN, cos(radians(origin.lat)))
    return (place.lon - origin.lon) * METRES_A_DEGREE * width, (place.lat - origin.lat) * METRES_A_DEGREE


def _between(seen: Sequence[tuple[float, float]], length_m: float) -> Iterator[tuple[float, float]]:
    """What lies between the stretches that are seen; they come in the order of their beginnings."""
    reached = 0.0
    for begin, end in seen:
        if begin > reached:
            yield reached, begin
        reached = max(reached, end)
    if reached < length_m:
        yield reached, length_m


def _line(legs: Sequence[_Leg], begin_m: float, end_m: float) -> Iterator[GeoPoint]:
    """The points of a stretch: its ends, and the corners between them."""
    for leg in legs:
        leg_end_m = leg.start_m + leg.length_m
        if leg_end_m <= begin_m or leg.start_m >= end_m:
            continue
        if leg.start_m <= begin_m:
            yield leg.at(begin_m - leg.start_m)
        yield leg.at(min(end_m, leg_end_m) - leg.start_m)
