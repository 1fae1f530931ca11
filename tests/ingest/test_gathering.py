"""Singles that come at nearly the same time are one page; nobody is hurt by a neighbour."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from dispatch.ingest.gathering import PAGE_ITEMS_MAX, Gathering
from domain.refusals import Unavailable

EVERY_S = 0.02


@dataclass
class Desk:
    """Doubles numbers; the page that holds `poison` fails, a page waits for `open`."""

    poison: int | None = None
    away: bool = False
    pages: list[list[int]] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    began: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.open.set()
        self.gathering = Gathering(self.work, every_s=EVERY_S)

    async def work(self, items: Sequence[int]) -> list[int]:
        self.pages.append(list(items))
        self.began.set()
        await self.open.wait()
        if self.away:
            raise Unavailable("log.unavailable", "The database is away.")
        if self.poison in items:
            raise ValueError("cannot be doubled")
        return [item * 2 for item in items]

    async def take(self, *items: int) -> list[int]:
        return await self.gathering.take(items)


async def test_one_that_comes_alone_is_taken_at_once_and_those_who_follow_soon_share_a_page() -> None:
    desk = Desk()
    assert await desk.take(1) == [2]
    assert await asyncio.gather(desk.take(2), desk.take(3, 4), desk.take(5)) == [[4], [6, 8], [10]]
    assert desk.pages == [[1], [2, 3, 4, 5]]


async def test_pages_begin_no_sooner_than_promised() -> None:
    desk, loop = Desk(), asyncio.get_running_loop()
    began_at = loop.time()
    for number in range(4):
        await desk.take(number)
    assert loop.time() - began_at >= 2.9 * EVERY_S


async def test_one_page_is_made_ready_while_another_is_out_and_no_more() -> None:
    desk = Desk()
    desk.open.clear()
    waiting = []
    for number in range(6):
        waiting.append(asyncio.create_task(desk.take(number)))
        await asyncio.sleep(2 * EVERY_S)
    assert desk.pages == [[0], [1]]
    desk.open.set()
    assert await asyncio.gather(*waiting) == [[0], [2], [4], [6], [8], [10]]
    assert desk.pages == [[0], [1], [2, 3, 4, 5]]


async def test_a_page_has_a_limit_that_a_single_caller_may_exceed() -> None:
    desk = Desk()
    await desk.take(0)
    many = range(PAGE_ITEMS_MAX + 1)
    await asyncio.gather(desk.take(1), desk.take(*many), desk.take(2))
    assert [len(page) for page in desk.pages] == [1, 1, PAGE_ITEMS_MAX + 1, 1]


async def test_what_one_sent_does_not_fail_its_neighbours() -> None:
    desk = Desk(poison=3)
    await desk.take(0)
    found = await asyncio.gather(desk.take(2), desk.take(3), desk.take(4), return_exceptions=True)
    assert found[0] == [4]
    assert isinstance(found[1], ValueError)
    assert found[2] == [8]


async def test_a_database_that_is_away_is_told_to_all_and_asked_once() -> None:
    desk = Desk(away=True)
    found = await asyncio.gather(desk.take(1), desk.take(2), return_exceptions=True)
    assert [type(each) for each in found] == [Unavailable, Unavailable]
    assert desk.pages == [[1, 2]]


async def test_a_caller_that_gives_up_takes_nothing_from_the_others() -> None:
    desk = Desk()
    desk.open.clear()
    gone, staying = asyncio.create_task(desk.take(1)), asyncio.create_task(desk.take(2))
    await desk.began.wait()
    gone.cancel()
    desk.open.set()
    assert await staying == [4]
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert await desk.take(3) == [6]
