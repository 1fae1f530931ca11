"""Processes that die between any two awaits, and the lines over which they reach the servers.

A process that dies loses its memory and its tasks at once. What it had sent may still arrive: a request is carried out
at the server's side of the line, so a commit can happen whose author never hears of it, dead or alive. Nothing else of
a dead process has any effect, because every effect goes over a line, and a dead process's lines carry nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from dispatch.simulation.chance import Chance
from dispatch.simulation.trace import Trace

T = TypeVar("T")
ANSWER_S_MAX = 3.0
"""How long a caller waits before it takes an answer for lost."""


class Process:
    """One life of one process."""

    def __init__(self, name: str, loop: asyncio.AbstractEventLoop) -> None:
        self.name = name
        self.is_alive = True
        self.frozen_until_s = 0.0
        self._loop = loop
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._at_death: list[Callable[[], None]] = []

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """A task that ends with the process."""
        task = self._loop.create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)

    def at_death(self, act: Callable[[], None]) -> None:
        """What the world notices when it dies: its sessions end."""
        self._at_death.append(act)

    def kill(self) -> list[asyncio.Task[Any]]:
        """End it here and now; its tasks, which end by themselves without any further effect."""
        self.is_alive = False
        ending = list(self._tasks)
        for task in ending:
            task.cancel()
        for act in self._at_death:
            act()
        return ending

    def check(self) -> None:
        """A dead process goes no further."""
        if not self.is_alive:
            raise asyncio.CancelledError


@dataclass(slots=True)
class Server:
    """One side of many lines: PostgreSQL or NATS."""

    name: str
    is_away: bool = False
    cut_off: set[str] = field(default_factory=set)
    """Names of the processes that do not reach it."""

    def reaches(self, process: Process) -> bool:
        """Whether something sent now arrives."""
        return not self.is_away and process.name not in self.cut_off


@dataclass(slots=True)
class Weather:
    """How bad the lines are. Calm: nothing is lost, though everything takes its time."""

    lost_request: float = 0.0
    lost_answer: float = 0.0
    death_at_write: float = 0.0

    def calm(self) -> None:
        """No more faults."""
        self.lost_request = self.lost_answer = self.death_at_write = 0.0


class Network:
    """Carries calls. `kill` is told which process dies at a write."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, chance: Chance, trace: Trace, kill: Callable[[Process, str], None]
    ) -> None:
        self.loop = loop
        self.chance = chance
        self.trace = trace
        self.weather = Weather()
        self._kill = kill

    async def call(
        self,
        process: Process,
        server: Server,
        what: str,
        work: Callable[[], T],
        *,
        failure: Callable[[str], Exception],
        writes: bool = False,
    ) -> T:
        """Have `work` done at the server's side. Raises `failure` when no answer comes: done or not, nobody knows."""
        process.check()
        chance, weather = self.chance, self.weather
        answer: asyncio.Future[T] = self.loop.create_future()
        is_lost = chance.happens(weather.lost_request)
        is_unheard = writes and chance.happens(weather.lost_answer)
        dies_before = writes and chance.happens(weather.death_at_write)
        dies_after = writes and chance.happens(weather.death_at_write)
        back_s = chance.delay_s()

        def give_up() -> None:
            if not answer.done():
                answer.set_exception(failure(f"{server.name} does not answer ({what})"))

        def arrive() -> None:
            if dies_before:
                self._kill(process, f"before {what} arrived")
            if is_lost or not server.reaches(process):
                self.trace.note(process.name, f"{what} lost on the way to {server.name}")
                self.loop.call_later(ANSWER_S_MAX, give_up)
                return
            self._done(process, what, work, answer, back_s, give_up if is_unheard else None)
            if dies_after:
                self._kill(process, f"after {what} was done")

        self.loop.call_later(chance.delay_s() + max(0.0, process.frozen_until_s - self.loop.time()), arrive)
        result = await answer
        process.check()
        return result

    def _done(
        self,
        process: Process,
        what: str,
        work: Callable[[], T],
        answer: asyncio.Future[T],
        back_s: float,
        give_up: Callable[[], None] | None,
    ) -> None:
        """Do the work and send the answer back, unless it is lost."""
        try:
            result, error = [work()], None
        except Exception as raised:  # noqa: BLE001  # whatever the server says is told to whoever asked
            result, error = [], raised
        if give_up is not None:
            self.trace.note(process.name, f"{what} done, its answer lost")
            self.loop.call_later(ANSWER_S_MAX, give_up)
            return

        def deliver() -> None:
            if answer.done():
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(result[0])

        self.loop.call_later(back_s + max(0.0, process.frozen_until_s - self.loop.time()), deliver)


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never has to wait."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    work.close()
    raise AssertionError("it had to wait")
