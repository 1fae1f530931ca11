"""Messages that come one by one, recorded as if they had come together.

The problem: five hundred senders a second, each with one alert, cost five hundred lane calls, commits, wake-ups and
pages of everything that follows; what they carry would fit into a few. The rule kept instead: pages begin at least
`every_s` apart. Who comes to a quiet door is taken at once; who comes sooner after the page before waits for the rest
of that time, together with all others who do.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from dispatch.pace import Pace
from domain.refusals import Unavailable

PAGE_EVERY_S = 0.004
"""Those who come nearly together share a page, and with it the commit and the wake-ups of all who follow (decision
0020)."""
BUSY_PAGE_EVERY_S = 0.012
"""From `BUSY_PER_S` on: at 500 a second six share a page. What that gave is in decision 0020."""
BUSY_PER_S = 300.0
PAGES_OUT_MAX = 2
"""While one page is on its way to the disk the next is made ready."""
PAGE_ITEMS_MAX = 500
"""Of one page; a single caller's items may exceed it alone."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Group(Generic[Item, Result]):
    """The items of one caller, and the answer awaited."""

    items: Sequence[Item]
    answer: asyncio.Future[list[Result]]


class Gathering(Generic[Item, Result]):
    """Hands pages to `work`, `PAGES_OUT_MAX` at a time; its results are in the order of the items."""

    def __init__(self, work: Callable[[Sequence[Item]], Awaitable[list[Result]]], *, every_s: float) -> None:
        self._work = work
        self._pace = Pace(max(every_s, BUSY_PAGE_EVERY_S), least_apart_s=every_s, busy_per_s=BUSY_PER_S)
        self._waiting: deque[_Group[Item, Result]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._out: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(PAGES_OUT_MAX)

    async def take(self, items: Sequence[Item]) -> list[Result]:
        """The results of these items. Raises what `work` raises.

        A caller that is cancelled does not take its items back: they may be recorded already.
        """
        answer: asyncio.Future[list[Result]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Group(items, answer))
        if self._task is None:
            self._task = asyncio.create_task(self._serve(), name="gathering")
        return await answer

    async def _serve(self) -> None:
        """Until nobody waits."""
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                pause_s = self._pace.pause_s(loop.time())
                if pause_s > 0:
                    await asyncio.sleep(pause_s)
                await self._room.acquire()
                groups = self._next_page()
                self._pace.took(sum(len(group.items) for group in groups), loop.time())
                page = asyncio.create_task(self._page(groups), name="gathered page")
                self._out.add(page)
                page.add_done_callback(self._came_back)
        finally:
            self._task = None
            for group in self._waiting:  # only if this task was cancelled
                group.answer.cancel()
            self._waiting.clear()

    def _came_back(self, page: asyncio.Task[None]) -> None:
        self._out.discard(page)
        self._room.release()

    def _next_page(self) -> list[_Group[Item, Result]]:
        page = [self._waiting.popleft()]
        items = len(page[0].items)
        while self._waiting and items + len(self._waiting[0].items) <= PAGE_ITEMS_MAX:
            page.append(self._waiting.popleft())
            items += len(page[-1].items)
        return page

    async def _page(self, page: Sequence[_Group[Item, Result]]) -> None:
        try:
            results = await self._work([item for group in page for item in group.items])
        except asyncio.CancelledError:
            for group in page:
                group.answer.cancel()
            raise
        except Exception as failure:  # noqa: BLE001 - told to those whose items they are
            if isinstance(failure, Unavailable) or len(page) == 1:
                for group in page:
                    if not group.answer.done():
                        group.answer.set_exception(failure)
                return
            for group in page:  # what one caller sent must not fail its neighbours
                await self._page([group])
            return
        start = 0
        for group in page:
            stop = start + len(group.items)
            if not group.answer.done():
                group.answer.set_result(results[start:stop])
            start = stop
