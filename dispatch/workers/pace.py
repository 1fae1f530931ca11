"""How fast a rebuild may go while the city is working.

A rebuild can use every core there is, and a board that is a second late is worse than a rebuild that takes an hour.
So it looks between pages: while nothing new is recorded it goes as fast as it can; while something is, it takes small
pages and rests after each, the longer the further the live projections are behind.
"""

from __future__ import annotations

import asyncio
import time

from dispatch.ports import EventLog

PAGE_EVENTS_BUSY = 250
"""Relevant events of a page beside live traffic: some ten milliseconds of a core."""
SHARE_BUSY_MAX = 0.25
"""Of the time that a rebuild works beside live traffic, all its processes together."""
SHARE_MIN = 0.02
"""It never stands still: a rebuild that starves would never be noticed."""
LAG_EVENTS_MAX = 100
"""Live rows further behind than this make a rebuild slower."""
REST_S_MAX = 2.0
QUIET_AFTER_S = 1.0
"""A log that stood still for so long is quiet. Until that is known, a rebuild goes as beside live traffic."""


class Pace:
    """The share of the time that may be used, found out between pages."""

    def __init__(self, log: EventLog, page_events: int, *, processes: int = 1, is_quiet: bool = False) -> None:
        self._log = log
        self._page_events_max = page_events
        self._share_busy_max = SHARE_BUSY_MAX / processes
        self._is_known = is_quiet
        self._tip = -1
        self._moved_at = time.monotonic() - (QUIET_AFTER_S if is_quiet else 0)
        self.share = self._share_busy_max

    def begin(self, still_s: float) -> None:
        """Nothing was recorded for so long already."""
        self._moved_at = min(self._moved_at, time.monotonic() - still_s)
        self.share = self.next_share(0)

    @property
    def page_events(self) -> int:
        """Relevant events of the next page. The first is small: how long it takes is not known yet."""
        is_large = self.is_quiet and (self._tip >= 0 or self._is_known)
        return self._page_events_max if is_large else min(self._page_events_max, PAGE_EVENTS_BUSY)

    @property
    def is_quiet(self) -> bool:
        """Whether nobody else is at work."""
        return time.monotonic() - self._moved_at >= QUIET_AFTER_S

    async def rest(self, worked_s: float, live_position: int | None) -> None:
        """Rest after a page that took `worked_s`. `live_position` is how far the live rows are, if there are any."""
        tip = (await self._log.tip()).position
        if tip != self._tip and self._tip >= 0:
            self._moved_at = time.monotonic()
        self._tip = tip
        self.share = self.next_share(0 if live_position is None else tip - live_position)
        if self.share < 1:
            await asyncio.sleep(min(worked_s * (1 / self.share - 1), REST_S_MAX))

    def next_share(self, lag_events: int) -> float:
        """Halved while the live rows are behind, a little more while they are not."""
        if self.is_quiet:
            return 1.0
        if lag_events > LAG_EVENTS_MAX:
            return max(SHARE_MIN, min(self.share, self._share_busy_max) / 2)
        return min(self._share_busy_max, self.share * 1.2)
