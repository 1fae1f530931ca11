"""What a worker does for the log now and then. Several processes may do it at once; none waits for another."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

import asyncpg

from dispatch.store.reader import available
from dispatch.telemetry import counter
from domain.refusals import Unavailable

PARTITIONS_EVERY_S = 60.0
FORGET_EVERY_S = 600.0
FORGET_PAGES = 200
"""Pages of 8 kB that a call looks at: some six thousand answers."""
STRETCH_PAUSE_S = 0.1
"""Between two calls, so that appends come in between; the walk reads 16 MB a second at most."""
FORGET = "SELECT forgotten, next_page FROM log.forget_answers($1, $2, $3)"

FORGOTTEN = counter("idempotency_answers_forgotten_total", "Answers whose keys are no longer honoured.")
logger = logging.getLogger(__name__)


async def make_partitions(pool: asyncpg.Pool) -> None:
    """Make the log's partitions ahead of time; the append makes them itself if this ever falls behind."""
    while True:
        try:
            async with available():
                await pool.execute("SELECT log.ensure_partitions()")
        except Unavailable as error:
            logger.warning("partitions cannot be made now", extra={"reason": error.detail})
        await asyncio.sleep(PARTITIONS_EVERY_S)


async def forget_answers(pool: asyncpg.Pool, *, kept: timedelta) -> None:
    """Forget answers whose keys need not be honoured any more, for as long as the process runs."""
    while True:
        try:
            await forget_once(pool, kept=kept)
        except Unavailable as error:
            logger.warning("old answers cannot be forgotten now", extra={"reason": error.detail})
        await asyncio.sleep(FORGET_EVERY_S)


async def forget_once(pool: asyncpg.Pool, *, kept: timedelta, pages: int = FORGET_PAGES) -> int:
    """One walk over all answers; how many were forgotten. Raises `Unavailable`."""
    total, page = 0, 0
    while True:
        async with available():
            forgotten, next_page = await pool.fetchrow(FORGET, kept, page, pages)
        FORGOTTEN.inc(forgotten)
        total += int(forgotten)
        if next_page is None:
            return total
        page = next_page
        await asyncio.sleep(STRETCH_PAUSE_S)
