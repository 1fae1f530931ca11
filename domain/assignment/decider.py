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
A unit may have several assignments only if stacked on purpose, and moves for one of them at a time.
"""

from __future__ import annotations

from typing import TypeAlias, assert_never

from domain.assignment.commands import (
    AcknowledgeAssignment,
    AssignUnit,
    CancelAssignment,
    ClearAssignment,
    DeclineAssignment,
    GoOffDuty,
    GoOnDuty,
    ProgressCommand,
    RegisterUnit,
    ReportEnRoute,
    ReportOnScene,
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
        case AssignUnit():
            return _assign(command, state, state.registration)
        case (
            AcknowledgeAssignment()
            | DeclineAssignment()
            | ReportEnRoute()
            | ReportOnScene()
            | ClearAssignment()
            | CancelAssignment()
        ):
            return _progress(command, state)
        case _:
            assert_never(command)


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
        number = state.open_assignments[0].incident_number
        detail = f"Unit {state.call_sign} is on incident {number}. Clear or cancel that first."
        return Refusal("unit.has_open_assignments", detail, {"call_sign": state.call_sign, "incident_number": number})
    return (UnitWentOffDuty(),)


def _assign(command: AssignUnit, state: UnitState, registration: UnitRegistered) -> Decision:
    refusal = _not_assignable(command, state)
    if refusal is not None:
        return refusal
    return (
        AssignmentMade(
            assignment_id=command.assignment_id,
            incident_id=command.incident_id,
            incident_number=command.incident_number,
            incident_owner=command.incident_owner,
            unit_id=command.unit_id,
            agency=registration.agency,
            call_sign=registration.call_sign,
            stacked=bool(state.open_assignments),
            recommended=command.recommended,
            position=command.position,
            position_age_s=command.position_age_s,
            acknowledge_by=command.acknowledge_by,
        ),
    )


def _not_assignable(command: AssignUnit, state: UnitState) -> Refusal | None:
    if not state.on_duty:
        detail = f"Unit {state.call_sign} is off duty. Choose another unit."
        return Refusal("unit.off_duty", detail, {"call_sign": state.call_sign})
    for assignment in state.open_assignments:
        if assignment.incident_id == command.incident_id:
            detail = f"Unit {state.call_sign} is on incident {assignment.incident_number} already."
            values = _values(state, assignment)
            return Refusal("unit.already_on_incident", detail, values)
    if state.open_assignments and not command.stacked:
        first = state.open_assignments[0]
        return Refusal(
            "unit.already_assigned",
            f"Unit {state.call_sign} is on incident {first.incident_number}. Choose another unit, or stack on purpose.",
            _values(state, first),
        )
    return None


def _progress(command: ProgressCommand, state: UnitState) -> Decision:
    found = state.assignments.get(command.assignment_id)
    if found is None:
        detail = f"Unit {state.call_sign} has no such assignment, or it ended long ago. Check the id."
        return Refusal("assignment.unknown", detail, {"assignment_id": str(command.assignment_id)})
    step, fact = _fact(command, found)
    if step in found.said:
        return ()
    if not found.is_open:
        detail = f"The assignment of {state.call_sign} to {found.incident_number} is over ({found.phase})."
        return Refusal("assignment.ended", detail, {**_values(state, found), "phase": str(found.phase)})
    if step is AssignmentPhase.ACKNOWLEDGED and found.phase in MOVING:
        return ()
    refusal = _out_of_order(step, found, state)
    if refusal is not None:
        return refusal
    ends_unheard = step in {AssignmentPhase.DECLINED, AssignmentPhase.CANCELLED, AssignmentPhase.ACKNOWLEDGED}
    if found.phase is AssignmentPhase.MADE and not ends_unheard:
        return (AssignmentAcknowledged(assignment_id=found.assignment_id, incident_id=found.incident_id), fact)
    return (fact,)


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
    values = {**_values(state, found), "phase": str(found.phase)}
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
            return Refusal("unit.busy_elsewhere", detail, _values(state, other))
    return None


def _values(state: UnitState, assignment: Assignment) -> dict[str, str]:
    return {
        "call_sign": state.call_sign,
        "incident_id": str(assignment.incident_id),
        "incident_number": assignment.incident_number,
        "assignment_id": str(assignment.assignment_id),
    }
