"""Rules tried on what happened: the rules that were in force give what they gave, others what they say."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar
from uuid import UUID

import pytest

from dispatch.directory import Directory
from dispatch.ports import RecordedEvent
from dispatch.rulebooks.trial import Outcome, tried
from dispatch.simulation.run import recorded
from dispatch.store.memory import MemoryLog
from domain.codec import fact_of
from domain.incident.events import IncidentAccepted, IncidentOpened, IncidentRouted
from domain.rulebook.content import Rulebook
from domain.rulebook.events import RulebookActivated
from domain.rulebook.plans import AlarmLevel, ResponsePlan, ResponseRule
from domain.vocabulary import UnitKind
from tests.workers.town import HandClock, with_rule

SEEDS = range(1, 13)
INTRUSION = "security.intrusion"
T = TypeVar("T")


class Past:
    """A simulated town's log up to where its rules were changed, and the directory of then."""

    def __init__(self, seed: int) -> None:
        whole = recorded(seed)
        changes = [event.position for event in whole if event.topic == RulebookActivated.name]
        self.events = whole[: changes[1] - 1] if len(changes) > 1 else whole
        self.log = MemoryLog(HandClock(self.events[-1].recorded_at), events=self.events)
        self.directory = Directory(self.log, "chengdu")

    @property
    def rules(self) -> Rulebook:
        return self.directory.rulebook()

    def facts(self, kind: type[T]) -> list[tuple[UUID, T]]:
        found = [(event.stream_id, fact_of(event).event) for event in self.events if event.topic == kind.name]  # type: ignore[attr-defined]
        return [(stream, event) for stream, event in found if isinstance(event, kind)]


def run(work: Coroutine[Any, Any, T]) -> T:
    """In a loop of its own: a simulated past is made in another, on a virtual clock."""
    return asyncio.run(work)


@pytest.fixture(scope="module")
def pasts() -> dict[int, Past]:
    found = {seed: Past(seed) for seed in SEEDS}
    for past in found.values():
        run(past.directory.catch_up())
    return found


def tried_on(past: Past, rules: Rulebook, *, after: int = 0, until: int | None = None) -> Outcome:
    last = len(past.events) if until is None else until
    return run(tried(rules, past.log, past.directory, after_position=after, up_to_position=last))


def test_the_rules_in_force_give_what_they_gave(pasts: dict[int, Past]) -> None:
    incidents = 0
    for past in pasts.values():
        outcome = tried_on(past, past.rules)
        assert [each for each in outcome.changed if each.differs] == []
        assert outcome.opened_only_now == ()
        assert [each.incident_id for each in outcome.changed] == [stream for stream, _ in past.facts(IncidentOpened)]
        assert (outcome.accept.newly, outcome.accept.no_longer) == (0, 0)
        incidents += len(outcome.changed)
    assert incidents > 100


def test_they_do_so_for_any_part_of_the_past(pasts: dict[int, Past]) -> None:
    for past in pasts.values():
        for after in range(2, len(past.events), len(past.events) // 4):
            outcome = tried_on(past, past.rules, after=after)
            assert [each for each in outcome.changed if each.differs] == []
            assert outcome.opened_only_now == ()


def test_an_owner_of_another_level_moves_every_incident_of_the_category(pasts: dict[int, Past]) -> None:
    moved = 0
    for past in pasts.values():
        before = past.rules.category(INTRUSION).owner
        assert before.value == "station"
        outcome = tried_on(past, with_rule(past.rules, INTRUSION, owner="city"))
        for each in outcome.changed:
            assert each.now is not None
            if each.then.category == INTRUSION:
                assert each.now.owner == past.directory.root().code
                moved += each.then.owner != each.now.owner
            else:
                assert not each.differs
        load = outcome.load()
        assert sum(then for then, _ in load.values()) == sum(now for _, now in load.values()) == len(outcome.changed)
    assert moved > 20


def test_a_plan_asks_for_other_units_and_moves_nothing(pasts: dict[int, Past]) -> None:
    asked = 0
    for past in list(pasts.values())[:4]:
        sends = ResponseRule(agency="police", unit_kinds=(UnitKind.PATROL_CAR,), units=3)
        plan = ResponsePlan(
            code="intrusion",
            name_zh="入侵",
            name_en="Intrusion",
            category=INTRUSION,
            levels=(AlarmLevel(level=1, response=(sends,)),),
        )
        planned = past.rules.model_copy(update={"plans": (*past.rules.plans, plan)})
        outcome = tried_on(past, planned)
        for each in outcome.changed:
            assert each.now is not None
            assert each.differs is (each.then.category == INTRUSION)
            asked += each.differs
        figures = outcome.figures()
        assert figures["asked_otherwise"] == sum(each.differs for each in outcome.changed)
        assert figures["moved"] == figures["told_otherwise"] == 0
    assert asked > 5


def test_more_alerts_asked_for_let_incidents_wait_but_none_that_is_severe(pasts: dict[int, Past]) -> None:
    waits = opens = 0
    for past in pasts.values():
        rules = past.rules
        for rule in past.rules.categories:
            rules = with_rule(rules, rule.code, correlation__min_alerts=1_000)
        opened = dict(past.facts(IncidentOpened))
        for each in tried_on(past, rules).changed:
            if opened[each.incident_id].cause.report_id is not None:
                assert each.fate == "opens", "what a person reports is no matter of a threshold"
            elif each.then.severity < rules.category(each.then.category).correlation.open_at_severity:
                waits += each.fate == "waits"
            else:
                assert each.fate != "waits"
                opens += each.fate == "opens"
    assert waits > 0
    assert opens > 0


def test_a_radius_of_the_whole_city_makes_few_incidents_of_many(pasts: dict[int, Past]) -> None:
    then = now = 0
    for past in pasts.values():
        wide = with_rule(past.rules, INTRUSION, correlation__radius_m=50_000, correlation__window_s=604_800)
        figures = tried_on(past, wide).figures()
        then, now = then + figures["incidents_then"], now + figures["incidents_now"]
        assert figures["incidents_now"] + figures["folds"] + figures["waits"] >= figures["incidents_then"]
    assert now < then


def test_a_deadline_is_missed_if_what_took_so_long_is_longer(pasts: dict[int, Past]) -> None:
    for past in pasts.values():
        accepted = {stream for stream, _ in past.facts(IncidentAccepted)}
        routed = {stream for stream, event in past.facts(IncidentRouted) if event.accept_by is not None}
        strict, patient = past.rules, past.rules
        for rule in past.rules.categories:
            strict = with_rule(strict, rule.code, deadlines__accept_within_s=1)
            patient = with_rule(patient, rule.code, deadlines__accept_within_s=604_800)
        severe, none = tried_on(past, strict).accept, tried_on(past, patient).accept
        assert (none.now, none.newly, none.no_longer) == (0, 0, none.then)
        assert severe.then == none.then
        assert severe.now >= severe.then
        assert severe.newly == severe.now - severe.then
        assert len(accepted & routed) <= len(routed)


def test_a_trial_records_nothing_and_comes_out_the_same(pasts: dict[int, Past]) -> None:
    past = pasts[1]
    rules = with_rule(past.rules, INTRUSION, owner="city", correlation__radius_m=5_000)
    tip = run(past.log.tip())
    assert tried_on(past, rules) == tried_on(past, rules)
    assert run(past.log.tip()) == tip


def test_alerts_that_were_not_judged_by_the_end_of_the_period_are_not_tried(pasts: dict[int, Past]) -> None:
    past = pasts[1]
    opened = [event for _, event in past.facts(IncidentOpened) if event.cause.alert_positions]
    alert = opened[0].cause.alert_positions[0]
    outcome = tried_on(past, past.rules, after=alert - 1, until=alert)
    assert (outcome.alerts, outcome.unjudged) == (1, 1)
    assert (outcome.changed, outcome.opened_only_now) == ((), ())


def test_facts_that_nobody_can_read_are_counted_and_passed_over(pasts: dict[int, Past]) -> None:
    past = pasts[1]
    (spoiled, *_) = [event for event in past.events if event.topic == "alert.received"]
    events: list[RecordedEvent] = [
        RecordedEvent(**{name: getattr(event, name) for name in RecordedEvent.__dataclass_fields__ if name != "fact"})
        for event in past.events
    ]
    events[spoiled.position - 1] = RecordedEvent(
        **{
            name: b"{" if name == "state" else getattr(spoiled, name)
            for name in RecordedEvent.__dataclass_fields__
            if name != "fact"
        }
    )
    log = MemoryLog(HandClock(events[-1].recorded_at), events=events)
    outcome = run(tried(past.rules, log, past.directory, after_position=0, up_to_position=len(events)))
    assert outcome.unreadable == 1
    assert outcome.alerts == tried_on(past, past.rules).alerts - 1
