"""What happened in a run, line by line, and a digest of all of it: two runs are the same if their digests are."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable

KEPT_LINES = 400


class Trace:
    """Every line goes into the digest; the last ones are kept for people."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._digest = hashlib.sha256()
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)
        self.count = 0

    def note(self, who: str, what: str) -> None:
        """A step, with its time."""
        line = f"{self._now_s():12.6f} {who:<14} {what}"
        self._digest.update(line.encode())
        self._digest.update(b"\n")
        self.lines.append(line)
        self.count += 1

    def take(self, content: bytes) -> None:
        """Content that belongs to the run and would be too long to read."""
        self._digest.update(content)

    def hexdigest(self) -> str:
        """The digest so far."""
        return self._digest.hexdigest()
