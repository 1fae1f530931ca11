"""What may become of a unit and its assignments. Total.

The unit's stream is the consistency boundary: two dispatchers who take one unit at the same moment write to the same
stream, so one of them is second and is told who has it.

An assignment goes made → acknowledged → en route → on scene → cleared. A step may be skipped, never taken back;
saying what was said is nothing. Who moves has understood: the first step beyond `made` records the acknowledgement
too; no other skipped step is invented. `declined` is possible until the unit moves, `cancelled` until the end.

    command                 made  acknowledged  en_route  on_scene  ended
    AcknowledgeAssignment   x     .             .         .         repeat
    DeclineAssignment       x     x             -         -         repeat
    ReportEnRoute           x     x             .         repeat    repeat
    ReportOnScene           x     x             x         .         repeat
    ClearAssignment         x     x             x         x         repeat
    CancelAssignment        x     x             x         x         repeat

`x` decides, `.` says nothing, `-` is refused, `repeat` says nothing if the step was recorded before, else is refused.
A unit may have several assignments only if stacked on purpose: it is on one of them, and the others wait in an order
(`domain.assignment.stack`). Who moves for one that waits is on that one.

To divert is one decision: called back from one incident and put on another, or neither.
"""

from __future__ import annotations

from typing import TypeAlias, assert_never
from uuid import UUID

from domain.assignment import reservations, stack
from domain.assignment.commands import (
    AcknowledgeAssignment,
    ArrangingCommand,
    AssignUnit,
    CancelAssignment,
    ClearAssignment,
    DeclineAssignment,
    DivertUnit,
    GoOffDuty,
    GoOnDuty,
    OrderStack,
    PostUnit,
    ProgressCommand,
    RecallUnit,
    RegisterUnit,
    ReleaseReservation,
    ReportEnRoute,
    ReportOnScene,
    ReserveUnit,
    TakeFromStack,
    TurnReservation,
    UnitCommand,
)
from domain.assignment.events import (
    AssignmentAcknowledged,
    AssignmentCancelled,
    AssignmentCleared,
    AssignmentDeclined,
    AssignmentMade,
    UnitEnRoute,
    UnitOnScene,
    UnitRecalled,
    UnitRegistered,
    UnitWentOffDuty,
    UnitWentOnDuty,
)
from domain.assignment.state import INITIAL, MOVING, Assignment, UnitState, evolve
from domain.event import Event
from domain.refusals import Refusal
from domain.vocabulary import AssignmentPhase

__all__ = ["INITIAL", "Decision", "UnitState", "decide", "evolve"]

Decision: TypeAlias = tuple[Event, ...] | Refusal
TAKEN_BY_CREW = "单位已动身前往。The crew moves for it."


def decide(command: UnitCommand, state: UnitState) -> Decision:
    """Facts (possibly none) or a refusal."""
    if isinstance(command, RegisterUnit):
        return _register(command, state)
    if state.registration is None:
        return Refusal("unit.unknown", "There is no unit with this id. Check the id, or register the unit.")
    match command:
        case GoOnDuty():
            return () if state.on_duty else (UnitWentOnDuty(),)
        case GoOffDuty():
            return _go_off_duty(state)
        case AssignUnit() | DivertUnit() | OrderStack() | TakeFromStack():
            return _settled(state, _arranged(command, state, state.registration))
        case (
            AcknowledgeAssignment()
            | DeclineAssignment()
            | ReportEnRoute()
            | ReportOnScene()
            | ClearAssignment()
            | CancelAssignment()
        ):
            return _settled(state, _progress(command, state))
        case ReserveUnit() | ReleaseReservation() | TurnReservation():
            return reservations.decide(command, state)
        case PostUnit() | RecallUnit():
            return reservations.post(command, state)
        case _:
            assert_never(command)


def _settled(state: UnitState, decided: Decision) -> Decision:
    """A decision with what follows from it for what waits."""
    return decided if isinstance(decided, Refusal) or not decided else stack.settled(state, decided)


def _arranged(command: ArrangingCommand, state: UnitState, registration: UnitRegistered) -> Decision:
    """Which assignments the unit has, and in which order."""
    match command:
        case AssignUnit():
            return _assign(command, state, registration)
        case DivertUnit():
            return _divert(command, state, registration)
        case OrderStack():
            return stack.in_order(command, state)
        case TakeFromStack():
            found = _open(command.assignment_id, state)
            return found if isinstance(found, Refusal) else stack.taken(command, found, state)


def _register(command: RegisterUnit, state: UnitState) -> Decision:
    registration = UnitRegistered(**{name: getattr(command, name) for name in RegisterUnit.model_fields})
    if state.registration is None:
        return (registration,)
    if state.registration == registration:
        return ()
    detail = f"Unit {state.call_sign} is registered with other particulars. Give the new unit another call sign."
    return Refusal("unit.already_registered", detail, {"call_sign": state.call_sign})


def _go_off_duty(state: UnitState) -> Decision:
    if not state.on_duty:
        return ()
    if state.open_assignments:
        first = state.open_assignments[0]
        detail = f"Unit {state.call_sign} is on incident {first.incident_number}. Clear or cancel that first."
        return Refusal("unit.has_open_assignments", detail, stack.about(state, first))
    if state.posted is not None:
        return UnitRecalled(reason="交班下勤。Off duty."), UnitWentOffDuty()
    return (UnitWentOffDuty(),)


def _assign(command: AssignUnit, state: UnitState, registration: UnitRegistered) -> Decision:
    refusal = _not_assignable(command, state)
    if refusal is not None:
        return refusal
    return (_made(command, registration, place=stack.place_of_new(state)),)


def _made(command: AssignUnit, registration: UnitRegistered, *, place: int | None) -> AssignmentMade:
    return AssignmentMade(
        assignment_id=command.assignment_id,
        incident_id=command.incident_id,
        incident_number=command.incident_number,
        incident_owner=command.incident_owner,
        unit_id=command.unit_id,
        agency=registration.agency,
        call_sign=registration.call_sign,
        stacked=place is not None,
        recommended=command.recommended,
        position=command.position,
        position_age_s=command.position_age_s,
        acknowledge_by=command.acknowledge_by,
        stack_place=place,
        override=command.override,
        unit_kind=registration.kind,
        skills=registration.skills,
    )


def _divert(command: DivertUnit, state: UnitState, registration: UnitRegistered) -> Decision:
    found = _open(command.assignment_id, state)
    if isinstance(found, Refusal):
        return found
    if found.assignment_id in state.stack:
        detail = f"{found.incident_number} waits for {state.call_sign}: nothing is to divert. Assign or cancel it."
        return Refusal("assignment.waits", detail, stack.about(state, found))
    to = command.to
    refusal = _on_it_already(to, state) or reservations.refusal(to, state)
    if refusal is not None:
        return refusal
    called_back = AssignmentCancelled(
        assignment_id=found.assignment_id,
        incident_id=found.incident_id,
        reason=command.reason,
        diverted_to=to.incident_id,
        diverted_to_number=to.incident_number,
        is_told_with_it=command.tells_with_it,
    )
    made = _made(to, registration, place=None)
    return called_back, made.model_copy(update={"diverted_from": found.incident_id, "instead_of": found.assignment_id})


def _not_assignable(command: AssignUnit, state: UnitState) -> Refusal | None:
    if not state.on_duty:
        detail = f"Unit {state.call_sign} is off duty. Choose another unit."
        return Refusal("unit.off_duty", detail, {"call_sign": state.call_sign})
    refusal = _on_it_already(command, state)
    if refusal is not None or not state.open_assignments:
        return refusal or reservations.refusal(command, state)
    if not command.stacked:
        first = state.current or state.open_assignments[0]
        return Refusal(
            "unit.already_assigned",
            f"Unit {state.call_sign} is on incident {first.incident_number}. Choose another unit, or stack on purpose.",
            stack.about(state, first),
        )
    return stack.refusal(command, state) or reservations.refusal(command, state)


def _on_it_already(command: AssignUnit, state: UnitState) -> Refusal | None:
    for assignment in state.open_assignments:
        if assignment.incident_id == command.incident_id:
            detail = f"Unit {state.call_sign} is on incident {assignment.incident_number} already."
            return Refusal("unit.already_on_incident", detail, stack.about(state, assignment))
    return None


def _open(assignment_id: UUID, state: UnitState) -> Assignment | Refusal:
    """An assignment that the unit has."""
    found = state.assignments.get(assignment_id)
    if found is None:
        return _unknown(assignment_id, state)
    return found if found.is_open else _ended(found, state)


def _unknown(assignment_id: UUID, state: UnitState) -> Refusal:
    detail = f"Unit {state.call_sign} has no such assignment, or it ended long ago. Check the id."
    return Refusal("assignment.unknown", detail, {"assignment_id": str(assignment_id)})


def _ended(found: Assignment, state: UnitState) -> Refusal:
    detail = f"The assignment of {state.call_sign} to {found.incident_number} is over ({found.phase})."
    return Refusal("assignment.ended", detail, {**stack.about(state, found), "phase": str(found.phase)})


def _progress(command: ProgressCommand, state: UnitState) -> Decision:
    found = state.assignments.get(command.assignment_id)
    if found is None:
        return _unknown(command.assignment_id, state)
    step, fact = _fact(command, found)
    if step in found.said:
        return ()
    if not found.is_open:
        return _ended(found, state)
    if step is AssignmentPhase.ACKNOWLEDGED and found.phase in MOVING:
        return ()
    refusal = _out_of_order(step, found, state)
    if refusal is not None:
        return refusal
    ends_unheard = step in {AssignmentPhase.DECLINED, AssignmentPhase.CANCELLED, AssignmentPhase.ACKNOWLEDGED}
    facts: tuple[Event, ...] = (fact,)
    if found.phase is AssignmentPhase.MADE and not ends_unheard:
        facts = (AssignmentAcknowledged(assignment_id=found.assignment_id, incident_id=found.incident_id), fact)
    if step in MOVING and found.assignment_id in state.stack:
        facts = (*stack.promoted_by_hand(found, TAKEN_BY_CREW, state), *facts)
    return facts


def _fact(command: ProgressCommand, found: Assignment) -> tuple[AssignmentPhase, Event]:
    key, incident_id = found.assignment_id, found.incident_id
    match command:
        case AcknowledgeAssignment():
            return AssignmentPhase.ACKNOWLEDGED, AssignmentAcknowledged(assignment_id=key, incident_id=incident_id)
        case DeclineAssignment(reason=reason):
            fact = AssignmentDeclined(assignment_id=key, incident_id=incident_id, reason=reason)
            return AssignmentPhase.DECLINED, fact
        case ReportEnRoute():
            return AssignmentPhase.EN_ROUTE, UnitEnRoute(assignment_id=key, incident_id=incident_id)
        case ReportOnScene():
            return AssignmentPhase.ON_SCENE, UnitOnScene(assignment_id=key, incident_id=incident_id)
        case ClearAssignment(outcome=outcome):
            cleared = AssignmentCleared(assignment_id=key, incident_id=incident_id, outcome=outcome)
            return AssignmentPhase.CLEARED, cleared
        case CancelAssignment(reason=reason, explanation=explanation):
            cancelled = AssignmentCancelled(
                assignment_id=key, incident_id=incident_id, reason=reason, explanation=explanation
            )
            return AssignmentPhase.CANCELLED, cancelled
        case _:
            assert_never(command)


def _out_of_order(step: AssignmentPhase, found: Assignment, state: UnitState) -> Refusal | None:
    values = {**stack.about(state, found), "phase": str(found.phase)}
    if step is AssignmentPhase.DECLINED and found.phase in MOVING:
        detail = f"Unit {state.call_sign} is already {found.phase}. Clear or cancel the assignment instead."
        return Refusal("assignment.already_moving", detail, values)
    if step is AssignmentPhase.EN_ROUTE and found.phase is AssignmentPhase.ON_SCENE:
        detail = f"Unit {state.call_sign} is on scene already; an assignment never steps back."
        return Refusal("assignment.never_back", detail, values)
    if step not in MOVING:
        return None
    for other in state.open_assignments:
        if other.assignment_id != found.assignment_id and other.phase in MOVING:
            detail = f"Unit {state.call_sign} is {other.phase} for {other.incident_number}. Clear that first."
            return Refusal("unit.busy_elsewhere", detail, stack.about(state, other))
    return None
