"""What holds for a case at every position, whatever anybody asks in whatever order, and whichever time counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.casework import commands as ask
from domain.casework import events as fact
from domain.casework.decider import INITIAL, CaseState, decide, evolve
from domain.casework.limits import MICROSECONDS
from domain.event import Event
from domain.refusals import Refusal
from domain.vocabulary import CasePhase, CaseStage, Lamp
from domain.working_time import AroundTheClock, Counting, WorkingHours
from tests.domain.case_story import ALICE, ARBITER, FILE, NINE, PARKS, department

OFFICE = WorkingHours(ZoneInfo("Asia/Shanghai"), ((32_400, 43_200), (46_800, 61_200)), lambda day: day.weekday() < 5)
COUNTINGS = (AroundTheClock(), OFFICE)
DEPARTMENTS = (department(), department("parks", PARKS), department("heating", ARBITER))
WORD = "because"


def commands_at(at: datetime, which: int, number: int) -> Any:
    """One of all that may be asked of a case, at this moment."""
    somebody = DEPARTMENTS[number % len(DEPARTMENTS)]
    every = (
        ask.AssignCase(department=somebody, assigned_at=at),
        ask.AssignCase(department=somebody, assigned_at=at),
        ask.ReturnCase(reason=WORD, returned_at=at),
        ask.ReturnCase(reason=WORD, returned_at=at),
        ask.ArbitrateCase(department=somebody, arbitrated_at=at, reason=WORD),
        ask.HandleCase(outcome=WORD, handled_at=at),
        ask.CheckCase(passed=number % 4 == 0, checked_at=at),
        ask.PauseCase(reason=WORD, approved_by=ALICE, paused_at=at),
        ask.PauseCase(reason=WORD, approved_by=ALICE, paused_at=at),
        ask.ResumeCase(resumed_at=at),
        ask.ResumeCase(resumed_at=at),
        ask.RequestExtension(extra_s=600 * (number + 1), reason=WORD, requested_at=at),
        ask.GrantExtension(approved_by=ALICE, granted_at=at),
        ask.RefuseExtension(reason=WORD, refused_by=ALICE),
        ask.SuperviseCase(demand=WORD, supervised_by=ALICE),
        ask.TurnLamp(limit_number=number, lamp=Lamp.AMBER, noticed_at=at),
        ask.TurnLamp(limit_number=number, lamp=Lamp.RED, noticed_at=at),
        ask.VoidCase(reason=WORD, voided_at=at) if number == 7 else ask.CloseCase(closed_at=at),
    )
    return every[which % len(every)]


asked = st.tuples(st.integers(0, 17), st.integers(0, 7), st.integers(0, 60_000_000_000))
"""What, with which number, and how many microseconds after the one before."""
stories = st.lists(asked, min_size=15, max_size=60)


Step = tuple[datetime, CaseState, Event, CaseState]


def told(story: list[tuple[int, int, int]], counting: Counting) -> list[Step]:
    """Every fact with its moment and the state before and after it."""
    at, state, steps = NINE, INITIAL, []
    commands: list[tuple[datetime, Any]] = [(at, FILE)]
    for which, number, after_us in story:
        at += timedelta(microseconds=after_us)
        commands.append((at, (which, number)))
    for at, asking in commands:
        command = commands_at(at, *asking) if isinstance(asking, tuple) else asking
        decided = decide(command, state, counting)
        if isinstance(decided, Refusal):
            continue
        for event in decided:
            after = evolve(state, event)
            steps.append((at, state, event, after))
            state = after
    return steps


def at_most_one_department_has_it(step: Step) -> None:
    _, before, event, after = step
    if isinstance(event, fact.CaseAssigned | fact.CaseArbitrated):
        assert before.department is None
        assert after.department == event.department
    has_it = {CasePhase.ASSIGNED, CasePhase.PAUSED, CasePhase.HANDLED, CasePhase.PASSED, CasePhase.CLOSED}
    if after.phase in has_it:
        assert after.department is not None
    if before.department is not None and after.department is not None:
        assert before.department == after.department


def it_is_never_lost(step: Step) -> None:
    """Whoever has to act next is known: a department whose time runs, the center that filed it, or the arbiter."""
    after = step[3]
    assert after.phase is not None
    assert after.supervision is not None
    assert after.arbiter is not None
    runs = after.running
    if after.phase is CasePhase.ASSIGNED:
        assert runs is not None
        assert runs.stage is CaseStage.HANDLE
    elif after.phase is CasePhase.HANDLED:
        assert runs is not None
        assert runs.stage is CaseStage.CHECK
    else:
        assert runs is None


def what_the_arbiter_assigned_never_bounces(step: Step) -> None:
    _, before, event, _ = step
    if isinstance(event, fact.CaseReturned):
        assert not before.is_binding
        assert before.terms is not None
        assert event.returns <= before.terms.returns_max
    if isinstance(event, fact.CaseAssigned):
        assert before.terms is not None
        assert before.returns < before.terms.returns_max


def what_ended_stays_as_it_was(step: Step) -> None:
    _, before, event, after = step
    if before.phase in {CasePhase.CLOSED, CasePhase.VOIDED}:
        assert isinstance(event, fact.LampTurned)
        assert after.phase is before.phase


INVARIANTS = (
    at_most_one_department_has_it,
    it_is_never_lost,
    what_the_arbiter_assigned_never_bounces,
    what_ended_stays_as_it_was,
)


@pytest.mark.parametrize("counting", COUNTINGS, ids=["clock", "office"])
@settings(max_examples=250)
@given(story=stories)
def test_every_position_of_every_story_keeps_the_invariants(counting: Counting, story) -> None:
    for step in told(story, counting):
        for invariant in INVARIANTS:
            invariant(step)


class Sundial:
    """Counts a department's time by itself: it runs while the case is assigned, and at no other time."""

    def __init__(self, counting: Counting) -> None:
        self._counting = counting
        self.used_s = 0.0
        self.since: datetime | None = None

    def used_by(self, at: datetime) -> float:
        """Seconds used by then."""
        return self.used_s + (self._counting.between(self.since, at) if self.since is not None else 0.0)

    def see(self, step: Step) -> None:
        at, before, event, after = step
        if self.since is not None and after.phase is not CasePhase.ASSIGNED:
            self.used_s, self.since = self.used_by(at), None
        if isinstance(event, fact.CaseAssigned | fact.CaseArbitrated):
            self.used_s, self.since = 0.0, at
        elif before.phase is not CasePhase.ASSIGNED and after.phase is CasePhase.ASSIGNED:
            self.since = at


@pytest.mark.parametrize("counting", COUNTINGS, ids=["clock", "office"])
@settings(max_examples=250)
@given(story=stories)
def test_time_counts_while_a_department_is_at_work_and_at_no_other_time(counting: Counting, story) -> None:
    sundial = Sundial(counting)
    for step in told(story, counting):
        sundial.see(step)
        limit = step[3].running
        if limit is None or limit.stage is CaseStage.CHECK:
            continue
        for due_at, share in ((limit.amber_at, 0.8), (limit.red_at, 1.0)):
            if due_at is not None:
                assert round(sundial.used_by(due_at) - share * limit.allowed_s, MICROSECONDS - 1) == 0
            else:
                assert sundial.used_by(limit.since_at) > share * limit.allowed_s


@pytest.mark.parametrize("counting", COUNTINGS, ids=["clock", "office"])
@settings(max_examples=250)
@given(story=stories)
def test_no_lamp_turns_early_none_twice_and_in_the_end_none_is_missing(counting: Counting, story) -> None:
    steps = told(story, counting)
    state, turned = steps[-1][3], [step for step in steps if isinstance(step[2], fact.LampTurned)]
    for at, before, event, _ in turned:
        assert isinstance(event, fact.LampTurned)
        assert at >= event.due_at
        assert (event.limit_number, event.lamp) not in before.lamps
    much_later = steps[-1][0] + timedelta(days=400)
    for number, spell in enumerate(state.spells):
        for lamp, due_at in ((Lamp.AMBER, spell.limit.amber_at), (Lamp.RED, spell.limit.red_at)):
            was_due = due_at is not None and (spell.ended_at is None or spell.ended_at > due_at)
            said = decide(ask.TurnLamp(limit_number=number, lamp=lamp, noticed_at=much_later), state, counting)
            assert bool(said) == (was_due and (number, lamp) not in state.lamps)


@settings(max_examples=200)
@given(
    start=st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)).map(lambda moment: moment.replace(tzinfo=UTC)),  # noqa: DTZ001
    first=st.integers(0, 10**12),
    second=st.integers(1, 10**12),
)
def test_working_time_may_be_used_in_steps(start: datetime, first: int, second: int) -> None:
    one, two = first / 10**6, second / 10**6
    end = OFFICE.after(start, one + two)
    assert round(OFFICE.between(start, end) - one - two, MICROSECONDS - 1) == 0
    in_steps = OFFICE.after(OFFICE.after(start, one), two)
    assert abs((in_steps - end).total_seconds()) < 1e-5 or OFFICE.between(min(in_steps, end), max(in_steps, end)) < 1e-5
    assert OFFICE.between(start, end - timedelta(seconds=min(one + two, 1))) < one + two
