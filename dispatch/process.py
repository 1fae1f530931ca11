"""How a long-running process is set up: its event loop, and what its garbage collector looks through.

A process holds a whole city in memory (some 100,000 objects that live as long as it does), and in a storm as much
again that lives for seconds or minutes: facts and rows of caches, four million objects after 100 s of 4,000 alerts
each. Next to nothing of what a process makes is garbage that counting does not free (9,000 objects in those 100 s,
refusals of an overload included), but the collector looks at whatever lives: with its defaults at everything, again and
again, which was half of the time in which an alert became a row on a board; with a look at the young each 2,000 it was
still 6 % of a worker and 5 % of an API process. So it looks when the process has little else to do, and otherwise when
so much has gathered that memory would be at stake.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

T = TypeVar("T")

COLLECT_AFTER_ALLOCATIONS = 1_000_000
"""More objects that live than there were before are looked through at once, quiet or not: about a second."""
COLLECT_AFTER_PAGES_ALLOCATIONS = 20_000_000
"""The same where nobody waits for an answer and what lives comes in pages, by the million, without any garbage."""
LOOK_FROM_OBJECTS = 100_000
"""A quiet process does not look for less: a few megabytes."""
LOOK_AT_OBJECTS_MAX = 500_000
"""More is not looked at while somebody waits, not even in a quiet moment (0.3 s): what a storm leaves is taken as what
stays. Counting frees it as before; what little garbage is among it stays too."""
QUIET_SHARE_MAX = 0.05
"""Of a core: a process that uses less has little else to do."""
LOOK_EVERY_S = 5.0
OLDER_ROUNDS = 1_000
"""What stayed is not looked through again."""
SIGN_OF_LIFE_EVERY_S = 1.0
"""Whoever watches takes several of them missing as the end: systemd's `WatchdogSec`, or our own supervisor."""


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a process to its end, on the loop that spends least on a socket."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_with_signs_of_life(main))


def run_over_pages(main: Coroutine[Any, Any, T]) -> T:
    """Run a command that reads the log page by page, and give what it gives.

    With the collector's defaults two fifths of trying other rules on 108,000 facts went into looking at facts that all
    stay to the end (25.5 s, 14.9 s without it).
    """
    # Python writes out the result of what it ran when it takes back its handler of interrupts: nothing, then.
    given: list[T] = []

    async def keep() -> None:
        given.append(await main)

    thresholds = gc.get_threshold()
    settle(COLLECT_AFTER_PAGES_ALLOCATIONS)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(keep())
    finally:
        gc.set_threshold(*thresholds)
    return given[0]


async def _with_signs_of_life(main: Coroutine[Any, Any, None]) -> None:
    """Say that the loop still turns, to whom the environment names, while `main` runs; and clean up behind it."""
    watcher = os.environ.get("NOTIFY_SOCKET")
    beside = [asyncio.create_task(_collect_when_quiet())]
    if watcher:
        beside.append(asyncio.create_task(_give_signs_of_life(watcher)))
    try:
        await main
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)


async def _collect_when_quiet() -> None:
    used_s = time.process_time()
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        before_s, used_s = used_s, time.process_time()
        if used_s - before_s < QUIET_SHARE_MAX * LOOK_EVERY_S:
            collect()


def collect() -> None:
    """Look through what has come to live since the last look, if it is worth one and does not hold anybody up."""
    objects = gc.get_count()[0]
    if objects > LOOK_AT_OBJECTS_MAX:
        gc.freeze()
    elif objects >= LOOK_FROM_OBJECTS:
        gc.collect(0)
        gc.freeze()


async def _give_signs_of_life(watcher: str) -> None:
    address = f"\0{watcher[1:]}" if watcher.startswith("@") else watcher
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        while True:
            # Nobody listens, or nobody has looked for a while: the next one will do.
            with contextlib.suppress(OSError):
                sender.sendto(b"WATCHDOG=1", address)
            await asyncio.sleep(SIGN_OF_LIFE_EVERY_S)


def settle(collect_after_allocations: int = COLLECT_AFTER_ALLOCATIONS) -> None:
    """Say that what is in memory now stays there. Call it once the process has loaded what it stands on."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(collect_after_allocations, OLDER_ROUNDS, OLDER_ROUNDS)
