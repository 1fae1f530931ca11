"""The last run that the worker made of the archive, in `edge.archive_runs`: one row."""

from __future__ import annotations

import asyncpg

from dispatch.ports import ArchiveRun
from dispatch.store.reader import available

LAST = "SELECT began_at, ended_at, ranges_moved, said, well FROM edge.archive_runs"
PUT = """
INSERT INTO edge.archive_runs (began_at, ended_at, ranges_moved, said, well) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (is_the_last) DO UPDATE SET began_at = excluded.began_at, ended_at = excluded.ended_at,
    ranges_moved = excluded.ranges_moved, said = excluded.said, well = excluded.well
"""
SAID_CHARACTERS_MAX = 1_000


class PostgresArchiveRuns:
    """`dispatch.ports.ArchiveRuns` in PostgreSQL."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def last(self) -> ArchiveRun | None:
        """The last run. Raises `Unavailable`."""
        async with available():
            row = await self._pool.fetchrow(LAST)
        return None if row is None else ArchiveRun(*row)

    async def put(self, run: ArchiveRun) -> None:
        """It ended. Raises `Unavailable`."""
        said = run.said[:SAID_CHARACTERS_MAX]
        async with available():
            await self._pool.execute(PUT, run.began_at, run.ended_at, run.ranges_moved, said, run.well)
