"""Keeps baselines of the board as the log grows, so that a replay of last year starts last year.

Never in a hurry: a baseline that is late makes a replay longer, nothing else. In a flood it took a tenth of what a
worker process can do, so it waits for a calm moment before each page, within limits.
"""

from __future__ import annotations

import asyncio
import logging

import asyncpg

from dispatch.audit import board_history
from dispatch.ports import BoardBaselines, EventLog
from dispatch.workers.ownership import Ownership, acquire_or_stop
from dispatch.workers.reactor import sleep_or_stop
from domain.refusals import Unavailable

EVERY_S = 60.0
AFTER_FAILURE_S = 15.0
CALM_POSITIONS_PER_S = 500
"""A log that grows faster has more urgent readers."""
LOOK_EVERY_S = 2.0
CALM_WAIT_S_MAX = 900.0
"""A flood that lasts all night must not make its replay last as long."""

logger = logging.getLogger(__name__)


async def keep_boards(
    log: EventLog,
    store: BoardBaselines,
    ownership: Ownership,
    stop: asyncio.Event,
    *,
    every_s: float = EVERY_S,
    look_every_s: float = LOOK_EVERY_S,
) -> None:
    """Own the task and keep baselines until stopped. An outage is waited out."""
    while not stop.is_set():
        pause = every_s
        try:
            if not await ownership.holds() and not await acquire_or_stop(ownership, stop):
                break
            await board_history.keep(log, store, calm=Calm(log, stop, look_every_s=look_every_s).wait)
        except (Unavailable, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as failure:
            logger.warning("baselines of the board are not kept now", extra={"reason": str(failure)})
            pause = AFTER_FAILURE_S
        await sleep_or_stop(stop, pause)
    await ownership.release()


class Calm:
    """Waits for a calm log, and for no more than `CALM_WAIT_S_MAX` in all."""

    def __init__(self, log: EventLog, stop: asyncio.Event, *, look_every_s: float = LOOK_EVERY_S) -> None:
        self._log = log
        self._stop = stop
        self._look_every_s = look_every_s
        self._looks_left = int(CALM_WAIT_S_MAX / look_every_s)
        self._calm_until: float | None = None
        self._before: tuple[float, int] | None = None

    async def wait(self) -> None:
        """Return when the log grows slowly, when it has been waited for long enough, or when we are stopped."""
        while not self._stop.is_set() and self._looks_left > 0 and not await self._is_calm():
            self._looks_left -= 1
            await sleep_or_stop(self._stop, self._look_every_s)

    async def _is_calm(self) -> bool:
        """By its growth since the last look, if that is long enough ago to tell."""
        now = asyncio.get_running_loop().time()
        if self._calm_until is not None and now < self._calm_until:
            return True
        position = (await self._log.tip()).position
        before_at, before = self._before or (now, position)
        grown, passed_s = position - before, now - before_at
        is_calm = passed_s > 0 and grown < CALM_POSITIONS_PER_S * passed_s
        self._before = now, position
        self._calm_until = now + self._look_every_s if is_calm else None
        return is_calm
