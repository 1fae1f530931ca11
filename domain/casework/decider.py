"""What may become of a case: command and state to facts, nothing, or a named refusal. Total.

Which phase admits which command (`domain.casework.admission` holds the table, a test compares the two).
`x` decides, `-` is refused. `TurnLamp` is admitted in every phase: what was missed is recorded whatever became of it.

    command           filed  assigned  returned  arbitration  paused  handled  passed  closed  voided
    AssignCase        x      -         x         -            -       -        -       -       -
    ReturnCase        -      x         -         -            -       -        -       -       -
    ArbitrateCase     -      -         -         x            -       -        -       -       -
    HandleCase        -      x         -         -            -       -        -       -       -
    CheckCase         -      -         -         -            -       x        -       -       -
    PauseCase         -      x         -         -            -       -        -       -       -
    ResumeCase        -      -         -         -            x       -        -       -       -
    RequestExtension  -      x         -         -            -       -        -       -       -
    GrantExtension    -      x         -         -            -       -        -       -       -
    RefuseExtension   -      x         -         -            x       -        -       -       -
    VoidCase          x      x         x         x            x       x        -       -       -
    SuperviseCase     x      x         x         x            x       x        x       -       -
    CloseCase         -      -         -         -            -       -        x       -       -

Rules that the table does not show:
- At most one department has a case. The next gets it only after it was returned, with time of its own.
- The return that makes `returns_max` sends it to the arbiter in the same decision; what the arbiter assigns cannot be
  returned.
- Time that nobody could use does not count: while paused, and between a handling and the check that failed.
- An extension is asked for before the time is up, at most `extension_s_max` in all for one department. It may be
  granted later; the lamp that turned meanwhile stays on record.
- A lamp turns once a limit, never before its instant. One whose time stopped later than that was missed, and is
  recorded in every phase.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias, assert_never

from domain.casework.admission import ADMITTED, phase_refusal, unknown_case
from domain.casework.commands import (
    AnyCaseCommand,
    ArbitrateCase,
    AssignCase,
    CheckCase,
    CloseCase,
    FileCase,
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
from domain.casework.events import (
    CaseArbitrated,
    CaseAssigned,
    CaseChecked,
    CaseClosed,
    CaseFiled,
    CaseHandled,
    CasePaused,
    CaseResumed,
    CaseReturned,
    CaseSentToArbiter,
    CaseSupervised,
    CaseTerms,
    CaseVoided,
    ExtensionGranted,
    ExtensionRefused,
    ExtensionRequested,
    LampTurned,
)
from domain.casework.limits import Limit, left_at, running
from domain.casework.state import INITIAL, CaseState, evolve
from domain.event import Event
from domain.refusals import Refusal
from domain.vocabulary import CaseStage, Lamp
from domain.working_time import Counting

__all__ = ["INITIAL", "CaseState", "Decision", "decide", "evolve"]

Decision: TypeAlias = tuple[Event, ...] | Refusal


def decide(command: AnyCaseCommand, state: CaseState, counting: Counting) -> Decision:
    """Facts (possibly none) or a refusal. `counting` says which time counts under the case's terms."""
    if isinstance(command, FileCase):
        return _file(command, state)
    if state.phase is None or state.incident_id is None or state.terms is None:
        return unknown_case()
    if state.phase not in ADMITTED[type(command)]:
        return phase_refusal(command, state)
    if isinstance(command, TurnLamp):
        return _turn(command, state)
    return _Desk(state, state.terms, counting).decide(command)


def _file(command: FileCase, state: CaseState) -> Decision:
    if state.phase is not None:
        detail = f"This case of {state.number} was filed before."
        return Refusal("case.already_filed", detail, {"number": state.number})
    return (CaseFiled(**{name: getattr(command, name) for name in FileCase.model_fields}),)


def _turn(command: TurnLamp, state: CaseState) -> Decision:
    key = command.limit_number, command.lamp
    if key in state.lamps or not 0 <= command.limit_number < len(state.spells):
        return ()
    spell = state.spells[command.limit_number]
    due_at = {Lamp.AMBER: spell.limit.amber_at, Lamp.RED: spell.limit.red_at}.get(command.lamp)
    if due_at is None or (spell.ended_at is not None and spell.ended_at <= due_at):
        return ()
    if command.noticed_at < due_at:
        detail = f"The lamp of {state.number} turns {command.lamp} at {due_at.isoformat()}, and not before."
        return Refusal("case.lamp_too_early", detail, {"due_at": due_at.isoformat()})
    assert state.incident_id is not None, "a case that was filed"
    return (
        LampTurned(
            incident_id=state.incident_id,
            limit_number=command.limit_number,
            stage=spell.limit.stage,
            lamp=command.lamp,
            due_at=due_at,
            late_s=(command.noticed_at - due_at).total_seconds(),
            ended_at=spell.ended_at,
        ),
    )


class _Desk:
    """One decision about a case that exists, in a phase that admits the command."""

    def __init__(self, state: CaseState, terms: CaseTerms, counting: Counting) -> None:
        assert state.incident_id is not None, "a case that was filed"
        self.incident_id = state.incident_id
        self.state = state
        self.terms = terms
        self.counting = counting

    def decide(self, command: AnyCaseCommand) -> Decision:  # noqa: C901  # one case a command, none nested
        """Facts or a refusal."""
        match command:
            case AssignCase(department=department, assigned_at=at, note=note):
                limit = self._fresh(at)
                return (CaseAssigned(incident_id=self.incident_id, department=department, limit=limit, note=note),)
            case ArbitrateCase(department=department, arbitrated_at=at, reason=reason):
                limit = self._fresh(at)
                return (
                    CaseArbitrated(incident_id=self.incident_id, department=department, limit=limit, reason=reason),
                )
            case ReturnCase():
                return self._return(command)
            case HandleCase():
                return self._handle(command)
            case CheckCase():
                return self._check(command)
            case PauseCase():
                return self._pause(command)
            case ResumeCase(resumed_at=at):
                return self._resume(at)
            case RequestExtension() | GrantExtension() | RefuseExtension():
                return self._extension(command)
            case VoidCase(reason=reason, voided_at=at):
                return (CaseVoided(incident_id=self.incident_id, reason=reason, voided_at=at),)
            case SuperviseCase(demand=demand, supervised_by=by):
                return (CaseSupervised(incident_id=self.incident_id, demand=demand, supervised_by=by),)
            case CloseCase(closed_at=at, note=note):
                return (CaseClosed(incident_id=self.incident_id, closed_at=at, note=note),)
            case FileCase() | TurnLamp():
                raise AssertionError("decided before")
            case _:
                assert_never(command)

    def _running(self) -> Limit:
        """The department's limit: one always runs while it is at work."""
        found = self.state.running
        assert found is not None, "a department at work without time that runs"
        return found

    def _limit(self, stage: CaseStage, allowed_s: float, left_s: float, at: datetime) -> Limit:
        return running(
            number=len(self.state.spells),
            stage=stage,
            kind=self.terms.counting,
            allowed_s=allowed_s,
            left_s=left_s,
            since_at=at,
            counting=self.counting,
        )

    def _fresh(self, at: datetime) -> Limit:
        return self._limit(CaseStage.HANDLE, self.terms.handle_within_s, self.terms.handle_within_s, at)

    def _left(self, at: datetime) -> float:
        return left_at(self._running(), at, self.counting)

    def _return(self, command: ReturnCase) -> Decision:
        state, department = self.state, self.state.department
        assert department is not None, "an assigned case has a department"
        if state.is_binding:
            detail = f"The arbiter assigned the case of {state.number}; that is binding. Handle it."
            return Refusal("case.binding", detail, {"number": state.number})
        assert state.arbiter is not None, "a case that was filed"
        returns = state.returns + 1
        returned = CaseReturned(
            incident_id=self.incident_id,
            department=department,
            reason=command.reason,
            returned_at=command.returned_at,
            returns=returns,
        )
        if returns < self.terms.returns_max:
            return (returned,)
        return (
            returned,
            CaseSentToArbiter(incident_id=self.incident_id, arbiter=state.arbiter, returns=returns),
        )

    def _handle(self, command: HandleCase) -> Decision:
        within_s = self.terms.check_within_s
        return (
            CaseHandled(
                incident_id=self.incident_id,
                outcome=command.outcome,
                evidence=command.evidence,
                handled_at=command.handled_at,
                left_s=self._left(command.handled_at),
                limit=self._limit(CaseStage.CHECK, within_s, within_s, command.handled_at),
            ),
        )

    def _check(self, command: CheckCase) -> Decision:
        state, limit = self.state, None
        if not command.passed:
            limit = self._limit(CaseStage.HANDLE, state.allowed_s, state.left_s, command.checked_at)
        return (
            CaseChecked(
                incident_id=self.incident_id,
                passed=command.passed,
                evidence=command.evidence,
                checked_at=command.checked_at,
                limit=limit,
                note=command.note,
            ),
        )

    def _pause(self, command: PauseCase) -> Decision:
        if not self.terms.may_pause:
            detail = f"Cases of the class {self.state.class_code} may not be paused. Ask for more time instead."
            return Refusal("case.may_not_pause", detail, {"class_code": self.state.class_code})
        return (
            CasePaused(
                incident_id=self.incident_id,
                reason=command.reason,
                approved_by=command.approved_by,
                paused_at=command.paused_at,
                left_s=self._left(command.paused_at),
            ),
        )

    def _resume(self, at: datetime) -> Decision:
        state = self.state
        paused_s = 0.0 if state.paused_at is None else max(0.0, (at - state.paused_at).total_seconds())
        limit = self._limit(CaseStage.HANDLE, state.allowed_s, state.left_s, at)
        return (CaseResumed(incident_id=self.incident_id, limit=limit, paused_s=paused_s),)

    def _extension(self, command: RequestExtension | GrantExtension | RefuseExtension) -> Decision:
        if isinstance(command, RequestExtension):
            return self._request(command)
        asked = self.state.asked
        if asked is None:
            detail = f"No extension of the case of {self.state.number} waits for an answer."
            return Refusal("case.no_extension_requested", detail, {"number": self.state.number})
        if isinstance(command, RefuseExtension):
            return (
                ExtensionRefused(
                    incident_id=self.incident_id,
                    extra_s=asked.extra_s,
                    reason=command.reason,
                    refused_by=command.refused_by,
                ),
            )
        allowed_s = self.state.allowed_s + asked.extra_s
        left_s = self._left(command.granted_at) + asked.extra_s
        return (
            ExtensionGranted(
                incident_id=self.incident_id,
                extra_s=asked.extra_s,
                approved_by=command.approved_by,
                granted_at=command.granted_at,
                limit=self._limit(CaseStage.HANDLE, allowed_s, left_s, command.granted_at),
            ),
        )

    def _request(self, command: RequestExtension) -> Decision:
        state, rest_s = self.state, self.terms.extension_s_max - self.state.extension_s
        values = {"number": state.number, "extension_s_max": str(self.terms.extension_s_max)}
        if state.asked is not None:
            detail = f"An extension of the case of {state.number} waits for an answer already."
            return Refusal("case.extension_already_requested", detail, values)
        if command.extra_s > rest_s:
            detail = f"The case of {state.number} may be extended by {rest_s} s more, not by {command.extra_s} s."
            return Refusal("case.extension_too_long", detail, {**values, "extension_s_left": str(rest_s)})
        if self._left(command.requested_at) < 0:
            detail = f"The time for the case of {state.number} is up. More is asked for before that."
            return Refusal("case.time_is_up", detail, values)
        return (
            ExtensionRequested(
                incident_id=self.incident_id,
                extra_s=command.extra_s,
                reason=command.reason,
                requested_at=command.requested_at,
            ),
        )
