"""An incident as bad as a level of its plan demands is at that level; others are told, more is looked for."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from pydantic import ValidationError

from dispatch.workers.repeat import Repeater
from domain.assignment.events import AssignmentMade
from domain.identifiers import center_id, named
from domain.incident.commands import AcceptIncident, ClassifyIncident, LowerAlarm, RaiseAlarm
from domain.incident.events import IncidentEscalated, IncidentOpened, IncidentRouted
from domain.incident.plan_events import AlarmRaised, UnitsRecommended, WantedUnits
from domain.ownership import Ownership
from domain.policies.plans import response_of, wanted_units
from domain.rulebook.content import Rulebook
from domain.rulebook.plans import ResponsePlan
from domain.vocabulary import AgencyRole, Severity, UnitKind
from tests.workers.town import CITY, WEST, AlertKind, MessageStatus, Town, north_of, sample_rulebook

RULES = sample_rulebook()
FIRE, WATERLOGGING = "fire.alarm", "flood.waterlogging"


async def burning(
    severity: Severity = Severity.SEVERE, *, rules: Rulebook = RULES, **given: object
) -> tuple[Town, UUID]:
    town = await Town().found(rules)
    for number in range(6):
        skills = ("fire_fighting", "aerial_ladder") if number == 5 else ("fire_fighting", "rescue")
        home = north_of(WEST, 500 * (number + 1))
        await town.unit(f"F-{number}", home, agency="fire", kind=UnitKind.FIRE_ENGINE, skills=skills)
    await town.alert(AlertKind.SMOKE_FIRE, severity=severity, **given)
    await town.react()
    (opened,) = await town.facts(IncidentOpened)
    return town, opened.stream_id


async def send(town: Town, incident_id: UUID, unit: UUID, *, acknowledge_by: datetime | None = None) -> None:
    owner = Ownership(center_id=center_id(CITY, "city"), path=(center_id(CITY, "city"),))
    made = AssignmentMade(
        assignment_id=named("test", str(unit)),
        incident_id=incident_id,
        incident_number="CD-1",
        incident_owner=owner,
        unit_id=unit,
        agency="fire",
        call_sign="F",
        acknowledge_by=acknowledge_by,
    )
    await town.record(unit, made)


async def raise_to(town: Town, incident_id: UUID, level: int) -> None:
    wanted = wanted_units(response_of(RULES, FIRE, Severity.SEVERE, level))
    await town.decide(incident_id, RaiseAlarm(level=level, plan="fire", wanted=wanted, reason="it spreads"))
    await town.react()


async def latest(town: Town) -> UnitsRecommended:
    *_, event = await town.events(UnitsRecommended)
    return event


async def told(town: Town) -> dict[str, AgencyRole]:
    *_, routed = await town.events(IncidentRouted)
    return {each.agency: each.role for each in routed.recipients}


async def test_an_extreme_fire_is_at_the_second_alarm_at_once_by_a_rule_that_says_so():
    town, incident_id = await burning(Severity.EXTREME)
    (fact,) = await town.facts(AlarmRaised)
    assert fact.stream_id == incident_id
    assert (fact.event.from_level, fact.event.to_level, fact.event.plan) == (1, 2, "fire")
    assert fact.event.wanted == wanted_units(response_of(RULES, FIRE, Severity.EXTREME, 2))
    assert fact.event.reason is None
    assert fact.event.explanation.reasons[0].values["level"] == "2"
    assert fact.envelope.rule_version == RULES.version
    recommended = await latest(town)
    assert (recommended.alarm_level, len(recommended.unit_ids)) == (2, 6)


async def test_a_rise_in_severity_raises_the_alarm_and_tells_the_plans_agencies():
    town, incident_id = await burning()
    assert await town.events(AlarmRaised) == []
    assert "gas_supply" not in await told(town)
    await town.alert(AlertKind.SMOKE_FIRE, severity=Severity.EXTREME)
    await town.react()
    (raised,) = await town.facts(AlarmRaised)
    assert (raised.stream_id, raised.event.to_level) == (incident_id, 2)
    roles = await told(town)
    assert roles["gas_supply"] is AgencyRole.INFORMED
    assert roles["traffic_police"] is AgencyRole.SUPPORTING


async def test_a_person_raises_what_no_rule_does_and_nothing_lowers_it_but_a_person():
    town, incident_id = await burning()
    await raise_to(town, incident_id, 3)
    assert "water_supply" in await told(town)
    await town.decide(incident_id, ClassifyIncident(category=FIRE, severity=Severity.MINOR, priority=1))
    await town.react()
    assert (await latest(town)).alarm_level == 3
    wanted = wanted_units(response_of(RULES, FIRE, Severity.MINOR, 1))
    await town.decide(incident_id, LowerAlarm(level=1, plan="fire", wanted=wanted, reason="under control"))
    await town.react()
    assert (await latest(town)).alarm_level == 1
    assert "water_supply" not in await told(town)


async def test_only_what_nobody_on_it_fills_is_looked_for():
    town, incident_id = await burning()
    first = (await latest(town)).unit_ids
    assert len(first) == 2
    for unit in first:
        await send(town, incident_id, unit)
    await raise_to(town, incident_id, 2)
    second = await latest(town)
    assert [want.units for want in second.wanted if want.agency == "fire"] == [5, 1]
    assert [left for want, left in zip(second.wanted, second.unfilled, strict=True) if want.agency == "fire"] == [3, 1]
    assert not set(first) & set(second.unit_ids)
    assert len(second.unit_ids) == 4, "three engines and the ladder"


async def test_the_category_has_no_plan_and_nothing_is_raised():
    town = await Town().found()
    await town.alert(AlertKind.INTRUSION, severity=Severity.EXTREME)
    await town.react()
    assert await town.events(AlarmRaised) == []
    assert (await latest(town)).wanted == (
        WantedUnits(
            agency="police",
            unit_kinds=(UnitKind.PATROL_CAR, UnitKind.FOOT_PATROL),
            skills=("public_order",),
            units=1,
        ),
    )


async def test_an_exercise_raises_no_alarm():
    town, _ = await burning(Severity.EXTREME, status=MessageStatus.EXERCISE)
    assert await town.events(AlarmRaised) == []


def with_missed(*deadlines: str) -> Rulebook:
    """The sample's rules, where a missed deadline brings a fire to the second alarm."""
    fire = next(plan for plan in RULES.plans if plan.code == "fire")
    second = fire.levels[1].model_copy(update={"after_missed": deadlines})
    changed = fire.model_copy(update={"levels": (fire.levels[0], second, *fire.levels[2:])})
    plans = tuple(changed if plan is fire else plan for plan in RULES.plans)
    return Rulebook.model_validate(RULES.model_copy(update={"plans": plans}).model_dump())


async def unanswered(town: Town, *, seconds: float) -> None:
    town.clock.advance(seconds=seconds)
    await town.timers.step()
    await town.react()


ACCEPT_WITHIN_S = RULES.category(FIRE).deadlines.accept_within_s


async def test_a_missed_deadline_raises_the_alarm_where_the_plan_says_so():
    town, incident_id = await burning(rules=with_missed("accept", "acknowledge"))
    await unanswered(town, seconds=ACCEPT_WITHIN_S - 1)
    assert await town.events(AlarmRaised) == []
    await unanswered(town, seconds=2)
    (raised,) = await town.events(AlarmRaised)
    assert (raised.to_level, raised.plan, raised.reason) == (2, "fire", None)
    assert raised.wanted == wanted_units(response_of(RULES, FIRE, Severity.SEVERE, 2))
    assert [(reason.code, reason.values["deadline"]) for reason in raised.explanation.reasons] == [
        ("alarm.by_missed", "deadline.accept")
    ]
    assert "gas_supply" in await told(town)
    # A person lowers it; what was missed before that is over, and what is missed after it counts again.
    wanted = wanted_units(response_of(RULES, FIRE, Severity.SEVERE, 1))
    await town.decide(incident_id, LowerAlarm(level=1, plan="fire", wanted=wanted, reason="a false start"))
    await town.react()
    assert len(await town.events(AlarmRaised)) == 1
    unit = (await latest(town)).unit_ids[0]
    await send(town, incident_id, unit, acknowledge_by=town.clock.now() + timedelta(seconds=60))
    await unanswered(town, seconds=61)
    assert [event.explanation.reasons[0].values["deadline"] for event in await town.events(AlarmRaised)] == [
        "deadline.accept",
        "deadline.acknowledge",
    ]
    _, otherwise = await Repeater(log=town.log, directory=town.directory, clock=town.clock).differing()
    assert otherwise == []


async def test_waterlogging_that_nobody_accepts_in_time_is_at_the_second_alarm_in_the_sample_city():
    town = await Town().found()
    await town.alert(AlertKind.WATERLOGGING, severity=Severity.MODERATE, point=WEST)
    await town.react()
    (opened,) = await town.events(IncidentOpened)
    assert opened.category == WATERLOGGING
    await unanswered(town, seconds=RULES.category(WATERLOGGING).deadlines.accept_within_s + 1)
    (raised,) = await town.events(AlarmRaised)
    assert (raised.to_level, raised.plan) == (2, "waterlogging")
    assert [reason.values["deadline"] for reason in raised.explanation.reasons] == ["deadline.accept"]
    assert "traffic_police" in await told(town)
    assert raised.wanted == wanted_units(response_of(RULES, WATERLOGGING, Severity.MODERATE, 2))


@pytest.mark.parametrize("deadlines", [(), ("acknowledge",)])
async def test_a_missed_deadline_that_no_level_names_raises_nothing(deadlines: tuple[str, ...]):
    town, incident_id = await burning(Severity.EXTREME, rules=with_missed(*deadlines))
    wanted = wanted_units(response_of(RULES, FIRE, Severity.EXTREME, 1))
    await town.decide(incident_id, LowerAlarm(level=1, plan="fire", wanted=wanted, reason="not that bad"))
    await unanswered(town, seconds=ACCEPT_WITHIN_S + 1)
    assert len(await town.events(IncidentEscalated)) == 1
    assert len(await town.events(AlarmRaised)) == 1, "a deadline says nothing of how bad it is"


async def test_what_was_accepted_late_and_is_noticed_only_then_raises_nothing():
    town, incident_id = await burning(rules=with_missed("accept"))
    town.clock.advance(seconds=ACCEPT_WITHIN_S + 1)
    *_, routed = await town.events(IncidentRouted)
    await town.decide(incident_id, AcceptIncident(center_id=routed.owner.center_id))
    await unanswered(town, seconds=1)
    assert len(await town.events(IncidentEscalated)) == 1
    assert await town.events(AlarmRaised) == []


def test_the_first_alarm_waits_for_nothing():
    fire = next(plan for plan in RULES.plans if plan.code == "fire")
    first = fire.levels[0].model_copy(update={"after_missed": ("accept",)})
    with pytest.raises(ValidationError, match="the first alarm"):
        ResponsePlan.model_validate(fire.model_copy(update={"levels": (first, *fire.levels[1:])}).model_dump())


async def test_every_decision_is_the_same_when_it_is_made_again():
    town, incident_id = await burning()
    for unit in (await latest(town)).unit_ids:
        await send(town, incident_id, unit)
    await town.alert(AlertKind.SMOKE_FIRE, severity=Severity.EXTREME)
    await town.react()
    await raise_to(town, incident_id, 3)
    repeater = Repeater(log=town.log, directory=town.directory, clock=town.clock)
    made, otherwise = await repeater.differing()
    assert len(await town.events(AlarmRaised)) == 2
    assert otherwise == []
    assert made >= 7
