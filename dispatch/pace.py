"""How far apart pages begin: at once while little comes, apart while so much comes that pages cost more than waiting.

The problem: whoever follows a log page by page makes its smallest pages exactly when the machine has least to spare.
Not yet so busy that work waits for it, each page holds two facts, and each costs the commit, the statement and the
wake-ups of a hundred. What comes to an idle house is still answered at once: the rate decides, not a timer.
"""

from __future__ import annotations

import math

REMEMBERED_S = 0.5
"""What came longer ago counts for little (a decay by e)."""
BUSY_PER_S = 1_000.0


class Pace:
    """Measures what comes; times are in seconds of any one clock."""

    def __init__(self, apart_s: float, *, least_apart_s: float = 0.0, busy_per_s: float = BUSY_PER_S) -> None:
        self._apart_s = apart_s
        self._least_apart_s = least_apart_s
        self._busy_per_s = busy_per_s
        self._per_s = 0.0
        self._at = float("-inf")

    def took(self, items: int, now: float) -> None:
        """A page of so many began now."""
        self._per_s = self._per_s * math.exp((self._at - now) / REMEMBERED_S) + items / REMEMBERED_S
        self._at = now

    def pause_s(self, now: float) -> float:
        """Until the next page may begin; 0 or less: at once."""
        return self._at + self.apart_s - now

    @property
    def apart_s(self) -> float:
        """How far apart pages begin, as things are."""
        return self._apart_s if self._per_s > self._busy_per_s else self._least_apart_s
