"""Statements on the edge tables, over a pool that acts as the application's role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

from dispatch.ports import Clock
from dispatch.store.reader import available

HEARD = """
INSERT INTO edge.listeners (name, heard_at, checked_at) VALUES ($1, $2, $2)
ON CONFLICT (name) DO UPDATE SET heard_at = excluded.heard_at, trouble = NULL, checked_at = excluded.checked_at
"""
TROUBLED = """
INSERT INTO edge.listeners (name, trouble, checked_at) VALUES ($1, $3, $2)
ON CONFLICT (name) DO UPDATE SET trouble = excluded.trouble, checked_at = excluded.checked_at
"""
TROUBLE_CHARACTERS_MAX = 500


class EdgeStatements:
    """`dispatch.ingest.quarantine.EdgeStore` in PostgreSQL."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def rows(self, statement: str, *values: Any) -> Sequence[Mapping[str, Any]]:
        """All rows of a statement, which is its own transaction. Raises `Unavailable`."""
        async with available():
            found: Sequence[Mapping[str, Any]] = await self._pool.fetch(statement, *values)
            return found


class ListenerReports:
    """Says for `/readyz` whether somebody listens. One row a name: of several processes that hear, one is enough."""

    def __init__(self, pool: asyncpg.Pool, name: str, clock: Clock) -> None:
        self._pool = pool
        self._name = name
        self._clock = clock

    async def put(self, trouble: str | None) -> None:
        """We hear (None), or why we do not, which leaves standing when anybody last heard. Raises `Unavailable`."""
        async with available():
            if trouble is None:
                await self._pool.execute(HEARD, self._name, self._clock.now())
            else:
                said = trouble[:TROUBLE_CHARACTERS_MAX]
                await self._pool.execute(TROUBLED, self._name, self._clock.now(), said)
