"""Where the tail stands in one feed, and what was told of it a moment ago. A process has two: boards and orders."""

from __future__ import annotations

from dispatch.api.live.board_feed import Recent
from dispatch.api.live.client import Audience


class Feed:
    """`position`: pages up to here are told, or being told to the audiences in `untold`."""

    def __init__(self) -> None:
        self.position = 0
        self.recent = Recent(0)
        self.untold: set[Audience] = set()
        self.told_before = 0
        """Up to where the audiences in `untold` were told."""
        self.since = 0
        """Rows were last switched, or changes forgotten, up to here. After a switch that is one more than `position`,
        until the next page is there."""

    def begin(self, position: int, since: int) -> None:
        """Go on from a position of another world: nothing before it is remembered."""
        self.position, self.since = position, since
        self.recent = Recent(max(position, since))
        self.untold.clear()

    def whole_to(self, audience: Audience) -> int:
        """The position up to which an audience was told everything."""
        return self.told_before if audience in self.untold else self.position
