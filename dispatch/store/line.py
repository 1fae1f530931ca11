"""One connection through which groups of commands are recorded, and what happens when it breaks.

When a connection breaks during a call, nobody knows whether the call was recorded. A command is tried again only if it
carries something that makes a double append impossible: an idempotency key, an expected version, or a mark. Its second
verdict may then be a conflict with its own first success, which is found out by reading.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias
from uuid import UUID

import asyncpg

from dispatch.ports import AppendCommand, Appended, RecordedEvent, Verdict, VersionConflict
from dispatch.store import wire
from domain.refusals import Unavailable

RECONNECT_FOR_S = 5.0
"""How long commands in doubt wait for the database before their callers hear `Unavailable`."""
RECONNECT_PAUSE_S = 0.05

BROKEN = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""What says "the connection is gone", so that the outcome of a call that was out is unknown. The last two are how the
driver speaks of a session that was ended a moment ago and whose socket it has not yet seen closed."""

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
    """What is read to decide whether a call in doubt was recorded."""

    async def read_stream(self, stream_id: UUID, *, after_version: int, limit: int) -> list[RecordedEvent]:
        """Events of one stream in version order."""


@dataclass(slots=True)
class Group:
    """Commands of one caller, to be judged in their order within one call, and the answer awaited."""

    commands: Sequence[AppendCommand]
    answer: asyncio.Future[list[Verdict]]
    state_bytes: int


class Line:
    """Makes one call at a time."""

    def __init__(self, connect: Connect, evidence: Evidence, *, recorded: Callable[[int], None]) -> None:
        self._connect = connect
        self._evidence = evidence
        self._recorded = recorded
        self._connection: asyncpg.Connection | None = None
        self._many: Any = None
        self._one: Any = None

    async def open(self) -> None:
        """Connect, if not connected. Raises what the driver raises."""
        if self._connection is not None and not self._connection.is_closed():
            return
        connection = await self._connect()
        try:
            many, one = await connection.prepare(wire.APPEND), await connection.prepare(wire.APPEND_ONE)
            # The driver prepares without a Sync, so the server's statement_timeout keeps running until the next
            # one: the first append of a quiet log was cancelled 15 s after the process had started.
            await connection.execute("SELECT 1")
        except BaseException:
            connection.terminate()  # half made: the next call must not take it for whole
            raise
        self._connection, self._many, self._one = connection, many, one

    def close(self) -> None:
        """Drop the connection."""
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            connection.terminate()

    async def record(self, groups: list[Group]) -> None:
        """One call for all groups; every group is answered or refused before this returns."""
        try:
            await self.open_or_again()
        except Exception as away:  # noqa: BLE001 - nothing was sent, whatever the reason
            refuse(groups, Unavailable("log.unavailable", f"Nothing was recorded, the database is away: {away}"))
            return
        try:
            verdicts = await self._call([command for group in groups for command in group.commands])
        except Exception as failure:  # noqa: BLE001 - every failure is told to those whose commands it concerns
            await self._failed(groups, failure)
        else:
            _answer(groups, verdicts)

    async def open_or_again(self) -> None:
        """Connect; a server that took the connection and then ended it is there, and is asked once more."""
        try:
            await self.open()
        except (OSError, TimeoutError):
            raise
        except Exception:  # noqa: BLE001 - whatever it was, the second try says it
            await self.open()

    async def _failed(self, groups: list[Group], failure: Exception) -> None:
        if self._is_broken(failure):
            self.close()
            await self._resolve(groups, failure)
        elif isinstance(failure, REFUSED_FOR_NOW):
            if isinstance(failure, asyncpg.ReadOnlySQLTransactionError):
                self.close()  # a standby: the next connection may find the new primary
            refuse(groups, Unavailable("log.refused_for_now", f"Nothing was recorded, repeat later: {failure}"))
        elif len(groups) == 1:
            refuse(groups, failure)
        else:
            for group in groups:  # a command the database cannot take must not fail its neighbours
                await self.record([group])

    def _is_broken(self, failure: Exception) -> bool:
        return isinstance(failure, BROKEN) or self._connection is None or bool(self._connection.is_closed())

    async def _call(self, commands: Sequence[AppendCommand]) -> list[Verdict]:
        if len(commands) == 1 and wire.is_short(commands[0]):
            rows = await self._one.fetch(*wire.short(commands[0]))
        else:
            rows = await self._many.fetch(*wire.arrays(commands))
        verdicts, last_position = wire.verdicts(commands, rows)
        self._recorded(last_position)
        return verdicts

    async def _resolve(self, groups: list[Group], broken: BaseException) -> None:
        """After a broken connection: try again what cannot be recorded twice, refuse the rest."""
        in_doubt = []
        for group in groups:
            if all(map(wire.is_safe_to_repeat, group.commands)):
                in_doubt.append(group)
            else:
                refuse(
                    [group], Unavailable("log.outcome_unknown", f"Perhaps recorded, look before repeating: {broken}")
                )
        give_up_at = asyncio.get_running_loop().time() + RECONNECT_FOR_S
        for group in in_doubt:
            await self._try_again(group, give_up_at)

    async def _try_again(self, group: Group, give_up_at: float) -> None:
        while not group.answer.done():
            try:
                await self.open()
                verdicts = await self._call(group.commands)
                judged = zip(group.commands, verdicts, strict=True)
                _answer([group], [await self._recognise(command, verdict) for command, verdict in judged])
            except Exception as failure:  # noqa: BLE001 - handed to the caller whose commands they are
                if not (isinstance(failure, Unavailable) or self._is_broken(failure)):
                    refuse([group], failure)
                elif asyncio.get_running_loop().time() > give_up_at:
                    refuse(
                        [group], Unavailable("log.outcome_unknown", f"Repeat with the same key or version: {failure}")
                    )
                else:
                    self.close()
                    await asyncio.sleep(RECONNECT_PAUSE_S)

    async def _recognise(self, command: AppendCommand, verdict: Verdict) -> Verdict:
        """A version conflict with our own events, recorded by the call that broke, is a success told late."""
        if not isinstance(verdict, VersionConflict):
            return verdict
        found: list[RecordedEvent] = []
        for stream in command.streams:
            if stream.expected_version is None:
                return verdict
            events = await self._evidence.read_stream(
                stream.stream_id, after_version=stream.expected_version, limit=len(stream.events)
            )
            if [(e.topic, e.state) for e in events] != [(e.topic, e.state) for e in stream.events]:
                return verdict
            found += events
        positions = [event.position for event in found]
        return Appended(min(positions), max(positions), found[0].recorded_at)


def refuse(groups: Iterable[Group], reason: BaseException) -> None:
    """Tell those who still wait why nothing came of it."""
    for group in groups:
        if not group.answer.done():
            group.answer.set_exception(reason)


def _answer(groups: Sequence[Group], verdicts: list[Verdict]) -> None:
    start = 0
    for group in groups:
        stop = start + len(group.commands)
        if not group.answer.done():
            group.answer.set_result(verdicts[start:stop])
        start = stop
