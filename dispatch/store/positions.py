"""Where units were last believed to be. Not facts of the log: a decision that uses one copies it with its age."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from dispatch.ports import UnitPosition
from dispatch.store.reader import available
from domain.event import GeoPoint

GET = """
SELECT unit_id, lon, lat, source, reported_at FROM edge.unit_positions WHERE unit_id = ANY ($1::uuid[])
"""
PUT = """
INSERT INTO edge.unit_positions (unit_id, lon, lat, source, reported_at, received_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (unit_id) DO UPDATE SET lon = excluded.lon, lat = excluded.lat, source = excluded.source,
    reported_at = excluded.reported_at, received_at = excluded.received_at
WHERE unit_positions.reported_at <= excluded.reported_at
"""


class PostgresUnitPositions:
    """Last known positions in `edge.unit_positions`; an older report never overwrites a newer one."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def get(self, unit_ids: Sequence[UUID]) -> dict[UUID, UnitPosition]:
        """The positions of those units that have one. Raises `Unavailable`."""
        async with available():
            rows = await self._pool.fetch(GET, list(unit_ids))
        return {
            row["unit_id"]: UnitPosition(
                unit_id=row["unit_id"],
                point=GeoPoint(lon=row["lon"], lat=row["lat"]),
                reported_at=row["reported_at"],
                source=row["source"],
            )
            for row in rows
        }

    async def put(self, position: UnitPosition, *, received_at: datetime) -> None:
        """Remember a report unless a newer one is known. Raises `Unavailable`."""
        point = position.point
        async with available():
            await self._pool.execute(
                PUT, position.unit_id, point.lon, point.lat, position.source, position.reported_at, received_at
            )
