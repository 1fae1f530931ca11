"""How a long-running process is set up: its event loop, and what its garbage collector looks through.

A process holds a whole city in memory (some 100,000 objects that live as long as it does). The collector's default
is to walk all of them again and again, which was half of the time in which an alert became a row on a board (617 µs
an alert by default, 312 µs with what is said here; 4,000 alerts a second, Python 3.11), and each walk is a pause that
everybody feels. So the young are looked through often, a few at a time, and those that stayed when the process has
little else to do: what lives for seconds (facts held in memory, rows of a cache) is half a million objects and takes
0.3 s, and next to nothing of it is garbage (200 objects after 15 s of 500 alerts each).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import time
from collections.abc import Coroutine
from typing import Any

import uvloop

COLLECT_AFTER_ALLOCATIONS = 2_000
"""Young objects before they are looked through. What a page makes is freed by counting; cycles are rare. A look at
20,000 at once took 11 to 28 ms, and all that a process does waited for it."""
COLLECT_AFTER_PAGES_ALLOCATIONS = 1_000_000
"""The same where nobody waits and pages are large and many: looking through each was a sixth of a rebuild."""
YOUNG_ROUNDS = 10_000
"""Looks at the young before one at those that stayed, if the process is never quiet: some ten minutes of a storm."""
OLD_ROUNDS = 100
QUIET_ROUNDS = 50
"""Looks at the young before a quiet process looks at those that stayed."""
QUIET_SHARE_MAX = 0.05
"""Of a core: a process that uses less has little else to do."""
LOOK_EVERY_S = 5.0
SIGN_OF_LIFE_EVERY_S = 1.0
"""Whoever watches takes several of them missing as the end: systemd's `WatchdogSec`, or our own supervisor."""


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a process to its end, on the loop that spends least on a socket."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_with_signs_of_life(main))


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
        if used_s - before_s < QUIET_SHARE_MAX * LOOK_EVERY_S and gc.get_count()[1] >= QUIET_ROUNDS:
            gc.collect(1)


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
    gc.set_threshold(collect_after_allocations, YOUNG_ROUNDS, OLD_ROUNDS)
