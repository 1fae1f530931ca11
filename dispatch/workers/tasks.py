"""Several long tasks in one process: together they run, together they end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from dispatch.telemetry import gauge

STOP_WAIT_S = 5.0
"""How long tasks may take to end what they are at."""
CANCEL_AGAIN_S = 0.2
RUNNING = gauge("dispatch_worker_running", "1 while a task of this process runs.", ("task",))
logger = logging.getLogger(__name__)


async def run_all(stop: asyncio.Event, parts: Mapping[str, Coroutine[Any, Any, None]]) -> None:
    """Run all parts until `stop`. A part that ends or fails ends the process: the supervisor starts it whole again."""
    tasks = {asyncio.create_task(part, name=name): name for name, part in parts.items()}
    stopping = asyncio.create_task(stop.wait())
    for name in parts:
        RUNNING.labels(name).set(1)
    try:
        done, _ = await asyncio.wait((*tasks, stopping), return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        await asyncio.wait(tasks, timeout=STOP_WAIT_S)
    finally:
        await end([*tasks, stopping])
    for task, name in tasks.items():
        if task in done:
            logger.error("a worker ended", extra={"task": name})
            task.result()


@asynccontextmanager
async def background(part: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run a part beside the block."""
    task = asyncio.create_task(part)
    try:
        yield
    finally:
        await end([task])


async def end(tasks: Sequence[asyncio.Future[Any]]) -> None:
    """Cancel until all have ended; what they raised is not raised here.

    Once is not enough: Python 3.11's `wait_for`, in the NATS client too, loses a cancellation that comes together with
    what it waits for, and that client swallows one while it flushes.
    """
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=CANCEL_AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)
