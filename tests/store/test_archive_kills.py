"""kill -9 at every step of an archive run: the next run ends right, and the log's hash is what it was."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from dispatch.audit.wholeness import wholeness
from dispatch.ports import EventLog
from dispatch.store.archive_format import Content
from dispatch.store.postgres import PostgresLog
from tests.store.archiving import SIZE, archive, archiver, fill, make_small_partitions

RANGES = 3
EVENTS = RANGES * SIZE + 20
WAIT_S = 30
VICTIM = """
import asyncio, os, signal, sys
from datetime import timedelta
from pathlib import Path
from tests.store.archiving import archiver

dsn, folder, fatal, times = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])

def step(name):
    global times
    times -= name == fatal
    if name == fatal and times == 0:
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    async with archiver(dsn, folder, step=step) as one:
        await one.run(older_than=timedelta(0))

asyncio.run(main())
"""


@pytest.fixture
async def log(dsn: str, tmp_path: Path) -> AsyncIterator[PostgresLog]:
    await make_small_partitions(dsn)
    log = await PostgresLog.open(dsn, archive=tmp_path)
    await fill(log, EVENTS)
    yield log
    await log.close()


async def hash_of(log: EventLog) -> bytes:
    """Of every event there is, in order."""
    content, position = Content(), 0
    while page := await log.read_after(position, limit=700):
        for event in page:
            content.add(event)
        position = page[-1].position
    assert position == EVENTS
    return content.digest()


async def victim(dsn: str, folder: Path, fatal: str = "", times: int = 1) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", VICTIM, dsn, str(folder), fatal, str(times), stdout=asyncio.subprocess.DEVNULL
    )


async def all_is_well(log: PostgresLog, dsn: str, folder: Path, before: bytes) -> None:
    """The files are those of the manifest and whole, the table has the rest, and every event is what it was."""
    assert await hash_of(log) == before
    assert (await wholeness(log)).holes == 0
    async with archiver(dsn, folder) as one:
        assert [(checked.trouble, checked.last_position) for checked in await one.verify()] == [
            ("", (number + 1) * SIZE) for number in range(RANGES)
        ]
        manifest = {entry.file for entry in await one.manifest()}
    assert {path.name for path in folder.iterdir()} - {".archiving"} == manifest
    connection = await asyncpg.connect(dsn)
    assert await connection.fetchval("SELECT min(notification_id) FROM log.events") == RANGES * SIZE + 1
    await connection.close()


@pytest.mark.parametrize("times", [1, 2], ids=["first range", "second range"])
@pytest.mark.parametrize("fatal", ["begun", "half written", "written", "verified", "renamed", "recorded"])
async def test_a_run_killed_at_any_step_is_ended_by_the_next(
    log: PostgresLog, dsn: str, tmp_path: Path, fatal: str, times: int
) -> None:
    before = await hash_of(log)
    process = await victim(dsn, tmp_path, fatal, times)
    assert await asyncio.wait_for(process.wait(), WAIT_S) == -signal.SIGKILL
    assert await hash_of(log) == before
    report = await archive(dsn, tmp_path)
    assert report.horizon == RANGES * SIZE
    assert len(report.moved) == RANGES - (times - 1) - (fatal == "recorded")
    await all_is_well(log, dsn, tmp_path, before)


@pytest.mark.parametrize("whom", ["the run", "its backend"])
async def test_a_run_killed_while_it_records_is_ended_by_the_next(
    log: PostgresLog, dsn: str, tmp_path: Path, whom: str
) -> None:
    """A long read keeps the partition from being dropped, so the call is certainly under way."""
    before = await hash_of(log)
    reader = await asyncpg.connect(dsn)
    reading = reader.transaction()
    await reading.start()
    await reader.fetchval("SELECT count(*) FROM log.events")
    process = await victim(dsn, tmp_path)
    watcher = await asyncpg.connect(dsn)
    backend = await asyncio.wait_for(waiting_backend(watcher), WAIT_S)
    if whom == "the run":
        os.kill(process.pid, signal.SIGKILL)
    else:
        await watcher.execute("SELECT pg_terminate_backend($1)", backend)
    assert await asyncio.wait_for(process.wait(), WAIT_S) != 0
    await reading.rollback()
    await reader.close()
    await watcher.close()
    assert await hash_of(log) == before
    await archive(dsn, tmp_path)
    await all_is_well(log, dsn, tmp_path, before)


async def waiting_backend(connection: asyncpg.Connection) -> int:
    """The process of the server that waits to drop a partition."""
    while True:
        found = await connection.fetchval(
            "SELECT a.pid FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
            " WHERE NOT l.granted AND a.datname = current_database() AND a.query LIKE 'SELECT log.archive(%'"
        )
        if found is not None:
            return int(found)


async def test_a_file_spoiled_before_it_was_recorded_is_written_again(
    log: PostgresLog, dsn: str, tmp_path: Path
) -> None:
    before = await hash_of(log)
    process = await victim(dsn, tmp_path, "renamed")
    await process.wait()
    (orphan,) = tmp_path.glob("*.log-archive")
    orphan.write_bytes(orphan.read_bytes()[:-100])
    await archive(dsn, tmp_path)
    await all_is_well(log, dsn, tmp_path, before)
