"""Rules of gateways: a silence is recorded once, and ends once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias, assert_never

from domain.event import Event
from domain.gateway.commands import GatewayCommand, PromiseSigns, RecordHeard, RecordSilence, WithdrawPromise
from domain.gateway.events import GatewayFellSilent, GatewayHeardAgain, GatewayPromised, GatewayPromiseWithdrawn
from domain.refusals import Refusal

Decision: TypeAlias = tuple[Event, ...] | Refusal


@dataclass(frozen=True, slots=True)
class GatewayState:
    """The promise that holds, and the silence that lasts."""

    promise: GatewayPromised | None = None
    silent_since: datetime | None = None
    silences: int = 0


INITIAL = GatewayState()


def evolve(state: GatewayState, event: Event) -> GatewayState:
    """The gateway after a fact."""
    match event:
        case GatewayPromised():
            return replace(state, promise=event)
        case GatewayPromiseWithdrawn():
            return replace(state, promise=None, silent_since=None)
        case GatewayFellSilent(last_heard_at=since, number=number):
            return replace(state, silent_since=since, silences=number)
        case GatewayHeardAgain():
            return replace(state, silent_since=None)
        case _:
            return state


def decide(command: GatewayCommand, state: GatewayState) -> Decision:
    """Facts, nothing, or a refusal."""
    match command:
        case PromiseSigns(promise=promise):
            return () if state.promise == promise else (promise,)
        case WithdrawPromise(reason=reason):
            return () if state.promise is None else (GatewayPromiseWithdrawn(reason=reason, number=state.silences),)
        case RecordSilence():
            return _silence(command, state)
        case RecordHeard(heard_at=heard_at):
            return _heard(heard_at, state)
        case _:
            assert_never(command)


def _silence(command: RecordSilence, state: GatewayState) -> Decision:
    if state.promise is None or state.silent_since is not None:
        return ()
    late_s = max(0.0, (command.noticed_at - command.due_at).total_seconds())
    number = state.silences + 1
    return (
        GatewayFellSilent(last_heard_at=command.last_heard_at, due_at=command.due_at, late_s=late_s, number=number),
    )


def _heard(heard_at: datetime, state: GatewayState) -> Decision:
    if state.silent_since is None or heard_at <= state.silent_since:
        return ()
    silent_s = (heard_at - state.silent_since).total_seconds()
    return (GatewayHeardAgain(heard_at=heard_at, silent_s=silent_s, number=state.silences),)
