"""What every process stands on: the log, the pool, the directory, and the desks made of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from dispatch.cities.load import LoadReport, Progress, load_city
from dispatch.config import Settings
from dispatch.directory import Directory
from dispatch.directory_baseline import Keeper
from dispatch.handling.alerts import AlertDesk
from dispatch.handling.assignments import AssignmentDesk
from dispatch.handling.commitments import Commitments
from dispatch.handling.incidents import IncidentDesk
from dispatch.handling.reports import ReportDesk
from dispatch.handling.scribe import Scribe
from dispatch.ingest.gathering import PAGE_EVERY_S
from dispatch.ingest.hearing import Hearing
from dispatch.ingest.intake import Intake
from dispatch.ingest.quarantine import Quarantine
from dispatch.partners.accounts import accounts_config
from dispatch.partners.joining import credentials
from dispatch.ports import AppendCommand, BoardBaselines, Mark
from dispatch.store.board_baselines import PostgresBoardBaselines
from dispatch.store.directory_baselines import PostgresDirectoryBaselines
from dispatch.store.edge import EdgeStatements, PostgresHeardGateways
from dispatch.store.positions import PostgresUnitPositions
from dispatch.store.postgres import APP_ROLE, TIMEOUTS, PostgresLog, leave_as_it_is
from dispatch.store.roster import PostgresRoster
from dispatch.store.snapshots import PostgresSnapshots
from dispatch.store.vault import PostgresSealer
from dispatch.world import FreshIds, SystemClock
from domain.refusals import Refused


@dataclass(frozen=True, slots=True)
class Foundation:
    """What every process stands on."""

    settings: Settings
    log: PostgresLog
    pool: asyncpg.Pool
    scribe: Scribe
    directory: Directory
    keeper: Keeper
    positions: PostgresUnitPositions
    hearing: Hearing
    clock: SystemClock
    ids: FreshIds

    def incidents(self) -> IncidentDesk:
        """Decisions about incidents."""
        return IncidentDesk(self.scribe, self.directory, self.commitments())

    def reports(self) -> ReportDesk:
        """What people tell us."""
        return ReportDesk(self.scribe, self.directory)

    def commitments(self) -> Commitments:
        """Which units are on an incident."""
        return Commitments(self.log, PostgresRoster(self.pool), PostgresSnapshots(self.pool))

    def assignments(self) -> AssignmentDesk:
        """Units on incidents."""
        return AssignmentDesk(self.scribe, self.directory, self.positions)

    def intake(self) -> Intake:
        """Machine messages of every known format, and those kept aside. `watch` runs beside it."""
        desk, kept = AlertDesk(self.scribe, self.directory, self.ids), EdgeStatements(self.pool)
        return Intake(
            desk,
            Quarantine(kept, self.scribe, self.ids),
            wait_s_max=self.settings.alert_wait_s_max,
            page_every_s=PAGE_EVERY_S,
            hearing=self.hearing,
        )


def database_url(settings: Settings) -> str:
    """The DSN. Raises `Refused` when nobody said one and none runs here."""
    if settings.database_url is None:
        raise Refused("settings.no_database", "Set DATABASE_URL, or start everything with `dispatch up`.")
    return settings.database_url


@asynccontextmanager
async def foundation(settings: Settings, *, kind: type[PostgresLog] = PostgresLog) -> AsyncIterator[Foundation]:
    """Open the log, the vault and the directory; everything is closed at the end. Raises `Unavailable`."""
    dsn = database_url(settings)
    async with AsyncExitStack() as stack:
        log = await kind.open(dsn, archive=settings.archive_path)
        stack.push_async_callback(log.close)
        settings.secrets_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        sealer = await PostgresSealer.open_vault(dsn, settings.seal_key_path)
        stack.push_async_callback(sealer.close)
        pool = await asyncpg.create_pool(
            dsn,
            min_size=1,
            max_size=max(2, settings.database_connections_max // 2),
            server_settings={"application_name": "dispatch edge", "jit": "off", "role": APP_ROLE, **TIMEOUTS},
            reset=leave_as_it_is,
        )
        stack.push_async_callback(pool.close)
        clock = SystemClock()
        directory, keeper = await known_directory(log, settings)
        yield Foundation(
            settings=settings,
            log=log,
            pool=pool,
            scribe=Scribe(log, sealer, clock, PostgresSnapshots(pool)),
            directory=directory,
            keeper=keeper,
            positions=PostgresUnitPositions(pool),
            hearing=Hearing(PostgresHeardGateways(pool), clock),
            clock=clock,
            ids=FreshIds(),
        )


@asynccontextmanager
async def reading_log(dsn: str, archive: Path | None = None) -> AsyncIterator[PostgresLog]:
    """The log alone, for replays and rebuilds; `archive` is the folder of its old ranges. Raises `Unavailable`."""
    log = await PostgresLog.open(dsn, archive=archive)
    try:
        yield log
    finally:
        await log.close()


def board_baselines(log: PostgresLog) -> BoardBaselines:
    """Where replays may start."""
    return PostgresBoardBaselines(log.pool)


async def known_directory(log: PostgresLog, settings: Settings) -> tuple[Directory, Keeper]:
    """The city up to the log's end, from a baseline where there is one. Raises `Unavailable`.

    Storing one that is wanted is the start's: later its 100 ms would be somebody's wait.
    """
    directory = Directory(log, settings.city)
    keeper = Keeper(directory, log, PostgresDirectoryBaselines(log.pool))
    await keeper.begin()
    await directory.catch_up()
    await keeper.keep()
    return directory, keeper


async def load_city_if_empty(settings: Settings, *, progress: Progress | None = None) -> int:
    """Load the sample city unless the log has one whole; the number of facts recorded."""
    async with foundation(settings) as base:
        mark = await base.log.mark(_city_mark(settings.city))
        if mark > 0:
            return 0
        report: LoadReport = await load_city(base.scribe, settings.city, folder=settings.cities_dir, progress=progress)
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


def gateways_of(directory: Directory) -> Iterable[str]:
    """Every gateway that brings a camera."""
    return sorted({camera.gateway for camera in directory.cameras.values() if camera.gateway is not None})
