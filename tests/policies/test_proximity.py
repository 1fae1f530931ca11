"""Near and far: the grid never misses what is within the radius."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from domain.event import GeoPoint
from domain.policies.proximity import Grid, Spot, distance_m

points = st.builds(GeoPoint, lon=st.floats(103.9, 104.3), lat=st.floats(30.4, 30.9))
anywhere = st.builds(GeoPoint, lon=st.floats(-179, 179), lat=st.floats(-80, 80))


def test_distances_are_those_of_the_sphere():
    assert distance_m(GeoPoint(lon=104, lat=30), GeoPoint(lon=104, lat=30)) == 0
    assert round(distance_m(GeoPoint(lon=104, lat=30), GeoPoint(lon=104, lat=31))) == 111_195
    assert round(distance_m(GeoPoint(lon=104.0668, lat=30.5728), GeoPoint(lon=103.9471, lat=30.5785))) == 11_477


@given(anywhere, anywhere)
def test_there_is_as_far_as_back(one, other):
    assert abs(distance_m(one, other) - distance_m(other, one)) < 1e-6


@given(anywhere, st.lists(st.one_of(anywhere, points), max_size=20))
def test_a_spot_measures_to_the_last_bit_what_two_points_measure(here, others):
    assert Spot(here).distances_m(map(Spot, others)) == [distance_m(here, other) for other in others]


@given(st.lists(points, max_size=60), points, st.sampled_from([10.0, 249.0, 251.0, 3_000.0, 20_000.0]))
def test_the_grid_names_everything_within_the_radius(placed, here, radius_m):
    grid: Grid[int] = Grid(250)
    for key, point in enumerate(placed):
        grid.put(key, point)
    found = set(grid.near(here, radius_m))
    assert {key for key, point in enumerate(placed) if distance_m(here, point) <= radius_m} <= found


@given(st.lists(st.tuples(st.integers(0, 5), st.one_of(st.none(), points)), max_size=40), points)
def test_moving_and_removing_leaves_each_key_where_it_was_put_last(steps, here):
    grid: Grid[int] = Grid(250)
    where: dict[int, GeoPoint] = {}
    for key, point in steps:
        if point is None:
            grid.remove(key)
            where.pop(key, None)
        else:
            grid.put(key, point)
            where[key] = point
    assert len(grid) == len(where)
    assert set(grid.near(here, 200_000)) == set(where)
