"""An asyncio event loop without a clock and without sockets: time is a number that jumps to the next thing due.

Real coroutines run on it unchanged, with their sleeps, time-outs, locks and tasks. Nothing here waits: when no callback
is ready, time leaps to the earliest timer. The order of all steps follows from the order in which they were asked for
and from their (seeded) delays, so the same seed gives the same run to the last step. Tasks are numbered and hashed by
their number, because `asyncio.wait` keeps them in sets, whose order would otherwise follow memory addresses.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine, Generator
from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2026, 7, 1, 4, 0, tzinfo=UTC)
"""The instant every run begins at: noon in the city, so that no run crosses the day that numbers incidents."""


class Deadlock(Exception):
    """Everybody waits for somebody, and nothing will ever happen again."""


class NumberedTask(asyncio.Task[Any]):
    """A task whose place in a set does not depend on its address."""

    number = 0

    def __hash__(self) -> int:
        return self.number


class _Leap:
    """Stands where a selector stands: instead of waiting it moves the time."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout_s: float | None) -> list[Any]:
        """Nothing ever arrives from outside."""
        if timeout_s is None:
            raise Deadlock
        self._loop.leap(timeout_s)
        return []


class VirtualLoop(asyncio.BaseEventLoop):
    """The loop. One run each."""

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 0.0
        self._tasks_made = 0
        self._selector = _Leap(self)
        self.set_task_factory(self._numbered)

    def time(self) -> float:
        """Virtual seconds since the beginning."""
        return self._now_s

    def leap(self, seconds: float) -> None:
        """Move the time."""
        self._now_s += seconds

    def _numbered(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
        context: contextvars.Context | None = None,
    ) -> asyncio.Task[Any]:
        task = NumberedTask.__new__(NumberedTask)
        self._tasks_made += 1
        task.number = self._tasks_made
        task.__init__(coroutine, loop=loop, name=f"task {self._tasks_made}", context=context)  # type: ignore[misc]
        return task

    def _process_events(self, event_list: list[Any]) -> None:
        assert not event_list, "nothing arrives from outside"

    def _write_to_self(self) -> None:
        """No other thread ever calls."""


class VirtualClock:
    """`dispatch.ports.Clock` of a virtual loop."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        """The present instant."""
        return START + timedelta(seconds=self._loop.time())
