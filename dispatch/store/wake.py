"""Wakes those who wait for the log to grow: at once in this process, by a coalesced hint in others, by a poll at last.

A NOTIFY in each append would take a cluster-wide lock at its commit and cap the lane. So the hint is a statement of its
own, at most one in `hint_every_s` for a process, and it is only a hint: it waits for no disk, may be lost, and then the
poll finds out.
Whoever waits looks at the tip after the listening has begun, never before, or an append in between would be missed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import asyncpg

from dispatch.store.line import Connect
from dispatch.store.reader import available
from domain.refusals import Unavailable

CHANNEL = "dispatch_log"
HINT_EVERY_S = 0.002
POLL_EVERY_S = 0.2


class Wake:
    """Knows the last position seen, and who waits for which."""

    def __init__(
        self, connect: Connect, read_tip: Callable[[], Awaitable[int]], *, hint_every_s: float = HINT_EVERY_S
    ) -> None:
        self._connect = connect
        self._hint_every_s = hint_every_s
        self._read_tip = read_tip
        self._position = 0
        self._grown = asyncio.Event()
        self._to_hint = asyncio.Event()
        self._waiters = 0
        self._someone_waits = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._listening: asyncpg.Connection | None = None

    async def start(self) -> None:
        """Listen, then look. Raises what the connection raises."""
        self._listening = await self._listen()
        self.saw(await self._read_tip())
        self._tasks = [
            asyncio.create_task(self._hint_others(), name="log hints"),
            asyncio.create_task(self._poll(), name="log poll"),
        ]

    async def close(self) -> None:
        """Stop listening; who waits is answered by its own time-out."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._listening is not None and not self._listening.is_closed():
            self._listening.terminate()

    @property
    def position(self) -> int:
        """The last position seen; the log may have grown since."""
        return self._position

    def recorded(self, position: int) -> None:
        """This process recorded up to `position`: wake our own, and tell the others soon."""
        self.saw(position)
        self._to_hint.set()

    def saw(self, position: int) -> None:
        """The log is known to reach `position`."""
        if position > self._position:
            self._position = position
            self._grown.set()
            self._grown = asyncio.Event()

    async def wait_beyond(self, position: int, *, timeout_s: float) -> int:
        """The last position, as soon as it exceeds `position` or the time is up (0: the last one known, at once)."""
        if self._position > position or timeout_s <= 0:
            return self._position
        self._waiters += 1
        self._someone_waits.set()
        try:
            async with asyncio.timeout(timeout_s):
                while self._position <= position:
                    await self._grown.wait()
        except TimeoutError:
            pass
        finally:
            self._waiters -= 1
            if not self._waiters:
                self._someone_waits.clear()
        return self._position

    async def _listen(self) -> asyncpg.Connection:
        connection = await self._connect()
        try:
            await connection.execute("SET synchronous_commit = off")  # what a hint is about was durable before it
            await connection.add_listener(CHANNEL, self._heard)
        except BaseException:
            connection.terminate()
            raise
        return connection

    def _heard(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        self.saw(int(str(payload)))

    async def _hint_others(self) -> None:
        """Its own statement on the listening connection: asyncpg allows both."""
        while True:
            await self._to_hint.wait()
            self._to_hint.clear()
            with contextlib.suppress(Unavailable):
                if self._listening is not None and not self._listening.is_closed():
                    async with available():
                        await self._listening.execute(f"NOTIFY {CHANNEL}, '{self._position}'")
            await asyncio.sleep(self._hint_every_s)

    async def _poll(self) -> None:
        """While anyone waits: look at the tip, and listen again when the connection was lost."""
        while True:
            await self._someone_waits.wait()
            try:
                if self._listening is None or self._listening.is_closed():
                    async with available():
                        self._listening = await self._listen()
                self.saw(await self._read_tip())
            except Unavailable:
                pass  # the next round tries again
            await asyncio.sleep(POLL_EVERY_S)
