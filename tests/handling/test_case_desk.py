"""The case desk: one open case an incident, under any interleaving; times by the city's working hours."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.handling.cases import CaseDesk
from dispatch.handling.open_cases import cases_of, open_case
from dispatch.store.memory import MemoryLog
from domain.casework import commands as ask
from domain.casework.events import CaseAssigned, CaseFiled
from domain.center.events import AgencyRegistered
from domain.identifiers import case_id_for
from domain.incident.commands import AcceptIncident, CloseIncident, DismissIncident, ResolveIncident
from domain.refusals import Conflict, Refused
from domain.rulebook.content import CaseClass, CaseworkRule, Rulebook
from domain.rulebook.events import RulebookActivated, RulebookPublished
from domain.vocabulary import CasePhase, DismissReason, Disposition, Severity, TimeCounting
from tests.handling.world import CITY, RULEBOOK, START, STATION, TRAFFIC, Interleaved, Watch, World

CLASS = CaseClass(
    code="order.stall",
    name_zh="摊点",
    name_en="Stall",
    major_code="05",
    minor_code="01",
    category="order.dispute",
    department="traffic_police",
    handle_within_s=36_000,
)


async def city(log: Any = None, watch: Watch | None = None, **changes: Any) -> World:
    """The small city, with a class of cases."""
    watch = watch or Watch()
    world = await World(log or MemoryLog(watch), watch).settle()
    rules = Rulebook(
        **{**dict(RULEBOOK), "version": 2, "case_classes": (CLASS.model_copy(update=changes.pop("of_class", {})),)}
        | changes
    )
    await world.tell(UUID(int=6), RulebookPublished(rulebook=rules), RulebookActivated(version=2, effective_at=START))
    agency = AgencyRegistered(city="chengdu", code="traffic_police", name_zh="交警", name_en="Traffic")
    await world.tell(UUID(int=77), agency)
    await world.directory.catch_up()
    return world


async def filed(world: World) -> tuple[UUID, UUID, CaseDesk]:
    incident_id, desk = await world.open(), CaseDesk(world.scribe, world.directory)
    outcome = await desk.file(incident_id, "order.stall", world.request())
    return incident_id, UUID(outcome.answer["case_id"]), desk


async def assigned(world: World) -> tuple[UUID, UUID, CaseDesk]:
    incident_id, case_id, desk = await filed(world)
    await desk.execute(
        case_id,
        lambda case, at: ask.AssignCase(department=desk.department(case, agency=None, center_id=None), assigned_at=at),
        world.request(),
    )
    return incident_id, case_id, desk


async def test_what_a_class_allows_is_written_into_the_case() -> None:
    by_severity = {"by_severity": ({"severity": Severity.MODERATE, "handle_within_s": 7_200},)}
    of_class = CaseClass.model_validate({**CLASS.model_dump(), **by_severity})
    world = await city(case_classes=(of_class,))
    _, case_id, _ = await filed(world)
    (fact,) = await world.rows(case_id)
    assert isinstance(fact.event, CaseFiled)
    assert fact.event.terms.handle_within_s == 7_200
    assert (fact.event.supervision.center_id, fact.event.arbiter.center_id) == (STATION, CITY)
    assert fact.envelope.rule_version == 2


async def test_a_rule_that_changes_later_changes_no_case() -> None:
    world = await city()
    _, case_id, desk = await filed(world)
    shorter = CLASS.model_copy(update={"handle_within_s": 60, "counting": TimeCounting.AROUND_THE_CLOCK})
    rules = Rulebook(**{**dict(RULEBOOK), "version": 3, "case_classes": (shorter,)})
    await world.tell(UUID(int=6), RulebookPublished(rulebook=rules), RulebookActivated(version=3, effective_at=START))
    await world.directory.catch_up()
    await desk.execute(
        case_id,
        lambda case, at: ask.AssignCase(
            department=desk.department(case, agency=None, center_id=TRAFFIC), assigned_at=at
        ),
        world.request(),
    )
    *_, fact = await world.facts(case_id)
    assert isinstance(fact, CaseAssigned)
    assert fact.limit.allowed_s == 36_000
    assert fact.limit.counting is TimeCounting.WORKING_HOURS


@pytest.mark.parametrize(
    ("began", "red_at"),
    [
        # Wednesday noon in Chengdu: four hours on Wednesday, three on Thursday morning, three in the afternoon.
        (datetime(2026, 7, 1, 4, 0, tzinfo=UTC), datetime(2026, 7, 2, 8, 0, tzinfo=UTC)),
        # The Friday before the Spring Festival of 2026 (15–23 February; Saturday the 14th is worked).
        (datetime(2026, 2, 13, 8, 0, tzinfo=UTC), datetime(2026, 2, 24, 3, 0, tzinfo=UTC)),
    ],
)
async def test_time_is_counted_by_the_citys_working_days(began: datetime, red_at: datetime) -> None:
    world = await city(watch=Watch(began))
    _, case_id, _ = await assigned(world)
    *_, fact = await world.facts(case_id)
    assert isinstance(fact, CaseAssigned)
    assert fact.limit.red_at == red_at
    assert fact.limit.assumed_years == ()


async def test_a_time_that_reaches_into_an_unknown_year_says_so() -> None:
    world = await city(watch=Watch(datetime(2090, 12, 30, 1, 0, tzinfo=UTC)))
    _, case_id, _ = await assigned(world)
    *_, fact = await world.facts(case_id)
    assert isinstance(fact, CaseAssigned)
    assert fact.limit.assumed_years == (2090, 2091)


async def test_a_city_without_holidays_assumes_nothing() -> None:
    watch = Watch(datetime(2090, 12, 29, 1, 0, tzinfo=UTC))
    world = await city(watch=watch, casework=CaseworkRule(holidays="none"))
    _, case_id, _ = await assigned(world)
    *_, fact = await world.facts(case_id)
    assert isinstance(fact, CaseAssigned)
    assert fact.limit.assumed_years == ()


async def test_an_incident_with_an_open_case_neither_closes_nor_is_dismissed() -> None:
    world = await city()
    incident_id, case_id, desk = await assigned(world)
    with pytest.raises(Refused) as no:
        await world.incidents.execute(incident_id, DismissIncident(reason=DismissReason.UNFOUNDED), world.request())
    assert (no.value.code, no.value.values["case_id"]) == ("incident.case_open", str(case_id))
    await world.incidents.execute(incident_id, AcceptIncident(center_id=STATION), world.request())
    await world.incidents.execute(incident_id, ResolveIncident(disposition=Disposition.HANDLED), world.request())
    with pytest.raises(Refused, match="Close or void"):
        await world.incidents.execute(incident_id, CloseIncident(), world.request())
    await desk.execute(case_id, lambda _, at: ask.VoidCase(reason="twice", voided_at=at), world.request())
    await world.incidents.execute(incident_id, CloseIncident(), world.request())


async def test_the_case_of_a_merged_incident_keeps_its_head_open() -> None:
    world = await city()
    incident_id, case_id, _ = await assigned(world)
    head = await world.open()
    await world.incidents.merge(incident_id, head, world.request())
    with pytest.raises(Refused) as no:
        await world.incidents.execute(head, DismissIncident(reason=DismissReason.UNFOUNDED), world.request())
    assert no.value.values["case_id"] == str(case_id)


async def test_an_exercise_makes_no_case() -> None:
    world = await city()
    drill = await world.drill()
    with pytest.raises(Refused) as no:
        await CaseDesk(world.scribe, world.directory).file(drill, "order.stall", world.request())
    assert no.value.code == "incident.not_actual"


async def test_an_incident_that_has_ended_makes_no_case() -> None:
    world = await city()
    incident_id = await world.open()
    await world.incidents.execute(incident_id, DismissIncident(reason=DismissReason.TEST), world.request())
    with pytest.raises(Refused) as no:
        await CaseDesk(world.scribe, world.directory).file(incident_id, "order.stall", world.request())
    assert no.value.code == "incident.already_dismissed"


async def test_cases_are_found_one_after_the_other_beyond_one_look() -> None:
    world = await city()
    incident_id, case_id, desk = await filed(world)
    for _ in range(6):
        await desk.execute(case_id, lambda _, at: ask.VoidCase(reason="twice", voided_at=at), world.request())
        outcome = await desk.file(incident_id, "order.stall", world.request())
        case_id = UUID(outcome.answer["case_id"])
    assert case_id == case_id_for(incident_id, 6)
    assert await cases_of(world.scribe, [incident_id, UUID(int=99)]) == [case_id]
    found = await open_case(world.scribe, [incident_id])
    assert found is not None
    assert found.stream_id == case_id


@settings(max_examples=60)
@given(schedule=st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_of_several_who_file_at_once_one_does(schedule: list[int]) -> None:
    async def race() -> None:
        watch = Watch()
        log = MemoryLog(watch)
        world = await city(log, watch)
        incident_id = await world.open()
        racing = World(Interleaved(log, schedule), watch, asked=500)
        await racing.directory.catch_up()
        desk = CaseDesk(racing.scribe, racing.directory)
        told = await asyncio.gather(
            *(desk.file(incident_id, "order.stall", racing.request()) for _ in range(3)), return_exceptions=True
        )
        refused = [each for each in told if isinstance(each, Refused)]
        assert len(refused) == 2
        assert {each.code for each in refused} == {"case.already_open"}
        assert len(await world.facts(case_id_for(incident_id))) == 1

    asyncio.run(race())


@settings(max_examples=60)
@given(schedule=st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_of_several_who_assign_at_once_one_department_gets_it(schedule: list[int]) -> None:
    async def race() -> None:
        watch = Watch()
        log = MemoryLog(watch)
        world = await city(log, watch)
        _, case_id, _ = await filed(world)
        racing = World(Interleaved(log, schedule), watch, asked=500)
        await racing.directory.catch_up()
        desk = CaseDesk(racing.scribe, racing.directory)

        def assign(center: UUID | None) -> Any:
            return desk.execute(
                case_id,
                lambda case, at: ask.AssignCase(
                    department=desk.department(case, agency="traffic_police", center_id=center), assigned_at=at
                ),
                racing.request(),
            )

        told = await asyncio.gather(assign(None), assign(CITY), assign(TRAFFIC), return_exceptions=True)
        assert sum(not isinstance(each, Exception) for each in told) == 1
        assert all(isinstance(each, Refused | Conflict) for each in told if isinstance(each, Exception))
        state = (await CaseDesk(world.scribe, world.directory).state(case_id)).state
        assert state.phase is CasePhase.ASSIGNED
        assert len(state.spells) == 1

    asyncio.run(race())


def test_the_story_is_told_in_a_year_that_the_calendar_knows() -> None:
    from dispatch.working_days import KNOWN_YEARS, is_chinese_workday

    assert {2024, 2026} <= KNOWN_YEARS
    assert is_chinese_workday(date(2026, 2, 14))
    assert not is_chinese_workday(date(2026, 2, 16))
    assert is_chinese_workday(date(2090, 12, 29))
    assert not is_chinese_workday(date(2090, 12, 30))
