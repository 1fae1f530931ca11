"""Persons whose time is up: whom old reports name, and whose keys may be destroyed.

Decided on the rows of reports and of the board, so those must have everything recorded by now in them. A person stays
while any report that names them is young or of a class without a rule, and while the incident of one is on the board.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import asyncpg

from dispatch.store.reader import available
from domain.refusals import Unavailable

BEHIND = """
SELECT t.position AS tip, coalesce(min(c.position), 0) AS reached, count(c.name) AS projections
FROM log.tip t LEFT JOIN read.checkpoints c ON c.name IN ('reports', 'board') AND c.state = 'live' GROUP BY t.position
"""
DUE = """
SELECT s.id
FROM read.reports p
CROSS JOIN unnest(p.subject_ids) AS s(id)
JOIN vault.subject_keys k ON k.subject_id = s.id AND k.destroyed_at IS NULL
LEFT JOIN unnest($1::text[], $2::integer[]) AS r(category, days) ON r.category = p.category
LEFT JOIN read.board b ON b.incident_id = p.incident_id
GROUP BY s.id
HAVING bool_and(r.days IS NOT NULL AND p.filed_at + make_interval(days => r.days) < now())
   AND NOT bool_or(coalesce(b.is_on_board, false))
ORDER BY s.id
"""


async def persons_due(pool: asyncpg.Pool, days_by_category: Mapping[str, int]) -> list[UUID]:
    """Subjects whose keys may be destroyed now. Raises `Unavailable` while the rows are behind the log."""
    async with available():
        row = await pool.fetchrow(BEHIND)
        if row["projections"] < 2 or row["reached"] < row["tip"]:
            raise Unavailable(
                "retention.behind",
                f"Reports or board stand at {row['reached']}, the log at {row['tip']}: a person may have been named"
                " since. Start `dispatch work`, wait until it has caught up, and repeat.",
            )
        found = await pool.fetch(DUE, list(days_by_category), list(days_by_category.values()))
    return [one["id"] for one in found]
