"""The board row and the card say what the plan asks for and what of it is there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from domain.assignment.events import AssignmentCleared, AssignmentMade
from domain.event import Actor, Envelope, Event, Explanation, Fact, Place
from domain.identifiers import companion_of
from domain.incident import events as incident
from domain.incident import plan_events as plan_facts
from domain.ownership import Ownership
from domain.vocabulary import ActorKind, Severity, UnitKind
from projections.board import Board, item
from projections.cards import IncidentCards, card
from projections.fold import MemoryRows, Page
from projections.texts import sentence

FIRE, OTHER = UUID(int=1), UUID(int=2)
OWNER = Ownership(center_id=UUID(int=9), path=(UUID(int=9),))
ENGINES = plan_facts.WantedUnits(agency="fire", unit_kinds=(UnitKind.FIRE_ENGINE,), skills=("fire_fighting",), units=2)
LADDER = plan_facts.WantedUnits(agency="fire", unit_kinds=(UnitKind.FIRE_ENGINE,), skills=("aerial_ladder",), units=1)
WHY = Explanation(policy="recommendation")
OPENED = incident.IncidentOpened(
    number="CD-1",
    city="chengdu",
    cause=incident.Cause(),
    category="fire.alarm",
    severity=Severity.SEVERE,
    priority=0,
    place=Place(),
    owner=OWNER,
)


def recommended(level: int, *wanted: plan_facts.WantedUnits) -> plan_facts.UnitsRecommended:
    return plan_facts.UnitsRecommended(
        incident_id=FIRE,
        unit_ids=(),
        shortfalls=(),
        candidates=(),
        explanation=WHY,
        plan="fire",
        alarm_level=level,
        wanted=wanted,
        unfilled=tuple(want.units for want in wanted),
    )


def made(number: int, *skills: str, kind: UnitKind | None = UnitKind.FIRE_ENGINE) -> AssignmentMade:
    return AssignmentMade(
        assignment_id=UUID(int=100 + number),
        incident_id=FIRE,
        incident_number="CD-1",
        incident_owner=OWNER,
        unit_id=UUID(int=200 + number),
        agency="fire",
        call_sign=f"F-{number}",
        unit_kind=kind,
        skills=skills,
    )


RAISED = plan_facts.AlarmRaised(from_level=1, to_level=2, plan="fire", wanted=(ENGINES, LADDER), reason="三层起火")


def told(*events: Event) -> Mapping[str, Any]:
    """The card after these facts."""
    rows = MemoryRows(Board()), MemoryRows(IncidentCards())
    for position, event in enumerate((OPENED, *events), 1):
        stream = companion_of(FIRE) if isinstance(event, plan_facts.UnitsRecommended) else FIRE
        if isinstance(event, AssignmentMade | AssignmentCleared):
            stream = OTHER
        at = datetime(2026, 7, 1, tzinfo=UTC) + timedelta(seconds=position)
        actor = Actor(kind=ActorKind.OPERATOR, id="alice")
        envelope = Envelope(event_id=UUID(int=position), occurred_at=at, received_at=at, actor=actor)
        fact = Fact(position, stream, position, at, envelope, event)
        for projection in rows:
            projection.take(Page(position, [fact]))
    board, cards = (projection.rows[(FIRE,)] for projection in rows)
    assert not rows[0].parked
    assert item(board)["wanted"] == board["wanted"]
    return card(board, cards)


def there(shown: Mapping[str, Any]) -> list[tuple[int, int]]:
    return [(one["there"], one["units"]) for one in shown["wanted"]]


def test_the_row_says_how_many_of_how_many_are_there():
    shown = told(recommended(1, ENGINES), made(1, "fire_fighting"), RAISED)
    assert shown["alarm_level"] == 2
    assert there(shown) == [(1, 2), (0, 1)]
    assert shown["lacking"]["en"] == "1 of 2 fire engines (fire fighting); 1 fire engines (aerial ladder) missing"
    assert shown["lacking"]["zh"] == "消防车（灭火）1/2；缺消防车（登高）1"


def test_nothing_is_said_to_lack_when_all_are_there_or_nobody_is_asked_for():
    assert told(recommended(1, ENGINES), made(1, "fire_fighting"), made(2, "fire_fighting"))["lacking"] == {
        "zh": None,
        "en": None,
    }
    assert told()["lacking"] == {"zh": None, "en": None}


def test_a_unit_that_is_done_there_is_missing_again():
    cleared = AssignmentCleared(assignment_id=UUID(int=101), incident_id=FIRE)
    assert there(told(recommended(1, ENGINES), made(1, "fire_fighting"), cleared)) == [(0, 2)]


def test_a_recommendation_for_another_level_comes_too_late():
    shown = told(RAISED, recommended(1, ENGINES))
    assert there(shown) == [(0, 2), (0, 1)]
    assert shown["recommendation"]["alarm_level"] == 1


def test_a_lower_alarm_asks_for_less():
    lowered = plan_facts.AlarmLowered(from_level=2, to_level=1, plan="fire", wanted=(ENGINES,), reason="火势已控")
    shown = told(RAISED, lowered)
    assert (shown["alarm_level"], there(shown)) == (1, [(0, 2)])
    assert [entry["event"] for entry in shown["outcomes"]] == ["incident.alarm_raised", "incident.alarm_lowered"]


def test_another_category_asks_for_what_its_own_rules_do():
    other = incident.IncidentClassified(category="order.dispute", severity=Severity.MINOR, priority=6)
    same = incident.IncidentClassified(category="fire.alarm", severity=Severity.MINOR, priority=1)
    assert told(RAISED, other)["wanted"] == []
    assert there(told(RAISED, same)) == [(0, 2), (0, 1)]


def test_an_alarm_raised_by_a_rule_is_a_decision_and_no_outcome():
    ruled = RAISED.model_copy(update={"reason": None, "explanation": Explanation(policy="alarm")})
    shown = told(ruled)
    assert shown["outcomes"] == []
    assert [entry["policy"] for entry in shown["decisions"]] == ["alarm"]


def test_the_story_says_it_in_both_languages():
    values = RAISED.model_dump(mode="json")
    assert sentence(RAISED.name, values, "zh") == "警级由1级升为2级：三层起火"
    assert sentence(RAISED.name, values | {"reason": None}, "en") == "Alarm raised from 1 to 2"
