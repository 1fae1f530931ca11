from __future__ import annotations

from uuid import UUID

import asyncpg

from dispatch.cli.audit import PROMISES, prove
from dispatch.ports import AppendCommand, NewEvent, StreamAppend
from dispatch.store.postgres import PostgresLog

FIRST, SECOND = UUID(int=1), UUID(int=2)


async def write(dsn: str) -> None:
    log = await PostgresLog.open(dsn)
    for _ in range(3):
        events = (NewEvent("tried", b"{}"), NewEvent("tried", b"{}"))
        await log.append(AppendCommand((StreamAppend(FIRST, None, events), StreamAppend(SECOND, None, events))))
    await log.close()


async def spoil(dsn: str, statement: str) -> None:
    """What only somebody with the superuser's password could do: set the guards aside and change the past."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"SET session_replication_role = replica; {statement}")
    await connection.close()


async def broken(dsn: str) -> set[str]:
    return {proof.promise for proof in await prove(dsn) if proof.violations}


async def test_an_empty_log_and_a_written_one_keep_every_promise(dsn: str) -> None:
    assert await broken(dsn) == set()
    await write(dsn)
    assert await broken(dsn) == set()


async def test_a_removed_event_is_noticed_three_times(dsn: str) -> None:
    await write(dsn)
    await spoil(dsn, "DELETE FROM log.events WHERE notification_id = 5")
    assert await broken(dsn) == {
        "positions are contiguous up to the tip",
        "versions of each stream are dense from 1",
        "versions of each stream rise with positions",
    }


async def test_the_last_event_removed_is_noticed(dsn: str) -> None:
    await write(dsn)
    await spoil(dsn, "DELETE FROM log.events WHERE notification_id = 12")
    assert await broken(dsn) == {"positions are contiguous up to the tip", "heads say what streams hold"}


async def test_a_time_set_back_is_noticed(dsn: str) -> None:
    await write(dsn)
    await spoil(dsn, "UPDATE log.events SET recorded_at = recorded_at - interval '1 hour' WHERE notification_id = 7")
    assert await broken(dsn) == {"recorded time never goes back"}


async def test_a_reactor_ahead_of_the_log_is_noticed(dsn: str) -> None:
    await spoil(dsn, "INSERT INTO log.marks VALUES ('router', 1, now())")
    assert await broken(dsn) == {"no reactor is ahead of the log"}


def test_every_promise_is_asked_about_in_a_sentence() -> None:
    assert all(promise[0].islower() and " " in promise for promise in PROMISES)
