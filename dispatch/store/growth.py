"""How fast the database grows and when its disk is full, by the rate of the last day.

Measured: what the log, the projections and the rest take now, and how many events came in a day. From these, bytes an
event and bytes a day. The archive's effect is measured too: bytes an event in the files that are there, else in a file
made in memory of the latest events.
"""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from dispatch.ports import RecordedEvent
from dispatch.store.archive_format import Writer
from dispatch.store.reader import COLUMNS

DAY = timedelta(days=1)
AGE_MIN = timedelta(minutes=10)
"""A younger log says nothing about a day."""
EVENTS_MIN = 1_000
"""Nor do fewer events about the bytes of one."""
SAMPLE_EVENTS = 2_000
SIZES = """
SELECT n.nspname AS schema, sum(pg_total_relation_size(c.oid))::bigint AS bytes
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('log', 'read', 'feed', 'edge', 'vault') AND c.relkind = 'r' AND NOT c.relispartition
GROUP BY 1
"""
NOW = """
SELECT t.position, h.position AS horizon, now() AS now,
       (SELECT coalesce(sum(p.bytes), 0)::bigint FROM log.partitions p WHERE p.first_position <= t.position)
           AS log_bytes,
       (SELECT min(e.recorded_at) FROM log.events e WHERE e.notification_id = h.position + 1) AS oldest_at,
       (SELECT (sum(a.bytes) / sum(a.events))::float8 FROM log.archives a) AS file_bytes_per_event
FROM log.tip t, log.horizon h
"""
LATEST = f"""
SELECT {COLUMNS} FROM log.events WHERE notification_id > $1 AND notification_id <= $2 ORDER BY notification_id
"""  # noqa: S608 - the columns are ours


@dataclass(frozen=True, slots=True)
class Growth:
    """What was measured. Bytes an event are of the log's table, of a file, and of everything else made from events."""

    events: int
    events_per_day: float
    log_bytes: int
    projections_bytes: int
    other_bytes: int
    log_bytes_per_event: float
    file_bytes_per_event: float
    other_bytes_per_event: float

    @property
    def log_bytes_per_day(self) -> float:
        """What the log's table takes more each day."""
        return self.events_per_day * self.log_bytes_per_event

    @property
    def other_bytes_per_day(self) -> float:
        """What projections, heads, feeds and the like take more each day."""
        return self.events_per_day * self.other_bytes_per_event

    @property
    def file_bytes_per_day(self) -> float:
        """What archive files take more each day, once ranges are old enough."""
        return self.events_per_day * self.file_bytes_per_event


@dataclass(frozen=True, slots=True)
class Forecast:
    """Days until the disk is full; None when that is not to be foreseen (no growth, or a disk we cannot see)."""

    growth: Growth
    free_bytes: int | None
    archive_after_days: float
    days_until_full: float | None
    days_until_full_with_archive: float | None

    def document(self) -> dict[str, Any]:
        """As JSON shows it."""
        growth = self.growth
        return {
            **asdict(growth),
            "log_bytes_per_day": growth.log_bytes_per_day,
            "other_bytes_per_day": growth.other_bytes_per_day,
            "file_bytes_per_day": growth.file_bytes_per_day,
            "free_bytes": self.free_bytes,
            "archive_after_days": self.archive_after_days,
            "days_until_full": self.days_until_full,
            "days_until_full_with_archive": self.days_until_full_with_archive,
        }


async def measure(connection: asyncpg.Connection) -> Growth | None:
    """What the database says; None while the log is too young or too short to say anything."""
    row = await connection.fetchrow(NOW)
    position, horizon = row["position"], row["horizon"]
    kept = position - horizon
    if kept < EVENTS_MIN or row["oldest_at"] is None or row["now"] - row["oldest_at"] < AGE_MIN:
        return None
    sizes = {found["schema"]: found["bytes"] for found in await connection.fetch(SIZES)}
    other = sum(sizes.values())
    return Growth(
        events=position,
        events_per_day=await _events_per_day(connection, position, horizon, row["now"], row["oldest_at"]),
        log_bytes=row["log_bytes"],
        projections_bytes=sizes.get("read", 0),
        other_bytes=other,
        log_bytes_per_event=row["log_bytes"] / kept,
        file_bytes_per_event=row["file_bytes_per_event"] or await _sampled(connection, position, horizon),
        other_bytes_per_event=other / position,
    )


async def _events_per_day(
    connection: asyncpg.Connection, position: int, horizon: int, now: datetime, oldest_at: datetime
) -> float:
    since = max(now - DAY, oldest_at)
    before = max(horizon, int(await connection.fetchval("SELECT log.position_at($1)", now - DAY)))
    return (position - before) * (DAY / (now - since))


async def _sampled(connection: asyncpg.Connection, position: int, horizon: int) -> float:
    """Bytes an event of a file made of the latest ones."""
    first = max(horizon, position - SAMPLE_EVENTS)
    writer = Writer(io.BytesIO())
    for row in await connection.fetch(LATEST, first, position):
        writer.add(RecordedEvent(*row))
    return writer.finish().file_bytes / (position - first)


def forecast(growth: Growth, free_bytes: int | None, *, archive_after_days: float) -> Forecast:
    """When the disk is full, without and with an archive on the same disk."""
    if free_bytes is None:
        return Forecast(growth, None, archive_after_days, None, None)
    alone = _days(free_bytes, growth.log_bytes_per_day + growth.other_bytes_per_day)
    return Forecast(
        growth, free_bytes, archive_after_days, alone, _days_with_archive(growth, free_bytes, archive_after_days)
    )


def _days_with_archive(growth: Growth, free_bytes: int, archive_after_days: float) -> float | None:
    """The table grows to what its youngest days take, or shrinks to it; from then on only files and the rest grow."""
    both = growth.log_bytes_per_day + growth.other_bytes_per_day
    if both <= 0:
        return None
    later = growth.file_bytes_per_day + growth.other_bytes_per_day
    surplus = growth.log_bytes - archive_after_days * growth.log_bytes_per_day
    if surplus >= 0:
        freed = surplus * (1 - growth.file_bytes_per_event / growth.log_bytes_per_event)
        return _days(free_bytes + freed, later)
    filling_days = -surplus / growth.log_bytes_per_day
    if filling_days * both >= free_bytes:
        return free_bytes / both
    rest = _days(free_bytes - filling_days * both, later)
    return None if rest is None else filling_days + rest


def _days(free_bytes: float, bytes_per_day: float) -> float | None:
    return free_bytes / bytes_per_day if bytes_per_day > 0 else None
