"""Which units the roster shows on an incident, and up to where it is folded: one statement, hence one moment."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from dispatch.ports import Assigned
from dispatch.store.reader import available

ASSIGNED = """
SELECT
    (SELECT min(position) FROM read.checkpoints WHERE name = 'units' AND state <> 'building') AS position,
    ARRAY(
        SELECT unit_id FROM read.units
        WHERE EXISTS (SELECT FROM jsonb_array_elements(assignments) a WHERE a ->> 'incident_id' = ANY ($1::text[]))
    ) AS unit_ids
"""
"""A city has some thousand units, most of them with nothing open: this looks at every row, in milliseconds."""


class PostgresRoster:
    """`dispatch.ports.Roster` over the projection `units`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def assigned_to(self, incident_ids: Sequence[UUID]) -> Assigned:
        """Who is on these incidents as far as the roster is folded. Raises `Unavailable`."""
        async with available():
            row = await self._pool.fetchrow(ASSIGNED, [str(each) for each in incident_ids])
        return Assigned(row["position"] or 0, frozenset(row["unit_ids"]))
