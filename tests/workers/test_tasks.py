"""Ending tasks that do not want to end."""

from __future__ import annotations

import asyncio

from dispatch.workers.tasks import background, end

DEADLINE_S = 5.0


async def loses_cancellations(begun: asyncio.Event, count: int) -> None:
    """As a library does that swallows one, or `wait_for` when it comes together with what it waits for."""
    lost = 0
    while True:
        try:
            begun.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            lost += 1
            if lost > count:
                raise


async def test_a_task_that_loses_a_cancellation_is_ended_all_the_same() -> None:
    begun = asyncio.Event()
    task = asyncio.create_task(loses_cancellations(begun, 2))
    await begun.wait()
    async with asyncio.timeout(DEADLINE_S):
        await end([task])
    assert task.cancelled()


async def test_a_background_part_that_loses_a_cancellation_does_not_hold_its_block() -> None:
    begun = asyncio.Event()
    async with asyncio.timeout(DEADLINE_S):
        async with background(loses_cancellations(begun, 1)):
            await begun.wait()
