"""How fast the log records, next to what PostgreSQL itself can do in the same minutes on the same machine.

Absolute rates say more about the disk and the neighbours than about us; the ratios are what to watch. Everything runs
on a fresh, never-analysed database, where a bad plan shows. The raw table has what any event table needs (a primary key
and a unique stream and version) and nothing else; our log also keeps heads, contiguous positions and verdicts.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from statistics import quantiles
from typing import TypeAlias
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import asyncpg

from dispatch.ports import AppendCommand, Appended, EventLog, Idempotency, NewEvent, StreamAppend
from dispatch.store.migrate import migrate
from dispatch.store.postgres import PostgresLog

STATE = b'{"id":"' + b"0" * 36 + b'","text":"' + b"x" * 336 + b'"}'
TOPIC = "alert.received"
UNNEST_ROWS = 64
COPY_ROWS = 5_000
IDEMPOTENT_WRITERS = 64
WARM_UP_S = 0.3

RAW_TABLE = """
CREATE SCHEMA raw;
CREATE TABLE raw.events (
    position bigserial PRIMARY KEY, stream_id uuid NOT NULL, version bigint NOT NULL, topic text NOT NULL,
    state bytea NOT NULL, recorded_at timestamptz NOT NULL DEFAULT now(), UNIQUE (stream_id, version)
)
"""
RAW_INSERT = "INSERT INTO raw.events (stream_id, version, topic, state) VALUES ($1, 1, $2, $3)"
RAW_UNNEST = """
INSERT INTO raw.events (stream_id, version, topic, state)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::bytea[])
"""
COPY_COLUMNS = ("stream_id", "version", "topic", "state")

Figures: TypeAlias = dict[str, float | int]


async def bench_append(
    dsn: str, *, seconds: float = 3.0, writers: Sequence[int] = (1, 16, 64, 256), rounds: int = 1
) -> Figures:
    """Measure on a database of its own, made on the server of `dsn` and dropped again.

    Ratios are taken within a round, and the best round counts: a neighbour's minute is not our rate.
    """
    gc.collect()
    gc.freeze()  # as a server does once it has started: what was imported is not looked through again
    measured = [await _round(dsn, seconds, writers) for _ in range(rounds)]
    return max(measured, key=lambda figures: figures.get("ratio_unnest_64", 0))


async def _round(dsn: str, seconds: float, writers: Sequence[int]) -> Figures:
    figures: Figures = {}
    async with fresh_database(dsn) as fresh:
        await _raw(fresh, seconds, figures)
    for number, idempotent in (*((number, False) for number in writers), (IDEMPOTENT_WRITERS, True)):
        async with fresh_database(dsn) as fresh:
            log = await PostgresLog.open(fresh)
            try:
                rate, p99_ms = await rate_of(log, number, seconds, idempotent=idempotent)
            finally:
                await log.close()
        name = "append_idempotent" if idempotent else "append"
        figures[f"{name}_per_s_{number}"] = round(rate)
        figures[f"{name}_ms_p99_{number}"] = round(p99_ms, 2)
    for name, ours, theirs in (
        ("ratio_unnest_64", "append_per_s_64", "raw_unnest_per_s"),
        ("ratio_insert_1", "append_per_s_1", "raw_insert_per_s_1"),
        ("ratio_idempotent_unnest_64", "append_idempotent_per_s_64", "raw_unnest_per_s"),
    ):
        if ours in figures:
            figures[name] = round(figures[ours] / figures[theirs], 3)
    return figures


async def rate_of(log: EventLog, writers: int, seconds: float, *, idempotent: bool = False) -> tuple[float, float]:
    """Events a second, and the 99th percentile in ms, of `writers` tasks that each append one event after another."""
    latencies_s: list[float] = []

    async def write(commands: Iterator[AppendCommand], until: float) -> None:
        while (began := time.perf_counter()) < until:
            verdict = await log.append(next(commands))
            latencies_s.append(time.perf_counter() - began)
            assert isinstance(verdict, Appended), verdict

    commands = _commands(idempotent)
    for duration_s in (WARM_UP_S, seconds):
        latencies_s.clear()
        began = time.perf_counter()
        await asyncio.gather(*(write(commands, began + duration_s) for _ in range(writers)))
        elapsed_s = time.perf_counter() - began
    return len(latencies_s) / elapsed_s, quantiles(latencies_s, n=100)[98] * 1_000


def _commands(idempotent: bool) -> Iterator[AppendCommand]:
    events = (NewEvent(TOPIC, STATE),)
    for stream_id in _ids():
        key = Idempotency("bench", str(stream_id), b"f" * 32, stream_id.bytes) if idempotent else None
        yield AppendCommand((StreamAppend(stream_id, 0, events),), key)


def _ids() -> Iterator[UUID]:
    """Fresh, rising ids, as the system's own are."""
    start = time.time_ns() // 1_000_000 << 80 | 7 << 76 | 2 << 62
    return (UUID(int=start + number) for number in count())


async def _raw(dsn: str, seconds: float, figures: Figures) -> None:
    """What one connection does without us."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(RAW_TABLE)
        insert, unnest = await connection.prepare(RAW_INSERT), await connection.prepare(RAW_UNNEST)
        ids = _ids()

        async def single() -> int:
            await insert.fetch(next(ids), TOPIC, STATE)
            return 1

        async def many() -> int:
            streams = [next(ids) for _ in range(UNNEST_ROWS)]
            await unnest.fetch(streams, [1] * UNNEST_ROWS, [TOPIC] * UNNEST_ROWS, [STATE] * UNNEST_ROWS)
            return UNNEST_ROWS

        async def copy() -> int:
            rows = [(next(ids), 1, TOPIC, STATE) for _ in range(COPY_ROWS)]
            await connection.copy_records_to_table("events", schema_name="raw", columns=COPY_COLUMNS, records=rows)
            return COPY_ROWS

        figures["raw_insert_per_s_1"] = await _raw_rate(single, seconds)
        figures["raw_unnest_per_s"] = await _raw_rate(many, seconds)
        figures["raw_copy_per_s"] = await _raw_rate(copy, seconds)
    finally:
        await connection.close()


async def _raw_rate(write: Callable[[], Awaitable[int]], seconds: float) -> int:
    for duration_s in (WARM_UP_S, seconds):
        rows, began = 0, time.perf_counter()
        while time.perf_counter() < began + duration_s:
            rows += await write()
        elapsed_s = time.perf_counter() - began
    return round(rows / elapsed_s)


@asynccontextmanager
async def fresh_database(dsn: str) -> AsyncIterator[str]:
    """A migrated database that nobody has analysed."""
    name = f"bench_{secrets.token_hex(4)}"
    administrator = await asyncpg.connect(dsn)
    try:
        await administrator.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        try:
            fresh = urlunsplit(urlsplit(dsn)._replace(path="/" + name))
            await migrate(fresh)
            with contextlib.suppress(asyncpg.InsufficientPrivilegeError):
                await administrator.execute("CHECKPOINT")  # or the next writer pays for the last one's pages
            yield fresh
        finally:
            await administrator.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await administrator.close()
