"""A rulebook's versions are dense, never change, and one of them decides."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from domain.refusals import Refusal, Refused
from domain.rulebook.commands import ActivateRulebook, PublishRulebook
from domain.rulebook.content import Rulebook
from domain.rulebook.decider import INITIAL, State, decide, evolve
from domain.rulebook.events import RulebookActivated, RulebookPublished
from domain.vocabulary import AgencyRole, AlertKind, Severity
from tests.workers.town import NOON, Town, sample_rulebook, with_rule

FIRST = sample_rulebook()
SECOND = with_rule(FIRST, "security.intrusion", priority=9)


def state(*events: RulebookPublished | RulebookActivated) -> State:
    folded = INITIAL
    for event in events:
        folded = evolve(folded, event)
    return folded


def refused(answer: object) -> str:
    assert isinstance(answer, Refusal), f"{answer} is no refusal"
    return answer.code


def test_the_first_version_is_published_and_activated():
    assert decide(PublishRulebook(rulebook=FIRST), INITIAL) == (RulebookPublished(rulebook=FIRST),)
    published = state(RulebookPublished(rulebook=FIRST))
    activate = ActivateRulebook(version=1, effective_at=NOON)
    assert decide(activate, published) == (RulebookActivated(version=1, effective_at=NOON),)


def test_publishing_the_same_again_says_nothing():
    assert decide(PublishRulebook(rulebook=FIRST), state(RulebookPublished(rulebook=FIRST))) == ()


def test_a_published_version_never_changes():
    changed = SECOND.model_copy(update={"version": 1})
    answer = decide(PublishRulebook(rulebook=changed), state(RulebookPublished(rulebook=FIRST)))
    assert refused(answer) == "rulebook.version_taken"


def test_versions_are_dense():
    assert refused(decide(PublishRulebook(rulebook=SECOND), INITIAL)) == "rulebook.version_skipped"


def test_the_rules_of_another_city_are_refused():
    foreign = SECOND.model_copy(update={"city": "elsewhere"})
    answer = decide(PublishRulebook(rulebook=foreign), state(RulebookPublished(rulebook=FIRST)))
    assert refused(answer) == "rulebook.foreign_city"


def test_what_is_not_published_cannot_be_activated():
    assert refused(decide(ActivateRulebook(version=1, effective_at=NOON), INITIAL)) == "rulebook.not_published"


def test_a_bad_change_is_taken_back_by_activating_the_older_version():
    events = [RulebookPublished(rulebook=FIRST), RulebookPublished(rulebook=SECOND)]
    now = state(*events, RulebookActivated(version=2, effective_at=NOON))
    back = ActivateRulebook(version=1, effective_at=NOON)
    assert decide(back, now) == (RulebookActivated(version=1, effective_at=NOON),)
    assert decide(ActivateRulebook(version=2, effective_at=NOON), now) == ()


def test_the_sample_city_says_what_every_alert_kind_means_and_who_answers():
    assert {rule.kind for rule in FIRST.alerts} == set(AlertKind)
    assert FIRST.alert(AlertKind.VIDEO_LOSS).category is None
    traffic = [rule for rule in FIRST.categories if rule.code.startswith("traffic.")]
    assert len(traffic) == 3
    for rule in traffic:
        responsible = [entry.agency for entry in rule.agencies if entry.role is AgencyRole.RESPONSIBLE]
        assert responsible == ["traffic_police"]
        assert rule.also_level_two is AgencyRole.INFORMED
    damage = {entry.agency: entry.role for entry in FIRST.category("urban.facility_damage").agencies}
    assert damage == {"urban_management": AgencyRole.RESPONSIBLE, "police": AgencyRole.SUPPORTING}


def test_worse_is_more_urgent_within_its_bounds():
    assert FIRST.priority_of("fire.alarm", Severity.MODERATE) == 1
    assert FIRST.priority_of("fire.alarm", Severity.EXTREME) == 0
    assert FIRST.priority_of("no.such_category", Severity.MINOR) == FIRST.category(FIRST.catch_all_category).priority


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("alerts", [{"kind": "motion", "category": "no.such_category"}]),
        ("warnings", [{"words": ["flood"], "category": "no.such_category"}]),
        ("catch_all_category", "no.such_category"),
        (
            "case_classes",
            [json.loads(FIRST.case_classes[0].model_dump_json()) | {"category": "no.such_category"}],
        ),
    ],
)
def test_a_rulebook_that_names_what_is_not_there_is_refused(part, value):
    raw = json.loads(FIRST.model_dump_json()) | {part: value}
    with pytest.raises(ValueError, match="unknown category"):
        Rulebook.model_validate(raw)


async def test_the_city_publishes_and_activates_through_its_handler():
    from dispatch.handling.rulebook import RulebookHandler
    from dispatch.handling.scribe import Request
    from domain.event import Actor
    from domain.identifiers import named
    from domain.vocabulary import ActorKind

    town = Town()
    handler = RulebookHandler(town.scribe, "chengdu")
    actor = Actor(kind=ActorKind.OPERATOR, id="chief")
    for number, command in enumerate(
        [
            PublishRulebook(rulebook=FIRST),
            ActivateRulebook(version=1, effective_at=NOON),
            PublishRulebook(rulebook=SECOND),
        ]
    ):
        request = Request(actor=actor, received_at=NOON, request_id=named("test", str(number)))
        outcome = await handler.handle(command, request)
    assert outcome.answer == {"active_version": 1, "latest_version": 2}
    await town.directory.catch_up()
    assert town.directory.rulebook() == FIRST
    assert town.directory.rulebook(2) == SECOND


def test_rules_from_before_there_were_cases_still_read():
    raw = json.loads(FIRST.model_dump_json())
    del raw["case_classes"], raw["casework"]
    old = Rulebook.model_validate(raw)
    assert old.case_classes == ()
    assert old.case_class("urban.exposed_refuse") is None
    assert old.casework.holidays == "china"


def test_the_sample_city_has_a_class_for_every_urban_category_and_tells_the_police_of_theft():
    urban = {rule.code for rule in FIRST.categories if rule.code.startswith("urban.")}
    assert {each.category for each in FIRST.case_classes} == urban
    theft = FIRST.case_class("urban.facility_stolen")
    agencies = {entry.agency: entry.role for entry in FIRST.category(theft.category).agencies}
    assert agencies["police"] is AgencyRole.SUPPORTING


def test_a_class_gives_a_bad_case_less_time():
    broken = FIRST.case_class("urban.facility_broken")
    allowed = [broken.handle_within(severity) for severity in (Severity.MINOR, Severity.SEVERE, Severity.EXTREME)]
    assert allowed == sorted(allowed, reverse=True)
    assert len(set(allowed)) == 3


@pytest.mark.parametrize(
    "spans",
    [
        [],
        [{"opens_s": 10, "closes_s": 10}],
        [{"opens_s": 20, "closes_s": 30}, {"opens_s": 10, "closes_s": 15}],
        [{"opens_s": 10, "closes_s": 30}, {"opens_s": 20, "closes_s": 40}],
    ],
)
def test_working_hours_are_in_order_and_not_empty(spans):
    raw = json.loads(FIRST.model_dump_json()) | {"casework": {"working_hours": spans}}
    with pytest.raises(ValueError, match="working hours"):
        Rulebook.model_validate(raw)


def test_rules_that_count_working_days_are_not_put_in_force_in_a_year_without_a_calendar():
    from dispatch.handling.rulebook import require_known_holidays
    from dispatch.working_days import KNOWN_YEARS

    require_known_holidays(FIRST, NOON)
    beyond = datetime(max(KNOWN_YEARS), 12, 31, 16, 0, tzinfo=UTC)
    with pytest.raises(Refused) as no:
        require_known_holidays(FIRST, beyond)
    assert (no.value.code, no.value.values["year"]) == ("rulebook.holidays_unknown", str(max(KNOWN_YEARS) + 1))
    raw = json.loads(FIRST.model_dump_json())
    require_known_holidays(Rulebook.model_validate(raw | {"casework": {"holidays": "none"}}), beyond)
    require_known_holidays(Rulebook.model_validate(raw | {"case_classes": [], "service_times": []}), beyond)
    with pytest.raises(Refused):
        require_known_holidays(Rulebook.model_validate(raw | {"case_classes": []}), beyond)


async def test_rules_name_departments_and_an_arbiter_that_the_city_has():
    from dispatch.handling.rulebook import unfit

    town = await Town().found()
    await town.directory.catch_up()
    raw = json.loads(FIRST.model_dump_json())
    raw["case_classes"][0]["department"] = "no_such"
    raw["casework"]["arbiter_center_code"] = "nowhere"
    named = dict(unfit(Rulebook.model_validate(raw), town.directory))
    assert named["/case_classes/0/department"] == "there is no agency no_such"
    assert named["/casework/arbiter_center_code"] == "there is no center nowhere"
    raw["casework"]["arbiter_center_code"] = "city"
    assert "/casework/arbiter_center_code" not in dict(unfit(Rulebook.model_validate(raw), town.directory))
