"""What /readyz learns of the workers, from their own reports."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from dispatch.api.health import STALLED_AFTER
from dispatch.bootstrap.foundation import foundation
from dispatch.bootstrap.serving import services
from dispatch.bootstrap.working import workers
from dispatch.config import Settings
from dispatch.handling.tree import nobody_counts
from dispatch.ingest.gateways import LISTENER
from dispatch.ports import AppendCommand, Mark
from dispatch.readiness import SILENT_AFTER, gateways_check, relay_check, workers_check
from dispatch.store.edge import EdgeStatements, ListenerReports
from dispatch.store.postgres import PostgresLog
from dispatch.workers.ownership import AdvisoryOwnership, lock_key
from dispatch.world import SystemClock
from tests.ingest.stage import StandingClock
from tests.store.contract import UNIT, decision, on

WITH_NATS = Settings(nats_url="nats://127.0.0.1:4222")
WITHOUT = Settings(nats_url=None)


class Moved(StandingClock):
    """The same clock, later."""

    def now(self) -> datetime:
        return super().now() + SILENT_AFTER + timedelta(seconds=1)


async def test_without_nats_nobody_has_to_listen(pool: asyncpg.Pool) -> None:
    for check in (gateways_check, relay_check):
        assert (await check(EdgeStatements(pool), WITHOUT, StandingClock())()).ok


async def test_gateways_are_heard_as_long_as_somebody_says_so(pool: asyncpg.Pool) -> None:
    store, clock = EdgeStatements(pool), StandingClock()
    check, later = gateways_check(store, WITH_NATS, clock), gateways_check(store, WITH_NATS, Moved())
    nobody = await check()
    assert (nobody.ok, "dispatch work" in nobody.reason) == (False, True)

    reports = ListenerReports(pool, LISTENER, clock)
    await reports.put(None)
    assert (await check()).ok
    silent = await later()
    assert (silent.ok, "no process says" in silent.reason) == (False, True)

    await reports.put("NATS does not take the connection")
    assert (await check()).ok, "another process hears still"
    troubled = await later()
    assert not troubled.ok
    assert "NATS does not take the connection" in troubled.reason
    await reports.put(None)
    assert (await check()).reason == "gateways are heard"


async def test_a_listener_that_never_heard_says_why(pool: asyncpg.Pool) -> None:
    await ListenerReports(pool, LISTENER, StandingClock()).put("x" * 10_000)
    found = await gateways_check(EdgeStatements(pool), WITH_NATS, StandingClock())()
    assert not found.ok
    assert len(found.reason) <= 600


@pytest.mark.parametrize(
    ("sequence", "trouble", "age", "says"),
    [
        (0, None, timedelta(0), "0 messages behind"),
        (0, "TimeoutError: ", timedelta(0), "TimeoutError"),
        (0, None, timedelta(minutes=1), "silent"),
    ],
)
async def test_the_relays_report_is_believed_while_it_is_fresh(
    pool: asyncpg.Pool, sequence: int, trouble: str | None, age: timedelta, says: str
) -> None:
    clock = StandingClock()
    check = relay_check(EdgeStatements(pool), WITH_NATS, clock)
    assert "has not reported" in (await check()).reason
    await pool.execute(
        "INSERT INTO feed.relays VALUES ('police', $1, $2, $3)", sequence, trouble, clock.now().astimezone(UTC) - age
    )
    found = await check()
    assert says in found.reason
    assert found.ok is (trouble is None and not age)


async def is_free(pool: asyncpg.Pool, task: str) -> None:
    """Return when the server has seen that the session ended which had the task's lock."""
    async with pool.acquire() as connection:
        await connection.execute("SELECT pg_advisory_lock($1)", lock_key(task))
        await connection.execute("SELECT pg_advisory_unlock($1)", lock_key(task))


async def test_a_task_that_nobody_does_is_named_even_on_a_quiet_night(
    pool: asyncpg.Pool, pg_log: PostgresLog, dsn: str
) -> None:
    clock = StandingClock()
    check = workers_check(EdgeStatements(pool), pg_log, clock, ("router", "timers"), {})
    assert (await check()).reason == "nobody works as router, timers; start `dispatch work`"

    router, timers = AdvisoryOwnership(dsn, "router"), AdvisoryOwnership(dsn, "timers")
    await router.acquire()
    await timers.acquire()
    assert (await check()).ok

    await timers.release()
    await is_free(pool, "timers")
    assert (await check()).ok, "another process is about to take it"
    clock.pass_by(SILENT_AFTER + timedelta(seconds=1))
    assert (await check()).reason == "nobody works as timers; start `dispatch work`"
    await router.release()


async def test_every_reactor_that_a_worker_starts_is_asked_after(dsn: str, tmp_path: Path) -> None:
    settings = Settings(database_url=dsn, data_dir=tmp_path)
    async with foundation(settings) as base, services(base) as wired:
        found = await wired.checks["workers"]()
        started = workers(base, asyncio.Event(), nobody_counts)
        for work in started.values():
            work.close()
    asked = found.reason.removeprefix("nobody works as ").partition(";")[0].split(", ")
    assert asked == [
        "alarms",
        "conditions",
        "correlator",
        "cover",
        "partners",
        "recommender",
        "releaser",
        "router",
        "timers",
    ]
    assert set(asked) <= started.keys()


async def test_a_worker_for_what_is_urgent_and_one_for_the_rest_do_together_what_one_for_all_does(
    dsn: str, tmp_path: Path
) -> None:
    """Each task once; the directory is everybody's own."""
    found = {}
    for work_on in ("all", "urgent", "rest"):
        settings = Settings(database_url=dsn, data_dir=tmp_path, nats_url="nats://127.0.0.1:1", work_on=work_on)
        async with foundation(settings) as base:
            started = workers(base, asyncio.Event(), nobody_counts)
            found[work_on] = sorted(started)
            for work in started.values():
                work.close()
    assert sorted([*found["urgent"], *found["rest"]]) == sorted([*found["all"], "directory"])
    assert {"correlator", "router", "alarms", "projector of the board", "gateways"} <= set(found["urgent"])


async def test_a_reactor_that_is_there_and_gets_nowhere_is_named(pool: asyncpg.Pool, pg_log: PostgresLog) -> None:
    clock = StandingClock(SystemClock().now())
    event = decision(on(UNIT, 0))
    (topic,) = {new.topic for stream in event.streams for new in stream.events}
    await pg_log.append(event)
    store, of_others = EdgeStatements(pool), {"recommender": {"another.topic"}}
    check = workers_check(store, pg_log, clock, (), {"router": {topic}} | of_others)
    assert (await check()).ok
    clock.pass_by(STALLED_AFTER + timedelta(seconds=5))
    stalled = await check()
    assert not stalled.ok
    assert stalled.reason.startswith("router has left position 1 for 6")
    await pg_log.append(AppendCommand((), marks=(Mark("router", 0, (await pg_log.tip()).position),)))
    assert (await check()).ok
