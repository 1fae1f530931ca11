"""Levels add up; what a plan cannot mean is refused, on its line; what a city does not have is said of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dispatch.handling.rulebook import unfit
from dispatch.rulebooks.differences import differences
from dispatch.rulebooks.source import Faulty, read
from domain.policies.plans import agencies_of, checklist_of, due_level, highest_level, plan_of, response_of
from domain.rulebook.content import Rulebook
from domain.vocabulary import AgencyRole, Severity, UnitKind
from tests.workers.town import WEST, Town, sample_rulebook

RULES = sample_rulebook()
FIRE = "fire.alarm"


def with_plans(*plans: dict[str, Any]) -> Rulebook:
    return Rulebook.model_validate(json.loads(RULES.model_dump_json()) | {"plans": list(plans)})


def plan(**changes: Any) -> dict[str, Any]:
    sends = {"agency": "fire", "unit_kinds": ["fire_engine"], "units": 2}
    level = {"level": 1, "response": [sends]}
    return {"code": "fire", "name_zh": "火灾", "name_en": "Fire", "category": FIRE, "levels": [level]} | changes


def second(**changes: Any) -> dict[str, Any]:
    return {"level": 2, "response": [{"agency": "fire", "unit_kinds": ["fire_engine"], "units": 3}]} | changes


def units(rules: Rulebook, level: int, severity: Severity = Severity.SEVERE) -> dict[tuple[str, ...], int]:
    return {(rule.agency, *rule.skills): rule.units for rule in response_of(rules, FIRE, severity, level)}


def test_the_second_alarm_asks_for_all_that_the_first_does_and_more():
    first, both, third = (units(RULES, level) for level in (1, 2, 3))
    assert first == {("fire", "fire_fighting"): 2, ("police", "public_order"): 1}
    assert both[("fire", "fire_fighting")] == 5
    assert both[("fire", "aerial_ladder")] == 1
    assert third[("fire", "fire_fighting")] == 10
    assert third[("fire", "aerial_ladder")] == 2
    assert all(third[key] >= both.get(key, 0) >= first.get(key, 0) for key in third)


def test_a_level_beyond_the_highest_asks_for_all_that_there_is():
    assert units(RULES, 9) == units(RULES, 3)
    assert highest_level(RULES, FIRE, Severity.MINOR) == 3
    assert highest_level(RULES, "order.dispute", Severity.EXTREME) == 1


def test_a_category_without_a_plan_asks_for_its_response_at_any_level():
    own = RULES.category("order.dispute").response
    assert own
    assert response_of(RULES, "order.dispute", Severity.EXTREME, 3) == own


def test_alike_levels_reach_as_far_as_the_wider_of_them():
    near = {"agency": "fire", "unit_kinds": ["fire_engine"], "units": 2, "max_distance_m": 5_000}
    far = near | {"units": 1, "max_distance_m": 50_000}
    levels = [{"level": 1, "response": [far]}, {"level": 2, "response": [near]}]
    (rule,) = response_of(with_plans(plan(levels=levels)), FIRE, Severity.MINOR, 2)
    assert (rule.units, rule.max_distance_m) == (3, 50_000)


def test_of_two_plans_the_one_for_the_worst_severity_reached_counts():
    rules = with_plans(plan(), plan(code="fire_bad", from_severity=3))
    codes = [found.code for severity in Severity if (found := plan_of(rules, FIRE, severity))]
    assert codes == ["fire", "fire", "fire", "fire_bad", "fire_bad"]


def test_a_level_is_due_at_its_severity():
    assert [due_level(RULES, FIRE, severity) for severity in Severity] == [1, 1, 1, 1, 2]
    flood = [due_level(RULES, "flood.waterlogging", severity) for severity in Severity]
    assert flood == [1, 1, 1, 2, 3]
    assert due_level(RULES, "order.dispute", Severity.EXTREME) == 1


def test_a_level_tells_more_agencies_and_the_stronger_role_counts():
    roles = {rule.agency: rule.role for rule in agencies_of(RULES, "flood.waterlogging", Severity.SEVERE, 2)}
    assert RULES.category("flood.waterlogging").agencies[2].role is AgencyRole.INFORMED
    assert roles["traffic_police"] is AgencyRole.SUPPORTING
    assert roles["flood_control"] is AgencyRole.RESPONSIBLE
    assert "power_supply" in roles
    assert agencies_of(RULES, FIRE, Severity.SEVERE, 1) == RULES.category(FIRE).agencies


def test_a_level_adds_to_the_checklist():
    first, both = (checklist_of(RULES, FIRE, Severity.SEVERE, level) for level in (1, 2))
    assert first == RULES.category(FIRE).checklist
    assert [item.code for item in both[len(first) :]] == ["gas_cut_off", "neighbours_out"]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"levels": [{"level": 1}]}, "alarm level 1 is empty"),
        ({"levels": [second(level=2)]}, "must be 1, 2, 3"),
        ({"levels": [second(level=1, from_severity=3)]}, "needs no from_severity"),
        (
            {"levels": [second(level=1), second(from_severity=4), second(level=3, from_severity=3)]},
            "at least as bad",
        ),
        ({"levels": [second(level=1, agencies=[{"agency": "fire", "role": "responsible"}])]}, "responsible agency"),
        ({"category": "no.such"}, "unknown category no.such"),
    ],
)
def test_a_plan_that_means_nothing_is_refused(changed, why):
    with pytest.raises(ValueError, match=why):
        with_plans(plan(**changed))


def test_two_plans_for_the_same_are_refused():
    with pytest.raises(ValueError, match="same category and severity"):
        with_plans(plan(), plan(code="fire_too"))
    with pytest.raises(ValueError, match="plans repeat"):
        with_plans(plan(), plan(from_severity=3))
    category = RULES.category("traffic.accident")
    item = json.loads(category.checklist[0].model_dump_json())
    with pytest.raises(ValueError, match="repeats items"):
        with_plans(plan(category=category.code, levels=[second(level=1, checklist=[item])]))


def test_an_empty_level_is_told_on_its_line():
    raw = json.loads(RULES.model_dump_json()) | {"plans": [plan(levels=[second(level=1), {"level": 2}])]}
    text = json.dumps(raw, indent=1)
    with pytest.raises(Faulty) as refused:
        read(text.encode())
    (fault,) = refused.value.faults
    assert fault.pointer == "/plans/0/levels/1"
    assert '"level": 2' in text.splitlines()[fault.line]


def test_a_difference_is_told_by_plan_and_level():
    after = with_plans(plan(levels=[plan()["levels"][0], second()]))
    before = with_plans(plan(levels=[plan()["levels"][0], second(from_severity=4)]))
    (difference,) = differences(before, after)
    assert str(difference) == "  plans[fire].levels[2].from_severity: 4 → null"


async def test_a_plan_names_agencies_and_skills_that_the_city_has():
    town = await Town().found()
    await town.directory.catch_up()
    rules = with_plans(
        plan(
            levels=[
                second(level=1, agencies=[{"agency": "nobody", "role": "informed"}]),
                second(response=[{"agency": "fire", "unit_kinds": ["fire_engine"], "skills": ["aerial_ladder"]}]),
                second(level=3, response=[{"agency": "fire", "unit_kinds": ["rescue_boat"]}]),
            ]
        )
    )
    found = dict(unfit(rules, town.directory))
    assert found["/plans/0/levels/0/agencies/0/agency"] == "there is no agency nobody"
    assert not any("skills" in pointer for pointer in found), "a city without units is not asked what they can do"

    await town.unit("F-1", WEST, agency="fire", kind=UnitKind.FIRE_ENGINE, skills=("water",))
    await town.directory.catch_up()
    found = dict(unfit(rules, town.directory))
    assert found["/plans/0/levels/1/response/0/skills"] == "no fire_engine of fire has all of: aerial_ladder"
    assert found["/plans/0/levels/2/response/0/unit_kinds"] == "fire has no unit of the kind rescue_boat"

    await town.unit("F-2", WEST, agency="fire", kind=UnitKind.FIRE_ENGINE, skills=("water", "aerial_ladder"))
    await town.directory.catch_up()
    assert not any("skills" in pointer for pointer in dict(unfit(rules, town.directory)))


def test_rules_from_before_there_were_plans_still_read():
    raw = json.loads(RULES.model_dump_json())
    del raw["plans"]
    assert Rulebook.model_validate(raw).plans == ()
