"""The real clock and real ids. Everything else takes them as `ports.Clock` and `ports.Ids`."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from uuid import UUID


class SystemClock:
    """Wall-clock time in UTC."""

    def now(self) -> datetime:
        """The present instant."""
        return datetime.fromtimestamp(time.time(), UTC)


class FreshIds:
    """UUIDv7 (RFC 9562): 48 bits of milliseconds, then randomness from the operating system."""

    def new(self) -> UUID:
        """A new id."""
        value = (time.time_ns() // 1_000_000 & ((1 << 48) - 1)) << 80 | int.from_bytes(os.urandom(10), "big")
        value = value & ~(0xF << 76) | 0x7 << 76
        return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)
