"""A headquarters commands for a time, takes what it commands, and ends only with an owner for all it has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.headquarters import commands as ask
from domain.headquarters import decider
from domain.headquarters import events as fact
from domain.headquarters.decider import INITIAL, LASTS_MAX, decide, evolve
from domain.ownership import Ownership
from tests.domain.deciding import Decider

headquarters = Decider(decide, evolve, INITIAL)

NOW = datetime(2026, 7, 3, 12, 0, tzinfo=UTC)
CITY, NODE, DISTRICT, STATION, OTHER = (UUID(int=number) for number in range(1, 6))
CHIEF, DEPUTY, INCIDENT = UUID(int=11), UUID(int=12), UUID(int=21)
OWNER = Ownership(center_id=STATION, path=(CITY, DISTRICT, STATION))
PLACE = Ownership(center_id=NODE, path=(CITY, NODE))
OPENED = fact.HeadquartersOpened(
    city="chengdu",
    code="flood",
    center=PLACE,
    purpose="the river",
    scope=fact.Scope(centers=(DISTRICT,)),
    commander_id=CHIEF,
    deputy_ids=(DEPUTY,),
    ends_at=NOW + timedelta(hours=12),
)
OPEN = ask.OpenHeadquarters(headquarters=OPENED, opened_at=NOW)
TAKE = ask.TakeIncident(incident_id=INCIDENT, number="A1", owner=OWNER, reason="two districts")
TAKEN = fact.IncidentTaken(incident_id=INCIDENT, number="A1", giver=OWNER, reason="two districts")
BACK = fact.Returned(incident_id=INCIDENT, number="A1", to=OWNER)
GIVE = ask.GiveIncidentBack(returned=BACK, reason="done")
STAND_DOWN = ask.StandDown(reason="the water fell", returned=(BACK,))
STOOD_DOWN = fact.HeadquartersStoodDown(reason="the water fell", returned=(BACK,))
EXPIRE = ask.ExpireHeadquarters(noticed_at=OPENED.ends_at + timedelta(seconds=7), returned=(BACK,))
CHANGE = ask.ChangeHeadquarters(scope=fact.Scope(centers=(OTHER,)), commander_id=DEPUTY, reason="it moved")
EXTEND = ask.ExtendHeadquarters(extended_at=NOW, ends_at=NOW + timedelta(days=2), reason="a second wave")


def test_it_opens_takes_gives_back_and_stands_down():
    headquarters.given().when(OPEN).then(OPENED)
    headquarters.given(OPENED).when(OPEN).then_nothing()
    headquarters.given(OPENED).when(TAKE).then(TAKEN)
    headquarters.given(OPENED, TAKEN).when(GIVE).then(fact.IncidentGivenBack(returned=BACK, reason="done"))
    headquarters.given(OPENED, TAKEN).when(STAND_DOWN).then(STOOD_DOWN)
    headquarters.given(OPENED, TAKEN, STOOD_DOWN).when(STAND_DOWN).then_nothing()


def test_it_ends_by_itself_when_its_time_is_over_and_not_before():
    headquarters.given(OPENED, TAKEN).when(EXPIRE).then(
        fact.HeadquartersExpired(due_at=OPENED.ends_at, late_s=7.0, returned=(BACK,))
    )
    early = EXPIRE.model_copy(update={"noticed_at": OPENED.ends_at - timedelta(seconds=1)})
    headquarters.given(OPENED).when(early).then_nothing()
    (extended,) = headquarters.decide(EXTEND, (OPENED,))
    headquarters.given(OPENED, extended).when(EXPIRE).then_nothing()


def test_it_commands_others_from_then_on():
    (changed,) = headquarters.decide(CHANGE, (OPENED,))
    headquarters.given(OPENED, changed).when(TAKE).then_refused("headquarters.not_commanded", number="A1")
    headquarters.given(OPENED, changed).when(CHANGE).then_nothing()
    assert headquarters.state((OPENED, changed)).staff == {DEPUTY}


def test_what_lies_below_whom_it_commands_is_its_to_take_and_nothing_else():
    elsewhere = TAKE.model_copy(update={"owner": Ownership(center_id=OTHER, path=(CITY, OTHER))})
    headquarters.given(OPENED).when(elsewhere).then_refused("headquarters.not_commanded")
    above = TAKE.model_copy(update={"owner": Ownership(center_id=CITY, path=(CITY,))})
    headquarters.given(OPENED).when(above).then_refused("headquarters.not_commanded")
    headquarters.given(OPENED).when(TAKE.model_copy(update={"owner": PLACE})).then_nothing()


@pytest.mark.parametrize("ends_at", [NOW, NOW - timedelta(hours=1), NOW + LASTS_MAX + timedelta(seconds=1)])
def test_nobody_commands_for_ever(ends_at: datetime):
    wanted = OPEN.model_copy(update={"headquarters": OPENED.model_copy(update={"ends_at": ends_at})})
    headquarters.given().when(wanted).then_refused("headquarters.no_time")
    headquarters.given(OPENED).when(EXTEND.model_copy(update={"ends_at": ends_at})).then_refused("headquarters.no_time")


def test_it_is_prolonged_and_never_shortened():
    (extended,) = headquarters.decide(EXTEND, (OPENED,))
    sooner = EXTEND.model_copy(update={"ends_at": EXTEND.ends_at - timedelta(seconds=1)})
    headquarters.given(OPENED, extended).when(EXTEND).then_nothing()
    headquarters.given(OPENED, extended).when(sooner).then_refused("headquarters.not_longer")


@pytest.mark.parametrize("left", [{"open_cases": 1}, {"open_aid": 2}, {"on_shift": 3}])
def test_what_does_not_move_by_itself_is_ended_first(left: dict[str, Any]):
    headquarters.given(OPENED).when(STAND_DOWN.model_copy(update=left)).then_refused("headquarters.has_open_work")


def test_what_it_had_goes_to_nobody_that_ends_with_it():
    to_itself = STAND_DOWN.model_copy(update={"returned": (BACK.model_copy(update={"to": PLACE}),)})
    headquarters.given(OPENED, TAKEN).when(to_itself).then_refused("headquarters.to_itself")
    give = GIVE.model_copy(update={"returned": BACK.model_copy(update={"to": PLACE})})
    headquarters.given(OPENED, TAKEN).when(give).then_refused("headquarters.to_itself")


def test_the_table_of_the_decider_is_the_decider():
    """Every command before it is opened, while it is open, and after it is over."""
    assert decider.__doc__ is not None
    rows = [line.split() for line in decider.__doc__.splitlines() if line.startswith("    ") and line.strip()]
    marks = {row[0]: row[1:] for row in rows if len(row) == 4 and row[0] != "command"}
    commands = (OPEN, CHANGE, EXTEND, TAKE, GIVE, STAND_DOWN, EXPIRE)
    assert marks.keys() == {type(command).__name__ for command in commands}
    histories = ((), (OPENED, TAKEN), (OPENED, TAKEN, STOOD_DOWN))
    for command in commands:
        for history, mark in zip(histories, marks[type(command).__name__], strict=True):
            decided = headquarters.decide(command, history)
            said = "-" if not isinstance(decided, tuple) else "x" if decided else "."
            assert said == mark, (type(command).__name__, history)
