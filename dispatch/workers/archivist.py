"""Runs the archive now and then, so that nobody has to remember it: `dispatch archive`, as a process of its own.

A process of its own, because a range is four million events to be read, packed and compared, and the worker beside it
folds what dispatchers wait for. One worker of all owns the task, and the run itself holds the lock that a run from the
command line holds: whichever comes second leaves at once. When the last run was is kept in the database, so a restart
neither skips one nor makes one more.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from dispatch.ports import ArchiveRun, ArchiveRuns, Clock
from dispatch.workers.ownership import Ownership, acquire_or_stop
from dispatch.workers.reactor import sleep_or_stop
from domain.refusals import Unavailable

LOOK_EVERY_S = 60.0
AGAIN_AFTER = timedelta(hours=1)
"""After a run that went wrong, or met another one."""
NICE = 10
"""Of the priority: nobody waits for an archive."""
RUNNING = "archive.running"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run answered."""

    ranges_moved: int
    said: str
    well: bool
    met_another: bool = False


async def keep_archived(
    run: Callable[[], Awaitable[Outcome]],
    runs: ArchiveRuns,
    ownership: Ownership,
    clock: Clock,
    stop: asyncio.Event,
    *,
    every: timedelta,
    look_every_s: float = LOOK_EVERY_S,
) -> None:
    """Own the task and run the archive when it is time, until stopped. An outage is waited out."""
    not_before: datetime | None = None
    while not stop.is_set():
        try:
            if not await ownership.holds() and not await acquire_or_stop(ownership, stop):
                break
            last, now = await runs.last(), clock.now()
            if now >= max(due_at(last, every, now), not_before or now):
                outcome = await run()
                not_before = now + AGAIN_AFTER if outcome.met_another else None
                _say(outcome)
                if not outcome.met_another:
                    await runs.put(ArchiveRun(now, clock.now(), outcome.ranges_moved, outcome.said, outcome.well))
        except (Unavailable, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as failure:
            logger.warning("the archive cannot be run now", extra={"reason": str(failure)})
        await sleep_or_stop(stop, look_every_s)
    await ownership.release()


def due_at(last: ArchiveRun | None, every: timedelta, now: datetime) -> datetime:
    """When the next run is due."""
    if last is None:
        return now
    return last.began_at + (every if last.well else min(every, AGAIN_AFTER))


def _say(outcome: Outcome) -> None:
    said = {"ranges_moved": outcome.ranges_moved, "reason": outcome.said}
    if outcome.well:
        logger.info("the archive was run", extra=said)
    else:
        logger.error("the archive was run and something is wrong", extra=said)


async def run_archive(environment: Mapping[str, str]) -> Outcome:
    """One run of `dispatch archive`, with these settings. It ends when we are cancelled: a killed run is safe."""
    process = await asyncio.create_subprocess_exec(
        *("nice", "-n", str(NICE), sys.executable, "-m", "dispatch.cli.main", "archive", "--json"),
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        written, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    return outcome_of(process.returncode or 0, written)


def outcome_of(exit_code: int, written: bytes) -> Outcome:
    """What the command said."""
    try:
        document = json.loads(written)
        if exit_code == 0:
            return Outcome(len(document["moved"]), str(document["stopped_by"]), well=True)
        code, detail = str(document["error"]["code"]), str(document["error"]["detail"])
    except (ValueError, KeyError, TypeError):
        return Outcome(0, f"it ended with code {exit_code} and said nothing that can be read", well=False)
    return Outcome(0, f"{code}: {detail}", well=code == RUNNING, met_another=code == RUNNING)
