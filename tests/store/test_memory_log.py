"""The log in memory keeps the contract."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dispatch.store.memory import MemoryLog
from tests.store.contract import LogContract


class TickingClock:
    """Each look is a millisecond later."""

    def __init__(self) -> None:
        self._now = datetime(2026, 7, 1, tzinfo=UTC)

    def now(self) -> datetime:
        self._now += timedelta(milliseconds=1)
        return self._now


class TestMemoryLog(LogContract):
    @pytest.fixture
    def log(self) -> MemoryLog:
        return MemoryLog(TickingClock())
