"""Where units were last believed to be: one suite for the real table and for the dictionary that tests use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from dispatch.ports import UnitPosition
from dispatch.store.positions import PostgresUnitPositions
from domain.event import GeoPoint
from tests.handling.world import OTHER_UNIT, START, UNIT, KnownPositions

NOBODY = UUID(int=999)


def seen(unit_id: UUID, *, lon: float = 104.05, minutes: int = 0) -> UnitPosition:
    return UnitPosition(unit_id, GeoPoint(lon=lon, lat=30.65), START + timedelta(minutes=minutes), "radio")


class PositionsContract:
    async def test_a_unit_nobody_saw_has_no_position(self, positions):
        await positions.put(seen(UNIT), received_at=START)
        assert await positions.get([NOBODY]) == {}
        assert await positions.get([]) == {}

    async def test_each_unit_that_was_seen_has_its_own(self, positions):
        await positions.put(seen(UNIT), received_at=START)
        await positions.put(seen(OTHER_UNIT, lon=104.2), received_at=START)
        assert await positions.get([UNIT, OTHER_UNIT, NOBODY]) == {
            UNIT: seen(UNIT),
            OTHER_UNIT: seen(OTHER_UNIT, lon=104.2),
        }

    async def test_the_newest_report_counts_in_whatever_order_they_come(self, positions):
        for minutes in (0, 2, 1):
            await positions.put(seen(UNIT, lon=104.0 + minutes / 10, minutes=minutes), received_at=START)
        assert await positions.get([UNIT]) == {UNIT: seen(UNIT, lon=104.2, minutes=2)}


class TestKnownPositions(PositionsContract):
    @pytest.fixture
    def positions(self) -> KnownPositions:
        return KnownPositions()


class TestPostgresUnitPositions(PositionsContract):
    @pytest.fixture
    async def positions(self, dsn: str) -> AsyncIterator[PostgresUnitPositions]:
        async with asyncpg.create_pool(dsn, min_size=1, max_size=2) as pool:
            yield PostgresUnitPositions(pool)
