"""The small city of `tests.handling.world`."""

from __future__ import annotations

import pytest

from dispatch.store.memory import MemoryLog
from tests.handling.world import Watch, World


@pytest.fixture
async def world() -> World:
    watch = Watch()
    return await World(MemoryLog(watch), watch).settle()
