"""Statements on the edge tables, over a pool that acts as the application's role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

from dispatch.store.reader import available


class EdgeStatements:
    """`dispatch.ingest.quarantine.EdgeStore` in PostgreSQL."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def rows(self, statement: str, *values: Any) -> Sequence[Mapping[str, Any]]:
        """All rows of a statement, which is its own transaction. Raises `Unavailable`."""
        async with available():
            found: Sequence[Mapping[str, Any]] = await self._pool.fetch(statement, *values)
            return found
