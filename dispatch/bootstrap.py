"""The only place where the parts meet their implementations: PostgreSQL, NATS, the clock, ids.

Two processes are wired here. `serve` answers HTTP; `work` folds projections, decides what machines decide and talks to
partners. Any number of each may run: the log's lane, advisory locks and marks keep them from doing things twice.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from dispatch.cities.load import LoadReport, Progress, load_city
from dispatch.config import Settings
from dispatch.directory import Directory
from dispatch.handling.assignments import AssignmentDesk
from dispatch.handling.incidents import IncidentDesk
from dispatch.handling.reports import ReportDesk
from dispatch.handling.scribe import Scribe
from dispatch.partners.accounts import accounts_config
from dispatch.partners.credentials import Credentials
from dispatch.ports import AppendCommand, Mark
from dispatch.store.positions import PostgresUnitPositions
from dispatch.store.postgres import APP_ROLE, TIMEOUTS, PostgresLog
from dispatch.store.vault import PostgresSealer
from dispatch.world import FreshIds, SystemClock
from domain.refusals import Refused, Unavailable

DIRECTORY_EVERY_S = 0.5
"""Least time between two looks at the log for a changed city; also how old a rule may be in another process."""
DIRECTORY_IDLE_S = 5.0


@dataclass(frozen=True, slots=True)
class Foundation:
    """What every process stands on."""

    settings: Settings
    log: PostgresLog
    pool: asyncpg.Pool
    scribe: Scribe
    directory: Directory
    positions: PostgresUnitPositions
    clock: SystemClock
    ids: FreshIds

    def incidents(self) -> IncidentDesk:
        """Decisions about incidents."""
        return IncidentDesk(self.scribe, self.directory)

    def reports(self) -> ReportDesk:
        """What people tell us."""
        return ReportDesk(self.scribe, self.directory)

    def assignments(self) -> AssignmentDesk:
        """Units on incidents."""
        return AssignmentDesk(self.scribe, self.directory, self.positions)


def database_url(settings: Settings) -> str:
    """The DSN. Raises `Refused` when nobody said one and none runs here."""
    if settings.database_url is None:
        raise Refused("settings.no_database", "Set DATABASE_URL, or start everything with `dispatch up`.")
    return settings.database_url


@asynccontextmanager
async def foundation(settings: Settings) -> AsyncIterator[Foundation]:
    """Open the log, the vault and the directory; everything is closed at the end. Raises `Unavailable`."""
    dsn = database_url(settings)
    async with AsyncExitStack() as stack:
        log = await PostgresLog.open(dsn)
        stack.push_async_callback(log.close)
        settings.secrets_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        sealer = await PostgresSealer.open_vault(dsn, settings.seal_key_path)
        stack.push_async_callback(sealer.close)
        pool = await asyncpg.create_pool(
            dsn,
            min_size=1,
            max_size=max(2, settings.database_connections_max // 2),
            server_settings={"application_name": "dispatch edge", "jit": "off", "role": APP_ROLE, **TIMEOUTS},
        )
        stack.push_async_callback(pool.close)
        clock = SystemClock()
        directory = Directory(log, settings.city)
        await directory.catch_up()
        yield Foundation(
            settings=settings,
            log=log,
            pool=pool,
            scribe=Scribe(log, sealer, clock),
            directory=directory,
            positions=PostgresUnitPositions(pool),
            clock=clock,
            ids=FreshIds(),
        )


async def tail_directory(log: PostgresLog, directory: Directory) -> None:
    """Keep a directory fresh until cancelled; an outage is waited out."""
    while True:
        with contextlib.suppress(Unavailable):
            await log.wait_beyond(directory.position, timeout_s=DIRECTORY_IDLE_S)
            await directory.catch_up()
        await asyncio.sleep(DIRECTORY_EVERY_S)


async def load_city_if_empty(settings: Settings, *, progress: Progress | None = None) -> int:
    """Load the sample city unless the log has one whole; the number of facts recorded."""
    async with foundation(settings) as base:
        mark = await base.log.mark(_city_mark(settings.city))
        if mark > 0:
            return 0
        report: LoadReport = await load_city(base.scribe, settings.city, progress=progress)
        # Only a whole load is marked: one that was killed is run again, and what it had recorded decides to nothing.
        loaded = Mark(_city_mark(settings.city), 0, (await base.log.tip()).position)
        await base.log.append(AppendCommand((), marks=(loaded,)))
        return report.events_recorded


def _city_mark(city: str) -> str:
    return f"city-loaded:{city}"


async def nats_accounts(settings: Settings) -> str:
    """The accounts section for a NATS server: one account for each agency with a feed and each gateway."""
    async with foundation(settings) as base:
        agencies = [agency.code for agency in base.directory.agencies.values() if agency.has_feed]
        return accounts_config(settings.city, agencies, gateways_of(base.directory), credentials(settings))


def credentials(settings: Settings) -> Credentials:
    """Seeds of the parties on NATS."""
    return Credentials(settings.secrets_dir / "nats")


def gateways_of(directory: Directory) -> Iterable[str]:
    """Every gateway that brings a camera."""
    return sorted({camera.gateway for camera in directory.cameras.values() if camera.gateway is not None})


async def run_all(*work: Any) -> None:
    """Run until the first of them ends, then end the others; raises what it raised."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
