"""The desk on a log in memory."""

from __future__ import annotations

import pytest

from dispatch.store.memory import MemoryLog
from tests.ingest.stage import Stage, StandingClock


@pytest.fixture
async def stage() -> Stage:
    clock = StandingClock()
    return await Stage(MemoryLog(clock), clock).set_up()
