"""What /readyz learns of the workers, from their own reports."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from dispatch.config import Settings
from dispatch.readiness import GATEWAYS, SILENT_AFTER, gateways_check, relay_check
from dispatch.store.edge import EdgeStatements, ListenerReports
from tests.ingest.stage import StandingClock

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

    reports = ListenerReports(pool, GATEWAYS, clock)
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
    await ListenerReports(pool, GATEWAYS, StandingClock()).put("x" * 10_000)
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
