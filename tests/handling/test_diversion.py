"""A unit is taken off one incident and put on another: both, or neither."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from dispatch.handling.assignments import Diversion
from dispatch.handling.scribe import Outcome
from dispatch.store.memory import MemoryLog
from domain.assignment import commands as ask
from domain.assignment import events as fact
from domain.incident import commands as incident_ask
from domain.incident.diversion import UnitDiverted
from domain.incident.events import IncidentClassified
from domain.refusals import Conflict, Refused
from domain.vocabulary import DismissReason, Severity
from tests.handling.world import OTHER_UNIT, UNIT, Interleaved, Racing, Watch, World


async def on(world: World, **given: Any) -> tuple[UUID, UUID]:
    """A unit on its way to an incident, and its assignment."""
    incident_id = await world.open(**given)
    outcome = await world.assignments.assign(UNIT, incident_id, world.request())
    key = UUID(outcome.answer["assignment_id"])
    await world.assignments.progress(UNIT, ask.ReportEnRoute(assignment_id=key), world.request())
    return incident_id, key


async def divert(world: World, assignment_id: UUID, to: UUID, request: Any = None, **given: Any) -> Outcome:
    wanted = Diversion(assignment_id, to, "a life is at stake", **given)
    return await world.assignments.divert(UNIT, wanted, request or world.request())


async def test_both_facts_are_one_append_and_the_first_incident_is_told(world: World):
    first, key = await on(world)
    second = await world.open(priority=2)
    tip = (await world.log.tip()).position
    outcome = await divert(world, key, second)
    called_back, made, told = [each.event for each in await world.everything(after=tip)]
    assert isinstance(called_back, fact.AssignmentCancelled)
    assert (called_back.incident_id, called_back.diverted_to, called_back.reason) == (
        first,
        second,
        "a life is at stake",
    )
    assert isinstance(made, fact.AssignmentMade)
    assert (made.incident_id, made.diverted_from, made.instead_of) == (second, first, key)
    assert isinstance(told, UnitDiverted)
    assert (told.unit_id, told.call_sign, told.to_incident_id, told.assignment_id) == (UNIT, "JJ-101", second, key)
    assert outcome.answer == {
        "assignment_id": str(made.assignment_id),
        "unit_id": str(UNIT),
        "incident_id": str(second),
        "from_incident_id": str(first),
        "from_assignment_id": str(key),
    }
    assert outcome.position == tip + 3


async def test_the_same_request_again_changes_nothing(world: World):
    _, key = await on(world)
    second = await world.open(priority=2)
    done = await divert(world, key, second, world.keyed("k", {"divert": 1}))
    tip = (await world.log.tip()).position
    again = await divert(world, key, second, world.keyed("k", {"divert": 1}))
    assert again.repeated
    assert again.answer == done.answer
    assert (await world.log.tip()).position == tip


async def test_not_off_the_more_urgent_incident_unless_somebody_says_why(world: World):
    first, key = await on(world, priority=3)
    second = await world.open(priority=4)
    with pytest.raises(Refused) as refused:
        await divert(world, key, second)
    assert refused.value.code == "unit.needed_more"
    assert refused.value.values["priority"] == "3"
    assert refused.value.values["other_priority"] == "4"
    await divert(world, key, second, override="two cars are there already")
    assert (await world.facts(first))[-1].override == "two cars are there already"


async def test_not_off_an_incident_that_was_merged_into_a_more_urgent_one(world: World):
    first, key = await on(world, priority=5)
    head, second = await world.open(priority=1), await world.open(priority=4)
    await world.incidents.merge(first, head, world.request())
    with pytest.raises(Refused) as refused:
        await divert(world, key, second)
    assert refused.value.code == "unit.needed_more"
    await divert(world, key, second, override="two cars are there already")
    assert isinstance((await world.facts(head))[-1], UnitDiverted), "who decides about it is told"
    assert not isinstance((await world.facts(first))[-1], UnitDiverted)


async def test_a_unit_is_not_taken_off_an_incident_for_the_one_that_it_was_merged_into(world: World):
    first, key = await on(world)
    head = await world.open()
    await world.incidents.merge(first, head, world.request())
    with pytest.raises(Refused) as refused:
        await divert(world, key, head)
    assert refused.value.code == "unit.already_on_incident"


async def test_every_stated_version_must_stand(world: World):
    first, key = await on(world)
    second = await world.open(priority=2)
    versions = [(await world.log.heads([stream]))[stream].version for stream in (UNIT, first, second)]
    unit_version, from_version, to_version = versions
    for request, given in (
        (world.request(expected_version=unit_version - 1), {}),
        (None, {"from_version": from_version + 1}),
        (None, {"to_version": to_version + 1}),
    ):
        with pytest.raises(Conflict) as conflict:
            await divert(world, key, second, request, **given)
        assert conflict.value.code == "stale_version"
    stated = {"from_version": from_version, "to_version": to_version}
    assert (await divert(world, key, second, world.request(expected_version=unit_version), **stated)).changed


async def test_nobody_is_diverted_to_what_is_over(world: World):
    _, key = await on(world)
    over = await world.open()
    await world.incidents.execute(over, incident_ask.DismissIncident(reason=DismissReason.FALSE_ALARM), world.request())
    with pytest.raises(Refused) as refused:
        await divert(world, key, over)
    assert refused.value.code == "incident.already_dismissed"
    assert isinstance((await world.facts(UNIT))[-1], fact.UnitEnRoute), "the unit goes on as before"


async def test_who_states_the_units_version_loses_to_who_changed_the_unit_and_to_nobody_else():
    watch = Watch()
    log = Racing(watch)
    world = await World(log, watch).settle()
    first, key = await on(world, priority=5)
    second = await world.open(priority=2)

    async def on_the_incident() -> None:
        other = incident_ask.ClassifyIncident(category="order.dispute", severity=Severity.MINOR, priority=4)
        await world.incidents.execute(first, other, world.request())

    async def on_the_unit() -> None:
        await world.assignments.progress(UNIT, ask.ReportOnScene(assignment_id=key), world.request())

    stated = {"expected_version": (await log.heads([UNIT]))[UNIT].version}
    log.before_next = on_the_unit
    with pytest.raises(Conflict) as conflict:
        await divert(world, key, second, world.request(**stated))
    assert (conflict.value.code, conflict.value.values["stream_id"]) == ("stale_version", str(UNIT))
    stated = {"expected_version": stated["expected_version"] + 1}
    log.before_next = on_the_incident
    assert (await divert(world, key, second, world.request(**stated))).changed
    assert [type(event) for event in await world.facts(first)][-2:] == [IncidentClassified, UnitDiverted]


@pytest.mark.parametrize("schedule", [[2, 0, 1], [0, 3, 1, 2], [1, 1, 1, 4], [3, 0, 0, 2]])
async def test_an_incident_that_becomes_more_urgent_in_that_moment_keeps_its_unit_or_had_lost_it_before(
    schedule: list[int],
):
    watch = Watch()
    log = MemoryLog(watch)
    world = await World(log, watch).settle()
    first, key = await on(world, priority=5)
    second = await world.open(priority=4)
    racing = World(Interleaved(log, schedule), watch, asked=50_000)
    await racing.directory.catch_up()
    worse = incident_ask.ClassifyIncident(category="order.dispute", severity=Severity.EXTREME, priority=0)
    await asyncio.gather(
        divert(racing, key, second),
        racing.incidents.execute(first, worse, racing.request()),
        return_exceptions=True,
    )
    said = [type(event) for event in await world.facts(first)]
    if UnitDiverted in said and IncidentClassified in said:
        assert said.index(UnitDiverted) < said.index(IncidentClassified)
    state = (await world.assignments.state(UNIT)).state
    assert (UnitDiverted in said) == (state.current.incident_id == second)


async def test_the_rulebook_limits_what_waits(world: World):
    rules = world.directory.rulebook()
    strict = rules.model_copy(
        update={
            "version": 2,
            "stacking": rules.stacking.model_copy(update={"waiting_max": 1, "never_up_to_priority": 2}),
        }
    )
    await world.publish(strict)
    await on(world)
    urgent, calm, more = await world.open(priority=2), await world.open(priority=3), await world.open(priority=3)
    for incident_id, code in ((urgent, "stack.too_urgent"), (calm, None), (more, "stack.full")):
        work = world.assignments.assign(UNIT, incident_id, world.request(), stacked=True)
        if code is None:
            assert (await work).changed
            continue
        with pytest.raises(Refused) as refused:
            await work
        assert refused.value.code == code
    # What is too urgent to wait is sent at once, if somebody is free.
    assert (await world.assignments.assign(OTHER_UNIT, urgent, world.request(), stacked=True)).changed
