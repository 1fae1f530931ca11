"""A city whose rows are kept by the real projector on the real database; each test ends with rebuilt == live."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Select

from dispatch.store.migrate import engine
from dispatch.store.postgres import PostgresLog
from dispatch.workers.projector import Projector
from dispatch.workers.rebuild import Rebuild
from dispatch.workers.rows import connect
from projections import fold
from projections.fold import MemoryRows
from projections.projection import Key, Projection, Row
from projections.registry import PROJECTIONS
from tests.projections.happenings import Happening, tell


@dataclass
class City:
    """The log, its rows, and ways to look at them."""

    dsn: str
    log: PostgresLog
    projector: Projector
    told: int = 0

    async def tell(self, story: Sequence[Happening]) -> int:
        """Record and fold."""
        self.told = await tell(self.log, story, began=self.told)
        await self.projector.catch_up()
        return self.told

    async def ask(self, query: Select[Any]) -> list[dict[str, Any]]:
        """Run a read query as a reader would."""
        database = engine(self.dsn)
        try:
            async with database.connect() as connection:
                return [dict(row) for row in (await connection.execute(query)).mappings()]
        finally:
            await database.dispose()

    async def rows(self, projection: Projection) -> dict[Key, Row]:
        """All rows of a table."""
        keys = [column.name for column in projection.table.primary_key.columns]
        found = await self.ask(projection.table.select())
        return {tuple(row[name] for name in keys): row for row in found}

    async def folded(self, projection: Projection) -> MemoryRows:
        """The same log folded in memory."""
        rows = MemoryRows(projection)
        tip = (await self.log.tip()).position
        rows.take(fold.read(await self.log.read_after(0, limit=100_000), tip))
        return rows

    async def prove(self) -> None:
        """Rebuilt == live, by hash in the database and by value against a fold in memory."""
        for projection in PROJECTIONS.values():
            rows = await self.rows(projection)
            assert rows == (await self.folded(projection)).rows, projection.name
            if rows:
                (comparison,) = await Rebuild(self.log, self.dsn, projection).verify()
                assert comparison.is_equal, comparison


@pytest.fixture
async def city(dsn: str, pg_log: PostgresLog) -> AsyncIterator[City]:
    """Nothing happened yet. Whatever the test tells, the rows must be provable at its end."""
    projector = Projector(pg_log, dsn)
    city = City(dsn, pg_log, projector)
    try:
        yield city
        await projector.catch_up()
        await city.prove()
    finally:
        await projector.close()


@pytest.fixture
async def hand(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that may write rows behind the projector's back, or end other connections."""
    connection = await connect(dsn, role=None)
    try:
        yield connection
    finally:
        await connection.close()
