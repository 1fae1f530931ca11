"""Baselines of replayed boards in `edge.board_baselines` and `edge.board_ended`, thrown away at will."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from dispatch.ports import BoardBaseline, EndedRow
from dispatch.store.reader import available

LATEST = """
SELECT position, rules, latest_occurred_at, rows_on_board, document, sha256 FROM edge.board_baselines
WHERE rules = $1 AND position <= $2 AND ($3::timestamptz IS NULL OR latest_occurred_at <= $3)
ORDER BY position DESC LIMIT 1
"""
ENDED = """
SELECT e.* FROM unnest($1::uuid[]) AS wanted(id)
CROSS JOIN LATERAL (
    SELECT incident_id, updated_position, document, sha256 FROM edge.board_ended
    WHERE rules = $2 AND incident_id = wanted.id AND kept_at <= $3 ORDER BY kept_at DESC LIMIT 1
) e
"""
KEEP = """
INSERT INTO edge.board_baselines (position, rules, latest_occurred_at, rows_on_board, document, sha256, made_at)
VALUES ($1, $2, $3, $4, $5, $6, now()) ON CONFLICT (rules, position) DO NOTHING
"""
KEEP_ENDED = """
INSERT INTO edge.board_ended (rules, incident_id, kept_at, updated_position, document, sha256)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (rules, incident_id, kept_at) DO NOTHING
"""
DROP = (
    "DELETE FROM edge.board_baselines WHERE rules = $1 AND position >= $2",
    "DELETE FROM edge.board_ended WHERE rules = $1 AND kept_at >= $2",
)
PRUNE = ("DELETE FROM edge.board_baselines WHERE rules <> $1", "DELETE FROM edge.board_ended WHERE rules <> $1")


class PostgresBoardBaselines:
    """`dispatch.ports.BoardBaselines` in PostgreSQL."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def latest(self, *, rules: str, up_to_position: int, true_at: datetime | None) -> BoardBaseline | None:
        """The last one at or before a position whose facts had all happened by `true_at`. Raises `Unavailable`."""
        async with available():
            row = await self._pool.fetchrow(LATEST, rules, up_to_position, true_at)
        return None if row is None else BoardBaseline(*row)

    async def ended(self, incident_ids: Sequence[UUID], *, rules: str, up_to_position: int) -> list[EndedRow]:
        """The last kept row of each that had ended by a baseline. Raises `Unavailable`."""
        async with available():
            rows = await self._pool.fetch(ENDED, list(incident_ids), rules, up_to_position)
        return [EndedRow(*row) for row in rows]

    async def keep(self, baseline: BoardBaseline, ended: Sequence[EndedRow]) -> None:
        """Store both, or neither. Raises `Unavailable`."""
        kept = [
            (baseline.rules, one.incident_id, baseline.position, one.updated_position, one.document, one.sha256)
            for one in ended
        ]
        async with available(), self._pool.acquire() as connection, connection.transaction():
            await connection.executemany(KEEP_ENDED, kept)
            await connection.execute(
                KEEP,
                baseline.position,
                baseline.rules,
                baseline.latest_occurred_at,
                baseline.rows_on_board,
                baseline.document,
                baseline.sha256,
            )

    async def drop(self, *, rules: str, from_position: int) -> None:
        """Throw away what these rules made from a position on; both or neither. Raises `Unavailable`."""
        async with available(), self._pool.acquire() as connection, connection.transaction():
            for statement in DROP:
                await connection.execute(statement, rules, from_position)

    async def prune(self, *, rules: str) -> None:
        """Throw away what other rules made. Raises `Unavailable`."""
        async with available():
            for statement in PRUNE:
                await self._pool.execute(statement, rules)
