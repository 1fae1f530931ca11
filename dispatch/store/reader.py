"""Reads of the log. Every statement is bounded by a limit or by the streams it names.

Positions up to the horizon lie in archive files (`store.archive`), the others in the table. Each statement on the table
says which horizon this process knows, in the same snapshot in which it reads, and fails if that is an old one: a range
that left the table a moment ago can make a read slower, never shorter.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import asyncpg

from dispatch.ports import Head, RecordedEvent, StoredAnswer, Tip
from dispatch.store.archive import MANIFEST, Archive, Entry
from dispatch.store.line import BROKEN, REFUSED_FOR_NOW
from domain.refusals import Unavailable

COLUMNS = "notification_id, originator_id, originator_version, topic, state, recorded_at"
BEFORE_ALL, BEYOND_ALL = -1, 2**63 - 1
PLANNING = {
    "plan_cache_mode": "force_generic_plan",  # planning a stream read anew would plan every partition
    "enable_bitmapscan": "off",  # it would AND a stream's few events with all positions the stream lived through
    "enable_seqscan": "off",  # no read here is of a whole table, whatever a table never analysed looks like
    "jit": "off",
}
"""Settings of every session that reads: what the statements below were written for."""
STRETCH_POSITIONS = 200_000
"""What one statement looks through for rare topics: half a second's work on a cold disk, where the time limit is eight.
Behind the last fact of its kind a reader would otherwise look through all the log that is left, millions of rows."""

HORIZON_MOVED = "DA001"
HORIZON_LEARNED_MAX = 8
"""How often a read learns of a new horizon before it gives up: they move minutes apart."""
# A condition on the one row of log.horizon alone, and a bound of the events by that row: the row is therefore read
# first, whatever else the plan finds nothing to read in.
KNOWN = "CASE WHEN a.position = {} THEN true ELSE log.horizon_moved(a.position) END"

# The head names the stream's positions, which prune the partitions; without a head there is nothing to read. It names
# the last version too: without that bound the planner, knowing nothing of a table never analysed, walks the range of
# positions, which for a stream that lived long is most of the log.
READ_STREAM = f"""
SELECT {", ".join("e." + column for column in COLUMNS.split(", "))}
FROM log.horizon a
CROSS JOIN log.heads h
CROSS JOIN LATERAL (
    SELECT {COLUMNS} FROM log.events
    WHERE notification_id > a.position
      AND originator_id = h.stream_id AND originator_version > $2 AND originator_version <= h.version
      AND notification_id BETWEEN h.first_position AND least(h.last_position, $3)
    ORDER BY originator_version LIMIT $4
) e
WHERE h.stream_id = $1 AND {KNOWN.format("$5")}
"""  # noqa: S608 - the columns are ours
READ_STREAMS = f"""
SELECT {", ".join("e." + column for column in COLUMNS.split(", "))}
FROM log.horizon a
CROSS JOIN unnest($1::uuid[]) AS s(id)
JOIN log.heads h ON h.stream_id = s.id
CROSS JOIN LATERAL (
    SELECT {COLUMNS} FROM log.events
    WHERE notification_id > a.position
      AND originator_id = h.stream_id AND originator_version >= 0 AND originator_version <= h.version
      AND notification_id BETWEEN h.first_position AND least(h.last_position, $2)
    ORDER BY originator_version OFFSET 0
) e
WHERE {KNOWN.format("$3")}
"""  # noqa: S608 - the columns are ours
# Positions have no holes, so a page of n lies within the next n positions: the upper bound prunes the partitions. So
# does the lower one, written with >= because pruning takes > to include the border.
READ_PAGE = f"""
SELECT e.* FROM log.horizon a
CROSS JOIN LATERAL (
    SELECT {COLUMNS} FROM log.events
    WHERE notification_id >= $1::bigint + 1 AND notification_id <= $2 AND notification_id > a.position
    ORDER BY notification_id OFFSET 0
) e
WHERE {KNOWN.format("$3")}
"""  # noqa: S608 - the columns are ours
READ_TOPICS = f"""
SELECT e.* FROM log.horizon a
CROSS JOIN LATERAL (
    SELECT {COLUMNS} FROM log.events
    WHERE notification_id >= $1::bigint + 1 AND notification_id <= $2 AND topic = ANY ($4)
      AND notification_id > a.position
    ORDER BY notification_id LIMIT $3
) e
WHERE {KNOWN.format("$5")}
"""  # noqa: S608 - the columns are ours
HEADS = "SELECT stream_id, version, first_position, last_position FROM log.heads WHERE stream_id = ANY ($1)"


T = TypeVar("T")


class HorizonMoved(Exception):
    """The archive took a range since the manifest was read."""


class Reader:
    """Reads through a pool, and from archive files; turns a lost database or file into `Unavailable`."""

    def __init__(self, pool: asyncpg.Pool, archive: Archive | None = None) -> None:
        self._pool = pool
        self._archive = archive or Archive(None)

    @property
    def pool(self) -> asyncpg.Pool:
        """The connections it reads through, for stores that lie beside the log."""
        return self._pool

    async def read_stream(
        self, stream_id: UUID, *, after_version: int = 0, up_to_position: int | None = None, limit: int = 10_000
    ) -> list[RecordedEvent]:
        """Events of one stream in version order."""
        upper = BEYOND_ALL if up_to_position is None else up_to_position

        async def read(horizon: int) -> list[RecordedEvent]:
            rows = await self._fetch(READ_STREAM, stream_id, after_version, upper, limit, horizon)
            found = [RecordedEvent(*row) for row in rows]
            if horizon == 0 or (found and found[0].version == after_version + 1):
                return found
            return (await self._from_files([stream_id], upper, after_version)).get(stream_id, []) + found

        return (await self._reading(read))[:limit]

    async def read_streams(
        self, stream_ids: Sequence[UUID], *, up_to_position: int | None = None
    ) -> dict[UUID, list[RecordedEvent]]:
        """Several streams at once; a stream that does not exist has an empty list."""
        upper = BEYOND_ALL if up_to_position is None else up_to_position

        async def read(horizon: int) -> dict[UUID, list[RecordedEvent]]:
            found: dict[UUID, list[RecordedEvent]] = {stream_id: [] for stream_id in stream_ids}
            for row in await self._fetch(READ_STREAMS, list(found), upper, horizon):
                found[row[1]].append(RecordedEvent(*row))
            older = [stream_id for stream_id, events in found.items() if not events or events[0].version > 1]
            if horizon and older:
                for stream_id, events in (await self._from_files(older, upper, BEFORE_ALL)).items():
                    found[stream_id] = events + found[stream_id]
            return found

        return await self._reading(read)

    async def read_after(
        self, position: int, *, limit: int = 500, up_to_position: int | None = None, topics: Sequence[str] | None = None
    ) -> list[RecordedEvent]:
        """A page of the log in position order, without gaps (with `topics`: without gaps among those)."""
        upper = BEYOND_ALL if up_to_position is None else up_to_position

        async def read(horizon: int) -> list[RecordedEvent]:
            found: list[RecordedEvent] = []
            if position < horizon:
                found = await self._archive.read_after(position, limit=limit, up_to_position=upper, topics=topics)
            room, start = limit - len(found), max(position, horizon)
            if room <= 0 or upper <= horizon:
                return found
            if topics is None:
                rows = await self._fetch(READ_PAGE, start, min(upper, start + room), horizon)
            else:
                rows = await self._of_topics(start, upper, room, list(topics), horizon)
            return found + [RecordedEvent(*row) for row in rows]

        return await self._reading(read)

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

        async def read(horizon: int) -> int:
            query = "SELECT log.position_at($1), position FROM log.horizon"
            ((position, now_at),) = await self._fetch(query, instant)
            if now_at != horizon:
                raise HorizonMoved
            return int(position) if position > horizon else await self._archive.position_at(instant)

        return await self._reading(read)

    async def mark(self, reactor: str) -> int:
        """A reactor's position; 0 if it never ran."""
        rows = await self._fetch("SELECT position FROM log.marks WHERE reactor = $1", reactor)
        return int(rows[0][0]) if rows else 0

    async def _reading(self, read: Callable[[int], Awaitable[T]]) -> T:
        """Read with the horizon known; when it has moved, learn the new one and read again, all of it."""
        for _ in range(HORIZON_LEARNED_MAX):
            try:
                return await read(self._archive.horizon)
            except HorizonMoved:
                self._archive.learn([Entry(*row) for row in await self._fetch(MANIFEST)])
        raise Unavailable("log.unavailable", "Archive runs moved the log faster than it could be read, repeat later.")

    async def _of_topics(self, start: int, upper: int, limit: int, topics: list[str], horizon: int) -> list[Any]:
        """A page of some topics, which may lie anywhere: looked for in stretches, each a statement of bounded work."""
        if upper - start > STRETCH_POSITIONS:
            upper = min(upper, (await self.tip()).position)
        found: list[Any] = []
        while start < upper and len(found) < limit:
            stop = min(upper, start + STRETCH_POSITIONS)
            found += await self._fetch(READ_TOPICS, start, stop, limit - len(found), topics, horizon)
            start = stop
        return found

    async def _from_files(
        self, stream_ids: Sequence[UUID], upper: int, after_version: int
    ) -> dict[UUID, list[RecordedEvent]]:
        """What of these streams lies in files."""
        return {
            stream_id: await self._archive.read_stream(
                stream_id, after_version=after_version, first_position=head.first_position, up_to_position=upper
            )
            for stream_id, head in (await self.heads(stream_ids)).items()
            if head.first_position <= self._archive.horizon and head.version > after_version
        }

    async def _fetch(self, query: str, *arguments: Any) -> list[Any]:
        async with available():
            try:
                return list(await self._pool.fetch(query, *arguments))
            except asyncpg.PostgresError as error:
                if error.sqlstate == HORIZON_MOVED:
                    raise HorizonMoved from error
                raise


@asynccontextmanager
async def available() -> AsyncIterator[None]:
    """Say `Unavailable` for what a later repeat may mend."""
    try:
        yield
    except (*BROKEN, *REFUSED_FOR_NOW) as failure:
        raise Unavailable("log.unavailable", f"The database cannot answer now, repeat later: {failure}") from failure
