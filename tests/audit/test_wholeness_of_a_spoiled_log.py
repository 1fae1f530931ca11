from __future__ import annotations

from uuid import UUID

import asyncpg

from dispatch.audit.wholeness import Wholeness, wholeness
from dispatch.ports import AppendCommand, NewEvent, StreamAppend
from dispatch.store.postgres import PostgresLog

FIRST, SECOND = UUID(int=1), UUID(int=2)


async def examined(dsn: str, *, spoiled_by: str | None = None) -> Wholeness:
    """Twelve events on two streams, then what only a superuser could do: set the guards aside and change the past."""
    log = await PostgresLog.open(dsn)
    for _ in range(3):
        events = (NewEvent("tried", b"{}"), NewEvent("tried", b"{}"))
        await log.append(AppendCommand((StreamAppend(FIRST, None, events), StreamAppend(SECOND, None, events))))
    if spoiled_by is not None:
        connection = await asyncpg.connect(dsn)
        await connection.execute(f"SET session_replication_role = replica; {spoiled_by}")
        await connection.close()
    try:
        return await wholeness(log)
    finally:
        await log.close()


def counts(found: Wholeness) -> tuple[int, int, int]:
    return found.holes, found.version_gaps, found.clock_steps_back


async def test_a_log_left_alone_has_no_hole_no_gap_and_no_step_back(dsn: str) -> None:
    found = await examined(dsn)
    assert (found.position, found.streams, counts(found)) == (12, 2, (0, 0, 0))


async def test_a_removed_event_is_noticed_in_positions_and_versions(dsn: str) -> None:
    found = await examined(dsn, spoiled_by="DELETE FROM log.events WHERE notification_id = 5")
    assert counts(found) == (1, 1, 0)
    assert not found.is_whole


async def test_the_last_event_removed_is_noticed(dsn: str) -> None:
    found = await examined(dsn, spoiled_by="DELETE FROM log.events WHERE notification_id = 12")
    assert counts(found) == (1, 0, 0)


async def test_a_time_set_back_is_noticed(dsn: str) -> None:
    earlier = "UPDATE log.events SET recorded_at = recorded_at - interval '1 hour' WHERE notification_id = 7"
    found = await examined(dsn, spoiled_by=earlier)
    assert counts(found) == (0, 0, 1)


async def test_what_cannot_be_read_is_counted(dsn: str) -> None:
    assert (await examined(dsn)).unreadable == 12
