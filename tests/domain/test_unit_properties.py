"""What holds for a unit at every position, whatever anybody asks in whatever order."""

from __future__ import annotations

from itertools import pairwise
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.assignment import commands as ask
from domain.assignment import events as fact
from domain.assignment.decider import INITIAL, UnitState, decide, evolve
from domain.assignment.stack import folded
from domain.assignment.state import ENDED, MOVING, STEPS
from domain.event import Event
from domain.refusals import Refusal
from domain.vocabulary import AssignmentPhase
from tests.domain.test_assignment import ASSIGN, OWNER, REGISTER
from tests.domain.test_reservation import hours as hour

ORDER = [
    AssignmentPhase.MADE,
    AssignmentPhase.ACKNOWLEDGED,
    AssignmentPhase.EN_ROUTE,
    AssignmentPhase.ON_SCENE,
]
assignments = st.integers(1, 6).map(lambda number: UUID(int=number))
incidents = st.integers(21, 25).map(lambda number: UUID(int=number))
hours = st.integers(0, 8)
assigning = st.builds(
    lambda assignment_id, incident_id, stacked, at: ASSIGN.model_copy(
        update={"assignment_id": assignment_id, "incident_id": incident_id, "stacked": stacked, "at": hour(at)}
    ),
    assignments,
    incidents,
    st.sampled_from([True, True, False]),
    hours,
)
diverting = st.builds(
    lambda assignment_id, to: ask.DivertUnit(assignment_id=assignment_id, reason="nearer", to=to),
    assignments,
    assigning,
)
reserving = st.builds(
    lambda key, begins, ends, at: ask.ReserveUnit(
        reservation=fact.UnitReserved(
            reservation_id=UUID(int=key), purpose="a match", center=OWNER, begins_at=hour(begins), ends_at=hour(ends)
        ),
        at=hour(at),
    ),
    st.integers(51, 54),
    hours,
    hours,
    hours,
)
turning = st.builds(
    lambda key, at: ask.TurnReservation(reservation_id=UUID(int=key), noticed_at=hour(at)), st.integers(51, 54), hours
)
releasing = st.builds(
    lambda key: ask.ReleaseReservation(reservation_id=UUID(int=key), reason="called off"), st.integers(51, 54)
)
posting = st.sampled_from(
    [
        ask.PostUnit(posting=fact.UnitPosted(center=OWNER, place=REGISTER.home, reason="cover")),
        ask.RecallUnit(reason="enough of their own"),
    ]
)
commands = st.one_of(
    st.sampled_from([ask.GoOnDuty(), ask.GoOnDuty(), ask.GoOnDuty(), ask.GoOffDuty()]),
    assigning,
    assigning,
    assigning,
    st.builds(ask.ReportEnRoute, assignment_id=assignments),
    st.builds(ask.AcknowledgeAssignment, assignment_id=assignments),
    st.builds(ask.DeclineAssignment, assignment_id=assignments, reason=st.just("flat tyre")),
    st.builds(ask.ReportEnRoute, assignment_id=assignments),
    st.builds(ask.ReportOnScene, assignment_id=assignments),
    st.builds(ask.ClearAssignment, assignment_id=assignments),
    st.builds(ask.CancelAssignment, assignment_id=assignments, reason=st.just("not needed")),
    diverting,
    st.builds(ask.TakeFromStack, assignment_id=assignments, reason=st.just("nearer")),
    st.permutations([UUID(int=number) for number in range(1, 4)]).map(
        lambda order: ask.OrderStack(assignment_ids=tuple(order))
    ),
    st.permutations([UUID(int=number) for number in range(2, 4)]).map(
        lambda order: ask.OrderStack(assignment_ids=tuple(order))
    ),
    reserving,
    turning,
    releasing,
    posting,
)
shifts = st.lists(commands, min_size=20, max_size=50).map(lambda drawn: [REGISTER, ask.GoOnDuty(), *drawn])


Step = tuple[Any, UnitState, Event, UnitState]


def steps(drawn: list[Any]) -> list[Step]:
    """Every fact of a shift with the command and the state before and after it. Assignment ids are used once."""
    state, told = INITIAL, []
    for command in drawn:
        wanted = command.to if isinstance(command, ask.DivertUnit) else command
        if isinstance(wanted, ask.AssignUnit) and wanted.assignment_id in state.assignments:
            continue
        decided = decide(command, state)
        if isinstance(decided, Refusal):
            continue
        for event in decided:
            after = evolve(state, event)
            told.append((command, state, event, after))
            state = after
    return told


def no_unit_is_on_two_incidents_unless_stacked_on_purpose(step: Step) -> None:
    command, before, event, after = step
    if isinstance(event, fact.AssignmentMade):
        assert before.on_duty
        assert (before.current is not None) == event.stacked
        assert isinstance(command, ask.DivertUnit) or command.stacked or not before.open_assignments
    of_incidents = [assignment.incident_id for assignment in after.open_assignments]
    assert len(of_incidents) == len(set(of_incidents))


def a_unit_is_on_one_assignment_and_all_others_wait(step: Step) -> None:
    state = step[3]
    at_hand = [each for each in state.open_assignments if each.assignment_id not in state.stack]
    assert len(at_hand) <= 1
    assert not any(each.phase in MOVING for each in state.waiting)
    assert state.stack.keys() <= {each.assignment_id for each in state.open_assignments}


def reservations_never_overlap(step: Step) -> None:
    spans = sorted((each.begins_at, each.ends_at) for each in step[3].reservations.values())
    assert all(ends <= begins for (_, ends), (begins, _) in pairwise(spans))


def a_unit_is_assigned_while_reserved_only_with_a_reason(step: Step) -> None:
    command, before, event, _ = step
    if isinstance(event, fact.AssignmentMade):
        wanted = command.to if isinstance(command, ask.DivertUnit) else command
        assert wanted.override or before.reserved_at(wanted.at) is None


def a_unit_moves_for_one_assignment_at_a_time(step: Step) -> None:
    assert sum(assignment.phase in MOVING for assignment in step[3].open_assignments) <= 1


def no_step_is_taken_back(step: Step) -> None:
    _, before, _, after = step
    for key, was in before.assignments.items():
        now = after.assignments[key]
        if was.phase in ENDED:
            assert now == was
        elif now.phase is not was.phase and now.phase not in ENDED:
            assert ORDER.index(now.phase) > ORDER.index(was.phase)


def nobody_is_off_duty_with_work_left(step: Step) -> None:
    assert step[3].on_duty or not step[3].open_assignments


def who_moved_or_finished_had_understood(step: Step) -> None:
    for assignment in step[3].assignments.values():
        if assignment.said & (MOVING | {AssignmentPhase.CLEARED}):
            assert AssignmentPhase.ACKNOWLEDGED in assignment.said


INVARIANTS = (
    no_unit_is_on_two_incidents_unless_stacked_on_purpose,
    a_unit_is_on_one_assignment_and_all_others_wait,
    reservations_never_overlap,
    a_unit_is_assigned_while_reserved_only_with_a_reason,
    a_unit_moves_for_one_assignment_at_a_time,
    no_step_is_taken_back,
    nobody_is_off_duty_with_work_left,
    who_moved_or_finished_had_understood,
)


@settings(max_examples=250)
@given(shifts)
def test_every_position_of_every_shift_keeps_the_invariants(drawn):
    told = steps(drawn)
    for step in told:
        for invariant in INVARIANTS:
            invariant(step)
    once = [event for _, _, event, _ in told if isinstance(event, (fact.AssignmentMade, *STEPS))]
    said = [(event.name, event.assignment_id) for event in once]
    assert len(said) == len(set(said)), "a step was said twice"


@settings(max_examples=80)
@given(shifts)
def test_after_each_decision_places_run_from_one_and_nobody_idles_before_a_stack(drawn):
    state = INITIAL
    for command in drawn:
        wanted = command.to if isinstance(command, ask.DivertUnit) else command
        if isinstance(wanted, ask.AssignUnit) and wanted.assignment_id in state.assignments:
            continue
        decided = decide(command, state)
        if isinstance(decided, Refusal):
            continue
        state = folded(state, decided)
        assert [state.stack[each.assignment_id] for each in state.waiting] == list(range(1, len(state.stack) + 1))
        assert state.current is not None or not state.stack


@settings(max_examples=80)
@given(shifts)
def test_every_assignment_ends_once_if_the_crew_works_its_stack_off(drawn):
    told = steps(drawn)
    state = told[-1][3]
    while state.current is not None:
        waited = state.waiting
        decided = decide(ask.ClearAssignment(assignment_id=state.current.assignment_id), state)
        told += [(None, state, event, state) for event in decided]
        state = folded(state, decided)
        assert state.current == (waited[0] if waited else None), "the next in the stack takes its turn"
    assert not state.open_assignments
    facts = [event for _, _, event, _ in told]
    made = sorted(event.assignment_id for event in facts if isinstance(event, fact.AssignmentMade))
    ended = sorted(event.assignment_id for event in facts if STEPS.get(type(event)) in ENDED)
    assert ended == made


@settings(max_examples=100)
@given(shifts, commands)
def test_a_command_said_twice_changes_nothing_the_second_time(drawn, last):
    told = steps(drawn)
    state = told[-1][3]
    if isinstance(last, ask.AssignUnit | ask.DivertUnit):
        return
    decided = decide(last, state)
    if isinstance(decided, Refusal):
        return
    for event in decided:
        state = evolve(state, event)
    assert decide(last, state) == ()
