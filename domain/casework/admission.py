"""Which phase of a case admits which command, and the named "no" of one that does not."""

from __future__ import annotations

from collections.abc import Mapping

from domain.casework.commands import (
    AnyCaseCommand,
    ArbitrateCase,
    AssignCase,
    CaseCommand,
    CheckCase,
    CloseCase,
    GrantExtension,
    HandleCase,
    PauseCase,
    RefuseExtension,
    RequestExtension,
    ResumeCase,
    ReturnCase,
    SuperviseCase,
    TurnLamp,
    VoidCase,
)
from domain.casework.state import CaseState
from domain.refusals import Refusal
from domain.vocabulary import CasePhase

EVERY = frozenset(CasePhase)
OPEN = EVERY - {CasePhase.CLOSED, CasePhase.VOIDED}
AT_WORK = frozenset({CasePhase.ASSIGNED})

ADMITTED: Mapping[type[CaseCommand], frozenset[CasePhase]] = {
    AssignCase: frozenset({CasePhase.FILED, CasePhase.RETURNED}),
    ReturnCase: AT_WORK,
    ArbitrateCase: frozenset({CasePhase.ARBITRATION}),
    HandleCase: AT_WORK,
    CheckCase: frozenset({CasePhase.HANDLED}),
    PauseCase: AT_WORK,
    ResumeCase: frozenset({CasePhase.PAUSED}),
    RequestExtension: AT_WORK,
    GrantExtension: AT_WORK,
    RefuseExtension: AT_WORK | {CasePhase.PAUSED},
    VoidCase: OPEN - {CasePhase.PASSED},
    SuperviseCase: OPEN,
    TurnLamp: EVERY,
    CloseCase: frozenset({CasePhase.PASSED}),
}


def unknown_case() -> Refusal:
    """There is no such case."""
    return Refusal("case.unknown", "There is no case with this id. Check the id, or look at the incident's card.")


def phase_refusal(command: AnyCaseCommand, state: CaseState) -> Refusal:
    """The "no" of a phase that does not admit the command."""
    values = {"number": state.number, "phase": str(state.phase)}
    if not state.is_open:
        detail = f"The case of {state.number} is {state.phase}. File another one if the incident needs it."
        return Refusal("case.ended", detail, values)
    match state.phase:
        case CasePhase.ARBITRATION:
            detail = f"The case of {state.number} was returned {state.returns} times; only its arbiter assigns it now."
            arbiter = str(state.arbiter.center_id) if state.arbiter else ""
            return Refusal("case.in_arbitration", detail, {**values, "arbiter_center_id": arbiter})
        case CasePhase.PAUSED:
            return Refusal("case.paused", f"The case of {state.number} is paused. Resume it first.", values)
        case _:
            return _out_of_turn(command, state, values)


def _out_of_turn(command: AnyCaseCommand, state: CaseState, values: dict[str, str]) -> Refusal:
    match command:
        case AssignCase():
            detail = f"The case of {state.number} is {state.phase}. Only one that is filed or returned is assigned."
            return Refusal("case.already_assigned", detail, values)
        case CheckCase():
            detail = f"The case of {state.number} is {state.phase}. Its department must say that it is handled first."
            return Refusal("case.not_handled", detail, values)
        case CloseCase():
            detail = f"The case of {state.number} is {state.phase}. It is closed after its check was passed."
            return Refusal("case.not_passed", detail, values)
        case VoidCase():
            detail = f"The case of {state.number} was handled and checked. Close it instead."
            return Refusal("case.already_passed", detail, values)
        case ResumeCase():
            return Refusal("case.not_paused", f"The case of {state.number} is {state.phase}: its time runs.", values)
        case ArbitrateCase():
            detail = f"The case of {state.number} is {state.phase}. The arbiter is asked after too many returns only."
            return Refusal("case.not_in_arbitration", detail, values)
        case _:
            detail = f"The case of {state.number} is {state.phase}. No department is at work on it now."
            return Refusal("case.not_assigned", detail, values)
