"""The log in PostgreSQL: one lane to write, a pool to read, a wake to wait."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import asyncpg

from dispatch.ports import MAX_COMMANDS_PER_CALL, AppendCommand, Verdict
from dispatch.store import wire
from dispatch.store.archive import Archive
from dispatch.store.lane import Lane
from dispatch.store.line import Connect
from dispatch.store.reader import PLANNING, Reader, available
from dispatch.store.wake import HINT_EVERY_S, Wake

READERS_MAX = 8
CONNECT_TIMEOUT_S = 5.0
COMMAND_TIMEOUT_S = 10.0
"""A frozen server answers nothing at all: after this the connection counts as broken."""
APP_ROLE = "dispatch_app"
TIMEOUTS = {"statement_timeout": "8s", "lock_timeout": "5s", "idle_in_transaction_session_timeout": "30s"}
"""Said again for each connection: a role taken with SET ROLE does not bring its own settings."""
TRANSACTION_TIMEOUT = "10s"
"""Each statement here is a transaction of its own. A client frozen with half a call sent would otherwise hold the lane
for as long as it stays frozen: no other time limit runs while the server waits for the rest of a message."""


async def leave_as_it_is(_connection: asyncpg.Connection) -> None:
    """For a pool whose users change nothing of a session: the pool's own reset is a second round trip for each use."""


class PostgresLog(Reader):
    """`dispatch.ports.EventLog` on PostgreSQL."""

    hint_every_s = HINT_EVERY_S
    """How soon after one hint to other processes the next may follow."""

    def __init__(self, pool: asyncpg.Pool, connect: Connect, archive: Archive | None = None) -> None:
        super().__init__(pool, archive)
        self._wake = Wake(connect, self._position, hint_every_s=self.hint_every_s)
        self._lane = Lane(connect, self, recorded=self._wake.recorded)

    @classmethod
    async def open(
        cls,
        dsn: str,
        *,
        app_role: str | None = APP_ROLE,
        readers_max: int = READERS_MAX,
        archive: Path | None = None,
    ) -> Self:
        """Connect to a migrated database and act as `app_role` (None: as the DSN's user). Raises `Unavailable`.

        `archive` is the folder of archive files; without it, a read of a range that was moved there is `Unavailable`.
        """
        settings = {
            "application_name": "dispatch log",
            **PLANNING,
            **TIMEOUTS,
            "transaction_timeout": TRANSACTION_TIMEOUT,
            **({} if app_role is None else {"role": app_role}),
        }

        waiting = {"timeout": CONNECT_TIMEOUT_S, "command_timeout": COMMAND_TIMEOUT_S}

        async def connect() -> asyncpg.Connection:
            return await asyncpg.connect(dsn, server_settings=settings, **waiting)

        async with available():
            pool = await asyncpg.create_pool(
                dsn, min_size=1, max_size=readers_max, server_settings=settings, reset=leave_as_it_is, **waiting
            )
        log = cls(pool, connect, Archive(archive))
        try:
            async with available():
                await log._lane.start()
                await log._wake.start()
        except BaseException:
            await log.close()
            raise
        return log

    async def close(self) -> None:
        """Let the connections go; whoever waits for an append hears `Unavailable`."""
        await self._lane.close()
        await self._wake.close()
        await self._pool.close()
        self._archive.close()

    async def append(self, command: AppendCommand) -> Verdict:
        """Record one command. Concurrent callers are grouped into one call. Raises `Unavailable`."""
        return (await self._lane.enqueue((command,), wire.check(command)))[0]

    async def append_many(self, commands: Sequence[AppendCommand]) -> list[Verdict]:
        """Record commands in order, each with its own verdict, later ones seeing earlier ones."""
        sizes = [wire.check(command) for command in commands]
        verdicts: list[Verdict] = []
        for start in range(0, len(commands), MAX_COMMANDS_PER_CALL):
            stop = start + MAX_COMMANDS_PER_CALL
            verdicts += await self._lane.enqueue(commands[start:stop], sum(sizes[start:stop]))
        return verdicts

    async def wait_beyond(self, position: int, *, timeout_s: float) -> int:
        """Return as soon as the log's last position exceeds `position`, else at the time-out; the last position."""
        return await self._wake.wait_beyond(position, timeout_s=timeout_s)

    async def ensure_partitions(self) -> int:
        """Make partitions ahead of the tip; how many were made. For a worker's timer: append makes its own at need."""
        ((made,),) = await self._fetch("SELECT log.ensure_partitions()")
        return int(made)

    async def _position(self) -> int:
        return (await self.tip()).position
