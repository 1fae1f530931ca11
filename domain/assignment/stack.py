"""What waits for a unit: in which order, when it is its turn, and how that is said.

A unit is on one assignment; others may wait for it, in an order. When what it is on has ended, the next one takes its
place in the same decision, with the reason. Each whose place has changed by whatever was decided is told its new one.
"""

from __future__ import annotations

from collections.abc import Sequence

from domain.assignment.commands import AssignUnit, OrderStack, TakeFromStack
from domain.assignment.events import AssignmentPromoted, AssignmentWaits
from domain.assignment.state import MOVING, Assignment, UnitState, evolve
from domain.event import Event, Explanation, Reason
from domain.refusals import Refusal

POLICY = "stack"


def folded(state: UnitState, events: Sequence[Event]) -> UnitState:
    """The unit after these facts."""
    for event in events:
        state = evolve(state, event)
    return state


def settled(before: UnitState, events: tuple[Event, ...]) -> tuple[Event, ...]:
    """With what follows for what waits: the next one's turn if the unit is on nothing, and who waits where."""
    after = folded(before, events)
    if after.current is None and after.waiting:
        promoted = _next_in_turn(before, after.waiting[0])
        events = (*events, promoted)
        after = evolve(after, promoted)
    told = after.stack
    moved = [
        AssignmentWaits(assignment_id=each.assignment_id, incident_id=each.incident_id, place=place)
        for place, each in enumerate(after.waiting, 1)
        if told[each.assignment_id] != place
    ]
    return (*events, *moved)


def in_order(command: OrderStack, state: UnitState) -> tuple[Event, ...] | Refusal:
    """All that waits, in the order that somebody chose."""
    waiting = {each.assignment_id: each for each in state.waiting}
    if sorted(command.assignment_ids) != sorted(waiting):
        detail = "The order must name each assignment that waits for the unit, once. Read the unit again."
        return Refusal("stack.changed", detail, {"call_sign": state.call_sign, "waiting": str(len(waiting))})
    return tuple(
        AssignmentWaits(assignment_id=key, incident_id=waiting[key].incident_id, place=place)
        for place, key in enumerate(command.assignment_ids, 1)
        if state.stack[key] != place
    )


def taken(command: TakeFromStack, found: Assignment, state: UnitState) -> tuple[Event, ...] | Refusal:
    """This one now. What the unit is on waits before all others, unless the unit moves for it."""
    if found.assignment_id not in state.stack:
        return ()
    current = state.current
    if current is not None and current.phase in MOVING:
        detail = (
            f"Unit {state.call_sign} is {current.phase} for {current.incident_number}. Divert it, or clear that first."
        )
        return Refusal("unit.busy_elsewhere", detail, about(state, current))
    return promoted_by_hand(found, command.reason, state)


def promoted_by_hand(found: Assignment, reason: str, state: UnitState) -> tuple[Event, ...]:
    """It is what the unit is on; what it was on before waits as the next."""
    promoted = AssignmentPromoted(assignment_id=found.assignment_id, incident_id=found.incident_id, reason=reason)
    current = state.current
    if current is None:
        return (promoted,)
    others = [each for each in state.waiting if each.assignment_id != found.assignment_id]
    waits = [
        AssignmentWaits(assignment_id=each.assignment_id, incident_id=each.incident_id, place=place)
        for place, each in enumerate((current, *others), 1)
        if state.stack.get(each.assignment_id) != place
    ]
    # In this order the unit is never on two.
    return (*waits, promoted)


def refusal(command: AssignUnit, state: UnitState) -> Refusal | None:
    """Why this may not wait for the unit."""
    limits = command.limits
    values = {"call_sign": state.call_sign, "limit": str(limits.waiting_max)}
    if not limits.may_wait:
        detail = f"Incident {command.incident_number} is too urgent to wait for a unit. Choose another one, or divert."
        return Refusal("stack.too_urgent", detail, {**values, "incident_number": command.incident_number})
    if len(state.stack) >= limits.waiting_max:
        detail = f"{len(state.stack)} assignments wait for {state.call_sign}; more may not. Choose another unit."
        return Refusal("stack.full", detail, values)
    return None


def place_of_new(state: UnitState) -> int | None:
    """Where a new one waits; None if it need not."""
    return len(state.stack) + 1 if state.open_assignments else None


def about(state: UnitState, assignment: Assignment) -> dict[str, str]:
    """What a refusal says of an assignment."""
    return {
        "call_sign": state.call_sign,
        "incident_id": str(assignment.incident_id),
        "incident_number": assignment.incident_number,
        "assignment_id": str(assignment.assignment_id),
    }


def _next_in_turn(before: UnitState, found: Assignment) -> AssignmentPromoted:
    ended = before.current.incident_number if before.current else ""
    reason = Reason(code="stack.next", values={"call_sign": before.call_sign, "ended": ended})
    return AssignmentPromoted(
        assignment_id=found.assignment_id,
        incident_id=found.incident_id,
        reason=f"{before.call_sign}前一任务已结束，按顺序接续。The one before has ended; this was next.",
        explanation=Explanation(policy=POLICY, reasons=(reason,)),
    )
