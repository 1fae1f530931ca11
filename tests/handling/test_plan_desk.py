"""The alarm of an incident, and what its plan lacks sent by one decision: a verdict each, nobody booked twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from dispatch.handling.commitments import Commitments
from dispatch.handling.plans import PlanDesk
from dispatch.store.memory import MemoryLog, MemoryRoster
from domain.assignment.events import AssignmentMade, UnitWentOnDuty
from domain.incident.plan_events import AlarmLowered, AlarmRaised, WantedUnits
from domain.refusals import Conflict, Refused
from domain.rulebook.events import RulebookActivated, RulebookPublished
from domain.rulebook.plans import AlarmLevel, ResponsePlan, ResponseRule
from domain.vocabulary import UnitKind
from tests.handling.world import OTHER_UNIT, RULEBOOK, START, UNIT, Interleaved, Watch, World, registered

THIRD, CAR = UUID(int=301), UUID(int=302)
BIKES = ResponseRule(agency="traffic_police", unit_kinds=(UnitKind.MOTORCYCLE,))
CARS = ResponseRule(agency="traffic_police", unit_kinds=(UnitKind.PATROL_CAR,))
RULES = RULEBOOK.model_copy(
    update={
        "version": 2,
        "plans": (
            ResponsePlan(
                code="accident",
                name_zh="事故",
                name_en="Accident",
                category="traffic.accident",
                levels=(AlarmLevel(level=1, response=(BIKES,)), AlarmLevel(level=2, response=(BIKES, CARS))),
            ),
        ),
    }
)


async def with_plans(world: World) -> World:
    await world.tell(UUID(int=6), RulebookPublished(rulebook=RULES), RulebookActivated(version=2, effective_at=START))
    car = registered("JJ-201").model_copy(update={"kind": UnitKind.PATROL_CAR})
    for unit_id, event in ((THIRD, registered("JJ-103")), (CAR, car)):
        await world.tell(unit_id, event, UnitWentOnDuty())
    await world.directory.catch_up()
    return world


def desk(world: World) -> PlanDesk:
    commitments = Commitments(world.log, MemoryRoster())
    return PlanDesk(world.scribe, world.directory, world.positions, commitments)


async def alarm(world: World, incident_id: UUID, level: int, *, raises: bool = True, **asked: Any) -> Any:
    request = world.request(**asked)
    return await desk(world).set_alarm(incident_id, level, request, reason="it is worse", raises=raises)


async def accident(world: World) -> UUID:
    return await world.open(category="traffic.accident")


def verdicts(outcome: Any) -> list[str]:
    return [each["verdict"] for each in outcome.answer["units"]]


async def test_an_alarm_records_what_its_levels_ask_for_together(world: World):
    incident_id = await accident(await with_plans(world))
    outcome = await alarm(world, incident_id, 2)
    raised = (await world.facts(incident_id))[-1]
    assert raised == AlarmRaised(
        from_level=1,
        to_level=2,
        plan="accident",
        reason="it is worse",
        wanted=(
            WantedUnits(agency="traffic_police", unit_kinds=(UnitKind.MOTORCYCLE,), units=2),
            WantedUnits(agency="traffic_police", unit_kinds=(UnitKind.PATROL_CAR,), units=1),
        ),
    )
    assert outcome.answer["alarm_level"] == 2
    assert (await world.rows(incident_id))[-1].envelope.rule_version == 2


async def test_a_level_that_the_plan_has_not_is_refused_and_none_means_one(world: World):
    await with_plans(world)
    with pytest.raises(Refused) as no:
        await alarm(world, await accident(world), 3)
    assert (no.value.code, no.value.values["highest"]) == ("incident.no_such_alarm_level", "2")
    with pytest.raises(Refused) as no:
        await alarm(world, await world.open(), 2)
    assert no.value.values["highest"] == "1"


async def test_lowering_is_a_decision_of_its_own_on_the_version_that_was_seen(world: World):
    incident_id = await accident(await with_plans(world))
    await alarm(world, incident_id, 2)
    version = (await world.incidents.state(incident_id)).version
    with pytest.raises(Conflict):
        await alarm(world, incident_id, 1, raises=False, expected_version=version - 1)
    await alarm(world, incident_id, 1, raises=False, expected_version=version)
    assert isinstance((await world.facts(incident_id))[-1], AlarmLowered)


async def test_one_decision_sends_what_can_go_and_says_why_the_others_cannot(world: World):
    incident_id = await accident(await with_plans(world))
    await alarm(world, incident_id, 2)
    await world.assignments.assign(UNIT, await world.open(), world.request())
    before = (await world.log.tip()).position
    outcome = await desk(world).assign(incident_id, [UNIT, OTHER_UNIT, CAR, UUID(int=999)], world.request())
    assert verdicts(outcome) == ["unit.already_assigned", "assigned", "assigned", "unit.unknown"]
    made = (await world.facts(OTHER_UNIT))[-1]
    assert isinstance(made, AssignmentMade)
    assert (made.incident_id, made.recommended) == (incident_id, True)
    rows = await world.log.read_after(before, limit=10)
    assert [row.topic for row in rows] == ["assignment.made"] * 2
    assert len({row.recorded_at for row in rows}) == 1


async def test_what_nobody_lacks_is_not_sent(world: World):
    incident_id = await accident(await with_plans(world))
    outcome = await desk(world).assign(incident_id, [UNIT, OTHER_UNIT, CAR], world.request())
    assert verdicts(outcome) == ["assigned", "assignment.not_asked_for", "assignment.not_asked_for"]
    with pytest.raises(Refused) as no:
        await desk(world).assign(incident_id, [OTHER_UNIT], world.request())
    assert no.value.code == "assignment.nobody_can_go"
    await alarm(world, incident_id, 2)
    outcome = await desk(world).assign(incident_id, [OTHER_UNIT, THIRD, CAR], world.request())
    assert verdicts(outcome) == ["assigned", "assignment.not_asked_for", "assigned"]


async def test_a_unit_of_another_office_is_left_to_it(world: World):
    incident_id = await accident(await with_plans(world))
    outcome = await desk(world).assign(incident_id, [UNIT, OTHER_UNIT], world.request(), of_others={UNIT})
    assert verdicts(outcome) == ["unit.of_others", "assigned"]


async def test_a_repeat_gets_the_same_answer_and_sends_nobody(world: World):
    incident_id = await accident(await with_plans(world))
    first = await desk(world).assign(incident_id, [UNIT], world.keyed("k", {}))
    again = await desk(world).assign(incident_id, [UNIT], world.keyed("k", {}))
    assert (again.repeated, again.answer) == (True, first.answer)
    assert len([fact for fact in await world.facts(UNIT) if isinstance(fact, AssignmentMade)]) == 1


@pytest.mark.parametrize("schedule", [[0], [1], [1, 0], [0, 2, 1], [3, 0, 0, 1], [2, 1, 0]])
async def test_two_dispatchers_with_the_same_plan_book_nobody_twice(schedule: Sequence[int]):
    watch = Watch()
    log = MemoryLog(watch)
    settled = await with_plans(await World(log, watch).settle())
    first, second = await accident(settled), await accident(settled)
    for incident_id in (first, second):
        await alarm(settled, incident_id, 2)
    racing = World(Interleaved(log, schedule), watch, asked=1_000)  # type: ignore[arg-type]
    await racing.directory.catch_up()
    units = [UNIT, OTHER_UNIT, THIRD, CAR]
    await asyncio.gather(
        *(desk(racing).assign(incident_id, units, racing.request()) for incident_id in (first, second)),
        return_exceptions=True,
    )
    made = [[fact for fact in await settled.facts(each) if isinstance(fact, AssignmentMade)] for each in units]
    assert [len(each) for each in made] == [1, 1, 1, 1], "each unit once: three motorcycles and the car are wanted"
