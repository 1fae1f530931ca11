"""How fast the log records, next to what PostgreSQL itself can do in the same minutes on the same machine.

Absolute rates say more about the disk and the neighbours than about us; the ratios are what to watch. Everything runs
on a fresh, never-analysed database, where a bad plan shows. The raw table has what any event table needs (a primary key
and a unique stream and version) and nothing else; our log also keeps heads, contiguous positions and verdicts.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
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
    measured = [await one_round(dsn, seconds, writers) for _ in range(rounds)]
    return max(measured, key=lambda figures: figures.get("ratio_unnest_64", 0))


async def one_round(dsn: str, seconds: float, writers: Sequence[int]) -> Figures:
    """Raw PostgreSQL, then our log with each number of writers, each on a fresh database."""
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

    commands = commands_of(new_ids(), idempotent=idempotent)
    for duration_s in (WARM_UP_S, seconds):
        latencies_s.clear()
        began = time.perf_counter()
        await asyncio.gather(*(write(commands, began + duration_s) for _ in range(writers)))
        elapsed_s = time.perf_counter() - began
    return len(latencies_s) / elapsed_s, quantiles(latencies_s, n=100)[98] * 1_000


def commands_of(ids: Iterator[UUID], *, idempotent: bool) -> Iterator[AppendCommand]:
    """One event on a new stream each, with an idempotency row or without."""
    events = (NewEvent(TOPIC, STATE),)
    for stream_id in ids:
        key = Idempotency("bench", str(stream_id), b"f" * 32, stream_id.bytes) if idempotent else None
        yield AppendCommand((StreamAppend(stream_id, 0, events),), key)


def new_ids() -> Iterator[UUID]:
    """Fresh, rising ids, as the system's own are; no two processes share one."""
    start = time.time_ns() // 1_000_000 << 80 | 7 << 76 | 2 << 62 | os.getpid() << 40
    return map(lambda number: UUID(int=start + number), count())  # noqa: C417 - threads may share it, no generator


async def _raw(dsn: str, seconds: float, figures: Figures) -> None:
    """What one connection does without us."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(RAW_TABLE)
        insert, unnest = await connection.prepare(RAW_INSERT), await connection.prepare(RAW_UNNEST)
        ids = new_ids()

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
    async with empty_database(dsn) as fresh:
        await migrate(fresh)
        await checkpoint(dsn)
        yield fresh


@asynccontextmanager
async def empty_database(dsn: str) -> AsyncIterator[str]:
    """A database with nothing in it, dropped afterwards."""
    name = f"bench_{secrets.token_hex(4)}"
    administrator = await asyncpg.connect(dsn)
    try:
        await administrator.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        try:
            yield urlunsplit(urlsplit(dsn)._replace(path="/" + name))
        finally:
            await administrator.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await administrator.close()


async def checkpoint(dsn: str) -> None:
    """Write out what is dirty, or the next writer pays for the last one's pages."""
    administrator = await asyncpg.connect(dsn)
    try:
        with contextlib.suppress(asyncpg.InsufficientPrivilegeError):
            await administrator.execute("CHECKPOINT")
    finally:
        await administrator.close()
