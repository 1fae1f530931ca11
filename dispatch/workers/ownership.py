"""One owner of a task at a time, with takeover.

PostgreSQL's session-level advisory lock says who works; it is let go when the owner's session ends, so a killed
process is replaced at once. A frozen process keeps its session: therefore the owner asks a tiny question every
`BEAT_S`, and whoever waits ends a session that has been silent for `SILENCE_S_MAX`.

The lock only saves work. What makes an effect happen once is the reactor's mark, moved by compare-and-set with the
effect: an owner that was replaced and wakes up again finds the mark moved, and nothing of it is recorded.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from typing import Protocol

import asyncpg

BEAT_S = 2.0
"""Between two signs of life of an owner, and between two tries of one who waits."""
SILENCE_S_MAX = 10.0
"""An owner silent for longer is taken to be frozen."""
ANSWER_S_MAX = 5.0
"""Longest wait for the database on this session."""

logger = logging.getLogger(__name__)


class Ownership(Protocol):
    """The right to do one named task."""

    async def acquire(self) -> None:
        """Wait until the task is ours. Raises `OSError` or `asyncpg.PostgresError` when the world says no."""

    async def holds(self) -> bool:
        """Whether it is still ours; also our sign of life."""

    async def release(self) -> None:
        """Give it up."""


async def acquire_or_stop(ownership: Ownership, stop: asyncio.Event) -> bool:
    """Wait until the task is ours, or until we are stopped; whether it is ours."""
    acquired = asyncio.create_task(ownership.acquire())
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((acquired, stopped), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        if not acquired.done():
            acquired.cancel()
        await asyncio.gather(acquired, stopped, return_exceptions=True)
    if acquired.cancelled():
        return False
    acquired.result()
    return True


class SoleOwnership:
    """Nobody else is there: one process over a log in memory."""

    async def acquire(self) -> None:
        """At once."""

    async def holds(self) -> bool:
        """Always."""
        return True

    async def release(self) -> None:
        """Nothing to give up."""


def lock_key(task: str) -> int:
    """The advisory lock of a task: whoever holds it works."""
    return int.from_bytes(hashlib.sha256(f"dispatch\x1f{task}".encode()).digest()[:8], "big", signed=True)


class AdvisoryOwnership:
    """Ownership by an advisory lock on a session of its own."""

    def __init__(self, dsn: str, task: str, *, beat_s: float = BEAT_S, silence_s_max: float = SILENCE_S_MAX) -> None:
        self._dsn = dsn
        self._task = task
        self._beat_s = beat_s
        self._silence_s_max = silence_s_max
        self._key = lock_key(task)
        self._session: asyncpg.Connection | None = None
        self._beat: asyncio.Task[None] | None = None

    async def acquire(self) -> None:
        """Wait for the lock, ending a silent owner."""
        await self.release()
        session = await asyncpg.connect(
            self._dsn,
            timeout=ANSWER_S_MAX,
            command_timeout=ANSWER_S_MAX,
            server_settings={"application_name": self._name},
        )
        try:
            while not await session.fetchval("SELECT pg_try_advisory_lock($1)", self._key):
                await self._end_a_silent_owner(session)
                await asyncio.sleep(self._beat_s)
        except BaseException:
            session.terminate()
            raise
        self._session = session
        self._beat = asyncio.create_task(self._keep_beating(session))

    async def holds(self) -> bool:
        """Whether our session, and with it the lock, is alive."""
        return self._session is not None and not self._session.is_closed()

    async def beat_ended(self) -> None:
        """Return when the session is found to be dead."""
        if self._beat is not None:
            await asyncio.wait((self._beat,))

    async def release(self) -> None:
        """End the session; the lock goes with it."""
        beat, session = self._beat, self._session
        self._beat = self._session = None
        if beat is not None:
            beat.cancel()
            await asyncio.gather(beat, return_exceptions=True)
        if session is not None:
            session.terminate()

    @property
    def _name(self) -> str:
        return f"dispatch owner {self._task}"[:63]

    async def _keep_beating(self, session: asyncpg.Connection) -> None:
        """A dead session ends the beat, and `holds` says no from then on."""
        try:
            while True:
                await asyncio.sleep(self._beat_s)
                await session.fetchval("SELECT 1")
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            logger.warning("ownership lost", extra={"task": self._task, "reason": str(error)})
            session.terminate()

    async def _end_a_silent_owner(self, session: asyncpg.Connection) -> None:
        """Only sessions that hold this very lock and have been silent too long."""
        ended = await session.fetch(
            """
            SELECT a.pid, pg_terminate_backend(a.pid) AS is_ended
            FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
            WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
              AND (l.classid::bigint << 32 | l.objid::bigint) = $1
              AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
              AND a.state_change < clock_timestamp() - make_interval(secs => $2)
            """,
            self._key,
            self._silence_s_max,
        )
        for row in ended:
            logger.warning("took over from a silent owner", extra={"task": self._task, "pid": row["pid"]})
