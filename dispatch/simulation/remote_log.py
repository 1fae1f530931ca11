"""The log as a process reaches it: over a line that delays, loses and dies, to the one log in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from dispatch.ports import AppendCommand, Appended, EventLog, Head, RecordedEvent, StoredAnswer, Tip, Verdict
from dispatch.simulation.process import Network, Process, Server, at_once
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
    """Who waits for the log to grow. One for all processes, at the server's side."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._waiting: dict[asyncio.Future[None], None] = {}

    def grown(self) -> None:
        """Wake everybody, each in its own time; some hints are lost."""
        waiting, self._waiting = self._waiting, {}
        for sleeper in waiting:
            if self._network.chance.happens(LOST_WAKE_UP):
                self._waiting[sleeper] = None
            else:
                self._network.loop.call_later(self._network.chance.delay_s(), _wake, sleeper)

    async def sleep(self, timeout_s: float) -> None:
        """Until the log grows or the time is up."""
        sleeper: asyncio.Future[None] = self._network.loop.create_future()
        self._waiting[sleeper] = None
        end = self._network.loop.call_later(timeout_s, _wake, sleeper)
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
                self._wake_ups.grown()
            return verdicts

        return await self._call("append", record, writes=True)

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
        return await self._ask(self._log.tip)

    async def heads(self, stream_ids: Sequence[UUID]) -> dict[UUID, Head]:
        """Heads of those streams that exist."""
        return await self._ask(lambda: self._log.heads(stream_ids))

    async def wait_beyond(self, position: int, *, timeout_s: float) -> int:
        """As soon as the log has grown beyond `position`, or later than asked; the last position."""
        tip = await self.tip()
        # Looked at once more where the hints are made: whoever listens before it reads misses none.
        if max(tip.position, at_once(self._log.tip()).position) > position:
            return max(tip.position, position + 1)
        await self._wake_ups.sleep(timeout_s * IDLE_TIMES)
        self._process.check()
        return at_once(self._log.tip()).position

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


def _told(command: AppendCommand) -> str:
    topics = [event.topic for stream in command.streams for event in stream.events]
    marks = [f"{mark.reactor} {mark.from_position}>{mark.to_position}" for mark in command.marks]
    key = [f"key {command.idempotency.key[:8]}"] if command.idempotency is not None else []
    return ", ".join((*topics, *marks, *key))


def _verdict(verdict: Verdict) -> str:
    numbers = [str(getattr(verdict, name)) for name in verdict.__dataclass_fields__ if name.endswith("position")]
    return f"{type(verdict).__name__} {'-'.join(numbers)}"
