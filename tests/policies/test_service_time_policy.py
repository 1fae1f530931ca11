"""A service time is data: what it means is computed, what it cannot mean is refused on its line."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.handling.rulebook import unfit
from dispatch.rulebooks.source import Faulty, read
from dispatch.working_days import counting_of
from domain.catalogue import EVENTS
from domain.policies.service_times import Measured, Moment, Tally, measured
from domain.rulebook.content import Rulebook
from domain.rulebook.service_times import FACTS, ServiceTime
from domain.vocabulary import TimeCounting
from domain.working_time import AroundTheClock
from tests.workers.town import Town, sample_rulebook

RULES = sample_rulebook()
NOON = datetime(2026, 7, 1, 4, 0, tzinfo=UTC)
CLOCK = AroundTheClock()


def rule(**changes: Any) -> ServiceTime:
    given = {
        "code": "handling",
        "name_zh": "处置",
        "name_en": "Handling",
        "kind": "case",
        "start": ("case.assigned",),
        "stop": ("case.handled",),
        "void": ("case.voided",),
        "pauses": ({"begins": ("case.paused",), "ends": ("case.resumed",)},),
        "target_s": 600,
    }
    return ServiceTime.model_validate(given | changes)


def moments(*said: tuple[str, float]) -> list[Moment]:
    return [Moment(NOON + timedelta(seconds=at), number, f"case.{name}") for number, (name, at) in enumerate(said, 1)]


def took(*said: tuple[str, float], now: float = 5_000, **changes: Any) -> float | None:
    found = measured(rule(**changes), moments(*said), CLOCK, NOON + timedelta(seconds=now))
    return None if found is None else found.seconds


def test_it_takes_from_the_first_start_to_the_first_stop_after_it():
    assert took(("filed", 0), ("assigned", 10), ("assigned", 40), ("handled", 310), ("handled", 900)) == 300
    assert took(("filed", 0), ("handled", 5), ("assigned", 10), ("handled", 310)) == 300


def test_what_has_not_begun_or_was_voided_first_took_nothing():
    assert took(("filed", 0)) is None
    assert took(("assigned", 0), ("voided", 10)) is None
    assert took(("assigned", 0), ("handled", 10), ("voided", 20)) == 10


def test_pauses_are_taken_off_however_many_and_however_late_they_end():
    assert (
        took(("assigned", 0), ("paused", 10), ("resumed", 60), ("paused", 70), ("resumed", 80), ("handled", 100)) == 40
    )
    assert took(("assigned", 0), ("paused", 10), ("handled", 100)) == 10
    assert took(("assigned", 0), ("resumed", 10), ("handled", 100)) == 100


def test_two_pauses_at_once_are_taken_off_once():
    both = (
        {"begins": ("case.paused",), "ends": ("case.resumed",)},
        {"begins": ("case.returned",), "ends": ("case.assigned",)},
    )
    said = ("assigned", 0), ("paused", 10), ("returned", 20), ("resumed", 30), ("assigned", 50), ("handled", 100)
    assert took(*said, pauses=both) == 60


def test_what_runs_has_taken_what_it_took_by_now():
    found = measured(rule(), moments(("assigned", 0), ("paused", 10)), CLOCK, NOON + timedelta(seconds=90))
    assert found == Measured(10.0, NOON, None)
    assert took(("assigned", 100), now=50) == 0


def test_facts_count_by_when_they_happened_not_by_when_they_were_reported():
    late = [Moment(NOON + timedelta(seconds=50), 9, "case.handled"), Moment(NOON, 10, "case.assigned")]
    found = measured(rule(), late, CLOCK, NOON + timedelta(days=1))
    assert found is not None
    assert found.seconds == 50


def test_only_working_hours_count_and_a_pause_at_night_takes_nothing_off():
    counting = counting_of(TimeCounting.WORKING_HOURS, RULES)
    zone = ZoneInfo(RULES.time_zone)
    friday = datetime(2026, 7, 3, 16, 0, tzinfo=zone)
    monday = datetime(2026, 7, 6, 10, 0, tzinfo=zone)
    said = [Moment(friday, 1, "case.assigned"), Moment(monday, 4, "case.handled")]
    found = measured(rule(), said, counting, monday)
    assert found is not None
    assert found.seconds == 2 * 3_600, "an hour on Friday, an hour on Monday"
    night = [
        Moment(friday + timedelta(hours=3), 2, "case.paused"),
        Moment(friday + timedelta(hours=30), 3, "case.resumed"),
    ]
    found = measured(rule(), said + night, counting, monday)
    assert found is not None
    assert found.seconds == 2 * 3_600


STEPS = st.lists(
    st.tuples(st.sampled_from(["assigned", "paused", "resumed", "returned", "handled"]), st.integers(0, 500))
)


@given(STEPS, st.integers(0, 1_000))
def test_a_time_is_never_negative_nor_longer_than_it_lasted(said, now):
    found = measured(rule(), moments(*said), CLOCK, NOON + timedelta(seconds=now))
    if found is not None:
        end = found.ended_at or max(found.began_at, NOON + timedelta(seconds=now))
        assert 0 <= found.seconds <= (end - found.began_at).total_seconds()


def test_a_tally_counts_what_is_late_while_it_runs():
    tally = Tally()
    for seconds in (10, 20, 30, 1_000):
        tally.add(Measured(seconds, NOON, NOON), 600)
    assert (tally.on_time, tally.on_time_percent) == (3, 75)
    tally.add(Measured(700, NOON, None), 600)
    tally.add(Measured(100, NOON, None), 600)
    assert (tally.running, tally.running_late, tally.on_time_percent) == (2, 1, 60)
    assert [tally.percentile(fraction) for fraction in (0, 0.5, 0.9, 1)] == [10, 25, pytest.approx(709), 1_000]
    assert Tally().percentile(0.5) is None
    assert Tally().on_time_percent is None


def test_every_fact_that_may_be_named_is_in_the_catalogue():
    assert {name for names in FACTS.values() for name in names} <= set(EVENTS)


@pytest.mark.parametrize(
    ("changed", "where", "why"),
    [
        ({"stop": ["case.done"]}, "stop", "case.done: no fact by which the time of a case is measured"),
        ({"start": ["assignment.made"]}, "start", "no fact by which the time of a case"),
        ({"stop": ["case.assigned"]}, "stop", "never comes after case.assigned"),
        ({"stop": ["case.filed"]}, "stop", "case.filed never comes after case.assigned"),
        ({"start": ["case.closed"]}, "stop", "never comes after case.closed"),
        ({"pauses": [{"begins": ["case.closed"], "ends": ["case.resumed"]}]}, "pauses", "never ends with case.resumed"),
        ({"pauses": [{"begins": ["case.slept"], "ends": ["case.resumed"]}]}, "pauses", "case.slept: no fact"),
        ({"kind": "assignment", "start": ["assignment.on_scene"], "stop": ["assignment.en_route"]}, "stop", "never"),
        ({"kind": "assignment", "start": ["assignment.en_route"], "stop": ["assignment.declined"]}, "stop", "never"),
        ({"kind": "incident", "start": ["incident.dismissed"], "stop": ["incident.closed"]}, "stop", "never"),
        ({"target_s": 0}, "target_s", "greater than or equal to 1"),
        ({"goal_percent": 101}, "goal_percent", "less than or equal to 100"),
    ],
)
def test_what_cannot_be_measured_is_refused_on_its_line(changed, where, why):
    defined = json.loads(rule(void=(), pauses=()).model_dump_json()) | changed
    raw = json.loads(RULES.model_dump_json()) | {"service_times": [defined]}
    text = json.dumps(raw, indent=1)
    with pytest.raises(Faulty) as refused:
        read(text.encode())
    fault = refused.value.faults[0]
    assert fault.pointer.startswith(f"/service_times/0/{where}")
    assert why in fault.why
    assert f'"{where}"' in text.splitlines()[fault.line - 1]


@pytest.mark.parametrize(
    ("kind", "start", "stop"),
    [
        ("incident", "incident.opened", "assignment.made"),
        ("incident", "incident.reopened", "incident.accepted"),
        ("incident", "incident.closed", "incident.reopened"),
        ("incident", "assignment.on_scene", "incident.resolved"),
        ("assignment", "assignment.made", "assignment.cancelled"),
        ("case", "case.returned", "case.assigned"),
        ("case", "case.handled", "case.checked"),
    ],
)
def test_what_can_follow_may_be_defined(kind, start, stop):
    assert rule(kind=kind, start=(start,), stop=(stop,), void=(), pauses=()).stop == (stop,)


def test_codes_and_categories_are_checked():
    raw = json.loads(RULES.model_dump_json())
    defined = json.loads(rule().model_dump_json())
    with pytest.raises(ValueError, match="service times repeat"):
        Rulebook.model_validate(raw | {"service_times": [defined, defined]})
    with pytest.raises(ValueError, match="unknown category"):
        Rulebook.model_validate(raw | {"service_times": [defined | {"categories": ["no.such"]}]})
    del raw["service_times"]
    assert Rulebook.model_validate(raw).service_times == ()


async def test_an_agency_that_the_city_has_not_is_named():
    town = await Town().found()
    await town.directory.catch_up()
    raw = json.loads(RULES.model_dump_json())
    raw["service_times"][0]["agencies"] = ["police", "nobody"]
    found = dict(unfit(Rulebook.model_validate(raw), town.directory))
    assert found["/service_times/0/agencies/1"] == "there is no agency nobody"
    assert "/service_times/0/agencies/0" not in found


def test_the_sample_city_measures_calls_crews_arrivals_and_cases():
    kinds = {each.code: (each.kind, each.counting.value) for each in RULES.service_times}
    assert kinds["call_handling"] == ("incident", "around_the_clock")
    assert kinds["turnout"] == kinds["travel"] == ("assignment", "around_the_clock")
    assert kinds["urban_case"] == ("case", "working_hours")
    (arrival,) = [each for each in RULES.service_times if each.code == "arrival_110"]
    assert arrival.categories
