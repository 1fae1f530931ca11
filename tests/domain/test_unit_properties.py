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
    st.just(ask.GoOnDuty()),
    st.just(ask.GoOffDuty()),
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


def steps(drawn: list[Any]) -> list[tuple[Any, UnitState, Event, UnitState]]:
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


@settings(max_examples=200, deadline=None)
@given(shifts)
def test_no_unit_is_on_two_incidents_unless_stacked_on_purpose(drawn):
    for command, before, event, after in steps(drawn):
        if isinstance(event, fact.AssignmentMade):
            assert before.on_duty
            assert bool(before.open_assignments) == event.stacked
            assert command.stacked or not before.open_assignments
        of_incidents = [assignment.incident_id for assignment in after.open_assignments]
        assert len(of_incidents) == len(set(of_incidents))


@settings(max_examples=200, deadline=None)
@given(shifts)
def test_a_unit_moves_for_one_assignment_at_a_time(drawn):
    for _, _, _, after in steps(drawn):
        assert sum(assignment.phase in MOVING for assignment in after.open_assignments) <= 1


@settings(max_examples=200, deadline=None)
@given(shifts)
def test_no_step_is_taken_back_or_said_twice(drawn):
    for _, before, _, after in steps(drawn):
        for key, was in before.assignments.items():
            now = after.assignments[key]
            if was.phase in ENDED:
                assert now == was
            elif now.phase is not was.phase and now.phase not in ENDED:
                assert ORDER.index(now.phase) > ORDER.index(was.phase)
    said = [
        (event.name, event.assignment_id)
        for _, _, event, _ in steps(drawn)
        if event.name.startswith("assignment.") and hasattr(event, "assignment_id")
    ]
    assert len(said) == len(set(said))


@settings(max_examples=200, deadline=None)
@given(shifts)
def test_nobody_is_off_duty_with_work_left(drawn):
    for _, _, _, after in steps(drawn):
        assert after.on_duty or not after.open_assignments


@settings(max_examples=200, deadline=None)
@given(shifts)
def test_who_moved_or_finished_had_understood(drawn):
    for _, _, _, after in steps(drawn):
        for assignment in after.assignments.values():
            if assignment.said & (MOVING | {AssignmentPhase.CLEARED}):
                assert AssignmentPhase.ACKNOWLEDGED in assignment.said


@settings(max_examples=200, deadline=None)
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
