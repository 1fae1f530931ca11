"""The program of one part of a rebuild: no command of its own, `dispatch rebuild` starts it (`workers.parts`).

It imports next to nothing, for every part waits for that.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path

from dispatch import process
from dispatch.store.postgres import PostgresLog
from dispatch.workers.parts import EXIT_ENTANGLED, NICE, Job
from dispatch.workers.rebuild import Rebuild
from dispatch.workers.shadow import Entangled
from projections.fold import Part
from projections.registry import PROJECTIONS

EXIT_LEFT_ALONE = 4


def main() -> int:
    """Build what the first line of standard input says; the exit code says how it ended."""
    os.nice(NICE)
    return process.run_over_pages(_work())


async def _work() -> int:
    """Until it is built, or nobody waits for it any more."""
    told = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(told), sys.stdin)
    building = asyncio.create_task(_build(Job.read((await told.readline()).decode())))
    watching = asyncio.create_task(told.read())
    await asyncio.wait([building, watching], return_when=asyncio.FIRST_COMPLETED)
    for task in (building, watching):
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        return await building
    return EXIT_LEFT_ALONE


async def _build(job: Job) -> int:
    log = await PostgresLog.open(job.dsn, archive=None if job.archive is None else Path(job.archive))
    try:
        rebuild = Rebuild(
            log,
            job.dsn,
            *(PROJECTIONS[name] for name in job.names),
            part=Part(job.number, job.of),
            advanced=lambda position, _goal: print(position, flush=True),  # whoever waits reads it
        )
        await rebuild.run_part(job.up_to_position)
    except Entangled as why:
        print(why, file=sys.stderr)  # the same
        return EXIT_ENTANGLED
    finally:
        await log.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
