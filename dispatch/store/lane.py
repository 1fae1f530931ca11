"""The one lane of a process: a task that records everything that waits in one call (group commit).

The problem: the log's lock is held until a commit reaches the disk, so one call for each command caps a process at the
disk's rate. The rule kept instead: while one call is out, commands gather; the next call takes all of them. A lone
command takes a shorter path. The queue has a limit, beyond which callers hear `Unavailable` instead of waiting.

When a connection breaks during a call, nobody knows whether it was recorded. A command is tried again only if it
carries something that makes a double append impossible: an idempotency key, an expected version, or a mark.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import asyncpg

from dispatch.ports import (
    MAX_COMMANDS_PER_CALL,
    AppendCommand,
    Appended,
    RecordedEvent,
    Verdict,
    VersionConflict,
)
from dispatch.store import wire
from domain.refusals import Unavailable

MAX_WAITING_COMMANDS = 10_000
MAX_CALL_BYTES = 33_554_432
"""State bytes of one call; a single group of commands may exceed it alone."""
RECONNECT_FOR_S = 10.0
"""How long commands in doubt wait for the database before their callers hear `Unavailable`."""
RECONNECT_PAUSE_S = 0.05

BROKEN = (
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    ConnectionError,
    OSError,
    TimeoutError,
)
"""What says "the connection is gone", so that the outcome of a call that was out is unknown."""

REFUSED_FOR_NOW = (
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.LockNotAvailableError,
    asyncpg.TransactionRollbackError,
    asyncpg.ReadOnlySQLTransactionError,
)
"""What says "not now, and nothing was recorded": disk full, time limit, deadlock, a standby."""

Connect: TypeAlias = Callable[[], Awaitable[asyncpg.Connection]]


class Evidence(Protocol):
    """What the lane reads to decide whether a call in doubt was recorded."""

    async def read_stream(self, stream_id: Any, *, after_version: int, limit: int) -> list[RecordedEvent]:
        """Events of one stream in version order."""


@dataclass(slots=True)
class Group:
    """Commands of one caller, to be judged in their order within one call, and the answer awaited."""

    commands: Sequence[AppendCommand]
    answer: asyncio.Future[list[Verdict]]
    state_bytes: int


class Lane:
    """Owns one connection; `record` may be called by any number of tasks."""

    def __init__(self, connect: Connect, evidence: Evidence, *, recorded: Callable[[int], None]) -> None:
        self._connect = connect
        self._evidence = evidence
        self._recorded = recorded
        self._waiting: deque[Group] = deque()
        self._commands_waiting = 0
        self._arrived = asyncio.Event()
        self._connection: asyncpg.Connection | None = None
        self._many: Any = None
        self._one: Any = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect and begin. Raises `Unavailable`."""
        await self._statements()
        self._task = asyncio.create_task(self._run(), name="log lane")

    async def close(self) -> None:
        """Stop after the call that is out; whoever still waits hears `Unavailable`."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        self._refuse(self._waiting, Unavailable("log.closed", "This process is stopping: repeat the request elsewhere"))
        self._waiting.clear()
        await self._disconnect()

    async def record(self, commands: Sequence[AppendCommand]) -> list[Verdict]:
        """Verdicts in the order of the commands, which stay together in one call.

        A caller that is cancelled before its call went out is forgotten; after that, its commands are recorded and
        can be found by their key or their stream.
        """
        assert len(commands) <= MAX_COMMANDS_PER_CALL, f"{len(commands)} commands in one call"
        if self._task is None:
            raise Unavailable("log.closed", "This process is stopping: repeat the request elsewhere")
        if self._commands_waiting + len(commands) > MAX_WAITING_COMMANDS:
            raise Unavailable("log.lane_full", f"{self._commands_waiting} commands wait already: slow down and repeat")
        answer: asyncio.Future[list[Verdict]] = asyncio.get_running_loop().create_future()
        self._waiting.append(Group(commands, answer, wire.state_bytes(commands)))
        self._commands_waiting += len(commands)
        self._arrived.set()
        return await answer

    async def _run(self) -> None:
        while True:
            if not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            groups = self._drain()
            if not groups:
                continue
            try:
                await self._record(groups)
            except asyncio.CancelledError:
                self._refuse(groups, Unavailable("log.closed", "This process stopped while the call was out"))
                raise

    def _drain(self) -> list[Group]:
        """Everything that waits, up to the limits of one call; callers that gave up are left out."""
        groups: list[Group] = []
        commands = state_bytes = 0
        waiting = self._waiting
        while waiting:
            group = waiting[0]
            commands += len(group.commands)
            state_bytes += group.state_bytes
            if groups and (commands > MAX_COMMANDS_PER_CALL or state_bytes > MAX_CALL_BYTES):
                break
            waiting.popleft()
            self._commands_waiting -= len(group.commands)
            if group.answer.done():
                commands -= len(group.commands)
                state_bytes -= group.state_bytes
            else:
                groups.append(group)
        return groups

    async def _record(self, groups: list[Group]) -> None:
        """One call for all groups; every group is answered or refused before this returns."""
        commands = groups[0].commands if len(groups) == 1 else [c for group in groups for c in group.commands]
        try:
            verdicts = await self._call(commands)
        except BROKEN as broken:
            await self._disconnect()
            await self._resolve(groups, broken)
        except REFUSED_FOR_NOW as refusal:
            self._refuse(groups, Unavailable("log.refused_for_now", f"Nothing was recorded, repeat later: {refusal}"))
        except Exception as failure:  # noqa: BLE001 - a command the database cannot take must not fail its neighbours
            if len(groups) == 1:
                _give(groups[0], failure)
            else:
                for group in groups:
                    await self._record([group])
        else:
            _answer(groups, verdicts)

    async def _call(self, commands: Sequence[AppendCommand]) -> list[Verdict]:
        many, one = await self._statements()
        if len(commands) == 1 and wire.is_short(commands[0]):
            verdicts = wire.verdicts(commands, await one.fetch(*wire.short(commands[0])))
        else:
            verdicts = wire.verdicts(commands, await many.fetch(*wire.arrays(commands)))
        last = max((v.last_position for v in verdicts if isinstance(v, Appended)), default=0)
        if last:
            self._recorded(last)
        return verdicts

    async def _resolve(self, groups: list[Group], broken: BaseException) -> None:
        """After a broken connection: try again what cannot be recorded twice, refuse the rest."""
        in_doubt = [group for group in groups if all(map(wire.is_safe_to_repeat, group.commands))]
        unknown = [group for group in groups if group not in in_doubt]
        self._refuse(
            unknown, Unavailable("log.outcome_unknown", f"It may or may not be recorded, look first: {broken}")
        )
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + RECONNECT_FOR_S
        for group in in_doubt:
            while True:
                try:
                    _answer([group], [await self._recognise(c, v) for c, v in await self._call_again(group)])
                    break
                except BROKEN as still_broken:
                    await self._disconnect()
                    if loop.time() >= give_up_at:
                        detail = f"The database is away; repeat with the same key or version: {still_broken}"
                        self._refuse([group], Unavailable("log.unavailable", detail))
                        break
                    await asyncio.sleep(RECONNECT_PAUSE_S)
                except Exception as failure:  # noqa: BLE001 - handed to the caller whose command it is
                    _give(group, failure)
                    break

    async def _call_again(self, group: Group) -> list[tuple[AppendCommand, Verdict]]:
        return list(zip(group.commands, await self._call(group.commands), strict=True))

    async def _recognise(self, command: AppendCommand, verdict: Verdict) -> Verdict:
        """A version conflict with our own events, recorded by the call that broke, is a success told late."""
        if not isinstance(verdict, VersionConflict):
            return verdict
        positions: list[int] = []
        recorded_at = None
        for stream in command.streams:
            if stream.expected_version is None:
                return verdict
            found = await self._evidence.read_stream(
                stream.stream_id, after_version=stream.expected_version, limit=len(stream.events)
            )
            if [(e.topic, e.state) for e in found] != [(e.topic, e.state) for e in stream.events]:
                return verdict
            positions += [event.position for event in found]
            recorded_at = found[0].recorded_at
        assert recorded_at is not None
        return Appended(min(positions), max(positions), recorded_at)

    async def _statements(self) -> tuple[Any, Any]:
        """The two prepared statements, on a live connection."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._connect()
            self._many = await self._connection.prepare(wire.APPEND)
            self._one = await self._connection.prepare(wire.APPEND_ONE)
        return self._many, self._one

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            connection.terminate()

    @staticmethod
    def _refuse(groups: Sequence[Group] | deque[Group], reason: Unavailable) -> None:
        for group in groups:
            _give(group, reason)


def _give(group: Group, failure: BaseException) -> None:
    if not group.answer.done():
        group.answer.set_exception(failure)


def _answer(groups: Sequence[Group], verdicts: list[Verdict]) -> None:
    start = 0
    for group in groups:
        stop = start + len(group.commands)
        if not group.answer.done():
            group.answer.set_result(verdicts[start:stop])
        start = stop
