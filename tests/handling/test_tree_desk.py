"""The tree changes whole, at its instant, judged before; what is open stays with its owner, and no two ever overlap."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import date, datetime, timedelta
from itertools import combinations
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch import directory
from dispatch.audit.replay import as_of
from dispatch.audit.tree import tree_as_of
from dispatch.directory import Directory
from dispatch.directory_entries import CameraEntry
from dispatch.handling.incidents import Move
from dispatch.handling.tree import TreeDesk, change_id_of
from dispatch.jurisdiction import shape_of
from dispatch.territory import SLIVER_M2, after, area_m2, judged, moved
from domain.center.events import (
    CenterChange,
    CenterEstablished,
    CenterMoved,
    GroundChanged,
    TreeChangeApplied,
    TreeChangeRefused,
    TreeChangeScheduled,
)
from domain.event import GeoPoint
from domain.identifiers import tree_stream
from domain.refusals import Refusal, Refused
from domain.vocabulary import CenterKind
from tests.handling.world import CITY, DISTRICT, NEXT_STATION, START, STATION, World, settled

HERE, THERE = GeoPoint(lon=104.08, lat=30.65), GeoPoint(lon=104.15, lat=30.65)
"""On the first station's ground, near the border; and on the next one's."""
EAST, ZONE = UUID(int=77), UUID(int=78)


def strip(west: float, east: float) -> Any:
    return ((((west, 30.6), (east, 30.6), (east, 30.7), (west, 30.7), (west, 30.6)),),)


def ground(center_id: UUID, code: str, west: float, east: float) -> CenterChange:
    return CenterChange(center_id=center_id, code=code, area=strip(west, east))


BORDER_MOVES = (ground(STATION, "station", 104.0, 104.05), ground(NEXT_STATION, "station-2", 104.05, 104.2))


def a_change(*changes: CenterChange, at: datetime, **fields: Any) -> TreeChangeScheduled:
    return TreeChangeScheduled(city="chengdu", changes=changes, effective_at=at, reason="区划调整", **fields)


def opening(center_id: UUID, code: str, parent_id: UUID, area: Any = ()) -> CenterChange:
    said = CenterEstablished(
        city="chengdu",
        code=code,
        name_zh=code,
        name_en=code,
        kind=CenterKind.DISTRICT,
        level=2,
        parent_id=parent_id,
        path=(parent_id, center_id),
        valid_from=date(2026, 7, 1),
        location=HERE,
        area=area,
    )
    return CenterChange(center_id=center_id, code=code, opens=said)


async def begun() -> tuple[World, TreeDesk]:
    world = await settled()
    return world, TreeDesk(world.scribe, world.directory)


async def now(world: World, desk: TreeDesk, *changes: CenterChange, left: Any = None, **fields: Any) -> UUID:
    asked = world.request()
    await desk.schedule(a_change(*changes, at=world.watch.now(), **fields), asked, left=left or {})
    await world.directory.catch_up()
    return change_id_of(asked)


def owner_of(directory: Directory, point: GeoPoint) -> UUID:
    return directory.locate(point)[-1].id


async def test_a_border_moves_at_its_instant_and_routing_of_before_is_found_again() -> None:
    world, desk = await begun()
    asked = world.request()
    at = START + timedelta(days=1)
    outcome = await desk.schedule(a_change(*BORDER_MOVES, at=at), asked, left={})
    assert outcome.answer["state"] == "scheduled"
    watch = world.timers()
    world.watch.forward(hours=23)
    assert await watch.step() == 0
    await world.directory.catch_up()
    assert owner_of(world.directory, HERE) == STATION
    before = (await world.log.tip()).position
    world.watch.forward(hours=2)
    assert await watch.step() == 1
    assert (await watch.step(), await world.timers().step()) == (0, 0)
    await world.directory.catch_up()
    assert owner_of(world.directory, HERE) == NEXT_STATION
    facts = await world.facts(change_id_of(asked))
    assert facts[1:] == [TreeChangeApplied(late_s=3600.0)]
    assert [type(event) for event in (await world.facts(STATION))[1:]] == [GroundChanged]
    then = await tree_as_of(world.log, await as_of(world.log, position=before))
    assert then.locate(HERE)[-1].id == STATION
    assert (await tree_as_of(world.log, await as_of(world.log))).locate(HERE)[-1].id == NEXT_STATION


async def test_the_past_is_not_redrawn_and_a_correction_says_that_it_is_one() -> None:
    world, desk = await begun()
    past = START - timedelta(days=30)
    with pytest.raises(Refused) as refused:
        await desk.schedule(a_change(*BORDER_MOVES, at=past), world.request(), left={})
    assert refused.value.code == "tree.in_the_past"
    ahead = a_change(*BORDER_MOVES, at=START + timedelta(days=1), is_correction=True)
    with pytest.raises(Refused) as refused:
        await desk.schedule(ahead, world.request(), left={})
    assert refused.value.code == "tree.correction_ahead"
    position = (await world.log.tip()).position
    await desk.schedule(a_change(*BORDER_MOVES, at=past, is_correction=True), world.request(), left={})
    (fact,) = [event for event in await world.facts(STATION) if isinstance(event, GroundChanged)]
    assert fact.is_correction
    # As known then it was the first station's; as true, with all we know now, it was the next one's all along.
    at = START - timedelta(days=1)
    known = await tree_as_of(world.log, await as_of(world.log, position=position))
    true = await tree_as_of(world.log, await as_of(world.log, true_at=at))
    earlier = await tree_as_of(world.log, await as_of(world.log, true_at=past - timedelta(days=1)))
    assert [tree.locate(HERE)[-1].id for tree in (known, true, earlier)] == [STATION, NEXT_STATION, STATION]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ([ground(STATION, "station", 104.0, 104.15)], "tree.overlap"),
        ([ground(NEXT_STATION, "station-2", 104.1, 104.4)], "tree.outside_parent"),
        ([CenterChange(center_id=DISTRICT, code="district", area=strip(104.0, 104.15))], "tree.outside_parent"),
        ([CenterChange(center_id=STATION, code="station", parent_id=EAST)], "tree.orphan"),
        ([CenterChange(center_id=DISTRICT, code="district", parent_id=STATION)], "tree.circle"),
        ([CenterChange(center_id=EAST, code="east", area=strip(104.0, 104.1))], "center.unknown"),
        ([CenterChange(center_id=STATION, code="station")], "tree.not_one_each"),
        ([BORDER_MOVES[0], BORDER_MOVES[0]], "tree.not_one_each"),
        ([CenterChange(center_id=CITY, code="city", parent_id=STATION)], "tree.circle"),
    ],
)
async def test_what_cannot_be_is_refused_and_nothing_is_recorded(changes: list[CenterChange], code: str) -> None:
    world, desk = await begun()
    position = (await world.log.tip()).position
    for at in (START, START + timedelta(days=1)):
        with pytest.raises(Refused) as refused:
            await desk.schedule(a_change(*changes, at=at), world.request(), left={})
        assert refused.value.code == code
    assert (await world.log.tip()).position == position


async def test_a_ground_that_crosses_itself_is_no_ground_and_a_gap_is_only_warned_of() -> None:
    world = await settled()
    before = dict(world.directory.centers)
    bow = ((((104.0, 30.6), (104.1, 30.7), (104.1, 30.6), (104.0, 30.7), (104.0, 30.6)),),)
    crossed = (CenterChange(center_id=STATION, code="station", area=bow),)
    then = after(before, crossed)
    assert not isinstance(then, Refusal)
    assert [one.code for one in judged(before, then, crossed).refused] == ["tree.invalid_ground"]
    smaller = (BORDER_MOVES[0],)
    then = after(before, smaller)
    assert not isinstance(then, Refusal)
    found = judged(before, then, smaller)
    assert found.refused == ()
    (gap,) = found.warned
    assert (gap.code, gap.center, gap.other) == ("tree.gap", "district", "station")
    assert gap.area_m2 == pytest.approx(0.05 * 0.1 * 111_320**2 * 0.86, rel=0.01)
    assert moved(before, then, [HERE, THERE, GeoPoint(lon=104.01, lat=30.65)]) == {("station", "district"): 1}


async def test_a_center_moves_with_all_below_it_and_what_is_based_there_follows() -> None:
    world, desk = await begun()
    await now(
        world,
        desk,
        CenterChange(center_id=DISTRICT, code="district", area=strip(104.1, 104.3)),
        opening(EAST, "east", CITY, strip(104.0, 104.1)),
        CenterChange(center_id=STATION, code="station", parent_id=EAST),
    )
    station = world.directory.center(STATION)
    assert station is not None
    assert station.path == (CITY, EAST, STATION)
    assert [one.id for one in world.directory.locate(HERE)] == [CITY, EAST, STATION]
    assert [type(event) for event in (await world.facts(STATION))[1:]] == [CenterMoved]
    assert all(camera.path == (CITY, EAST, STATION) for camera in world.directory.cameras.values())
    # What is below one that moves moves with it, by a fact of its own.
    zone = opening(ZONE, "zone", CITY)
    await now(world, desk, zone, CenterChange(center_id=EAST, code="east", parent_id=ZONE))
    assert [one.id for one in world.directory.locate(HERE)] == [CITY, ZONE, EAST, STATION]
    assert [type(event) for event in (await world.facts(STATION))[2:]] == [CenterMoved]
    again = Directory(world.log, "chengdu")
    again._take(world.directory.contents())
    assert again.contents() == world.directory.contents()


class Looked(dict[UUID, CameraEntry]):
    """Counts how often all of them are looked through."""

    times = 0

    def values(self) -> Any:
        self.times += 1
        return super().values()


async def test_all_cameras_are_looked_through_once_for_centers_that_moved_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, desk = await begun()
    districts = (CenterChange(center_id=DISTRICT, code="district", area=()), opening(EAST, "east", CITY))
    await now(world, desk, *districts)
    known = Directory(world.log, "chengdu")
    await known.catch_up()
    stations = (STATION, "station"), (NEXT_STATION, "station-2")
    tip = await world.log.tip()
    await now(world, desk, *(CenterChange(center_id=one, code=code, parent_id=EAST) for one, code in stations))
    said = await world.everything(after=tip.position)
    assert [type(fact.event) for fact in said].count(CenterMoved) == 2
    known.cameras = looked = Looked(known.cameras)
    await known.catch_up()
    assert looked.times == 1
    assert [camera.path for camera in known.cameras.values()] == [(CITY, EAST, STATION)]
    # And it is the same wherever a page of the log ends.
    monkeypatch.setattr(directory, "PAGE_EVENTS", 1)
    again = Directory(world.log, "chengdu")
    await again.catch_up()
    assert again.contents() == known.contents()


async def test_a_change_that_can_no_longer_be_when_its_instant_comes_is_refused_as_a_fact() -> None:
    world, desk = await begun()
    asked, other = world.request(), world.request()
    at = START + timedelta(days=1)
    widened = ground(NEXT_STATION, "station-2", 104.1, 104.25)
    await desk.schedule(a_change(widened, at=at), asked, left={})
    await desk.schedule(a_change(opening_station(), at=at), other, left={})
    world.watch.forward(days=1)
    watch = world.timers()
    assert await watch.step() + await watch.step() == 2
    await world.directory.catch_up()
    states = {entry.id: entry.state for entry in world.directory.changes.values()}
    assert sorted(states.values()) == ["applied", "refused"]
    refused = next(one for one, state in states.items() if state == "refused")
    fact = (await world.facts(refused))[-1]
    assert isinstance(fact, TreeChangeRefused)
    assert fact.code == "tree.overlap"
    assert len(await world.facts(tree_stream("chengdu"))) == 1


def opening_station() -> CenterChange:
    said = opening(EAST, "station-3", DISTRICT, strip(104.2, 104.28)).opens
    assert said is not None
    return CenterChange(
        center_id=EAST, code="station-3", opens=said.model_copy(update={"kind": CenterKind.STATION, "level": 3})
    )


async def test_a_change_is_called_off_before_its_instant_and_not_after() -> None:
    world, desk = await begun()
    asked = world.request()
    await desk.schedule(a_change(*BORDER_MOVES, at=START + timedelta(days=1)), asked, left={})
    await desk.call_off(change_id_of(asked), "postponed", world.request())
    world.watch.forward(days=2)
    assert await world.timers().step() == 0
    done = await now(world, desk, *BORDER_MOVES)
    with pytest.raises(Refused) as refused:
        await desk.call_off(done, "x", world.request())
    assert refused.value.code == "tree.already_decided"


async def test_what_is_open_stays_with_its_owner_until_somebody_moves_it_and_who_was_first_keeps_it() -> None:
    world, desk = await begun()
    mine, taken = await world.open(), await world.open()
    await now(world, desk, *BORDER_MOVES)
    state = (await world.incidents.state(mine)).state
    assert state.owner is not None
    assert state.owner.center_id == STATION
    to = world.directory.center(NEXT_STATION)
    assert to is not None
    moves = [Move(mine, STATION, to.ownership, is_offer=False), Move(taken, DISTRICT, to.ownership, is_offer=False)]
    outcome = await world.incidents.move_many(moves, "the border moved", world.request())
    assert dict(outcome.answer) == {"moved": "1", "offered": "0"}
    owners = [(await world.incidents.state(one)).state.owner for one in (mine, taken)]
    assert [one.center_id for one in owners if one is not None] == [NEXT_STATION, STATION]
    offer = [Move(taken, STATION, to.ownership, is_offer=True)]
    outcome = await world.incidents.move_many(offer, "the border moved", world.request())
    assert dict(outcome.answer) == {"moved": "0", "offered": "1"}
    state = (await world.incidents.state(taken)).state
    assert state.owner is not None
    assert (state.owner.center_id, state.offer is not None) == (STATION, True)


edges = st.integers(1, 29).map(lambda tenth: round(104.0 + tenth / 100, 2))
steps = st.lists(st.tuples(st.sampled_from([STATION, NEXT_STATION]), edges, edges, st.booleans()), max_size=8)


@settings(max_examples=40)
@given(steps)
def test_whatever_is_asked_no_two_stations_ever_share_ground_and_none_leaves_its_district(plan: list[Any]) -> None:
    async def story() -> None:
        world, desk = await begun()
        codes = {STATION: "station", NEXT_STATION: "station-2"}
        for center_id, west, east, is_ahead in plan:
            if west >= east:
                continue
            at = world.watch.now() + timedelta(hours=1 if is_ahead else 0)
            change = a_change(ground(center_id, codes[center_id], west, east), at=at)
            with contextlib.suppress(Refused):
                await desk.schedule(change, world.request(), left={})
            world.watch.forward(minutes=40)
            await world.timers().step()
            await world.directory.catch_up()
            stations = [one for one in world.directory.centers.values() if one.kind is CenterKind.STATION]
            district = world.directory.centers[DISTRICT]
            for one, other in combinations(stations, 2):
                assert area_m2(shape_of(one.area).intersection(shape_of(other.area))) <= SLIVER_M2
            for one in stations:
                assert area_m2(shape_of(one.area).difference(shape_of(district.area))) <= SLIVER_M2
        tip = await as_of(world.log)
        rebuilt = await tree_as_of(world.log, tip)
        assert rebuilt.centers == world.directory.centers

    asyncio.run(story())
