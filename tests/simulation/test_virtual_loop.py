"""Real coroutines on a clock that leaps."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar

import pytest

from dispatch.simulation.virtual_loop import START, Deadlock, VirtualClock, VirtualLoop

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T], loop: VirtualLoop) -> T:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main)


def test_an_hour_passes_at_once_and_the_clock_says_so() -> None:
    loop = VirtualLoop()
    run(asyncio.sleep(3_600), loop)
    assert loop.time() == pytest.approx(3_600)
    assert VirtualClock(loop).now() == START + timedelta(hours=1)


def test_sleepers_wake_in_the_order_of_their_time_whoever_lay_down_first() -> None:
    woken: list[str] = []

    async def sleeper(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        woken.append(name)

    async def main() -> None:
        await asyncio.gather(sleeper("late", 5), sleeper("early", 1), sleeper("middle", 3))

    run(main(), VirtualLoop())
    assert woken == ["early", "middle", "late"]


def test_a_time_out_of_the_standard_library_works_on_it() -> None:
    async def main() -> None:
        async with asyncio.timeout(2):
            await asyncio.Event().wait()

    loop = VirtualLoop()
    with pytest.raises(TimeoutError):
        run(main(), loop)
    assert loop.time() == pytest.approx(2)


def test_waiting_for_what_never_comes_is_told_and_not_waited_for() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock):
        run(main(), VirtualLoop())
