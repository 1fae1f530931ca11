"""Keeps baselines of the board as the log grows, so that a replay of last year starts last year.

Never in a hurry: a baseline that is late makes a replay longer, nothing else.
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

logger = logging.getLogger(__name__)


async def keep_boards(
    log: EventLog, store: BoardBaselines, ownership: Ownership, stop: asyncio.Event, *, every_s: float = EVERY_S
) -> None:
    """Own the task and keep baselines until stopped. An outage is waited out."""
    while not stop.is_set():
        pause = every_s
        try:
            if not await ownership.holds() and not await acquire_or_stop(ownership, stop):
                break
            await board_history.keep(log, store)
        except (Unavailable, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as failure:
            logger.warning("baselines of the board are not kept now", extra={"reason": str(failure)})
            pause = AFTER_FAILURE_S
        await sleep_or_stop(stop, pause)
    await ownership.release()
