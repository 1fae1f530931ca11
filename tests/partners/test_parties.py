"""An agency that is registered while the city runs gets its account without a restart."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dispatch.cli.up import OTHERS_NATS, follow_accounts
from dispatch.config import Settings
from dispatch.store.postgres import PostgresLog
from domain.identifiers import agency_stream
from domain.refusals import Unavailable
from tests.partners.conftest import CITY, Bus
from tests.partners.story import Story, agency_registered

WITHIN_S = 60


@asynccontextmanager
async def following(settings: Settings, log: PostgresLog, bus: Bus | None) -> AsyncIterator[asyncio.Queue[str]]:
    """`dispatch up` at that part of its work; what it says comes through the queue."""
    said: asyncio.Queue[str] = asyncio.Queue()
    position = (await log.tip()).position
    work = follow_accounts(settings, position, bus.server if bus else None, said.put_nowait)
    task = asyncio.create_task(work)
    try:
        yield said
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def settings(pg_log: PostgresLog, dsn: str, tmp_path: Path) -> Settings:
    await Story(pg_log).city()
    return Settings(database_url=dsn, data_dir=tmp_path, city=CITY)


async def test_a_new_agency_joins_nats_without_a_restart(bus: Bus, pg_log: PostgresLog, settings: Settings) -> None:
    police = await bus.agency("police")
    newcomer = bus.credentials.agency("health")
    with pytest.raises(Unavailable):
        await bus.join(newcomer)
    async with following(settings, pg_log, bus) as said, asyncio.timeout(WITHIN_S):
        await Story(pg_log).tell(agency_stream(CITY, "health"), agency_registered("health", fields=("number",)))
        assert "new accounts" in await said.get()
        await bus.join(newcomer)
        assert police.is_connected, "nobody else is disturbed"


async def test_what_changes_no_account_disturbs_nobody(bus: Bus, pg_log: PostgresLog, settings: Settings) -> None:
    async with following(settings, pg_log, bus) as said, asyncio.timeout(WITHIN_S):
        story = Story(pg_log)
        await story.tell(agency_stream(CITY, "police"), agency_registered("police", fields=("number",)))
        await story.tell(agency_stream(CITY, "health"), agency_registered("health", fields=("number",)))
        assert "new accounts" in await said.get()
        await story.tell(agency_stream(CITY, "forestry"), agency_registered("forestry", has_feed=False))
        await story.tell(agency_stream(CITY, "rescue"), agency_registered("rescue", fields=("number",)))
        assert "new accounts" in await said.get()
        assert said.empty()


async def test_the_keeper_of_another_server_is_told_what_to_do(pg_log: PostgresLog, settings: Settings) -> None:
    async with following(settings, pg_log, None) as said, asyncio.timeout(WITHIN_S):
        await Story(pg_log).tell(agency_stream(CITY, "health"), agency_registered("health", fields=("number",)))
        assert await said.get() == OTHERS_NATS


async def test_a_server_that_is_down_has_the_accounts_when_it_starts(
    bus: Bus, pg_log: PostgresLog, settings: Settings
) -> None:
    await bus.server.stop()
    async with following(settings, pg_log, bus) as said, asyncio.timeout(WITHIN_S):
        await Story(pg_log).tell(agency_stream(CITY, "health"), agency_registered("health", fields=("number",)))
        assert "new accounts" in await said.get()
    await bus.server.start()
    await bus.join(bus.credentials.agency("health"))
