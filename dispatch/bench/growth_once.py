"""What ten million events change: run once in a while, not in the tests. `python -m dispatch.bench.growth_once`.

The log is filled through its own append, half of the events on new streams and half on old ones: most on the last
50,000 (incidents live for hours), one in twenty on any, however old, so that some streams lie spread over partitions.
Ids rise with time, as the system's own do. Needs about 12 GB of disk, and half an hour if the disk is shared.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from itertools import islice
from statistics import median, quantiles
from uuid import UUID

import asyncpg
import click

from dispatch.bench.append import STATE, TOPIC, Figures, fresh_database, rate_of
from dispatch.ports import AppendCommand, NewEvent, StreamAppend
from dispatch.store.postgres import PostgresLog

COMMANDS_PER_CALL = 500
RECENT_STREAMS = 50_000
ANY_AGE_EVERY = 20
READS = 300
RATE_S = 3.0
SPREAD = 0x9E3779B97F4A7C15
"""Odd multiplier (2^64 over the golden ratio): scatters counters evenly, the same way in each run."""
SIZES = """
SELECT pg_database_size(current_database()) AS database,
       (SELECT sum(pg_indexes_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'log.events'::regclass) AS indexes,
       (SELECT count(*) FROM pg_inherits WHERE inhparent = 'log.events'::regclass) AS partitions
"""


async def grow(dsn: str, events: int) -> Figures:
    """Fill a database of its own on the server of `dsn`, measure, and drop it."""
    async with fresh_database(dsn) as fresh:
        log = await PostgresLog.open(fresh)
        try:
            before, _ = await rate_of(log, 64, RATE_S)
            figures: Figures = {"append_per_s_64_empty": round(before)}
            figures["fill_per_s"] = round(events / await _fill(log, events))
            after, p99_ms = await rate_of(log, 64, RATE_S)
            figures |= {"append_per_s_64_full": round(after), "append_ms_p99_64_full": round(p99_ms, 2)}
            await _measure_reads(log, events, figures)
        finally:
            await log.close()
        connection = await asyncpg.connect(fresh)
        row = await connection.fetchrow(SIZES)
        await connection.close()
    return figures | {
        "events": events,
        "partitions": row["partitions"],
        "database_bytes_per_event": round(row["database"] / events),
        "index_bytes_per_event": round(row["indexes"] / events),
    }


async def _fill(log: PostgresLog, events: int) -> float:
    began = time.perf_counter()
    commands = _commands(events)
    while batch := list(islice(commands, COMMANDS_PER_CALL)):
        await log.append_many(batch)
    return time.perf_counter() - began


def _commands(events: int) -> Iterator[AppendCommand]:
    event = (NewEvent(TOPIC, STATE),)
    for number in range(events):
        known = number // 2 + 1
        if number % 2 == 0:
            stream, expected = number // 2, 0
        elif number % ANY_AGE_EVERY == 1:
            stream, expected = _scattered(number) % known, None
        else:
            stream, expected = known - 1 - _scattered(number) % min(known, RECENT_STREAMS), None
        yield AppendCommand((StreamAppend(_stream_id(stream), expected, event),))


def _stream_id(number: int) -> UUID:
    return UUID(int=number << 64 | _scattered(number))


def _scattered(number: int) -> int:
    return (number * SPREAD >> 16) % 2**48


async def _measure_reads(log: PostgresLog, events: int, figures: Figures) -> None:
    streams = [_stream_id(_scattered(number) % (events // 2)) for number in range(READS)]
    pages = [_scattered(number + READS) % events for number in range(READS)]
    last = (await log.tip()).recorded_at
    await _time(figures, "read_page_500", lambda n: log.read_after(pages[n], limit=500))
    await _time(figures, "read_stream", lambda n: log.read_stream(streams[n]))
    await _time(figures, "read_50_streams", lambda n: log.read_streams(streams[n : n + 50]), reads=READS - 50)
    await _time(figures, "position_at", lambda n: log.position_at(last - timedelta(seconds=n / 10)))
    await _time(figures, "heads_50", lambda n: log.heads(streams[n : n + 50]), reads=READS - 50)


async def _time(figures: Figures, name: str, read: Callable[[int], Awaitable[object]], *, reads: int = READS) -> None:
    took_ms = []
    for number in range(reads):
        began = time.perf_counter()
        await read(number)
        took_ms.append((time.perf_counter() - began) * 1_000)
    figures[f"{name}_ms_p50"] = round(median(took_ms), 2)
    figures[f"{name}_ms_p99"] = round(quantiles(took_ms, n=100)[98], 2)


@click.command()
@click.option("--dsn", envvar="DATABASE_URL", required=True, help="A server on which databases may be made.")
@click.option("--events", default=10_000_000, show_default=True, help="How many events to fill the log with.")
def main(dsn: str, events: int) -> None:
    """Print the figures as one flat JSON object."""
    click.echo(json.dumps({"figures": asyncio.run(grow(dsn, events))}, indent=2))


if __name__ == "__main__":
    main()
