"""A log with small partitions, and archive runs over it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from dispatch.ports import AppendCommand, NewEvent, StreamAppend
from dispatch.store.archiver import Archiver, Report, connect
from dispatch.store.postgres import PostgresLog

LONG = UUID(int=1)
SIZE = 1_500
"""Positions of a small partition: three blocks of a file, the last one not full."""
TOPICS = ("alert.received", "incident.opened", "unit.assigned")


async def make_small_partitions(dsn: str, *, size: int = SIZE, count: int = 8) -> None:
    """Cut an empty log into small partitions; the rest keeps its usual size."""
    connection = await asyncpg.connect(dsn)
    await connection.execute("DROP TABLE log.events_000001, log.events_000002; SET ROLE dispatch_owner")
    for number in range(count):
        first, beyond = number * size + 1, (number + 1) * size + 1
        await connection.execute(
            f"CREATE TABLE log.small_{number + 1} PARTITION OF log.events FOR VALUES FROM ({first}) TO ({beyond})"
        )
    await connection.execute("UPDATE log.tip SET partitioned_to = $1", count * size)
    await connection.close()


async def fill(log: PostgresLog, events: int, *, streams: int = 40) -> None:
    """Many short streams, one long one, several topics, states of all sizes."""
    done = 0
    while done < events:
        commands = []
        for number in range(done, min(done + 400, events)):
            stream = LONG if number % 7 == 0 else UUID(int=1_000 + number % streams + streams * (number // 600))
            state = b'{"number":%d,"filler":"%s"}' % (number, b"x" * (number % 90))
            new = NewEvent(TOPICS[number % 3], state if number % 50 else bytes(range(256)))
            commands.append(AppendCommand((StreamAppend(stream, None, (new,)),)))
        await log.append_many(commands)
        done += len(commands)


@asynccontextmanager
async def archiver(dsn: str, folder: Path, **options: Any) -> AsyncIterator[Archiver]:
    connection = await connect(dsn)
    try:
        yield Archiver(connection, folder, **options)
    finally:
        await connection.close()


async def archive(dsn: str, folder: Path, **options: Any) -> Report:
    """One run, of everything that may go."""
    async with archiver(dsn, folder) as one:
        return await one.run(older_than=timedelta(0), **options)
