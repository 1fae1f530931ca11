"""How soon another process knows that the log has grown: `python -m dispatch.bench.wakeup DSN` is that process.

Both processes read the same monotonic clock of the machine. A position is known to the listener when its wait has ended
at or beyond it; the time begins when the writer's append was answered.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from bisect import bisect_left
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median, quantiles

import uvloop

from dispatch.bench.append import Figures, commands_of, fresh_database, new_ids
from dispatch.ports import Appended
from dispatch.store.postgres import PostgresLog

QUIET_APPENDS = 200
QUIET_EVERY_S = 0.01
BUSY_WRITERS = 64
BUSY_S = 2.0
LISTENED_BYTES_MAX = 2**26


async def bench_wakeup(dsn: str) -> Figures:
    """In a quiet log, and beside writers at full rate: median and 99th percentile in ms."""
    figures: Figures = {}
    async with fresh_database(dsn) as fresh:
        log = await PostgresLog.open(fresh)
        try:
            for name, load in (("wake", _quiet), ("wake_busy", _busy)):
                async with _listener(fresh) as listener:
                    answered = await load(log)
                    late_ms = await _delays_ms(listener, answered)
                figures[f"{name}_ms_p50"] = round(median(late_ms), 2)
                figures[f"{name}_ms_p99"] = round(quantiles(late_ms, n=100)[98], 2)
        finally:
            await log.close()
    return figures


async def _quiet(log: PostgresLog) -> list[tuple[int, float]]:
    answered = []
    commands = commands_of(new_ids(), idempotent=False)
    for _ in range(QUIET_APPENDS):
        verdict = await log.append(next(commands))
        assert isinstance(verdict, Appended), verdict
        answered.append((verdict.last_position, time.perf_counter()))
        await asyncio.sleep(QUIET_EVERY_S)
    return answered


async def _busy(log: PostgresLog) -> list[tuple[int, float]]:
    answered = []
    commands = commands_of(new_ids(), idempotent=False)
    until = time.perf_counter() + BUSY_S

    async def write() -> None:
        while time.perf_counter() < until:
            verdict = await log.append(next(commands))
            assert isinstance(verdict, Appended), verdict
            answered.append((verdict.last_position, time.perf_counter()))

    await asyncio.gather(*(write() for _ in range(BUSY_WRITERS)))
    return answered


@asynccontextmanager
async def _listener(dsn: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The other process, listening."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dispatch.bench.wakeup", dsn),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LISTENED_BYTES_MAX,
    )
    assert process.stdout is not None
    try:
        assert await process.stdout.readline() == b"ready\n", "the listener did not start"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _delays_ms(listener: asyncio.subprocess.Process, answered: list[tuple[int, float]]) -> list[float]:
    """What each answered append had to wait for until the listener knew; it is asked to end and tells."""
    assert listener.stdin is not None
    assert listener.stdout is not None
    listener.stdin.write(b"%d\n" % max(position for position, _ in answered))
    woken = [(position, at) for position, at in json.loads(await listener.stdout.readline())]
    return [(woken[bisect_left(woken, (position, 0.0))][1] - at) * 1_000 for position, at in answered]


async def listen(dsn: str) -> None:
    """Note when which position is known, until told up to which."""
    log = await PostgresLog.open(dsn)
    loop = asyncio.get_running_loop()
    last, woken = (await log.tip()).position, []
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    up_to = loop.run_in_executor(None, sys.stdin.readline)
    while not up_to.done() or last < int(up_to.result()):
        reached = await log.wait_beyond(last, timeout_s=0.5)
        if reached > last:
            woken.append((reached, time.perf_counter()))
            last = reached
    sys.stdout.write(json.dumps(woken) + "\n")
    sys.stdout.flush()
    await log.close()


if __name__ == "__main__":
    uvloop.run(listen(sys.argv[1]))
