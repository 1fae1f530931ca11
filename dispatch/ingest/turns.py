"""Turns for what takes long: one in each turn of the event loop.

The problem: a batch is some five milliseconds of work in one go, and of a hundred gateways that send one at the same
moment all are ready at once. The loop then serves all of them before anybody else, and a person's report, which comes
back to the loop a few times, waits for each of those rounds, seconds in all (decision 0019). The rule kept instead: who
brings much work waits in line, and one of the line is let go on in each turn of the loop. All others are
served in every turn, so they wait for one batch and not for all.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Turns:
    """One line, first come, first served."""

    def __init__(self) -> None:
        self._line: deque[asyncio.Future[None]] = deque()
        self._is_taken = False

    async def take(self) -> None:
        """Return when it is the caller's turn; whoever is cancelled meanwhile leaves the line."""
        if not self._is_taken:
            self._is_taken = True
            asyncio.get_running_loop().call_soon(self._next)
            return
        mine = asyncio.get_running_loop().create_future()
        self._line.append(mine)
        await mine

    def _next(self) -> None:
        while self._line:
            first = self._line.popleft()
            if not first.done():
                first.set_result(None)
                asyncio.get_running_loop().call_soon(self._next)  # after the one that was just let go on
                return
        self._is_taken = False
