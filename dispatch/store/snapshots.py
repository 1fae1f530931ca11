"""Snapshots of long streams in `edge.stream_snapshots`: one a stream and kind of fold, thrown away at will."""

from __future__ import annotations

from uuid import UUID

import asyncpg

from dispatch.ports import Snapshot
from dispatch.store.reader import available

FIND = """
SELECT stream_id, kind, rules, version, position, state FROM edge.stream_snapshots
WHERE stream_id = $1 AND kind = $2 AND rules = $3
"""
KEEP = """
INSERT INTO edge.stream_snapshots AS s (stream_id, kind, rules, version, position, state, made_at)
VALUES ($1, $2, $3, $4, $5, $6, now())
ON CONFLICT (stream_id, kind) DO UPDATE SET rules = excluded.rules, version = excluded.version,
    position = excluded.position, state = excluded.state, made_at = excluded.made_at
WHERE s.rules <> excluded.rules OR s.version < excluded.version
"""


class PostgresSnapshots:
    """`dispatch.ports.Snapshots` in PostgreSQL."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def find(self, stream_id: UUID, *, kind: str, rules: str) -> Snapshot | None:
        """The snapshot made by these rules. Raises `Unavailable`."""
        async with available():
            row = await self._pool.fetchrow(FIND, stream_id, kind, rules)
        return None if row is None else Snapshot(*row)

    async def keep(self, snapshot: Snapshot) -> None:
        """Store it unless a later one by the same rules is there. Raises `Unavailable`."""
        async with available():
            await self._pool.execute(
                KEEP,
                snapshot.stream_id,
                snapshot.kind,
                snapshot.rules,
                snapshot.version,
                snapshot.position,
                snapshot.state,
            )
