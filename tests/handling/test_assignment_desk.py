"""Units are sent, and say how far they are."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from dispatch.ports import UnitPosition
from dispatch.store.memory import MemoryLog
from domain.assignment import commands as ask
from domain.assignment import events as fact
from domain.incident import commands as incident_ask
from domain.refusals import Conflict, Refused
from domain.vocabulary import DismissReason, UnitKind
from tests.handling.world import (
    IN_STATION,
    OTHER_UNIT,
    RULEBOOK,
    STATION,
    UNIT,
    Interleaved,
    Watch,
    World,
    registered,
)

NOBODY = UUID(int=999)


async def refused(awaitable) -> Refused:
    with pytest.raises(Refused) as caught:
        await awaitable
    return caught.value


async def test_an_assignment_copies_what_was_believed_and_when_it_must_be_acknowledged(world: World):
    incident_id = await world.open()
    reported_at = world.watch.now() - timedelta(seconds=20)
    seen = UnitPosition(UNIT, IN_STATION, reported_at, "radio")
    await world.positions.put(seen, received_at=world.watch.now())
    outcome = await world.assignments.assign(UNIT, incident_id, world.request(), recommended=True)
    row = (await world.rows(UNIT))[-1]
    assert row.event == fact.AssignmentMade(
        assignment_id=UUID(outcome.answer["assignment_id"]),
        incident_id=incident_id,
        incident_number="CD-20260701-0001",
        incident_owner=(await world.incidents.state(incident_id)).state.owner,
        unit_id=UNIT,
        agency="traffic_police",
        call_sign="JJ-101",
        recommended=True,
        position=IN_STATION,
        position_age_s=20.0,
        acknowledge_by=world.watch.now() + timedelta(seconds=90),
        unit_kind=UnitKind.MOTORCYCLE,
    )
    assert row.envelope.correlation_id == incident_id
    assert row.envelope.rule_version == RULEBOOK.version


async def test_a_unit_that_nobody_saw_is_sent_without_a_position(world: World):
    await world.assignments.assign(UNIT, await world.open(), world.request())
    made = (await world.facts(UNIT))[-1]
    assert isinstance(made, fact.AssignmentMade)
    assert (made.position, made.position_age_s) == (None, None)


async def test_an_assignment_leaves_the_incidents_stream_alone(world: World):
    incident_id = await world.open()
    version = (await world.incidents.state(incident_id)).version
    await world.assignments.assign(UNIT, incident_id, world.request())
    assert (await world.incidents.state(incident_id)).version == version


async def test_nobody_is_sent_to_what_is_over_unreal_or_unknown(world: World):
    over = await world.open()
    await world.incidents.execute(over, incident_ask.DismissIncident(reason=DismissReason.FALSE_ALARM), world.request())
    for incident_id, code in (
        (over, "incident.already_dismissed"),
        (await world.drill(), "incident.not_actual"),
        (NOBODY, "incident.unknown"),
    ):
        assert (await refused(world.assignments.assign(UNIT, incident_id, world.request()))).code == code
    assert [type(event).__name__ for event in await world.facts(UNIT)] == ["UnitRegistered", "UnitWentOnDuty"]


async def test_the_second_dispatcher_is_told_who_has_the_unit(world: World):
    first, second = await world.open(), await world.open()
    await world.assignments.assign(UNIT, first, world.request())
    error = await refused(world.assignments.assign(UNIT, second, world.request()))
    assert error.code == "unit.already_assigned"
    assert error.values["incident_number"] == "CD-20260701-0001"


async def test_a_unit_is_stacked_on_purpose(world: World):
    first, second = await world.open(), await world.open()
    await world.assignments.assign(UNIT, first, world.request())
    await world.assignments.assign(UNIT, second, world.request(), stacked=True)
    made = (await world.facts(UNIT))[-1]
    assert isinstance(made, fact.AssignmentMade)
    assert made.stacked


async def test_progress_is_said_once_and_repeats_change_nothing(world: World):
    outcome = await world.assignments.assign(UNIT, await world.open(), world.request())
    assignment_id = UUID(outcome.answer["assignment_id"])
    for command in (
        ask.AcknowledgeAssignment(assignment_id=assignment_id),
        ask.ReportEnRoute(assignment_id=assignment_id),
        ask.ReportOnScene(assignment_id=assignment_id),
        ask.ClearAssignment(assignment_id=assignment_id, outcome="settled"),
    ):
        said = await world.assignments.progress(UNIT, command, world.request())
        again = await world.assignments.progress(UNIT, command, world.request())
        assert said.changed
        assert not again.changed
        assert said.answer == again.answer == outcome.answer


async def test_a_repeated_assignment_request_gets_its_first_answer(world: World):
    incident_id = await world.open()
    meaning = {"unit": str(UNIT), "incident": str(incident_id)}
    first = await world.assignments.assign(UNIT, incident_id, world.keyed("k", meaning))
    again = await world.assignments.assign(UNIT, incident_id, world.keyed("k", meaning))
    assert again.repeated
    assert again.answer == first.answer


async def test_a_cleared_unit_is_sent_again_under_another_assignment(world: World):
    incident_id = await world.open()
    first = await world.assignments.assign(UNIT, incident_id, world.request())
    clear = ask.ClearAssignment(assignment_id=UUID(first.answer["assignment_id"]))
    await world.assignments.progress(UNIT, clear, world.request())
    second = await world.assignments.assign(UNIT, incident_id, world.request())
    assert second.answer["assignment_id"] != first.answer["assignment_id"]


async def test_a_stated_version_is_of_the_unit(world: World):
    with pytest.raises(Conflict) as caught:
        await world.assignments.assign(UNIT, await world.open(), world.request(expected_version=1))
    assert caught.value.code == "stale_version"


async def test_a_unit_nobody_registered_is_unknown(world: World):
    assert (await refused(world.assignments.state(NOBODY))).code == "unit.unknown"
    assert (await refused(world.assignments.assign(NOBODY, await world.open(), world.request()))).code == "unit.unknown"


async def test_a_unit_is_registered_and_goes_home(world: World):
    new = UUID(int=103)
    await world.assignments.execute(new, ask.RegisterUnit(**dict(registered("JJ-103"))), world.request())
    await world.assignments.execute(new, ask.GoOnDuty(), world.request())
    outcome = await world.assignments.execute(new, ask.GoOffDuty(), world.request())
    assert outcome.answer == {"unit_id": str(new)}
    assert not (await world.assignments.state(new)).state.on_duty


async def test_two_dispatchers_who_take_one_unit_at_once_cannot_both_have_it():
    watch = Watch()
    log = MemoryLog(watch)
    quiet = await World(log, watch).settle()
    first, second = await quiet.open(), await quiet.open()
    racing = Interleaved(log, [1])
    world = World(racing, watch, asked=1_000)
    await world.directory.catch_up()
    results = await asyncio.gather(
        world.assignments.assign(UNIT, first, world.request()),
        world.assignments.assign(UNIT, second, world.request()),
        world.assignments.assign(OTHER_UNIT, second, world.request()),
        return_exceptions=True,
    )
    assert racing.conflicts == 1, "the two never met: the schedule proves nothing"
    lost = [result for result in results if isinstance(result, BaseException)]
    assert [error.code for error in lost] == ["unit.already_assigned"]
    assert lost[0].values["incident_number"] in {"CD-20260701-0001", "CD-20260701-0002"}
    made = [event for event in await quiet.facts(UNIT) if isinstance(event, fact.AssignmentMade)]
    assert len(made) == 1


async def test_an_accepted_incident_takes_several_units(world: World):
    incident_id = await world.open()
    await world.incidents.execute(incident_id, incident_ask.AcceptIncident(center_id=STATION), world.request())
    await world.assignments.assign(UNIT, incident_id, world.request())
    await world.assignments.assign(OTHER_UNIT, incident_id, world.request())


async def test_the_twin_of_a_request_that_came_twice_at_once_gets_its_answer():
    watch = Watch()
    log = MemoryLog(watch)
    quiet = await World(log, watch).settle()
    incident_id = await quiet.open()
    for schedule in ([1], [0, 3, 1, 2], [2, 0, 0, 5]):
        racing = Interleaved(log, schedule)
        world = World(racing, watch, asked=1_000)
        await world.directory.catch_up()
        meaning = {"unit": str(UNIT), "schedule": schedule}
        outcomes = await asyncio.gather(
            *(world.assignments.assign(UNIT, incident_id, world.keyed(f"k{schedule}", meaning)) for _ in range(3))
        )
        assert len({outcome.answer["assignment_id"] for outcome in outcomes}) == 1
        assert sorted(outcome.repeated for outcome in outcomes) == [False, True, True]
        clear = ask.ClearAssignment(assignment_id=UUID(outcomes[0].answer["assignment_id"]))
        await quiet.assignments.progress(UNIT, clear, quiet.request())


async def test_a_desk_that_remembers_a_unit_sees_what_another_desk_recorded_since(world: World):
    other = World(world.log, world.watch, asked=1_000)
    await other.directory.catch_up()
    first, second = await world.open(), await world.open()
    assert not (await world.assignments.state(UNIT)).state.open_assignments
    made = await other.assignments.assign(UNIT, first, other.request())
    assert (await refused(world.assignments.assign(UNIT, second, world.request()))).code == "unit.already_assigned"
    clear = ask.ClearAssignment(assignment_id=UUID(made.answer["assignment_id"]))
    await world.assignments.progress(UNIT, clear, world.request())
    assert (await other.assignments.assign(UNIT, second, other.request())).changed


async def test_a_unit_of_many_shifts_is_folded_once_and_then_only_what_is_new(world: World):
    incident_id = await world.open()
    for _ in range(3):
        made = await world.assignments.assign(UNIT, incident_id, world.request())
        clear = ask.ClearAssignment(assignment_id=UUID(made.answer["assignment_id"]))
        await world.assignments.progress(UNIT, clear, world.request())
    reads: list[int] = []
    read_stream = world.log.read_stream

    async def counted(stream_id, **limits):
        rows = await read_stream(stream_id, **limits)
        reads.append(len(rows))
        return rows

    world.log.read_stream = counted  # type: ignore[method-assign]
    await world.assignments.state(UNIT)
    await world.assignments.state(UNIT)
    assert reads == [3, 1], "the last clearing, with the acknowledgement it implied, and what was known last, again"
