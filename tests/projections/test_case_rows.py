"""The row of a case: whose time runs, which lamp shows, and what each department is counted for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from hypothesis import given, settings

from domain.casework import commands as ask
from domain.casework import events as fact
from domain.casework.decider import INITIAL, CaseState, decide, evolve
from domain.event import Event, Fact
from domain.identifiers import case_id_for
from domain.refusals import Refusal
from domain.vocabulary import CasePhase, CaseStage, Lamp
from domain.working_time import AroundTheClock
from projections.cases import Cases
from tests.domain.case_story import (
    ALICE,
    ARBITER,
    ASSIGN,
    BOUNCED,
    CENTER,
    CITY,
    CLEANING,
    FILE,
    HOUR,
    INCIDENT,
    LIFE,
    PARKS,
    RETURN,
    TO_PARKS,
    at,
)
from tests.domain.shapes import ENVELOPE
from tests.domain.test_case_properties import stories, told

CASE = case_id_for(INCIDENT)
CASES = Cases()


def row_of(events: Sequence[Event]) -> Mapping[str, Any]:
    row: Mapping[str, Any] | None = None
    for position, event in enumerate(events, start=1):
        row = CASES.apply((CASE,), row, Fact(position, CASE, position, ENVELOPE.received_at, ENVELOPE, event))
    assert row is not None
    return row


def after(*commands: Any) -> Mapping[str, Any]:
    """The row after these decisions on a case that was filed."""
    state, events = INITIAL, list[Event]()
    for command in (FILE, *commands):
        decided = decide(command, state, AroundTheClock())
        assert not isinstance(decided, Refusal), decided
        for event in decided:
            state = evolve(state, event)
            events.append(event)
    return row_of(events)


def handle(when: datetime) -> ask.HandleCase:
    return ask.HandleCase(outcome="swept", handled_at=when)


def pause(when: datetime) -> ask.PauseCase:
    return ask.PauseCase(reason="rain", approved_by=ALICE, paused_at=when)


def more(when: datetime, extra_s: int = HOUR) -> tuple[ask.RequestExtension, ask.GrantExtension]:
    request = ask.RequestExtension(extra_s=extra_s, reason="rain", requested_at=at(hours=9))
    return request, ask.GrantExtension(approved_by=ALICE, granted_at=when)


def part(row: Mapping[str, Any]) -> Mapping[str, Any]:
    (only,) = row["parts"]
    found: Mapping[str, Any] = only
    return found


def test_what_was_handled_in_time_is_on_time_and_what_was_not_is_late() -> None:
    assert part(after(ASSIGN, handle(at(hours=10))))["is_late"] is False
    late = part(after(ASSIGN, handle(at(hours=11))))
    assert (late["is_late"], late["outcome"]) == (True, "handled")


def test_a_department_that_does_nothing_is_late_from_the_red_lamp_on() -> None:
    amber = ask.TurnLamp(limit_number=0, lamp=Lamp.AMBER, noticed_at=at(hours=8))
    red = ask.TurnLamp(limit_number=0, lamp=Lamp.RED, noticed_at=at(hours=10))
    shown = after(ASSIGN, amber)
    assert (shown["lamp"], part(shown)["is_late"]) == ("amber", False)
    shown = after(ASSIGN, amber, red)
    assert (shown["lamp"], part(shown)["is_late"]) == ("red", True)


def test_a_lamp_that_was_missed_does_not_show_on_the_time_that_runs_now() -> None:
    missed = ask.TurnLamp(limit_number=0, lamp=Lamp.RED, noticed_at=at(days=2))
    shown = after(ASSIGN, handle(at(hours=11)), missed)
    assert (shown["stage"], shown["lamp"]) == ("check", "green")
    assert part(shown)["is_late"] is True


def test_the_checkers_red_lamp_is_not_the_departments_fault() -> None:
    red = ask.TurnLamp(limit_number=1, lamp=Lamp.RED, noticed_at=at(hours=20))
    shown = after(ASSIGN, handle(at(hours=1)), red)
    assert (shown["stage"], shown["lamp"]) == (CaseStage.CHECK.value, "red")
    assert part(shown)["is_late"] is False


def test_time_that_was_granted_makes_it_on_time_again_if_it_is_enough() -> None:
    red = ask.TurnLamp(limit_number=0, lamp=Lamp.RED, noticed_at=at(hours=10))
    request, grant = more(at(hours=10, minutes=30))
    assert part(after(ASSIGN, request, red, grant))["is_late"] is False
    too_late = grant.model_copy(update={"granted_at": at(hours=12)})
    shown = after(ASSIGN, request, red, too_late)
    assert (shown["lamp"], shown["red_at"]) == ("red", None)
    assert (part(shown)["is_late"], part(shown)["extensions"]) == (True, 1)


def test_who_was_late_before_a_pause_or_a_return_stays_late() -> None:
    assert part(after(ASSIGN, pause(at(hours=11))))["is_late"] is True
    assert part(after(ASSIGN, pause(at(hours=9))))["is_late"] is False
    late = RETURN.model_copy(update={"returned_at": at(hours=11)})
    assert part(after(ASSIGN, late))["is_late"] is True
    assert part(after(ASSIGN, RETURN))["is_late"] is False


def test_each_department_is_counted_for_its_own() -> None:
    back = ask.CheckCase(passed=False, checked_at=at(hours=20))
    first, second = after(ASSIGN, RETURN, TO_PARKS, handle(at(hours=3)), back)["parts"]
    assert (first["agency"], first["outcome"], first["reworks"]) == ("cleaning", "returned", 0)
    assert (second["agency"], second["outcome"], second["reworks"]) == ("parks", None, 1)


def test_a_case_is_in_sight_of_those_who_have_to_do_with_it_now() -> None:
    def seen(*commands: Any) -> set[UUID]:
        return set(after(*commands)["visible_center_ids"])

    assert seen() == {CITY, CENTER}
    assert seen(ASSIGN) == {CITY, CENTER, CLEANING}
    assert seen(ASSIGN, RETURN) == {CITY, CENTER}
    assert seen(ASSIGN, RETURN, TO_PARKS) == {CITY, CENTER, PARKS}
    assert set(row_of(BOUNCED)["visible_center_ids"]) == {CITY, CENTER, ARBITER}


def test_paused_time_is_told_and_its_lamp_stays() -> None:
    shown = after(ASSIGN, pause(at(hours=3)))
    assert (shown["phase"], shown["left_s"], shown["red_at"]) == ("paused", 7 * HOUR, None)
    shown = after(ASSIGN, pause(at(hours=9)), ask.ResumeCase(resumed_at=at(days=3)))
    assert (shown["lamp"], shown["left_s"], shown["paused_s"]) == ("amber", None, 63 * HOUR)


def test_the_row_of_each_phase_says_that_phase() -> None:
    for phase, events in LIFE.items():
        row = row_of(events)
        assert row["phase"] == phase.value
        assert row["is_open"] == (phase not in {CasePhase.CLOSED, CasePhase.VOIDED})
        assert (row["ended_at"] is None) == row["is_open"]


def test_what_was_never_filed_has_no_row() -> None:
    for events in LIFE.values():
        for event in events[1:]:
            plain = Fact(1, CASE, 1, ENVELOPE.received_at, ENVELOPE, event)
            assert CASES.apply((CASE,), None, plain) is None


@settings(max_examples=150)
@given(story=stories)
def test_the_row_and_the_decider_never_disagree(story: list[tuple[int, int, int]]) -> None:
    steps = told(story, AroundTheClock())
    state: CaseState = steps[-1][3]
    row = row_of([event for _, _, event, _ in steps])
    assert row["phase"] == state.phase
    assert (row["returns"], row["extension_s"], row["is_binding"]) == (
        state.returns,
        state.extension_s,
        state.is_binding,
    )
    assert row["department_agency"] == (state.department.agency if state.department else None)
    limit = state.running
    wanted = (None, None, None) if limit is None else (limit.stage.value, limit.amber_at, limit.red_at)
    assert (row["stage"], row["amber_at"], row["red_at"]) == wanted
    assert (row["extension_asked"] is None) == (state.asked is None)
    assert len(row["parts"]) == sum(isinstance(step[2], fact.CaseAssigned | fact.CaseArbitrated) for step in steps)
    assert sum(each["outcome"] == "returned" for each in row["parts"]) == state.returns
