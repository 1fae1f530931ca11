"""Partitions are made ahead, never missing, and pruned by who reads."""

from __future__ import annotations

import asyncio
import re

import asyncpg
import pytest

from dispatch.ports import Appended
from dispatch.store import reader
from dispatch.store.postgres import PostgresLog
from tests.store.contract import CENTER, UNIT, decision, on

SIZE = 4_000_000
PARTITIONS = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'log.events'::regclass"


@pytest.fixture
async def administrator(dsn: str) -> asyncpg.Connection:
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


async def advance(administrator: asyncpg.Connection, position: int) -> None:
    """As if so many events had been recorded; what lies between was archived."""
    await administrator.execute("UPDATE log.tip SET position = $1", position)


async def test_two_whole_partitions_lie_beyond_the_tip(administrator: asyncpg.Connection) -> None:
    assert await administrator.fetchval(PARTITIONS) == 2
    assert await administrator.fetchval("SELECT log.ensure_partitions()") == 0
    await advance(administrator, SIZE - 1)
    assert await administrator.fetchval("SELECT log.ensure_partitions()") == 1
    assert await administrator.fetchval(PARTITIONS) == 3


async def test_the_app_makes_partitions_ahead_on_a_timer(
    pg_log: PostgresLog, administrator: asyncpg.Connection
) -> None:
    assert await pg_log.ensure_partitions() == 0
    await advance(administrator, SIZE)
    assert await pg_log.ensure_partitions() == 1


@pytest.mark.parametrize("events", [1, 5], ids=["the short path", "a batch"])
async def test_an_append_beyond_the_last_partition_makes_its_own(
    pg_log: PostgresLog, administrator: asyncpg.Connection, events: int
) -> None:
    await advance(administrator, 2 * SIZE - events // 2)
    verdict = await pg_log.append(decision(on(UNIT, 0, events=events)))
    assert isinstance(verdict, Appended)
    found = await pg_log.read_stream(UNIT)
    assert [e.position for e in found] == list(range(verdict.first_position, verdict.last_position + 1))
    assert await administrator.fetchval(PARTITIONS) > 2


async def test_a_command_may_lie_on_both_sides_of_a_border(
    pg_log: PostgresLog, administrator: asyncpg.Connection
) -> None:
    await advance(administrator, SIZE - 2)
    await pg_log.append(decision(on(UNIT, 0, events=4)))
    rows = await administrator.fetch("SELECT tableoid::regclass::text AS part, count(*) FROM log.events GROUP BY 1")
    assert {row["part"]: row["count"] for row in rows} == {"log.events_000001": 2, "log.events_000002": 2}
    assert [e.version for e in await pg_log.read_stream(UNIT)] == [1, 2, 3, 4]
    assert [e.position for e in await pg_log.read_after(SIZE - 2, limit=3)] == [SIZE - 1, SIZE, SIZE + 1]


async def test_making_a_partition_locks_no_reader_out(pg_log: PostgresLog, dsn: str) -> None:
    await pg_log.append(decision(on(UNIT, 0)))
    maker = await asyncpg.connect(dsn)
    transaction = maker.transaction()
    await transaction.start()
    await maker.execute("SELECT log.ensure_partitions(9)")
    assert len(await pg_log.read_after(0)) == 1
    assert len(await pg_log.read_stream(UNIT)) == 1
    await transaction.rollback()
    await maker.close()


async def test_making_a_partition_holds_up_no_append(pg_log: PostgresLog, dsn: str) -> None:
    maker = await asyncpg.connect(dsn)
    transaction = maker.transaction()
    await transaction.start()
    assert await maker.fetchval("SELECT log.ensure_partitions(9)") == 7
    assert isinstance(await pg_log.append(decision(on(UNIT, 0))), Appended)
    assert isinstance(await pg_log.append(decision(on(UNIT, 1, events=3))), Appended)
    await transaction.commit()
    assert isinstance(await pg_log.append(decision(on(UNIT, 4))), Appended)
    await maker.close()


async def test_an_append_at_the_border_uses_what_was_made_ahead(
    pg_log: PostgresLog, administrator: asyncpg.Connection
) -> None:
    await administrator.execute("SELECT log.ensure_partitions(4)")
    await advance(administrator, 2 * SIZE - 1)
    assert isinstance(await pg_log.append(decision(on(UNIT, 0, events=3))), Appended)
    assert await administrator.fetchval(PARTITIONS) == 4
    assert await administrator.fetchval("SELECT partitioned_to FROM log.tip") == 4 * SIZE
    assert [e.position for e in await pg_log.read_after(2 * SIZE - 1)] == [2 * SIZE, 2 * SIZE + 1, 2 * SIZE + 2]


async def test_an_append_that_needs_a_partition_waits_for_whoever_makes_it(
    pg_log: PostgresLog, administrator: asyncpg.Connection, dsn: str
) -> None:
    maker = await asyncpg.connect(dsn)
    transaction = maker.transaction()
    await advance(administrator, 2 * SIZE)
    await transaction.start()
    assert await maker.fetchval("SELECT log.ensure_partitions()") == 2
    appending = asyncio.create_task(pg_log.append(decision(on(UNIT, 0))))
    waits = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    while not await administrator.fetch(waits):
        pass
    await transaction.commit()
    assert isinstance(await appending, Appended)
    assert await administrator.fetchval(PARTITIONS) == 4
    await maker.close()


async def test_reads_touch_only_the_partitions_they_need(
    pg_log: PostgresLog, administrator: asyncpg.Connection
) -> None:
    await administrator.execute("SELECT log.ensure_partitions(6)")
    await pg_log.append(decision(on(UNIT, 0)))
    await advance(administrator, 3 * SIZE + 10)
    await pg_log.append(decision(on(CENTER, 0, events=2)))
    for setting, value in reader.PLANNING.items():
        await administrator.execute(f"SET {setting} = {value}")
    for query, arguments in (
        (reader.READ_STREAM, (CENTER, 0, reader.BEYOND_ALL, 10, 0)),
        (reader.READ_STREAMS, ([CENTER], reader.BEYOND_ALL, 0)),
        (reader.READ_PAGE, (3 * SIZE, 3 * SIZE + 500, 0)),
    ):
        statement = await administrator.prepare(f"EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF, SUMMARY OFF) {query}")
        plan = "\n".join(row[0] for row in await statement.fetch(*arguments))
        executed = [line for line in plan.splitlines() if " on events_" in line and "never executed" not in line]
        assert set(re.findall(r"events_0\d+", "\n".join(executed))) == {"events_000004"}, plan
        assert "Seq Scan on events_" not in plan
        assert "Bitmap" not in plan
        wanted = "pkey" if query is reader.READ_PAGE else "originator_id_originator_version"
        assert all(wanted in line for line in executed if "Index Scan" in line), plan


async def test_an_archived_range_leaves_the_rest_readable(
    pg_log: PostgresLog, administrator: asyncpg.Connection
) -> None:
    await pg_log.append(decision(on(UNIT, 0)))
    await advance(administrator, SIZE)
    await pg_log.append(decision(on(CENTER, 0, events=3)))
    await administrator.execute("ALTER TABLE log.events DETACH PARTITION log.events_000001")
    first = (await pg_log.read_stream(CENTER))[0]
    assert first.position == SIZE + 1
    assert await pg_log.position_at(first.recorded_at) == SIZE + 3


async def test_a_restore_renews_the_epoch(pg_log: PostgresLog, administrator: asyncpg.Connection) -> None:
    before = (await pg_log.tip()).epoch
    await administrator.execute("SELECT log.renew_epoch()")
    assert (await pg_log.tip()).epoch != before


@pytest.mark.parametrize(
    "arguments",
    [
        "'{}','{}', ARRAY[gen_random_uuid()], '{0}', '{2}', '{t}', ARRAY[''::bytea]",
        "'{}','{}', ARRAY[gen_random_uuid()], '{0}', '{}', '{t,t}', ARRAY[''::bytea,'']",
        "'{}','{}', ARRAY[gen_random_uuid()], '{0}', '{}', '{t}', '{}'",
        "'{}','{}', array_fill(gen_random_uuid(), ARRAY[2]), '{0,0}', '{}', '{t,t}', ARRAY[''::bytea,'']",
    ],
    ids=["more events than there are", "fewer streams than events", "no state", "a stream twice"],
)
async def test_a_caller_that_lies_about_its_arrays_records_nothing(
    pg_log: PostgresLog, dsn: str, arguments: str
) -> None:
    app = await asyncpg.connect(dsn, server_settings={"role": "dispatch_app"})
    with pytest.raises((asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)):
        await app.execute(f"SELECT log.append({arguments}, {', '.join(9 * [EMPTY])})")
    await app.close()
    assert (await pg_log.tip()).position == 0


EMPTY = "'{}'"
EXISTING = "SELECT log.append('{}','{}', array_fill($1::uuid, ARRAY[2]), NULL, '{}', '{t,t}', ARRAY[''::bytea,''], "


async def test_a_caller_that_names_an_existing_stream_twice_in_one_run_is_refused(
    pg_log: PostgresLog, dsn: str
) -> None:
    await pg_log.append(decision(on(UNIT, 0)))
    app = await asyncpg.connect(dsn, server_settings={"role": "dispatch_app"})
    with pytest.raises(asyncpg.InvalidParameterValueError, match="twice"):
        await app.fetch(EXISTING.replace("NULL", "'{NULL,NULL}'") + f"{', '.join(9 * [EMPTY])})", UNIT)
    await app.close()
    assert len(await pg_log.read_stream(UNIT)) == 1
