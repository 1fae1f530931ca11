"""Baselines of the directory in `edge.directory_baselines`: one for each version of the code, thrown away at will."""

from __future__ import annotations

from uuid import UUID

import asyncpg

from dispatch.ports import DirectoryBaseline
from dispatch.store.reader import available

FIND = """
SELECT rules, epoch, position, fact_sha256, read_to, document, sha256 FROM edge.directory_baselines WHERE rules = $1
"""
READ_ON = """
UPDATE edge.directory_baselines SET read_to = greatest(read_to, $4), made_at = now()
WHERE rules = $1 AND epoch = $2 AND position = $3 RETURNING true
"""
KEEP = """
INSERT INTO edge.directory_baselines AS b (rules, epoch, position, fact_sha256, read_to, document, sha256, made_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, now())
ON CONFLICT (rules) DO UPDATE SET epoch = excluded.epoch, position = excluded.position,
    fact_sha256 = excluded.fact_sha256, read_to = excluded.read_to, document = excluded.document,
    sha256 = excluded.sha256, made_at = excluded.made_at
WHERE b.epoch <> excluded.epoch OR b.read_to < excluded.read_to
"""
# Releases that run side by side for a while leave each other's alone.
PRUNE = "DELETE FROM edge.directory_baselines WHERE rules <> $1 AND made_at < now() - interval '1 day'"
DROP = "DELETE FROM edge.directory_baselines WHERE rules = $1"


class PostgresDirectoryBaselines:
    """`dispatch.ports.DirectoryBaselines` in PostgreSQL."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def find(self, *, rules: str) -> DirectoryBaseline | None:
        """The one made by these rules. Raises `Unavailable`."""
        async with available():
            row = await self._pool.fetchrow(FIND, rules)
        return None if row is None else DirectoryBaseline(*row)

    async def read_on(self, *, rules: str, epoch: UUID, position: int, read_to: int) -> bool:
        """Say that nothing followed `position` up to `read_to`. Raises `Unavailable`."""
        async with available():
            return bool(await self._pool.fetchval(READ_ON, rules, epoch, position, read_to))

    async def keep(self, baseline: DirectoryBaseline) -> None:
        """Store it unless one that read further is there. Raises `Unavailable`."""
        values = (baseline.fact_sha256, baseline.read_to, baseline.document, baseline.sha256)
        async with available():
            await self._pool.execute(KEEP, baseline.rules, baseline.epoch, baseline.position, *values)
            await self._pool.execute(PRUNE, baseline.rules)

    async def drop(self, *, rules: str) -> None:
        """Throw away what cannot be used. Raises `Unavailable`."""
        async with available():
            await self._pool.execute(DROP, rules)
