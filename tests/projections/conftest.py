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
        (found,) = await self.ask_all([query])
        return found

    async def ask_all(self, queries: Sequence[Select[Any]]) -> list[list[dict[str, Any]]]:
        """Run several over one connection: to open one costs more than all of them."""
        database = engine(self.dsn)
        try:
            async with database.connect() as connection:
                return [[dict(row) for row in (await connection.execute(query)).mappings()] for query in queries]
        finally:
            await database.dispose()

    async def rows(self, projection: Projection) -> dict[Key, Row]:
        """All rows of a table."""
        return keyed(projection, await self.ask(projection.table.select()))

    async def folded(self, projection: Projection) -> MemoryRows:
        """The same log folded in memory."""
        rows = MemoryRows(projection)
        rows.take(await self.page())
        return rows

    async def page(self) -> fold.Page:
        """The whole log."""
        tip = (await self.log.tip()).position
        return fold.read(await self.log.read_after(0, limit=100_000), tip)

    async def prove(self) -> None:
        """Rebuilt == live, by hash in the database and by value against a fold in memory."""
        page = await self.page()
        found = await self.ask_all([projection.table.select() for projection in PROJECTIONS.values()])
        filled = []
        for projection, live in zip(PROJECTIONS.values(), found, strict=True):
            rows, folded = keyed(projection, live), MemoryRows(projection)
            folded.take(page)
            assert rows == folded.rows, projection.name
            if rows:
                filled.append(projection)
        compared = await Rebuild(self.log, self.dsn, *filled).verify()
        assert len(compared) == len(filled)
        for comparison in compared:
            assert comparison.is_equal, comparison


def keyed(projection: Projection, found: Sequence[Row]) -> dict[Key, Row]:
    """Rows by their primary key."""
    keys = [column.name for column in projection.table.primary_key.columns]
    return {tuple(row[name] for name in keys): row for row in found}


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
