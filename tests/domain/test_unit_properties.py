"""What holds for a unit at every position, whatever anybody asks in whatever order."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.assignment import commands as ask
from domain.assignment import events as fact
from domain.assignment.decider import INITIAL, UnitState, decide, evolve
from domain.assignment.state import ENDED, MOVING
from domain.event import Event
from domain.refusals import Refusal
from domain.vocabulary import AssignmentPhase
from tests.domain.test_assignment import ASSIGN, REGISTER

ORDER = [
    AssignmentPhase.MADE,
    AssignmentPhase.ACKNOWLEDGED,
    AssignmentPhase.EN_ROUTE,
    AssignmentPhase.ON_SCENE,
]
assignments = st.integers(1, 4).map(lambda number: UUID(int=number))
incidents = st.integers(21, 23).map(lambda number: UUID(int=number))
assigning = st.builds(
    lambda assignment_id, incident_id, stacked: ASSIGN.model_copy(
        update={"assignment_id": assignment_id, "incident_id": incident_id, "stacked": stacked}
    ),
    assignments,
    incidents,
    st.sampled_from([True, True, False]),
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
)
shifts = st.lists(commands, min_size=20, max_size=50).map(lambda drawn: [REGISTER, ask.GoOnDuty(), *drawn])


Step = tuple[Any, UnitState, Event, UnitState]


def steps(drawn: list[Any]) -> list[Step]:
    """Every fact of a shift with the command and the state before and after it. Assignment ids are used once."""
    state, told = INITIAL, []
    for command in drawn:
        if isinstance(command, ask.AssignUnit) and command.assignment_id in state.assignments:
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
        assert bool(before.open_assignments) == event.stacked
        assert command.stacked or not before.open_assignments
    of_incidents = [assignment.incident_id for assignment in after.open_assignments]
    assert len(of_incidents) == len(set(of_incidents))


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
    a_unit_moves_for_one_assignment_at_a_time,
    no_step_is_taken_back,
    nobody_is_off_duty_with_work_left,
    who_moved_or_finished_had_understood,
)


@settings(max_examples=250, deadline=None)
@given(shifts)
def test_every_position_of_every_shift_keeps_the_invariants(drawn):
    told = steps(drawn)
    for step in told:
        for invariant in INVARIANTS:
            invariant(step)
    said = [(event.name, event.assignment_id) for _, _, event, _ in told if hasattr(event, "assignment_id")]
    assert len(said) == len(set(said)), "a step was said twice"


@settings(max_examples=100, deadline=None)
@given(shifts, commands)
def test_a_command_said_twice_changes_nothing_the_second_time(drawn, last):
    told = steps(drawn)
    state = told[-1][3]
    if isinstance(last, ask.AssignUnit):
        return
    decided = decide(last, state)
    if isinstance(decided, Refusal):
        return
    for event in decided:
        state = evolve(state, event)
    assert decide(last, state) == ()
