"""Read your writes: a request that names a position waits, for a bounded time, until the rows it reads hold that."""

from __future__ import annotations

from collections.abc import Sequence

from dispatch.api.problems.problem import Problem
from dispatch.reading.freshness import Freshness


class ReadYourWrites(Freshness):
    """How far the projections are, for requests."""

    async def wait(self, min_position: int | None, names: Sequence[str], *, wait_s: float | None = None) -> None:
        """Return when all named projections hold `min_position`. Raises `Problem` projection_behind."""
        if min_position is None or min_position <= 0 or not self.lagging(min_position, names):
            return
        limit_s = self.wait_s_max if wait_s is None else min(wait_s, self.wait_s_max)
        if await self.reached(min_position, names, wait_s=limit_s):
            return
        lagging = self.lagging(min_position, names)
        raise Problem(
            "projection_behind",
            f"Waited {limit_s:g} s for position {min_position}; "
            + ", ".join(f"{name} is at {position}" for name, position in lagging.items())
            + ". Repeat the request, or read without min_position.",
            lagging=lagging,
            min_position=min_position,
        )
