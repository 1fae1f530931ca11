"""An idempotency key is honoured for as long as is said, and its answer is forgotten some time after."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from dispatch.ports import Appended, Repeated
from dispatch.store import upkeep
from dispatch.store.postgres import PostgresLog
from dispatch.store.upkeep import forget_once
from tests.store.contract import UNIT, decision, on

KEPT = timedelta(days=30)


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(dsn, min_size=1, max_size=2, server_settings={"role": "dispatch_app"}) as pool:
        yield pool


async def aged(dsn: str, days: float, up_to: int) -> None:
    """Let events have been recorded longer ago, as nobody but a superuser without triggers can."""
    connection = await asyncpg.connect(dsn)
    await connection.execute("SET session_replication_role = replica")
    await connection.execute(
        "UPDATE log.events SET recorded_at = recorded_at - $1::interval WHERE notification_id <= $2",
        timedelta(days=days),
        up_to,
    )
    await connection.close()


async def kept(dsn: str) -> list[str]:
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch("SELECT key FROM log.idempotency ORDER BY position")
    await connection.close()
    return [row["key"] for row in rows]


async def test_old_answers_are_forgotten_and_young_ones_kept(pg_log: PostgresLog, dsn: str, app: asyncpg.Pool) -> None:
    for number in range(12):
        await pg_log.append(decision(on(UNIT, None), key=f"key-{number}"))
    await aged(dsn, 31, up_to=7)
    assert await forget_once(app, kept=KEPT) == 7
    assert await kept(dsn) == [f"key-{number}" for number in range(7, 12)]
    assert await forget_once(app, kept=KEPT) == 0

    repeated = await pg_log.append(decision(on(UNIT, None), key="key-7"))
    assert isinstance(repeated, Repeated)
    forgotten = await pg_log.append(decision(on(UNIT, None), key="key-0", meaning=b"another request"))
    assert isinstance(forgotten, Appended)


async def test_a_walk_goes_page_by_page_over_the_whole_table_wherever_old_answers_lie(
    pg_log: PostgresLog, dsn: str, app: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "STRETCH_PAUSE_S", 0.0)
    for number in range(20):
        await pg_log.append(decision(on(UNIT, None), key=f"key-{number:02}-" + "x" * 1_000))
    await aged(dsn, 31, up_to=12)
    connection = await asyncpg.connect(dsn)
    # Room that was freed is used again: what is old lies behind what is young.
    await connection.execute("UPDATE log.idempotency SET position = 21 - position")
    pages = await connection.fetchval("SELECT 1 + max((ctid::text::point)[0]) FROM log.idempotency")
    assert pages > 3
    first = await app.fetchrow("SELECT * FROM log.forget_answers($1, 0, 1)", KEPT)
    assert first["next_page"] == 1
    last = await app.fetchrow("SELECT * FROM log.forget_answers($1, $2, 1)", KEPT, int(pages) - 1)
    assert last["next_page"] is None
    assert first["forgotten"] + last["forgotten"] + await forget_once(app, kept=KEPT, pages=1) == 12
    assert await connection.fetchval("SELECT min(position) FROM log.idempotency") == 13
    await connection.close()


async def test_a_key_lives_to_the_last_moment(pg_log: PostgresLog, dsn: str, app: asyncpg.Pool) -> None:
    await pg_log.append(decision(on(UNIT, None), key="key"))
    await aged(dsn, 29.99, up_to=1)
    assert await forget_once(app, kept=KEPT) == 0
    await aged(dsn, 0.02, up_to=1)
    assert await forget_once(app, kept=KEPT) == 1


async def test_nothing_is_forgotten_where_nothing_was_recorded(dsn: str, app: asyncpg.Pool) -> None:
    assert await forget_once(app, kept=KEPT) == 0
    assert await kept(dsn) == []


async def test_an_archived_range_tells_its_own_time(pg_log: PostgresLog, dsn: str, app: asyncpg.Pool) -> None:
    for number in range(4):
        await pg_log.append(decision(on(UNIT, None), key=f"key-{number}"))
    connection = await asyncpg.connect(dsn)
    await connection.execute("SET session_replication_role = replica")
    # Two files, one of them younger than a key may be; their events are in the table no more.
    for first, days in ((1, 40), (2, 20)):
        await connection.execute(
            "INSERT INTO log.archives VALUES ($1, $1, 1, now() - $2::interval, now() - $2::interval, $3, 1,"
            " sha256(''), sha256(''), sha256(''))",
            first,
            timedelta(days=days),
            f"file-{first}",
        )
    await connection.execute("UPDATE log.horizon SET position = 2; DELETE FROM log.events WHERE notification_id <= 2")
    await connection.close()
    assert await forget_once(app, kept=KEPT) == 1
    assert await kept(dsn) == ["key-1", "key-2", "key-3"]


async def test_nobody_shortens_it_below_a_week(app: asyncpg.Pool) -> None:
    with pytest.raises(asyncpg.InvalidParameterValueError, match="7 days"):
        await app.fetchval("SELECT log.forget_answers(interval '6 days', 0, 10)")


@pytest.mark.parametrize("role", ["dispatch_projector", "dispatch_auditor"])
async def test_only_the_app_may_forget(dsn: str, role: str) -> None:
    connection = await asyncpg.connect(dsn, server_settings={"role": role})
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("SELECT log.forget_answers(interval '30 days', 0, 10)")
    await connection.close()
