"""Rules of operators: a login is permanent, a person is on one shift at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias, assert_never
from uuid import UUID

from domain.event import Event
from domain.operator.commands import EndShift, EnrollOperator, OperatorCommand, StartShift
from domain.operator.events import OperatorEnrolled, ShiftEnded, ShiftStarted
from domain.refusals import Refusal
from domain.vocabulary import Role

Decision: TypeAlias = tuple[Event, ...] | Refusal


@dataclass(frozen=True, slots=True)
class OperatorState:
    """What a rule reads. The sealed name is no input of any rule."""

    login: str | None = None
    roles: tuple[Role, ...] = ()
    center_id: UUID | None = None
    agency: str | None = None
    on_shift_at: UUID | None = None


INITIAL = OperatorState()


def evolve(state: OperatorState, event: Event) -> OperatorState:
    """The operator after a fact."""
    match event:
        case OperatorEnrolled():
            return replace(state, login=event.login, roles=event.roles, center_id=event.center_id, agency=event.agency)
        case ShiftStarted():
            return replace(state, on_shift_at=event.center_id)
        case ShiftEnded():
            return replace(state, on_shift_at=None)
        case _:
            return state


def decide(command: OperatorCommand, state: OperatorState) -> Decision:
    """Facts, nothing, or a refusal."""
    match command:
        case EnrollOperator():
            return _enroll(command.operator, state)
        case StartShift():
            return _start_shift(command, state)
        case EndShift():
            return () if state.on_shift_at is None else _end_shift(command, state.on_shift_at)
        case _:
            assert_never(command)


def _enroll(operator: OperatorEnrolled, state: OperatorState) -> Decision:
    if state.login is not None and state.login != operator.login:
        return Refusal("operator.login_is_permanent", f"{state.login} cannot become {operator.login}; enroll anew.")
    same = (state.login, state.roles, state.center_id, state.agency) == (
        operator.login,
        operator.roles,
        operator.center_id,
        operator.agency,
    )
    return () if same else (operator,)


def _start_shift(command: StartShift, state: OperatorState) -> Decision:
    if state.login is None:
        return Refusal("operator.unknown", "Nobody is enrolled under this id.")
    if state.on_shift_at == command.center_id:
        return ()
    if state.on_shift_at is not None:
        return Refusal("operator.already_on_shift", "End the shift at the other center first.")
    return (ShiftStarted(center_id=command.center_id),)


def _end_shift(command: EndShift, center_id: UUID) -> Decision:
    is_lacking = command.demands_handover and command.open_items != 0 and command.handover_id is None
    if is_lacking and command.without_handover is None:
        return Refusal(
            "operator.shift_not_handed_over",
            f"{command.open_items} items are open here. Hand the shift over (POST /v1/centers/{{center}}/handovers) "
            "and have it signed, or let a supervisor end it with a reason.",
            {"open_items": str(command.open_items), "center_id": str(center_id)},
        )
    return (
        ShiftEnded(
            center_id=center_id,
            note=command.note,
            open_items=command.open_items,
            handover_id=command.handover_id,
            without_handover=command.without_handover if is_lacking else None,
        ),
    )
