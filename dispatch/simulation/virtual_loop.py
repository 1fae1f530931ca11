"""An asyncio event loop without a clock and without sockets: time is a number that jumps to the next thing due.

Real coroutines run on it unchanged, with their sleeps, time-outs, locks and tasks. Nothing here waits: when no callback
is ready, time leaps to the earliest timer. The order of all steps follows from the order in which they were asked for
and from their (seeded) delays, so the same seed gives the same run to the last step. Tasks are numbered and hashed by
their number, because `asyncio.wait` keeps them in sets, whose order would otherwise follow memory addresses.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from typing import Any, TypeVarTuple, Unpack

Ts = TypeVarTuple("Ts")
START = datetime(2026, 7, 1, 15, 59, 30, tzinfo=UTC)
"""The instant every run begins at: half a minute before midnight in the city, whose days number incidents."""


class Deadlock(Exception):
    """Everybody waits for somebody, and nothing will ever happen again."""


class NumberedTask(asyncio.Task[Any]):
    """A task whose place in a set does not depend on its address."""

    number = 0

    def __hash__(self) -> int:
        return self.number


class VirtualLoop(asyncio.BaseEventLoop):
    """The loop. One run each."""

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 0.0
        self._tasks_made = 0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._timers_made = 0
        self._due: deque[asyncio.Handle] = self._ready  # type: ignore[attr-defined]  # what the base class runs
        self.set_task_factory(self._numbered)

    def time(self) -> float:
        """Virtual seconds since the beginning."""
        return self._now_s

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run it at that time; of two with the same time, the one that was asked for first."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._timers_made += 1
        heappush(self._timers, (when, self._timers_made, handle))
        return handle

    def _run_once(self) -> None:
        """All that is ready; if nothing is, time leaps to what is due first. Raises `Deadlock`.

        The base class asks a selector, compares handle objects in its heap and looks at a clock: three quarters of the
        time of a run, for nothing.
        """
        if not self._due and not self._stopping:  # type: ignore[attr-defined]
            self._leap()
        for _ in range(len(self._due)):
            handle = self._due.popleft()
            if not handle.cancelled():
                handle._run()  # noqa: SLF001  # what a loop is for

    def _leap(self) -> None:
        timers = self._timers
        while timers:
            when, _, handle = heappop(timers)
            if not handle.cancelled():
                self._now_s = max(self._now_s, when)
                self._due.append(handle)
                return
        raise Deadlock

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is passed over when its time comes."""

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

    def _write_to_self(self) -> None:
        """No other thread ever calls."""


class VirtualClock:
    """`dispatch.ports.Clock` of a virtual loop; `ahead_s` is how wrong it goes."""

    def __init__(self, loop: VirtualLoop, ahead_s: float = 0.0) -> None:
        self._loop = loop
        self._start = START + timedelta(seconds=ahead_s)

    def now(self) -> datetime:
        """The present instant."""
        return self._start + timedelta(seconds=self._loop.time())
