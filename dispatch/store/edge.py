"""Statements on the edge tables, over a pool that acts as the application's role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
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
HEARD_GATEWAYS = """
INSERT INTO edge.gateways_heard (gateway, heard_at)
SELECT * FROM unnest($1::text[], $2::timestamptz[]) ORDER BY 1
ON CONFLICT (gateway) DO UPDATE SET heard_at = excluded.heard_at WHERE gateways_heard.heard_at < excluded.heard_at
"""


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


class PostgresHeardGateways:
    """`dispatch.ingest.hearing.HeardGateways` in `edge.gateways_heard`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def put(self, heard: Mapping[str, datetime]) -> None:
        """Remember; an earlier instant changes nothing. Raises `Unavailable`."""
        async with available():
            await self._pool.execute(HEARD_GATEWAYS, list(heard), list(heard.values()))

    async def all(self) -> Mapping[str, datetime]:
        """When each was last heard. Raises `Unavailable`."""
        async with available():
            rows = await self._pool.fetch("SELECT gateway, heard_at FROM edge.gateways_heard")
        return {row["gateway"]: row["heard_at"] for row in rows}
