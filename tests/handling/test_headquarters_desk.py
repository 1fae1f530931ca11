"""A headquarters takes over, directs and ends, whoever is at work beside it: no incident is ever nobody's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.directory import Directory
from dispatch.handling.headquarters import HeadquartersDesk, HeadquartersDraft, scope_of
from dispatch.store.memory import MemoryLog
from domain.center.events import CenterClosed
from domain.event import Event, Fact
from domain.headquarters.commands import ExtendHeadquarters
from domain.headquarters.events import HeadquartersExpired, HeadquartersStoodDown, Scope
from domain.identifiers import center_id as center_id_of
from domain.identifiers import headquarters_id
from domain.incident import commands as incident_ask
from domain.incident.decider import INITIAL, IncidentState, evolve
from domain.refusals import Conflict, DispatchError, Refused
from domain.vocabulary import CenterKind, Disposition, IncidentPhase
from tests.handling.world import (
    CITY,
    DISTRICT,
    IN_DISTRICT_ONLY,
    NEXT_STATION,
    START,
    STATION,
    TRAFFIC,
    Interleaved,
    Watch,
    World,
    settled,
)

CODE = "flood"
STREAM, NODE = headquarters_id("chengdu", CODE), center_id_of("chengdu", CODE)
CHIEF, DEPUTY = UUID(int=301), UUID(int=302)


def a_draft(**changed: Any) -> HeadquartersDraft:
    fields: dict[str, Any] = {
        "code": CODE,
        "name_zh": "指挥部",
        "name_en": "Headquarters",
        "purpose": "the river",
        "scope": Scope(centers=(DISTRICT, TRAFFIC)),
        "commander_id": CHIEF,
        "deputy_ids": (DEPUTY,),
        "ends_at": START + timedelta(hours=12),
    }
    return HeadquartersDraft(**fields | changed)


async def formed(world: World) -> HeadquartersDesk:
    desk = HeadquartersDesk(world.scribe, world.directory)
    await desk.open(a_draft(), world.request())
    await world.directory.catch_up()
    return desk


async def incident(world: World, incident_id: UUID) -> IncidentState:
    return (await world.incidents.state(incident_id)).state


async def test_it_is_a_center_below_the_city_and_above_whom_it_names() -> None:
    world = await settled()
    desk = await formed(world)
    node = world.directory.center(NODE)
    assert node is not None
    assert (node.kind, node.path, node.parent_id) == (CenterKind.HEADQUARTERS, (CITY, NODE), CITY)
    assert world.directory.seen_from(NODE) == (NODE, DISTRICT, TRAFFIC)
    assert world.directory.commanded_by(DEPUTY) == {NODE, DISTRICT, TRAFFIC}
    assert world.directory.commanded_by(UUID(int=999)) == frozenset()
    assert not (await desk.open(a_draft(), world.request())).changed
    with pytest.raises(Refused, match="another code"):
        await desk.open(a_draft(purpose="another"), world.request())
    with pytest.raises(Refused, match="another code"):
        await desk.open(a_draft(code="district"), world.request())
    # The ground of no station became its: what happens there is owned as before.
    assert [one.id for one in world.directory.locate(IN_DISTRICT_ONLY)] == [CITY, DISTRICT]


async def test_what_it_takes_it_owns_and_has_accepted_and_an_offer_that_waits_is_overtaken() -> None:
    world = await settled()
    desk = await formed(world)
    incident_id = await world.open()
    offered = await world.incidents.offer_transfer(
        incident_id, to_center_id=NEXT_STATION, reason="nearer", request=world.request()
    )
    await desk.take(STREAM, incident_id, "two districts", world.request())
    state = await incident(world, incident_id)
    assert state.owner is not None
    assert (state.owner.center_id, state.phase, state.offer) == (NODE, IncidentPhase.ACCEPTED, None)
    late = incident_ask.AcceptTransfer(transfer_id=UUID(offered.answer["transfer_id"]), center_id=NEXT_STATION)
    with pytest.raises(Refused) as refused:
        await world.incidents.execute(incident_id, late, world.request())
    assert refused.value.code == "incident.no_such_offer"
    assert not (await desk.take(STREAM, incident_id, "two districts", world.request())).changed


async def test_nobody_offers_it_incidents_and_it_takes_none_of_those_it_does_not_command() -> None:
    world = await settled()
    desk = await formed(world)
    incident_id = await world.open()
    with pytest.raises(Refused) as refused:
        await world.incidents.offer_transfer(incident_id, to_center_id=NODE, reason="x", request=world.request())
    assert refused.value.code == "headquarters.takes_over"
    elsewhere = await world.open(owner={"center_id": CITY, "path": (CITY,)})
    with pytest.raises(Refused) as refused:
        await desk.take(STREAM, elsewhere, "x", world.request())
    assert refused.value.code == "headquarters.not_commanded"


async def test_standing_down_gives_all_back_by_name_in_the_same_append() -> None:
    world = await settled(is_ticking=True)
    desk = await formed(world)
    mine, other, over, kept = [await world.open() for _ in range(4)]
    for one in (mine, other, over, kept):
        await desk.take(STREAM, one, "x", world.request())
    await desk.give_back(STREAM, kept, None, "small", world.request())
    for command in (incident_ask.ResolveIncident(disposition=Disposition.HANDLED), incident_ask.CloseIncident()):
        await world.incidents.execute(over, command, world.request())
    next_station = world.directory.center(NEXT_STATION)
    assert next_station is not None
    with pytest.raises(Refused) as refused:
        await desk.stand_down(STREAM, "x", world.request(), to={kept: next_station})
    assert refused.value.code == "headquarters.not_held"
    before = (await world.log.tip()).position
    await desk.stand_down(STREAM, "the water fell", world.request(), to={other: next_station})
    await world.directory.catch_up()
    owners = {}
    for one in (mine, other, over, kept):
        state = await incident(world, one)
        assert state.owner is not None
        owners[one] = state.owner.center_id
    assert owners == {mine: STATION, other: NEXT_STATION, over: STATION, kept: STATION}
    assert (await incident(world, over)).phase is IncidentPhase.CLOSED
    facts = await world.everything(after=before)
    (ended,) = [fact.event for fact in facts if isinstance(fact.event, HeadquartersStoodDown)]
    assert {(one.incident_id, one.to.center_id) for one in ended.returned} == {
        (mine, STATION),
        (other, NEXT_STATION),
        (over, STATION),
    }
    assert len({fact.recorded_at for fact in facts}) == 1, "two appends are never at the same instant here"
    assert world.directory.center(NODE) is None
    assert world.directory.known_center(NODE) is not None
    assert (world.directory.seen_from(NODE), world.directory.commanded_by(CHIEF)) == ((NODE,), frozenset())


async def test_it_ends_by_itself_at_its_time_once_and_a_giver_that_closed_is_replaced_by_who_is_above() -> None:
    world = await settled()
    desk = await formed(world)
    incident_id = await world.open()
    await desk.take(STREAM, incident_id, "x", world.request())
    await world.tell(STATION, CenterClosed(valid_to=START.date(), reason="moved"))
    watch = world.timers()
    world.watch.forward(hours=11)
    assert await watch.step() == 0
    later = world.watch.now() + timedelta(hours=2)
    await desk.execute(
        STREAM,
        ExtendHeadquarters(extended_at=world.watch.now(), ends_at=later, reason="a second wave"),
        world.request(),
    )
    world.watch.forward(hours=1.5)
    assert await watch.step() == 0, "it was prolonged"
    world.watch.forward(hours=1)
    assert await watch.step() == 1
    assert await watch.step() == 0
    assert await world.timers().step() == 0, "another owner finds nothing left to say"
    (ended,) = [event for event in await world.facts(STREAM) if isinstance(event, HeadquartersExpired)]
    assert (ended.due_at, ended.late_s) == (later, 1800.0)
    assert [one.to.center_id for one in ended.returned] == [DISTRICT]
    state = await incident(world, incident_id)
    assert state.owner is not None
    assert state.owner.center_id == DISTRICT
    assert isinstance((await world.facts(NODE))[-1], CenterClosed)


async def test_the_scope_is_who_is_named_and_nobody_who_is_below_one_that_is() -> None:
    world = await settled()
    directory = world.directory
    around = (((104.02, 30.62), (104.15, 30.62), (104.15, 30.66), (104.02, 30.66), (104.02, 30.62)),)
    touched = directory.touched_by(around)
    assert set(touched) == {STATION, NEXT_STATION}
    assert scope_of(directory, (), ["traffic_police"], touched) == (TRAFFIC, *touched)
    assert scope_of(directory, (DISTRICT,), [], touched) == (DISTRICT,)
    assert directory.touched_by(()) == ()
    beside = (((104.1, 30.7), (104.2, 30.7), (104.2, 30.8), (104.1, 30.8), (104.1, 30.7)),)
    assert STATION not in directory.touched_by(beside), "a corner that touches shares no ground"


# --- Any interleaving -------------------------------------------------------------------------------------------------

numbers = st.integers(0, 1)
plans = st.lists(
    st.one_of(
        st.tuples(st.just("take"), numbers),
        st.tuples(st.just("give_back"), numbers),
        st.tuples(st.just("offer"), numbers),
        st.tuples(st.just("answer"), numbers),
        st.tuples(st.just("resolve"), numbers),
        st.tuples(st.just("stand_down")),
        st.tuples(st.just("expire")),
    ),
    max_size=6,
)
schedules = st.lists(st.integers(0, 4), min_size=1, max_size=30)


class Somebody:
    """One person following a plan and shrugging at every no."""

    def __init__(self, world: World, desk: HeadquartersDesk, incidents: Sequence[UUID]) -> None:
        self._world, self._desk, self._incidents = world, desk, incidents

    async def follow(self, plan: list[tuple[Any, ...]]) -> None:
        for verb, *rest in plan:
            with contextlib.suppress(DispatchError, Conflict):
                await getattr(self, verb)(*rest)

    async def take(self, number: int) -> None:
        await self._desk.take(STREAM, self._incidents[number], "x", self._world.request())

    async def give_back(self, number: int) -> None:
        await self._desk.give_back(STREAM, self._incidents[number], None, "x", self._world.request())

    async def offer(self, number: int) -> None:
        await self._world.incidents.offer_transfer(
            self._incidents[number], to_center_id=NEXT_STATION, reason="x", request=self._world.request()
        )

    async def answer(self, number: int) -> None:
        state = await incident(self._world, self._incidents[number])
        if state.offer is not None:
            command = incident_ask.AcceptTransfer(
                transfer_id=state.offer.transfer_id, center_id=state.offer.to.center_id
            )
            await self._world.incidents.execute(self._incidents[number], command, self._world.request())

    async def resolve(self, number: int) -> None:
        command = incident_ask.ResolveIncident(disposition=Disposition.HANDLED)
        await self._world.incidents.execute(self._incidents[number], command, self._world.request())

    async def stand_down(self) -> None:
        await self._desk.stand_down(STREAM, "x", self._world.request(), to={})

    async def expire(self) -> None:
        asked = self._world.request(received_at=START + timedelta(days=1))
        changes = await self._desk.expire(STREAM, asked)
        if changes:
            await self._world.scribe.record(changes, asked)


@settings(max_examples=60)
@given(plans, plans, schedules)
def test_no_incident_is_a_headquarters_that_is_over_at_any_position(
    one: list[tuple[Any, ...]], other: list[tuple[Any, ...]], schedule: list[int]
) -> None:
    async def story() -> list[Fact[Event]]:
        watch = Watch()
        log = MemoryLog(watch)
        world = await World(log, watch).settle()
        desk = await formed(world)
        incidents = [await world.open() for _ in range(2)]
        await desk.take(STREAM, incidents[0], "x", world.request())
        crowd = World(Interleaved(log, schedule), world.watch, asked=1_000)  # type: ignore[arg-type]
        crowd.directory = world.directory
        crowd.incidents._directory = world.directory
        busy = HeadquartersDesk(crowd.scribe, world.directory)
        people = (Somebody(crowd, busy, incidents), Somebody(crowd, busy, incidents))
        await asyncio.gather(people[0].follow(one), people[1].follow(other))
        return await world.everything()

    facts = asyncio.run(story())
    states: dict[UUID, IncidentState] = {}
    ends: dict[UUID, Any] = {}
    is_over = False
    last = max(fact.position for fact in facts)
    for fact in facts:
        if isinstance(fact.event, HeadquartersStoodDown | HeadquartersExpired):
            assert not is_over, "it ends once"
            is_over = True
            ends[fact.stream_id] = fact
        if fact.event.name.startswith("incident."):
            states[fact.stream_id] = evolve(states.get(fact.stream_id, INITIAL), fact.event)
            owner = states[fact.stream_id].owner
            assert owner is not None, f"{fact.stream_id} is nobody's at {fact.position}"
    assert last == len(facts)
    if is_over:
        assert all(state.owner is not None and state.owner.center_id != NODE for state in states.values())


async def test_the_directory_comes_back_from_its_baseline_with_headquarters_and_former_centers() -> None:
    world = await settled()
    desk = await formed(world)
    await desk.stand_down(STREAM, "x", world.request(), to={})
    await world.directory.catch_up()
    again = Directory(world.log, "chengdu")
    again._take(world.directory.contents())
    assert again.contents() == world.directory.contents()
    assert again.known_center(NODE) == world.directory.known_center(NODE)
    assert again.headquarters[NODE].is_over
