"""One connection of a process that reads what changed, of boards and of orders, and hears when there is more."""

from __future__ import annotations

import asyncio
import contextlib
import time

import asyncpg

from dispatch.api.live import order_feed
from dispatch.api.live.board_feed import CHANGES_PER_READ, PAGE_CHANGES_MAX, TAILED, Reading
from dispatch.reading.database import Database, world
from projections.queries.progress import CHANGES_CHANNEL, ORDERS_HINT

ORDERS_EVERY_S = 5.0
"""How often orders are read when nobody says that one has changed: a hint may be lost."""


class Tail:
    """One connection that reads the feed and hears when it grew."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: asyncpg.Connection | None = None
        self._grown = asyncio.Event()
        self._have_orders_grown = True
        self._orders_read_at_s = 0.0

    async def read(self, after: int, *, limit: int = CHANGES_PER_READ) -> Reading:
        """Whole pages after a position, about `limit` changes. Raises `Unavailable`; the next call connects anew."""
        try:
            with world():
                connection = await self._connected()
                self._grown.clear()
                while True:
                    reading = Reading.of(await connection.fetch(TAILED, after, limit), limit=limit)
                    if reading.position or not reading.reached or limit >= PAGE_CHANGES_MAX:
                        return reading
                    limit = PAGE_CHANGES_MAX  # one page is larger than the limit
        except BaseException:
            self.drop()
            raise

    def are_orders_due(self) -> bool:
        """Whether an order may have changed since they were last read."""
        return self._have_orders_grown or time.monotonic() - self._orders_read_at_s >= ORDERS_EVERY_S

    async def read_orders(self, after: int) -> Reading:
        """Orders that changed after a position. Raises `Unavailable`; the next call connects anew."""
        try:
            with world():
                connection = await self._connected()
                self._have_orders_grown, self._orders_read_at_s = False, time.monotonic()
                reading = order_feed.reading_of(await connection.fetch(order_feed.TAILED, after))
                self._have_orders_grown |= reading.position < reading.reached
                return reading
        except BaseException:
            self.drop()
            raise

    async def grown(self, *, timeout_s: float) -> None:
        """Return when the feed may have grown since the last `read`, at the latest after `timeout_s`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._grown.wait()

    def drop(self) -> None:
        """Let the connection go."""
        self._have_orders_grown = True
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._database.dedicated()
            # Listening comes before the first read, so that nothing can come between.
            await self._connection.add_listener(CHANGES_CHANNEL, self._hear)
        return self._connection

    def _hear(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        self._have_orders_grown |= payload == ORDERS_HINT
        self._grown.set()
