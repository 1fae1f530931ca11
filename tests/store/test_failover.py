"""A server that dies under the writers, or hands over to its standby: what was told as recorded is there, once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import asyncpg
import pytest

from dispatch.store.migrate import migrate
from dispatch.store.postgres import PostgresLog
from tests.cluster import Cluster
from tests.store.test_lane import LANE_SESSIONS, Workload

FOLLOWS = "SELECT FROM pg_stat_replication WHERE sync_state = 'sync'"


@pytest.fixture
def primary() -> Iterator[Cluster]:
    cluster = Cluster.start(durable=True)
    try:
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def standby(primary: Cluster) -> Iterator[Cluster]:
    cluster = primary.standby()
    try:
        yield cluster
    finally:
        cluster.stop()


async def test_a_session_killed_with_9_in_the_middle_of_its_call(primary: Cluster) -> None:
    await migrate(primary.dsn)
    log = await PostgresLog.open(primary.dsn)
    workload = Workload(log)
    writers = [asyncio.create_task(workload.write(number)) for number in range(16)]
    for _ in range(2):
        await workload.until_more(100)
        administrator = await asyncpg.connect(primary.dsn)
        (victim,) = await administrator.fetch(f"{LANE_SESSIONS} AND query LIKE '%log.append%'")
        os.kill(victim["pid"], signal.SIGKILL)  # the server ends all sessions and recovers from its log
        administrator.terminate()
    await workload.until_more(100)
    workload.stopped = True
    await asyncio.gather(*writers)
    await workload.check()
    await log.close()


async def test_a_standby_that_takes_over_has_everything_that_was_told_as_recorded(
    primary: Cluster, standby: Cluster
) -> None:
    await migrate(primary.dsn)
    administrator = await asyncpg.connect(primary.dsn)
    await administrator.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
    await administrator.execute("SELECT pg_reload_conf()")
    while not await administrator.fetch(FOLLOWS):
        pass
    await administrator.close()
    hosts = f"host={primary.folder},{standby.folder}&target_session_attrs=read-write"
    log = await PostgresLog.open(f"postgresql://admin@/postgres?{hosts}")
    epoch = (await log.tip()).epoch
    workload = Workload(log)
    writers = [asyncio.create_task(workload.write(number)) for number in range(16)]
    await workload.until_more(300)
    await asyncio.to_thread(primary.halt, "immediate")
    await asyncio.to_thread(standby.promote)
    await workload.until_more(300)
    workload.stopped = True
    await asyncio.gather(*writers)
    await workload.check()
    assert (await log.tip()).epoch == epoch
    await log.close()
