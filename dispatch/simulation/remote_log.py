"""The log as a process reaches it: over a line that delays, loses and dies, to the one log in memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from dispatch.ports import AppendCommand, Appended, EventLog, Head, RecordedEvent, StoredAnswer, Tip, Verdict
from dispatch.simulation.process import Network, Process, Server, at_once
from dispatch.store.tail import HeldEnd
from domain.refusals import Unavailable

T = TypeVar("T")
IDLE_TIMES = 10.0
"""How much longer than asked a look at an idle log waits: what a wake-up that was lost costs. Polls that find nothing
are most of what an idle city does, and here they would be most of what a run computes."""
LOST_WAKE_UP = 0.02


def unavailable(detail: str) -> Exception:
    """What the log says when nobody answers."""
    return Unavailable("store.unavailable", detail)


class WakeUps:
    """Which processes listen for the log to grow: the server's side of `dispatch.store.wake`."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._listening: dict[Wake, None] = {}

    def listen(self, wake: Wake) -> None:
        """Hint to it from now on, until its process dies."""
        self._listening[wake] = None
        wake.process.at_death(lambda: self._listening.pop(wake, None))

    def grown(self, position: int) -> None:
        """Tell every process, each in its own time; some hints are lost."""
        chance, loop = self._network.chance, self._network.loop
        for wake in self._listening:
            if not chance.happens(LOST_WAKE_UP):
                frozen_s = max(0.0, wake.process.frozen_until_s - loop.time())
                loop.call_later(chance.delay_s() + frozen_s, wake.hear, position)


class Wake:
    """How far the log is known to reach in one process, and who in it waits for more, as `dispatch.store.wake.Wake`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, server: Server, process: Process) -> None:
        self.process = process
        self.position = 0
        self.looked_at_s = 0.0
        """When the tip was last asked for because a hint may have been lost."""
        self._loop = loop
        self._server = server
        self._waiting: dict[asyncio.Future[None], None] = {}

    def hear(self, position: int) -> None:
        """A hint; none comes through a line that is cut."""
        if self.process.is_alive and self._server.reaches(self.process):
            self.saw(position)

    def saw(self, position: int) -> None:
        """The log is known to reach `position`."""
        if position > self.position:
            self.position = position
            waiting, self._waiting = self._waiting, {}
            for sleeper in waiting:
                _wake(sleeper)

    async def sleep(self, timeout_s: float) -> None:
        """Until more is known or the time is up."""
        sleeper: asyncio.Future[None] = self._loop.create_future()
        self._waiting[sleeper] = None
        end = self._loop.call_later(timeout_s, _wake, sleeper)
        try:
            await sleeper
        finally:
            end.cancel()
            self._waiting.pop(sleeper, None)


def _wake(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)


class RemoteLog:
    """`dispatch.ports.EventLog` of one process."""

    def __init__(self, log: EventLog, network: Network, server: Server, process: Process, wake_ups: WakeUps) -> None:
        self._log = log
        self._network = network
        self._server = server
        self._process = process
        self._wake_ups = wake_ups
        self._wake = Wake(network.loop, server, process)
        wake_ups.listen(self._wake)

    async def append(self, command: AppendCommand) -> Verdict:
        """Record one command. Raises `Unavailable`: recorded or not, nobody knows."""
        return (await self.append_many((command,)))[0]

    async def append_many(self, commands: Sequence[AppendCommand]) -> list[Verdict]:
        """Record commands in order."""

        def record() -> list[Verdict]:
            verdicts = at_once(self._log.append_many(commands))
            for command, verdict in zip(commands, verdicts, strict=True):
                self._network.trace.note(self._process.name, f"append {_told(command)} -> {_verdict(verdict)}")
            if any(isinstance(verdict, Appended) for verdict in verdicts):
                self._wake_ups.grown(at_once(self._log.tip()).position)
            return verdicts

        verdicts = await self._call("append", record, writes=True)
        self._wake.saw(max((each.last_position for each in verdicts if isinstance(each, Appended)), default=0))
        return verdicts

    async def read_stream(
        self, stream_id: UUID, *, after_version: int = 0, up_to_position: int | None = None, limit: int = 10_000
    ) -> list[RecordedEvent]:
        """Events of one stream in version order."""
        return await self._ask(
            lambda: self._log.read_stream(
                stream_id, after_version=after_version, up_to_position=up_to_position, limit=limit
            )
        )

    async def read_streams(
        self, stream_ids: Sequence[UUID], *, up_to_position: int | None = None
    ) -> dict[UUID, list[RecordedEvent]]:
        """Several streams at once."""
        return await self._ask(lambda: self._log.read_streams(stream_ids, up_to_position=up_to_position))

    async def read_after(
        self, position: int, *, limit: int = 500, up_to_position: int | None = None, topics: Sequence[str] | None = None
    ) -> list[RecordedEvent]:
        """A page of the log in position order."""
        return await self._ask(
            lambda: self._log.read_after(position, limit=limit, up_to_position=up_to_position, topics=topics)
        )

    async def tip(self) -> Tip:
        """The last position."""
        found = await self._ask(self._log.tip)
        self._wake.saw(found.position)
        return found

    async def heads(self, stream_ids: Sequence[UUID]) -> dict[UUID, Head]:
        """Heads of those streams that exist."""
        return await self._ask(lambda: self._log.heads(stream_ids))

    async def wait_beyond(self, position: int, *, timeout_s: float) -> int:
        """As soon as the log is known to reach beyond `position`, or later than asked; how far it is known to reach."""
        wake, loop = self._wake, self._network.loop
        if wake.position <= position:
            await wake.sleep(timeout_s * IDLE_TIMES)
            self._process.check()
        if wake.position <= position and loop.time() - wake.looked_at_s >= timeout_s:
            wake.looked_at_s = loop.time()  # the first whose time is up looks for all
            with contextlib.suppress(Unavailable):
                await self.tip()
        return wake.position

    async def find_answer(self, *, caller: str, key: str) -> StoredAnswer | None:
        """The idempotency row of a caller's key."""
        return await self._ask(lambda: self._log.find_answer(caller=caller, key=key))

    async def position_at(self, instant: datetime) -> int:
        """The last position recorded at or before `instant`."""
        return await self._ask(lambda: self._log.position_at(instant))

    async def mark(self, reactor: str) -> int:
        """A reactor's position."""
        return await self._ask(lambda: self._log.mark(reactor))

    async def _ask(self, read: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return await self._call("read", lambda: at_once(read()), writes=False)

    async def _call(self, what: str, work: Callable[[], T], *, writes: bool) -> T:
        return await self._network.call(self._process, self._server, what, work, failure=unavailable, writes=writes)


class TailedRemoteLog(RemoteLog):
    """As a worker reaches it: the end of the log is read once for all its readers, by the product's own code."""

    def __init__(self, log: EventLog, network: Network, server: Server, process: Process, wake_ups: WakeUps) -> None:
        super().__init__(log, network, server, process, wake_ups)
        self._end = HeldEnd(super().read_after, lambda: self._wake.position)

    async def read_after(
        self, position: int, *, limit: int = 500, up_to_position: int | None = None, topics: Sequence[str] | None = None
    ) -> list[RecordedEvent]:
        """A page of the log in position order."""
        return await self._end.read_after(position, limit=limit, up_to_position=up_to_position, topics=topics)

    async def tip(self) -> Tip:
        """The last position."""
        return await self._end.tip(super().tip)


def _told(command: AppendCommand) -> str:
    topics = [event.topic for stream in command.streams for event in stream.events]
    marks = [f"{mark.reactor} {mark.from_position}>{mark.to_position}" for mark in command.marks]
    key = [f"key {command.idempotency.key[:8]}"] if command.idempotency is not None else []
    return ", ".join((*topics, *marks, *key))


def _verdict(verdict: Verdict) -> str:
    numbers = [str(getattr(verdict, name)) for name in verdict.__dataclass_fields__ if name.endswith("position")]
    return f"{type(verdict).__name__} {'-'.join(numbers)}"
