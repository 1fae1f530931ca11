"""The small city of `tests.handling.world`."""

from __future__ import annotations

import pytest

from tests.handling.world import World, settled


@pytest.fixture
async def world() -> World:
    return await settled()
