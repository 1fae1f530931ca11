"""Two versions compared by what they say, not by where they say it."""

from __future__ import annotations

import json

from dispatch.rulebooks.differences import Difference, differences, summary
from domain.rulebook.content import Rulebook
from tests.workers.town import sample_rulebook, with_rule

RULES = sample_rulebook()
CODE = "traffic.congestion"


def test_the_same_rules_differ_in_nothing() -> None:
    assert differences(RULES, RULES.model_copy(update={"version": 9})) == []


def test_one_value_is_one_difference_by_its_code() -> None:
    before = RULES.category(CODE).correlation.radius_m
    after = with_rule(RULES, CODE, correlation__radius_m=before + 1)
    expected = Difference(f"categories[{CODE}].correlation.radius_m", json.dumps(before), json.dumps(before + 1))
    assert differences(RULES, after) == [expected]
    assert str(expected) == f"  categories[{CODE}].correlation.radius_m: {before} → {before + 1}"
    assert summary([expected]) == "1 differences: 0 added, 0 taken out, 1 changed"


def test_the_order_of_entries_is_no_difference() -> None:
    raw = RULES.model_dump(mode="json")
    raw["categories"].reverse()
    raw["alerts"].reverse()
    assert differences(RULES, Rulebook.model_validate(raw)) == []


def test_an_entry_more_and_an_entry_less() -> None:
    raw = RULES.model_dump(mode="json")
    taken = next(rule for rule in raw["alerts"] if rule["category"] is not None)
    raw["alerts"].remove(taken)
    shorter = Rulebook.model_validate(raw)
    (less,) = differences(RULES, shorter)
    (more,) = differences(shorter, RULES)
    assert (less.where, less.after) == (f"alerts[{taken['kind']}]", None)
    assert (more.where, more.before) == (f"alerts[{taken['kind']}]", None)
    assert json.loads(more.after or "") == taken


def test_a_list_of_plain_values_is_compared_as_one() -> None:
    raw = RULES.model_dump(mode="json")
    raw["severity_priority"] = [0, 0, 0, -1, -3]
    (found,) = differences(RULES, Rulebook.model_validate(raw))
    assert found.where == "severity_priority"
    assert found.after == "[0, 0, 0, -1, -3]"
