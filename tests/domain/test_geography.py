"""Distances on the earth, and the shifted datum of Chinese sources."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.event import GeoPoint
from domain.geography import distance_m, gcj02_to_wgs84, in_displaced_area, wgs84_to_gcj02

IN_CHINA = st.builds(GeoPoint, lon=st.floats(74, 134), lat=st.floats(18, 53))
ANYWHERE = st.builds(GeoPoint, lon=st.floats(-180, 180), lat=st.floats(-90, 90))


@given(IN_CHINA)
def test_there_and_back_is_less_than_a_centimetre(point: GeoPoint):
    assert distance_m(gcj02_to_wgs84(wgs84_to_gcj02(point)), point) < 0.01


@given(IN_CHINA)
def test_the_displacement_is_some_hundred_metres(point: GeoPoint):
    assert 20 < distance_m(wgs84_to_gcj02(point), point) < 1_500


@pytest.mark.parametrize(
    ("true", "shifted"),
    [
        (GeoPoint(lat=31.1774276, lon=121.5272106), GeoPoint(lat=31.17530398364597, lon=121.531541859215)),
        (GeoPoint(lat=22.543847, lon=113.912316), GeoPoint(lat=22.540796131694766, lon=113.9171764808363)),
        (GeoPoint(lat=39.911954, lon=116.377817), GeoPoint(lat=39.91334545536069, lon=116.38404722455657)),
    ],
    ids=["Shanghai", "Shenzhen", "Beijing"],
)
def test_known_pairs_agree_with_other_implementations(true: GeoPoint, shifted: GeoPoint):
    """The pairs that eviltransform's own tests use."""
    assert distance_m(wgs84_to_gcj02(true), shifted) < 0.1
    assert distance_m(gcj02_to_wgs84(shifted), true) < 0.1


@pytest.mark.parametrize("point", [GeoPoint(lon=2.35, lat=48.85), GeoPoint(lon=-74, lat=40.7), GeoPoint(lon=0, lat=0)])
def test_abroad_nothing_is_displaced(point: GeoPoint):
    assert not in_displaced_area(point)
    assert wgs84_to_gcj02(point) == gcj02_to_wgs84(point) == point


def test_a_degree_of_latitude_is_111_km():
    assert distance_m(GeoPoint(lon=104, lat=30), GeoPoint(lon=104, lat=31)) == pytest.approx(111_195, abs=1)


@given(ANYWHERE, ANYWHERE)
def test_a_distance_is_the_same_both_ways_and_at_most_half_around(one: GeoPoint, other: GeoPoint):
    assert distance_m(one, other) == distance_m(other, one)
    assert 0 <= distance_m(one, other) <= 20_015_200


def test_the_dateline_is_no_border():
    assert distance_m(GeoPoint(lon=179.999, lat=0), GeoPoint(lon=-179.999, lat=0)) < 250
