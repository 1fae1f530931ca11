"""A center closes when nothing is left there, now or at its instant, and otherwise stays, as a fact."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

import pytest

from dispatch.handling.tree import Left, change_id_of
from dispatch.workers.timers.many_streams import LOOK_AGAIN_AFTER
from domain.center import decider as center_decider
from domain.center.commands import EstablishCenter
from domain.center.events import (
    CenterChange,
    CenterClosed,
    CenterEstablished,
    GroundChanged,
    TreeChangeApplied,
    TreeChangeRefused,
)
from domain.refusals import Refused
from tests.handling.test_tree_desk import HERE, a_change, begun, ground, now, owner_of
from tests.handling.world import DISTRICT, NEXT_STATION, START, STATION


async def test_a_center_closes_when_nothing_is_left_there_and_a_load_of_the_city_does_not_open_it_again() -> None:
    world, desk = await begun()
    closing = CenterChange(center_id=STATION, code="station", closes=True)
    left = {STATION: {"open_incidents": 2, "shifts": 1, "units": 3}}
    with pytest.raises(Refused) as refused:
        await now(world, desk, closing, left=left)
    assert refused.value.code == "center.has_open_work"
    assert {name: refused.value.values[name] for name in ("open_incidents", "shifts", "units")} == {
        "open_incidents": "2",
        "shifts": "1",
        "units": "3",
    }
    with pytest.raises(Refused) as refused:
        await now(world, desk, CenterChange(center_id=DISTRICT, code="district", closes=True))
    assert refused.value.code == "tree.orphan"
    await now(world, desk, closing)
    assert world.directory.center(STATION) is None
    facts = await world.facts(STATION)
    assert isinstance(facts[-1], CenterClosed)
    established = facts[0]
    assert isinstance(established, CenterEstablished)
    state = center_decider.INITIAL
    for event in facts:
        state = center_decider.evolve(state, event)
    assert center_decider.decide(STATION, EstablishCenter(center=established), state) == ()


async def test_a_center_that_is_to_close_is_counted_at_its_instant_and_closes_when_nothing_is_left() -> None:
    world, desk = await begun()
    asked = world.request()
    closing = CenterChange(center_id=STATION, code="station", closes=True)
    await desk.schedule(a_change(closing, at=START + timedelta(days=1)), asked, left={STATION: {"shifts": 9}})
    known: list[Left | None] = [None, {STATION: {"open_incidents": 0}}]

    async def left(center_ids: Collection[UUID]) -> Left | None:
        assert list(center_ids) == [STATION]
        return known.pop(0)

    watch = world.timers(left)
    world.watch.forward(days=1)
    assert (await watch.step(), await watch.step(), len(known)) == (0, 0, 1), "not known yet, and not asked at once"
    world.watch.forward(seconds=LOOK_AGAIN_AFTER.total_seconds())
    assert (await watch.step(), known) == (1, [])
    await world.directory.catch_up()
    assert world.directory.center(STATION) is None
    assert (await world.facts(change_id_of(asked)))[-1] == TreeChangeApplied(late_s=5.0)
    (closed,) = [event for event in await world.facts(STATION) if isinstance(event, CenterClosed)]
    assert closed.effective_at == START + timedelta(days=1)


async def test_a_center_that_still_has_work_at_its_instant_stays_and_that_is_a_fact() -> None:
    world, desk = await begun()
    asked = world.request()
    closing = CenterChange(center_id=STATION, code="station", closes=True)
    widened = ground(NEXT_STATION, "station-2", 104.1, 104.15)
    await desk.schedule(a_change(closing, widened, at=START + timedelta(days=1)), asked, left={})

    async def left(center_ids: Collection[UUID]) -> Left | None:
        return {one: {"open_incidents": 2, "units": 1} for one in center_ids}

    world.watch.forward(days=1)
    assert await world.timers(left).step() == 1
    await world.directory.catch_up()
    fact = (await world.facts(change_id_of(asked)))[-1]
    assert isinstance(fact, TreeChangeRefused)
    assert (fact.code, "2 open incidents, 1 units" in fact.detail) == ("center.has_open_work", True)
    assert world.directory.changes[change_id_of(asked)].refused == fact.detail
    assert owner_of(world.directory, HERE) == STATION
    assert not [event for event in await world.facts(NEXT_STATION) if isinstance(event, GroundChanged)]
