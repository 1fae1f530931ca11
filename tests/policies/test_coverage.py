"""Gaps are where nobody looks: found to the metre, none invented, none missed."""

from __future__ import annotations

from itertools import pairwise
from math import cos, radians
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.event import GeoPoint
from domain.policies.coverage import Eye, of_route, unseen
from domain.policies.proximity import METRES_A_DEGREE, distance_m

LAT = 30.65
EAST_DEG_A_METRE = 1 / (METRES_A_DEGREE * cos(radians(LAT)))


def at(east_m: float, north_m: float = 0.0) -> GeoPoint:
    return GeoPoint(lon=104.05 + east_m * EAST_DEG_A_METRE, lat=LAT + north_m / METRES_A_DEGREE)


def eye(number: int, east_m: float, north_m: float = 0.0, range_m: float = 100.0) -> Eye:
    return Eye(UUID(int=number), at(east_m, north_m), range_m)


def close(one: float, other: float) -> bool:
    return abs(one - other) < 0.2


def test_a_gap_lies_between_two_circles() -> None:
    found = of_route([at(0), at(1_000)], [eye(1, 0), eye(2, 1_000)])
    (gap,) = found.gaps
    assert close(found.length_m, 1_000)
    assert close(gap.from_m, 100)
    assert close(gap.to_m, 900)
    assert close(found.covered_m, 200)
    assert found.seen_by == (UUID(int=1), UUID(int=2))
    assert close(distance_m(gap.line[0], at(100)), 0)
    assert close(distance_m(gap.line[-1], at(900)), 0)


def test_circles_that_meet_leave_no_gap() -> None:
    eyes = [eye(number, number * 190.0) for number in range(7)]
    assert of_route([at(0), at(1_000)], eyes).gaps == ()


def test_a_gap_of_a_metre_is_found() -> None:
    (gap,) = of_route([at(0), at(201)], [eye(1, 0), eye(2, 201)]).gaps
    assert close(gap.length_m, 1)


def test_a_camera_aside_sees_less_of_the_way() -> None:
    found = of_route([at(0), at(400)], [eye(1, 200, 60)])
    assert [round(length) for gap in found.gaps for length in (gap.from_m, gap.to_m)] == [0, 120, 280, 400]
    assert of_route([at(0), at(400)], [eye(1, 200, 101)]).seen_by == ()


def test_a_gap_around_a_corner_has_the_corner() -> None:
    (gap,) = of_route([at(0), at(300), at(300, 300)], [eye(1, 0), eye(2, 300, 300)]).gaps
    assert [round(distance_m(point, at(300))) for point in gap.line] == [200, 0, 200]


def test_without_cameras_all_of_it_is_a_gap_and_of_nothing_there_is_none() -> None:
    (gap,) = of_route([at(0), at(500)], []).gaps
    assert close(gap.length_m, 500)
    assert of_route([at(0)], []).gaps == ()
    assert of_route([at(0), at(0)], []).length_m == 0


def test_places_that_nobody_sees() -> None:
    assert unseen([at(0), at(99), at(101)], [eye(1, 0)]) == [at(101)]
    assert unseen([at(0)], []) == [at(0)]


METRES = st.floats(-3_000, 3_000)
EYES = st.lists(st.tuples(METRES, METRES, st.floats(1, 900)), max_size=12)
ROUTES = st.lists(st.tuples(METRES, METRES), min_size=2, max_size=8)


@given(ROUTES, EYES)
def test_gaps_and_what_is_seen_make_the_whole_route(
    corners: list[tuple[float, float]], circles: list[tuple[float, float, float]]
) -> None:
    eyes = [eye(number, *circle) for number, circle in enumerate(circles)]
    found = of_route([at(*corner) for corner in corners], eyes)
    assert 0 <= found.covered_m <= found.length_m + 1e-6
    assert all(one.to_m < other.from_m for one, other in pairwise(found.gaps))
    for gap in found.gaps:
        # Its inner points are seen by nobody, and just beyond its ends somebody sees.
        for point in gap.line[1:-1]:
            assert unseen([point], [Eye(one.camera_id, one.location, one.range_m * 0.998) for one in eyes]) == [point]


@given(ROUTES, EYES)
def test_more_cameras_never_see_less(
    corners: list[tuple[float, float]], circles: list[tuple[float, float, float]]
) -> None:
    route = [at(*corner) for corner in corners]
    eyes = [eye(number, *circle) for number, circle in enumerate(circles)]
    covered = [of_route(route, eyes[:count]).covered_m for count in range(len(eyes) + 1)]
    assert all(before <= after + 1.0 for before, after in pairwise(covered))
