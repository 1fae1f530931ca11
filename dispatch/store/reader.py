"""Reads of the log. Every statement is bounded by a limit or by the streams it names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from dispatch.ports import Head, RecordedEvent, StoredAnswer, Tip
from dispatch.store.line import BROKEN, REFUSED_FOR_NOW
from domain.refusals import Unavailable

COLUMNS = "notification_id, originator_id, originator_version, topic, state, recorded_at"
BEYOND_ALL = 2**63 - 1
PLANNING = {
    "plan_cache_mode": "force_generic_plan",  # planning a stream read anew would plan every partition
    "enable_bitmapscan": "off",  # it would AND a stream's few events with all positions the stream lived through
    "enable_seqscan": "off",  # no read here is of a whole table, whatever a table never analysed looks like
    "jit": "off",
}
"""Settings of every session that reads: what the statements below were written for."""

# The head names the stream's positions, which prune the partitions; without a head there is nothing to read. It names
# the last version too: without that bound the planner, knowing nothing of a table never analysed, walks the range of
# positions, which for a stream that lived long is most of the log.
READ_STREAM = f"""
SELECT {", ".join("e." + column for column in COLUMNS.split(", "))}
FROM log.heads h
CROSS JOIN LATERAL (
    SELECT {COLUMNS} FROM log.events
    WHERE originator_id = h.stream_id AND originator_version > $2 AND originator_version <= h.version
      AND notification_id BETWEEN h.first_position AND least(h.last_position, $3)
    ORDER BY originator_version LIMIT $4
) e
WHERE h.stream_id = $1
"""  # noqa: S608 - the columns are ours
READ_STREAMS = f"""
SELECT {", ".join("e." + column for column in COLUMNS.split(", "))}
FROM unnest($1::uuid[]) AS s(id)
JOIN log.heads h ON h.stream_id = s.id
CROSS JOIN LATERAL (
    SELECT {COLUMNS} FROM log.events
    WHERE originator_id = h.stream_id AND originator_version >= 0 AND originator_version <= h.version
      AND notification_id BETWEEN h.first_position AND least(h.last_position, $2)
    ORDER BY originator_version OFFSET 0
) e
"""  # noqa: S608 - the columns are ours
# Positions have no holes, so a page of n lies within the next n positions: the upper bound prunes the partitions. So
# does the lower one, written with >= because pruning takes > to include the border.
READ_PAGE = f"""
SELECT {COLUMNS} FROM log.events
WHERE notification_id >= $1::bigint + 1 AND notification_id <= $2 ORDER BY notification_id
"""  # noqa: S608 - the columns are ours
READ_TOPICS = f"""
SELECT {COLUMNS} FROM log.events WHERE notification_id >= $1::bigint + 1 AND notification_id <= $2 AND topic = ANY ($4)
ORDER BY notification_id LIMIT $3
"""  # noqa: S608 - the columns are ours
HEADS = "SELECT stream_id, version, first_position, last_position FROM log.heads WHERE stream_id = ANY ($1)"


class Reader:
    """Reads through a pool; turns a lost database into `Unavailable`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def read_stream(
        self, stream_id: UUID, *, after_version: int = 0, up_to_position: int | None = None, limit: int = 10_000
    ) -> list[RecordedEvent]:
        """Events of one stream in version order."""
        upper = BEYOND_ALL if up_to_position is None else up_to_position
        return [RecordedEvent(*row) for row in await self._fetch(READ_STREAM, stream_id, after_version, upper, limit)]

    async def read_streams(
        self, stream_ids: Sequence[UUID], *, up_to_position: int | None = None
    ) -> dict[UUID, list[RecordedEvent]]:
        """Several streams at once; a stream that does not exist has an empty list."""
        found: dict[UUID, list[RecordedEvent]] = {stream_id: [] for stream_id in stream_ids}
        upper = BEYOND_ALL if up_to_position is None else up_to_position
        for row in await self._fetch(READ_STREAMS, list(found), upper):
            found[row[1]].append(RecordedEvent(*row))
        return found

    async def read_after(
        self, position: int, *, limit: int = 500, up_to_position: int | None = None, topics: Sequence[str] | None = None
    ) -> list[RecordedEvent]:
        """A page of the log in position order, without gaps (with `topics`: without gaps among those)."""
        upper = BEYOND_ALL if up_to_position is None else up_to_position
        if topics is None:
            rows = await self._fetch(READ_PAGE, position, min(upper, position + limit))
        else:
            rows = await self._fetch(READ_TOPICS, position, upper, limit, list(topics))
        return [RecordedEvent(*row) for row in rows]

    async def tip(self) -> Tip:
        """The last position."""
        (row,) = await self._fetch("SELECT position, epoch, recorded_at FROM log.tip")
        return Tip(*row)

    async def heads(self, stream_ids: Sequence[UUID]) -> dict[UUID, Head]:
        """Heads of those streams that exist."""
        return {row[0]: Head(*row) for row in await self._fetch(HEADS, list(stream_ids))}

    async def find_answer(self, *, caller: str, key: str) -> StoredAnswer | None:
        """The idempotency row of a caller's key, if that key was used."""
        query = "SELECT fingerprint, answer, position FROM log.idempotency WHERE caller = $1 AND key = $2"
        rows = await self._fetch(query, caller, key)
        return StoredAnswer(*rows[0]) if rows else None

    async def position_at(self, instant: datetime) -> int:
        """The last position recorded at or before `instant`; 0 if the log is younger."""
        assert instant.tzinfo is not None, "an instant without its zone"
        ((position,),) = await self._fetch("SELECT log.position_at($1)", instant)
        return int(position)

    async def mark(self, reactor: str) -> int:
        """A reactor's position; 0 if it never ran."""
        rows = await self._fetch("SELECT position FROM log.marks WHERE reactor = $1", reactor)
        return int(rows[0][0]) if rows else 0

    async def _fetch(self, query: str, *arguments: Any) -> list[Any]:
        async with available():
            return list(await self._pool.fetch(query, *arguments))


@asynccontextmanager
async def available() -> AsyncIterator[None]:
    """Say `Unavailable` for what a later repeat may mend."""
    try:
        yield
    except (*BROKEN, *REFUSED_FOR_NOW, asyncpg.InterfaceError, asyncpg.InternalClientError) as failure:
        raise Unavailable("log.unavailable", f"The database cannot answer now, repeat later: {failure}") from failure
