"""The desk of mutual aid: a unit is kept for one asker at a time, whoever is first and in whatever order."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.handling.aid import AidDesk
from dispatch.store.memory import MemoryLog
from domain.aid import commands as ask
from domain.aid.decider import AidPhase
from domain.aid.events import AidRequested, LentUnit, WantedUnits
from domain.ownership import Ownership
from domain.refusals import Conflict, Refused
from domain.vocabulary import UnitKind
from tests.handling.world import (
    CITY,
    DISTRICT,
    NEXT_STATION,
    OTHER_UNIT,
    START,
    STATION,
    UNIT,
    Interleaved,
    Watch,
    World,
)

ONE, OTHER = UUID(int=901), UUID(int=902)
CAR, VAN = LentUnit(unit_id=UNIT, call_sign="P-1"), LentUnit(unit_id=OTHER_UNIT, call_sign="P-2")


async def accepted(world: World, *aid_ids: UUID) -> AidDesk:
    """Requests that wait for units."""
    desk = AidDesk(world.scribe)
    for aid_id in aid_ids:
        requested = AidRequested(
            asker=Ownership(center_id=NEXT_STATION, path=(CITY, DISTRICT, NEXT_STATION)),
            asked=Ownership(center_id=STATION, path=(CITY, DISTRICT, STATION)),
            wanted=(WantedUnits(kind=UnitKind.PATROL_CAR, count=1),),
            reason="flood",
            answer_by=START + timedelta(minutes=5),
            ends_at=START + timedelta(hours=5),
        )
        await desk.execute(aid_id, ask.RequestAid(aid=requested, at=START), world.request())
        await desk.execute(aid_id, ask.AcceptAid(at=START), world.request())
    return desk


def commit(*units: LentUnit) -> ask.CommitUnits:
    return ask.CommitUnits(units=units, at=START)


async def test_a_unit_that_is_kept_for_one_asker_is_not_committed_to_another() -> None:
    world = World(MemoryLog(Watch()), Watch())
    desk = await accepted(world, ONE, OTHER)
    await desk.execute(ONE, commit(CAR), world.request())
    before = (await world.scribe.log.tip()).position
    with pytest.raises(Refused) as refused:
        await desk.execute(OTHER, commit(VAN, CAR), world.request())
    assert (refused.value.code, refused.value.values["unit_id"]) == ("aid.unit_kept", str(UNIT))
    assert (await world.scribe.log.tip()).position == before, "both units, or none"


async def test_what_one_lets_go_the_other_may_have() -> None:
    world = World(MemoryLog(Watch()), Watch())
    desk = await accepted(world, ONE, OTHER)
    await desk.execute(ONE, commit(CAR, VAN), world.request())
    await desk.execute(ONE, ask.ReleaseUnits(center_id=STATION, unit_ids=(UNIT,)), world.request())
    await desk.execute(OTHER, commit(CAR), world.request())
    await desk.execute(ONE, ask.ReleaseUnits(center_id=STATION), world.request())
    assert (await desk.state(ONE)).phase is AidPhase.RELEASED
    assert (await desk.state(OTHER)).lent == {UNIT}
    with pytest.raises(Refused):
        await desk.execute(ONE, commit(VAN), world.request())


async def test_a_stated_version_is_the_requests_own() -> None:
    world = World(MemoryLog(Watch()), Watch())
    desk = await accepted(world, ONE)
    with pytest.raises(Conflict):
        await desk.execute(ONE, commit(CAR), world.request(expected_version=1))
    done = await desk.execute(ONE, commit(CAR), world.request(expected_version=2))
    assert done.versions[ONE] == 3


@settings(max_examples=100)
@given(schedule=st.lists(st.integers(0, 4), min_size=1, max_size=16))
def test_of_two_centers_that_promise_the_same_unit_at_once_one_has_it(schedule: list[int]) -> None:
    async def race() -> None:
        watch = Watch()
        log = MemoryLog(watch)
        world = World(log, watch)
        await accepted(world, ONE, OTHER)
        desk = AidDesk(World(Interleaved(log, schedule), watch, asked=500).scribe)
        asked = [world.request(expected_version=2), world.request(expected_version=2)]
        told = await asyncio.gather(
            desk.execute(ONE, commit(VAN, CAR), asked[0]),
            desk.execute(OTHER, commit(CAR), asked[1]),
            return_exceptions=True,
        )
        refused = [each for each in told if isinstance(each, Exception)]
        assert [each.code for each in refused if isinstance(each, Refused)] == ["aid.unit_kept"]
        lent = [(await AidDesk(world.scribe).state(aid_id)).lent for aid_id in (ONE, OTHER)]
        assert lent in ([{UNIT, OTHER_UNIT}, set()], [set(), {UNIT}])

    asyncio.run(race())
