"""A commit that comes late: who reads by a sequence's numbers misses it for ever, who reads our log does not.

The delay is a deferred constraint trigger: at its commit, a transaction with a slow event waits for a lock that the
test holds. It stands for everything that makes one commit later than the next: a slow disk, a synchronous standby, a
client that is slow between its insert and its commit, a process that the machine does not run for a moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from dispatch.bench.append import empty_database
from dispatch.bench.peers import plain_library
from dispatch.bench.peers.crew import rate_of_crew
from dispatch.bench.peers.writer import Job
from dispatch.ports import Appended, RecordedEvent
from dispatch.store.postgres import PostgresLog
from tests.store.contract import CENTER, UNIT, decision, on

NOWHERE = Path("/nowhere")
GATE = 4711
SLOW_COMMIT = """
CREATE FUNCTION {schema}.wait_at_the_commit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared({gate});
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER slow_commit AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (new.{column} = '{slow}') EXECUTE FUNCTION {schema}.wait_at_the_commit();
"""
AT_THE_GATE = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND NOT granted"
BEHIND_A_LOCK = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
NAIVE_TABLE = """
CREATE TABLE naive (position bigserial PRIMARY KEY, stream_id uuid NOT NULL, topic text NOT NULL)
"""
NAIVE_PAGE = "SELECT position FROM naive WHERE position > $1 ORDER BY position LIMIT 100"
SLOW, FAST = UUID(int=1), UUID(int=2)


class Gate:
    """While it is closed, a transaction that inserted the slow event does not get through its commit."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def until_somebody_waits(self, *, behind_a_lock: int = 1) -> None:
        while (
            not await self._connection.fetch(AT_THE_GATE, GATE)
            or len(await self._connection.fetch(BEHIND_A_LOCK)) < behind_a_lock
        ):
            pass

    async def open(self) -> None:
        await self._connection.execute("SELECT pg_advisory_unlock($1)", GATE)


@asynccontextmanager
async def closed_gate(dsn: str, *, schema: str, table: str, column: str, slow: str) -> AsyncIterator[Gate]:
    connection = await asyncpg.connect(dsn)
    await connection.execute(SLOW_COMMIT.format(schema=schema, table=table, column=column, slow=slow, gate=GATE))
    await connection.execute("SELECT pg_advisory_lock($1)", GATE)
    try:
        yield Gate(connection)
    finally:
        await connection.close()


async def test_a_reader_of_a_plain_sequence_skips_an_event(empty_dsn: str) -> None:
    writers = [await asyncpg.connect(empty_dsn) for _ in range(2)]
    reader = await asyncpg.connect(empty_dsn)
    await reader.execute(NAIVE_TABLE)
    insert = "INSERT INTO naive (stream_id, topic) VALUES ($1, 't')"
    seen: list[int] = []

    async def read_on() -> None:
        seen.extend(row["position"] for row in await reader.fetch(NAIVE_PAGE, seen[-1] if seen else 0))

    async with closed_gate(empty_dsn, schema="public", table="naive", column="stream_id", slow=str(SLOW)) as gate:
        slow = asyncio.create_task(writers[0].execute(insert, SLOW))
        await gate.until_somebody_waits()
        await writers[1].execute(insert, FAST)
        await read_on()
        await gate.open()
        await slow
    await read_on()
    there = [row["position"] for row in await reader.fetch(NAIVE_PAGE, 0)]
    for connection in (*writers, reader):
        await connection.close()
    assert there == [1, 2]
    assert seen == [2]


async def slow_then_fast(dsn: str, *, functions: bool, waiting: int) -> tuple[list[int], list[int]]:
    """What a reader of the plain library's log saw while it tailed, and what is there in the end."""
    recorder, stored = plain_library.recorder_of(dsn, 3, functions=functions)
    seen: list[int] = []

    def read_on() -> None:
        start = seen[-1] if seen else 0
        found = recorder.select_notifications(start, 100, inclusive_of_start=False)
        seen.extend(notification.id for notification in found)

    def insert(stream: UUID) -> Future[Any]:
        return executor.submit(recorder.insert_events, [stored(stream, 1, "t", b"{}")])

    with ThreadPoolExecutor(2) as executor:
        async with closed_gate(
            dsn, schema="public", table="stored_events", column="originator_id", slow=str(SLOW)
        ) as gate:
            slow = insert(SLOW)
            await gate.until_somebody_waits()
            fast = insert(FAST)
            if waiting:
                await gate.until_somebody_waits(behind_a_lock=1 + waiting)
            else:
                await asyncio.wrap_future(fast)
            await asyncio.to_thread(read_on)
            await gate.open()
            await asyncio.wrap_future(slow)
            await asyncio.wrap_future(fast)
    await asyncio.to_thread(read_on)
    there = [notification.id for notification in recorder.select_notifications(None, 100)]
    recorder.datastore.close()
    return seen, there


@pytest.fixture
async def plain(server_dsn: str) -> AsyncIterator[str]:
    async with empty_database(server_dsn) as fresh:
        plain_library.install(fresh)
        yield fresh


async def test_the_plain_library_with_its_database_function_skips_an_event(plain: str) -> None:
    seen, there = await slow_then_fast(plain, functions=True, waiting=0)
    assert there == [1, 2]
    assert seen == [2]


async def test_the_plain_library_with_its_table_lock_skips_none(plain: str) -> None:
    seen, there = await slow_then_fast(plain, functions=False, waiting=1)
    assert seen == there == [1, 2]


async def test_a_reader_of_our_log_skips_none(dsn: str) -> None:
    logs = [await PostgresLog.open(dsn) for _ in range(3)]
    one, other, reader = logs
    seen: list[int] = []

    async def read_on() -> None:
        seen.extend(event.position for event in await reader.read_after(seen[-1] if seen else 0))

    async with closed_gate(dsn, schema="log", table="log.heads", column="stream_id", slow=str(UNIT)) as gate:
        slow = asyncio.create_task(one.append(decision(on(UNIT, 0))))
        await gate.until_somebody_waits()
        fast = asyncio.create_task(other.append(decision(on(CENTER, 0))))
        await gate.until_somebody_waits(behind_a_lock=2)
        await read_on()
        assert seen == []
        await gate.open()
        assert isinstance(await slow, Appended)
        assert isinstance(await fast, Appended)
    await read_on()
    for log in logs:
        await log.close()
    assert seen == [1, 2]


# Many writers, kills, many readers

EVENTS_BETWEEN_KILLS = 300
KILL_ONE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'dispatch log' AND query LIKE '%log.append%'
ORDER BY random() LIMIT 1
"""


class Tail:
    """A reader that follows the log, waiting in its own way, and notes what it got."""

    def __init__(self, log: PostgresLog, limit: int) -> None:
        self._log = log
        self._limit = limit
        self.seen: list[int] = []

    async def follow(self, is_over: Callable[[int], bool]) -> None:
        last = 0
        while not is_over(last):
            await self._log.wait_beyond(last, timeout_s=1)
            page: list[RecordedEvent] = await self._log.read_after(last, limit=self._limit)
            self.seen += [event.position for event in page]
            last = self.seen[-1] if self.seen else 0


async def test_no_reader_skips_or_repeats_while_processes_write_and_sessions_are_killed(dsn: str) -> None:
    readers = [await PostgresLog.open(dsn) for _ in range(3)]
    tails = [Tail(log, limit) for log, limit in zip(readers, (1, 7, 500), strict=True)]
    final: int | None = None
    following = [asyncio.create_task(tail.follow(lambda last: final is not None and last >= final)) for tail in tails]
    writing = asyncio.create_task(rate_of_crew([Job("dispatch", dsn, 16, 1, 1.0, warm_up_s=0.1)] * 2, NOWHERE))
    administrator = await asyncpg.connect(dsn)
    killed = last = 0
    while not writing.done():
        reached = await readers[0].wait_beyond(last + EVENTS_BETWEEN_KILLS, timeout_s=0.2)
        if reached > last + EVENTS_BETWEEN_KILLS:
            last = reached
            killed += len(await administrator.fetch(KILL_ONE))
    await writing
    await administrator.close()
    final = (await readers[0].tip()).position
    await asyncio.gather(*following)
    for log in readers:
        await log.close()
    assert killed > 0
    for tail in tails:
        assert tail.seen == list(range(1, len(tail.seen) + 1))
        assert len(tail.seen) == final
