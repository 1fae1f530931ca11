"""Facts about gateways: the promise of a sign of life, and silences.

A gateway stands for its cameras: one that is silent is one fact, however many cameras are behind it. A camera that
speaks for itself is its own gateway. Signs of life are no facts; only their absence is.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import AwareDatetime, Field

from domain.event import Event

SILENT_AFTER_S_MIN, SILENT_AFTER_S_MAX = 30, 7 * 86_400
"""Less than that is shorter than how closely signs of life are noted; more is no promise."""


class GatewayPromised(Event):
    """It says something at least this often, or it is silent. Another promise replaces the first."""

    name: ClassVar[str] = "gateway.promised"
    city: str
    gateway: str = Field(max_length=200)
    silent_after_s: int = Field(ge=SILENT_AFTER_S_MIN, le=SILENT_AFTER_S_MAX)


class GatewayPromiseWithdrawn(Event):
    """Nothing is expected of it any more, and a silence that lasts is none any more. `number` is the last silence's."""

    name: ClassVar[str] = "gateway.promise_withdrawn"
    reason: str = Field(max_length=2_000)
    number: int = Field(default=0, ge=0)


class GatewayFellSilent(Event):
    """It was last heard (or, if never, promised) at `last_heard_at`, and was to be heard by `due_at`. `number` counts
    its silences.
    """

    name: ClassVar[str] = "gateway.fell_silent"
    last_heard_at: AwareDatetime
    due_at: AwareDatetime
    late_s: float = Field(ge=0)
    number: int = Field(ge=1)


class GatewayHeardAgain(Event):
    """It speaks again, after `silent_s` seconds of silence."""

    name: ClassVar[str] = "gateway.heard_again"
    heard_at: AwareDatetime
    silent_s: float = Field(ge=0)
    number: int = Field(ge=1)


EVENTS: tuple[type[Event], ...] = (GatewayPromised, GatewayPromiseWithdrawn, GatewayFellSilent, GatewayHeardAgain)
