"""The sample city is what the article says, made the same on every machine."""

from __future__ import annotations

from collections import Counter

import pytest
from shapely import Point, unary_union

from dispatch.cities.ground import partition, shares, spots
from dispatch.cities.plan import Planner
from dispatch.cities.source import read_city
from dispatch.jurisdiction import Jurisdiction, shape_of
from domain.event import GeoPoint
from domain.rulebook.content import Rulebook
from domain.vocabulary import CenterKind


@pytest.fixture(scope="module")
def plan():
    return Planner(read_city("chengdu")).plan()


class Grounded:
    def __init__(self, node) -> None:
        self.id, self.code = node.id, node.center.code
        self.path, self.area = node.center.path, node.center.area


@pytest.fixture(scope="module")
def jurisdiction(plan):
    return Jurisdiction([Grounded(node) for node in plan.nodes])


def test_the_city_has_the_centers_of_the_article(plan):
    kinds = Counter(node.center.kind for node in plan.nodes)
    assert kinds == {
        CenterKind.CITY: 1,
        CenterKind.DISTRICT: 20,
        CenterKind.BRANCH: 9,
        CenterKind.STATION: 140,
        CenterKind.FUNCTIONAL: 15,
    }
    assert len(plan.nodes) == 185


def test_sites_cameras_and_operators_are_as_many_as_published(plan):
    assert Counter(site.phase for _, site in plan.sites) == {"2006": 3600, "2007": 3800, "2009-10": 8000, "2011": 400}
    assert len(plan.cameras) == len({camera.code for _, camera in plan.cameras}) == 16_000
    assert len(plan.operators) == 1_500


def test_a_shift_is_handed_over_wherever_anybody_has_one(plan):
    kinds = {node.id: node.center.kind for node in plan.nodes}
    staffed = {kinds[enrolled.center_id] for _, enrolled in plan.operators}
    assert set(Rulebook.model_validate_json(read_city("chengdu").rulebook).handover_demanded_at) == staffed


def test_every_agency_has_units_and_a_center(plan):
    agencies = {agency.code for agency in plan.agencies}
    assert {unit.agency for _, unit in plan.units} == agencies
    assert {node.center.agency for node in plan.nodes if node.center.agency} == agencies


def test_the_plan_is_the_same_every_time(plan):
    assert Planner(read_city("chengdu")).plan() == plan


def test_stations_cover_their_district_without_overlap(plan):
    for district in read_city("chengdu").districts:
        areas = [
            shape_of(n.center.area)
            for n in plan.nodes
            if n.center.kind is CenterKind.STATION and n.district == district.code
        ]
        assert unary_union(areas).symmetric_difference(district.ground).area < 1e-6 * district.ground.area
        assert sum(area.area for area in areas) == pytest.approx(district.ground.area, rel=1e-5)


def test_every_camera_stands_on_the_ground_of_its_station(plan, jurisdiction):
    assert all(jurisdiction.locate(camera.location) == camera.path for _, camera in plan.cameras)


def test_a_branch_commands_stations_of_its_own(plan, jurisdiction):
    branch = next(node for node in plan.nodes if node.center.code == "b-tianfu")
    stations = [node for node in plan.nodes if node.center.parent_id == branch.id]
    assert len(stations) == 4
    assert jurisdiction.locate(stations[0].center.location)[1] == branch.id


def test_nobody_has_ground_outside_the_city(jurisdiction):
    assert jurisdiction.locate(GeoPoint(lon=116.397, lat=39.908)) == ()


def test_a_point_on_a_shared_border_has_one_owner(plan):
    left, right = (Grounded(node) for node in plan.nodes if node.center.code in ("d-510104", "d-510105"))
    border = shape_of(left.area).boundary.intersection(shape_of(right.area).boundary)
    assert not border.is_empty
    spot = Point(border.geoms[0].coords[0])
    for order in ([left, right], [right, left]):
        assert Jurisdiction(order).locate(GeoPoint(lon=spot.x, lat=spot.y)) == left.path


def test_shares_give_everybody_something_and_nothing_is_left():
    given = shares({"a": 100.0, "b": 1.0, "c": 0.001}, 10)
    assert sum(given.values()) == 10
    assert min(given.values()) == 1


def test_partition_and_spots_stay_inside(plan):
    ground = read_city("chengdu").districts[0].ground
    assert all(ground.buffer(1e-9).contains(part) for part in partition(ground, 7))
    assert all(ground.contains(spot) for spot in spots(ground, 50))


def test_an_unknown_city_is_named_with_those_there_are():
    with pytest.raises(ValueError, match="known: chengdu"):
        read_city("atlantis")
