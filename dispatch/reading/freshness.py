"""Waiting, for a bounded time, until the rows that somebody reads hold at least a position.

All waiters of a process share one poller, which runs only while somebody waits: a hundred screens that wait for the
same position cost one small query every few milliseconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence

from dispatch.reading.database import Database
from projections.queries.progress import checkpoints

POLL_S = 0.01
CHECKPOINTS = checkpoints()


class Freshness:
    """How far the projections are."""

    def __init__(self, database: Database, *, wait_s_max: float) -> None:
        self._database = database
        self.wait_s_max = wait_s_max
        self._positions: dict[str, int] = {}
        self._looked_at_s = 0.0
        """When the last look began that found something."""
        self._moved = asyncio.Condition()
        self._waiting = 0
        self._poller: asyncio.Task[None] | None = None

    async def positions(self) -> Mapping[str, int]:
        """The live position of each projection, now."""
        began_s = time.monotonic()
        found = {row["name"]: int(row["position"]) for row in await self._database.rows(CHECKPOINTS)}
        self._positions, self._looked_at_s = found, began_s
        return found

    async def position(self, *names: str) -> int:
        """The least position among the named projections; 0 if one never ran."""
        found = await self.positions()
        return min((found.get(name, 0) for name in names), default=0)

    async def reached(self, position: int, names: Sequence[str], *, wait_s: float) -> bool:
        """Whether all named projections hold the position within `wait_s`; looks at least once."""
        return not self.lagging(position, names) or await self._reached(position, names, min(wait_s, self.wait_s_max))

    async def _reached(self, position: int, names: Sequence[str], limit_s: float) -> bool:
        came_s = time.monotonic()
        self._waiting += 1
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll(), name="freshness")
        try:
            async with asyncio.timeout(limit_s), self._moved:
                await self._moved.wait_for(lambda: not self.lagging(position, names))
        except TimeoutError:
            if self._looked_at_s < came_s:  # on a machine at its limit no look may have ended in time
                await self._look()
            return not self.lagging(position, names)
        finally:
            self._waiting -= 1
        return True

    def lagging(self, position: int, names: Sequence[str]) -> dict[str, int]:
        """Those of the projections that are not known to hold the position, and where they were last seen."""
        known = {name: self._positions.get(name, 0) for name in names}
        return {name: reached for name, reached in known.items() if reached < position}

    async def _poll(self) -> None:
        while self._waiting:
            await self._look()
            async with self._moved:
                self._moved.notify_all()
            await asyncio.sleep(POLL_S)

    async def _look(self) -> None:
        # A failure here is the database's; the waiters run into their own time limit and say so.
        with contextlib.suppress(Exception):
            await self.positions()

    async def close(self) -> None:
        """Stop polling."""
        if self._poller is not None:
            self._poller.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._poller
