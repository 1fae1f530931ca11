"""Which of what is asked for is there: a unit counts once, and as much as possible is filled."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from domain.incident.plan_events import WantedUnits
from domain.incident.wanted import Sent, dealt, fills, there
from domain.vocabulary import UnitKind

ENGINE, PUMP = UnitKind.FIRE_ENGINE, UnitKind.PUMP_TRUCK


def want(units: int = 1, *skills: str, agency: str = "fire", kinds: tuple[UnitKind, ...] = (ENGINE,)) -> WantedUnits:
    return WantedUnits(agency=agency, unit_kinds=kinds, skills=skills, units=units)


def engine(*skills: str) -> Sent:
    return Sent("fire", ENGINE, skills)


def test_a_ladder_that_stands_there_alone_is_the_ladder():
    assert there([want(5, "water"), want(1, "ladder")], [engine("water", "ladder")]) == [0, 1]


def test_a_ladder_counts_as_an_engine_where_there_are_ladders_enough():
    wants = [want(2, "water"), want(1, "ladder")]
    assert there(wants, [engine("water", "ladder"), engine("water", "ladder"), engine("water")]) == [2, 1]


def test_a_unit_gives_way_to_one_that_can_do_nothing_else():
    both, water = engine("water", "ladder"), engine("water")
    assert there([want(1, "water"), want(1, "ladder")], [both, water]) == [1, 1]
    assert there([want(1, "water"), want(1, "ladder")], [water, both]) == [1, 1]
    assert dealt([want(1, "water"), want(1, "ladder"), want(1, "foam")], [engine("water", "foam"), both, water]) == [
        2,
        1,
        0,
    ]


def test_more_than_are_wanted_fill_nothing():
    assert dealt([want(1)], [engine(), engine()]) == [0, None]


def test_other_agencies_kinds_and_skills_fill_nothing():
    others = [Sent("police", ENGINE, ("water",)), Sent("fire", PUMP, ("water",)), engine()]
    assert there([want(3, "water")], others) == [0]


def test_a_unit_sent_before_its_kind_was_recorded_counts_for_its_agency():
    assert there([want(1, "ladder")], [Sent("fire", None)]) == [1]
    assert there([want(1, "ladder")], [Sent("police", None)]) == [0]


SKILLS = st.lists(st.sampled_from(["water", "ladder"]), unique=True, max_size=2).map(tuple)
WANTS = st.lists(st.builds(lambda units, skills: want(units, *skills), st.integers(1, 2), SKILLS), max_size=3)
UNITS = st.lists(st.builds(lambda kind, skills: Sent("fire", kind, skills), st.sampled_from([ENGINE, PUMP]), SKILLS))


@given(WANTS, UNITS.map(lambda units: units[:5]))
def test_no_other_way_of_dealing_units_out_fills_more(wants, units):
    def filled(choice: tuple[int | None, ...]) -> int | None:
        for number, one in enumerate(wants):
            if choice.count(number) > one.units:
                return None
        for unit, number in zip(units, choice, strict=True):
            if number is not None and not fills(unit, wants[number]):
                return None
        return len(choice) - choice.count(None)

    best = max(filled(choice) or 0 for choice in product([None, *range(len(wants))], repeat=len(units)))
    found = dealt(wants, units)
    assert filled(tuple(found)) == best == sum(there(wants, units))
