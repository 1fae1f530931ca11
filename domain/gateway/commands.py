"""What can be asked of gateways."""

from __future__ import annotations

from typing import TypeAlias

from pydantic import AwareDatetime, Field

from domain.event import Frozen
from domain.gateway.events import GatewayPromised


class PromiseSigns(Frozen):
    """It says something at least so often."""

    promise: GatewayPromised


class WithdrawPromise(Frozen):
    """Nothing is expected of it any more."""

    reason: str = Field(min_length=1, max_length=2_000)


class RecordSilence(Frozen):
    """It was to be heard by an instant, and was not."""

    last_heard_at: AwareDatetime
    due_at: AwareDatetime
    noticed_at: AwareDatetime


class RecordHeard(Frozen):
    """It was heard after it had fallen silent."""

    heard_at: AwareDatetime


GatewayCommand: TypeAlias = PromiseSigns | WithdrawPromise | RecordSilence | RecordHeard
