"""One large message a turn of the event loop, in the order in which they came."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.ingest.intake import _about as about
from dispatch.ingest.limits import BATCH_ALERTS_MAX
from dispatch.ingest.turns import Turns


@given(cancelled=st.sets(st.integers(0, 11)), length=st.integers(1, 12))
async def test_one_of_the_line_goes_on_in_each_turn_of_the_loop(cancelled: set[int], length: int) -> None:
    turns, went_on, turn = Turns(), [], 0

    async def large(number: int) -> None:
        await turns.take()
        went_on.append((number, turn))

    line = [asyncio.create_task(large(number)) for number in range(length)]
    await asyncio.sleep(0)  # all have come; the first was let go on at once
    for number in cancelled & set(range(1, length)):
        line[number].cancel()
    for turn in range(1, 2 * length + 2):  # noqa: B007  # read by those who go on
        await asyncio.sleep(0)
    await asyncio.gather(*line, return_exceptions=True)
    assert [number for number, _ in went_on] == [number for number in range(length) if number not in cancelled - {0}]
    assert len({at for _, at in went_on}) == len(went_on)


async def test_others_are_served_between_two_of_the_line() -> None:
    turns = Turns()
    served: list[str] = []

    async def large(number: int) -> None:
        await turns.take()
        served.append(f"batch {number}")

    async def report() -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        served.append("report")

    await asyncio.gather(*(large(number) for number in range(20)), report())
    assert served.index("report") <= 5


async def test_the_line_that_ended_begins_again() -> None:
    turns = Turns()
    for _ in range(3):
        await asyncio.wait_for(asyncio.gather(turns.take(), turns.take()), 1)
        await asyncio.sleep(0)
    await asyncio.wait_for(turns.take(), 1)


@pytest.mark.parametrize("waiting", [1, 5])
async def test_who_leaves_the_line_holds_up_nobody(waiting: int) -> None:
    turns = Turns()
    await turns.take()
    line = [asyncio.create_task(turns.take()) for _ in range(waiting)]
    last = asyncio.create_task(turns.take())
    await asyncio.sleep(0)
    for one in line:
        one.cancel()
    await asyncio.wait_for(last, 1)


def test_a_picture_is_one_alert_and_a_list_is_many() -> None:
    assert about(b"--frame\r\n" + b"x" * 1_000_000) == about(b'{"snapshot": "' + b"x" * 1_000_000) == 1
    assert about(b"[" + b'{"id": "1"},' * 1_000) == 30
    assert about(b'{"id": "1"}\n' * 400) == 400
    assert about(b"[" + b"x" * 1_000_000) == BATCH_ALERTS_MAX
