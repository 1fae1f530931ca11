"""Who waits is woken: by its own process, by another's hint, and by the poll when the hint is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import asyncpg
import pytest

from dispatch.store import wake
from dispatch.store.postgres import PostgresLog
from tests.store.contract import UNIT, decision, on

NEVER_S = 3_600.0


@pytest.fixture
async def other(dsn: str) -> AsyncIterator[PostgresLog]:
    """The log as another process has it."""
    log = await PostgresLog.open(dsn)
    yield log
    await log.close()


async def test_another_process_is_woken_by_a_hint(
    pg_log: PostgresLog, other: PostgresLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wake, "POLL_EVERY_S", NEVER_S)
    await other.wait_beyond(0, timeout_s=0.01)  # the poll has looked once, and will not look again
    waiting = asyncio.create_task(other.wait_beyond(0, timeout_s=60))
    await asyncio.sleep(0)
    await pg_log.append(decision(on(UNIT, 0)))
    assert await waiting == 1


async def test_a_lost_hint_is_made_good_by_the_poll(
    pg_log: PostgresLog, other: PostgresLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wake, "HINT_EVERY_S", NEVER_S)
    await pg_log.append(decision(on(UNIT, 0)))
    assert await other.wait_beyond(0, timeout_s=60) == 1  # the last hint for an hour
    waiting = asyncio.create_task(other.wait_beyond(1, timeout_s=60))
    await pg_log.append(decision(on(UNIT, 1)))
    assert await waiting == 2


async def test_a_listener_that_was_cut_off_listens_again(pg_log: PostgresLog, other: PostgresLog, dsn: str) -> None:
    administrator = await asyncpg.connect(dsn)
    await administrator.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND query LIKE 'LISTEN%' AND pid <> pg_backend_pid()"
    )
    waiting = asyncio.create_task(other.wait_beyond(0, timeout_s=60))
    await pg_log.append(decision(on(UNIT, 0)))
    assert await waiting == 1
    count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
    waiting = asyncio.create_task(other.wait_beyond(1, timeout_s=60))
    while not await administrator.fetchval(count):
        pass
    await pg_log.append(decision(on(UNIT, 1)))
    assert await waiting == 2
    await administrator.close()


async def test_hints_are_coalesced_whatever_the_rate_of_appends(pg_log: PostgresLog, dsn: str) -> None:
    heard: list[str] = []
    listener = await asyncpg.connect(dsn)
    await listener.add_listener(wake.CHANNEL, lambda _c, _pid, _channel, payload: heard.append(payload))
    began = time.perf_counter()
    for _ in range(400):
        await pg_log.append(decision(on(UNIT, None)))
    elapsed_s = time.perf_counter() - began
    while not heard or heard[-1] != "400":
        await listener.execute("SELECT")
    assert len(heard) <= elapsed_s / wake.HINT_EVERY_S + 3
    assert [int(position) for position in heard] == sorted(int(position) for position in heard)
    await listener.close()


async def test_many_who_wait_for_different_positions_are_each_woken_once_it_is_there(pg_log: PostgresLog) -> None:
    waiting = [asyncio.create_task(pg_log.wait_beyond(position, timeout_s=60)) for position in range(20)]
    for _ in range(20):
        await pg_log.append(decision(on(UNIT, None)))
    for position, reached in enumerate(await asyncio.gather(*waiting)):
        assert reached > position
