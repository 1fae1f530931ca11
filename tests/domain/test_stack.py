"""What waits for a unit waits in an order, and takes its turn in the decision that ends what came before."""

from __future__ import annotations

from itertools import permutations
from uuid import UUID

import pytest

from domain.assignment import commands as ask
from domain.assignment import events as fact
from domain.assignment.state import UnitState
from domain.event import Event
from domain.refusals import Refusal
from tests.domain.test_assignment import (
    ACKNOWLEDGED,
    ASSIGN,
    CANCELLED,
    CLEARED,
    DECLINED,
    EN_ROUTE,
    FIRE,
    FIRST,
    FLOOD,
    MADE,
    ON_SCENE,
    READY,
    SECOND,
    STACKED,
    unit,
)

THIRD, FOURTH = UUID(int=13), UUID(int=14)
ACCIDENT, DISPUTE = UUID(int=23), UUID(int=24)
STACKED_THIRD = STACKED.model_copy(
    update={"assignment_id": THIRD, "incident_id": ACCIDENT, "incident_number": "CD-20260701-0003", "stack_place": 2}
)
BUSY = (*READY, MADE, STACKED, STACKED_THIRD)
STACK_FOURTH = ASSIGN.model_copy(
    update={
        "assignment_id": FOURTH,
        "incident_id": DISPUTE,
        "incident_number": "CD-20260701-0004",
        "stacked": True,
    }
)


def waits(assignment_id: UUID, incident_id: UUID, place: int) -> fact.AssignmentWaits:
    return fact.AssignmentWaits(assignment_id=assignment_id, incident_id=incident_id, place=place)


def keys(state: UnitState) -> list[UUID]:
    return [each.assignment_id for each in state.waiting]


def after(command: object, *history: Event) -> UnitState:
    decided = unit.decide(command, history)
    assert not isinstance(decided, Refusal), decided
    return unit.state((*history, *decided))


def test_each_that_is_stacked_is_told_its_place():
    made = unit.decide(STACK_FOURTH, BUSY)[-1]
    assert (made.stacked, made.stack_place) == (True, 3)


@pytest.mark.parametrize("end", [CLEARED, DECLINED, CANCELLED])
def test_the_next_takes_its_turn_in_the_decision_that_ends_the_one_before(end):
    command = {
        CLEARED: ask.ClearAssignment(assignment_id=FIRST),
        DECLINED: ask.DeclineAssignment(assignment_id=FIRST, reason="flat tyre"),
        CANCELLED: ask.CancelAssignment(assignment_id=FIRST, reason="not needed"),
    }[end]
    ended, promoted, moved = unit.decide(command, (*BUSY, ACKNOWLEDGED))
    assert ended == end
    assert (promoted.assignment_id, promoted.incident_id) == (SECOND, FLOOD)
    assert promoted.explanation.policy == "stack"
    assert [reason.code for reason in promoted.explanation.reasons] == ["stack.next"]
    assert moved == waits(THIRD, ACCIDENT, 1)
    state = unit.state((*BUSY, ACKNOWLEDGED, ended, promoted, moved))
    assert state.current.assignment_id == SECOND
    assert keys(state) == [THIRD]


def test_one_that_ends_while_it_waits_lets_those_behind_it_move_up_and_nobody_else():
    command = ask.CancelAssignment(assignment_id=SECOND, reason="not needed")
    cancelled, moved = unit.decide(command, BUSY)
    assert (cancelled.assignment_id, moved) == (SECOND, waits(THIRD, ACCIDENT, 1))
    (last,) = unit.decide(ask.CancelAssignment(assignment_id=THIRD, reason="not needed"), BUSY)
    assert last.assignment_id == THIRD


def test_the_order_may_be_chosen_and_only_what_moved_is_said():
    for order in permutations([SECOND, THIRD]):
        assert keys(after(ask.OrderStack(assignment_ids=order), *BUSY)) == list(order)
    unit.given(*BUSY).when(ask.OrderStack(assignment_ids=(SECOND, THIRD))).then_nothing()
    unit.given(*BUSY).when(ask.OrderStack(assignment_ids=(THIRD, SECOND))).then(
        waits(THIRD, ACCIDENT, 1), waits(SECOND, FLOOD, 2)
    )


@pytest.mark.parametrize("order", [(), (SECOND,), (SECOND, SECOND), (SECOND, THIRD, FIRST), (SECOND, FOURTH)])
def test_an_order_of_something_else_is_refused(order):
    unit.given(*BUSY).when(ask.OrderStack(assignment_ids=order)).then_refused("stack.changed", waiting="2")


def test_one_may_be_taken_before_its_turn_and_what_the_unit_was_on_waits_first():
    state = after(ask.TakeFromStack(assignment_id=THIRD, reason="nearer"), *BUSY)
    assert state.current.assignment_id == THIRD
    assert keys(state) == [FIRST, SECOND]
    assert [state.stack[key] for key in (FIRST, SECOND)] == [1, 2]
    unit.given(*READY, MADE).when(ask.TakeFromStack(assignment_id=FIRST, reason="nearer")).then_nothing()


@pytest.mark.parametrize("moving", [EN_ROUTE, ON_SCENE])
def test_none_is_taken_while_the_unit_moves_for_another(moving):
    unit.given(*BUSY, moving).when(ask.TakeFromStack(assignment_id=THIRD, reason="nearer")).then_refused(
        "unit.busy_elsewhere", incident_id=str(FIRE)
    )


def test_a_crew_that_moves_for_one_that_waits_is_on_that_one():
    decided = unit.decide(ask.ReportEnRoute(assignment_id=SECOND), BUSY)
    assert [event.name for event in decided] == [
        "assignment.waits",
        "assignment.promoted",
        "assignment.acknowledged",
        "assignment.en_route",
    ]
    state = unit.state((*BUSY, *decided))
    assert (state.current.assignment_id, keys(state)) == (SECOND, [FIRST, THIRD])


def test_the_rulebook_says_how_many_wait_and_what_never_does():
    full = STACK_FOURTH.model_copy(update={"limits": ask.StackLimits(waiting_max=2)})
    unit.given(*BUSY).when(full).then_refused("stack.full", limit="2")
    urgent = STACK_FOURTH.model_copy(update={"limits": ask.StackLimits(may_wait=False)})
    unit.given(*BUSY).when(urgent).then_refused("stack.too_urgent", incident_number="CD-20260701-0004")
    # A free unit is simply assigned: nothing waits.
    assert unit.decide(urgent, READY)[-1].stacked is False


def test_what_was_stacked_before_stacks_had_an_order_waits_in_the_order_it_was_made():
    older = [
        event.model_copy(update={"stack_place": None}) if isinstance(event, fact.AssignmentMade) else event
        for event in BUSY
    ]
    assert keys(unit.state(older)) == [SECOND, THIRD]
    # And one that was left alone when the one before it ended takes its turn with the next fact.
    left = (*older, CLEARED)
    assert unit.state(left).current is None
    decided = unit.decide(ask.AcknowledgeAssignment(assignment_id=SECOND), left)
    assert [event.name for event in decided] == [
        "assignment.acknowledged",
        "assignment.promoted",
        "assignment.waits",
    ]


DIVERT = ask.DivertUnit(
    assignment_id=FIRST,
    reason="a life is at stake",
    to=STACK_FOURTH.model_copy(update={"stacked": False}),
)


@pytest.mark.parametrize("phase", [(), (ACKNOWLEDGED,), (EN_ROUTE,), (EN_ROUTE, ON_SCENE)])
def test_a_unit_is_diverted_in_one_decision_wherever_it_is(phase):
    called_back, made = unit.decide(DIVERT, (*BUSY, *phase))
    assert (called_back.assignment_id, called_back.reason) == (FIRST, "a life is at stake")
    assert (called_back.diverted_to, called_back.diverted_to_number) == (DISPUTE, "CD-20260701-0004")
    assert (made.assignment_id, made.stacked, made.diverted_from, made.instead_of) == (FOURTH, False, FIRE, FIRST)
    state = unit.state((*BUSY, *phase, called_back, made))
    assert state.current.assignment_id == FOURTH
    assert keys(state) == [SECOND, THIRD], "what waits goes on waiting"


def test_what_cannot_be_diverted():
    unit.given(*BUSY).when(DIVERT.model_copy(update={"assignment_id": SECOND})).then_refused(
        "assignment.waits", incident_id=str(FLOOD)
    )
    unit.given(*READY, MADE, CLEARED).when(DIVERT).then_refused("assignment.ended")
    unit.given(*READY).when(DIVERT).then_refused("assignment.unknown")
    same = DIVERT.model_copy(update={"to": DIVERT.to.model_copy(update={"incident_id": FLOOD})})
    unit.given(*BUSY).when(same).then_refused("unit.already_on_incident", assignment_id=str(SECOND))
