"""What a center still has: what closing it would leave behind, counted for people who close one and for the timers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from uuid import UUID

from dispatch.directory import Directory
from dispatch.handling.tree import Left, LeftBehind
from dispatch.ports import EventLog
from dispatch.reading.database import Database
from dispatch.reading.freshness import Freshness
from projections.queries import handovers as queries
from projections.queries.sight import EVERYTHING

VIEWS = ("board", "orders", "cases", "aid")
WAIT_S = 0.5
"""How long the timers wait for the rows; other deadlines wait with them."""


async def left_at(database: Database, directory: Directory, center_id: UUID) -> Mapping[str, int]:
    """As the rows and the directory have it, by the names of `domain.center.commands.CloseCenter`."""
    row = await database.row(queries.left_open(center_id, sight=EVERYTHING))
    assert row is not None, "a count is always there"
    return {
        **row,
        "shifts": sum(person.on_shift_at == center_id for person in directory.operators.values()),
        "units": sum(unit.base.center_id == center_id for unit in directory.units.values()),
    }


@asynccontextmanager
async def counting(dsn: str, log: EventLog, directory: Directory) -> AsyncIterator[LeftBehind]:
    """Counts for whoever is no request. What it gives answers None while the rows do not hold all that is recorded."""
    database = Database.connect(dsn, connections_max=1)
    freshness = Freshness(database, wait_s_max=WAIT_S)

    async def counted(center_ids: Collection[UUID]) -> Left | None:
        tip = (await log.tip()).position
        if not await freshness.reached(tip, VIEWS, wait_s=WAIT_S):
            return None
        await directory.reach(tip)
        return {one: await left_at(database, directory, one) for one in center_ids}

    try:
        yield counted
    finally:
        await database.close()
