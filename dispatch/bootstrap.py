"""The only place where the parts meet their implementations: PostgreSQL, NATS, the clock, ids.

Two processes are wired here. `serve` answers HTTP; `work` folds projections, decides what machines decide and talks to
partners. Any number of each may run: the log's lane, advisory locks and marks keep them from doing things twice.
"""

from __future__ import annotations

import asyncio
import hashlib
import signal
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from dispatch import process
from dispatch.api.access.authentication import Authenticator
from dispatch.api.access.tokens import Identity, Issuer, Keys, OwnKey, ProviderKeys, Verifier, signing_key
from dispatch.api.application import create_application
from dispatch.api.http.database import Database
from dispatch.api.server import allow_streams, server_of
from dispatch.api.wiring import Check, Services
from dispatch.cities.load import LoadReport, Progress, load_city
from dispatch.config import Settings
from dispatch.directory import Directory
from dispatch.directory_baseline import Keeper
from dispatch.handling.alerts import AlertDesk
from dispatch.handling.assignments import AssignmentDesk
from dispatch.handling.cameras import ConditionDesk
from dispatch.handling.commitments import Commitments
from dispatch.handling.incidents import IncidentDesk
from dispatch.handling.orders import OrderDesk
from dispatch.handling.reports import ReportDesk
from dispatch.handling.scribe import Scribe
from dispatch.handling.tree import LeftBehind
from dispatch.ingest.gateways import GatewayIntake
from dispatch.ingest.gathering import PAGE_EVERY_S
from dispatch.ingest.hearing import Hearing
from dispatch.ingest.intake import Intake
from dispatch.ingest.quarantine import Quarantine
from dispatch.ingest.states import StatesIntake
from dispatch.open_work import counting
from dispatch.partners.accounts import accounts_config
from dispatch.partners.commands import PartnerDesk
from dispatch.partners.joining import credentials, join_as_us, nats_address
from dispatch.partners.worker import run_partners
from dispatch.ports import AppendCommand, BoardBaselines, Mark
from dispatch.readiness import GATEWAYS, gateways_check, relay_check, report_archive, workers_check
from dispatch.store.archive_runs import PostgresArchiveRuns
from dispatch.store.board_baselines import PostgresBoardBaselines
from dispatch.store.directory_baselines import PostgresDirectoryBaselines
from dispatch.store.edge import EdgeStatements, ListenerReports, PostgresHeardGateways
from dispatch.store.positions import PostgresUnitPositions
from dispatch.store.postgres import APP_ROLE, TIMEOUTS, PostgresLog, leave_as_it_is
from dispatch.store.roster import PostgresRoster
from dispatch.store.snapshots import PostgresSnapshots
from dispatch.store.tail import TailedLog
from dispatch.store.upkeep import forget_answers, make_partitions
from dispatch.store.vault import PostgresSealer
from dispatch.workers.archivist import keep_archived, run_archive
from dispatch.workers.board_keeper import keep_boards
from dispatch.workers.correlator import Correlator
from dispatch.workers.ownership import AdvisoryOwnership
from dispatch.workers.projector import projectors
from dispatch.workers.reactor import Reactor, run_reactor
from dispatch.workers.reactors import TOPICS, Given, reactors
from dispatch.workers.tasks import background, run_all
from dispatch.workers.timers.watch import Timers
from dispatch.world import FreshIds, SystemClock
from domain.identifiers import operator_id
from domain.refusals import Refused
from domain.vocabulary import Role

FIRST_SUPERVISOR = "city.27"
"""The operator of the sample city in whose name `dispatch up` prints a token."""


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


# --- serve ------------------------------------------------------------------------------------------------------------


async def serve(settings: Settings) -> None:
    """Answer HTTP until a signal ends it."""
    allow_streams(settings.sse_clients_max)
    async with foundation(settings) as base, services(base) as wired:
        process.settle()
        server = server_of(create_application(wired), wired.hub, host=settings.host, port=settings.port)
        judging, hearing = wired.alerts.watch(Correlator.name), base.hearing.run()
        async with background(base.keeper.tail()), background(judging), background(hearing):
            await server.serve()


@asynccontextmanager
async def services(base: Foundation) -> AsyncIterator[Services]:
    """Everything the routes need."""
    settings = base.settings
    database = Database.connect(
        database_url(settings),
        connections_max=settings.database_connections_max,
        statement_timeout_s=settings.database_timeout_s,
    )
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            yield Services(
                settings=settings,
                log=base.log,
                scribe=base.scribe,
                directory=base.directory,
                clock=base.clock,
                ids=base.ids,
                database=database,
                authenticator=Authenticator(verifier(settings, client), base.directory),
                cursor_secret=_cursor_secret(settings),
                incidents=base.incidents(),
                reports=base.reports(),
                assignments=base.assignments(),
                positions=base.positions,
                alerts=base.intake(),
                board_baselines=PostgresBoardBaselines(base.pool),
                checks=_checks(base),
                before_metrics=(partial(report_archive, PostgresArchiveRuns(base.pool)),),
            )
        finally:
            await database.close()


def _checks(base: Foundation) -> dict[str, Check]:
    """What /readyz asks beside what the API sees itself."""
    given = EdgeStatements(base.pool), base.settings, base.clock
    tasks = (*TOPICS, Timers.name, "partners")
    return {
        "nats": relay_check(*given),
        "gateways": gateways_check(*given),
        "workers": workers_check(given[0], base.log, base.clock, tasks, TOPICS),
    }


def verifier(settings: Settings, client: httpx.AsyncClient) -> Verifier:
    """Our own key checks tokens, or an identity provider's keys."""
    keys: Keys = OwnKey(signing_key(settings.jwt_key_path))
    if settings.oidc_discovery_url is not None:
        keys = ProviderKeys(settings.oidc_discovery_url, client)
    return Verifier(keys, settings.jwt_issuer, settings.jwt_audience)


def _cursor_secret(settings: Settings) -> bytes:
    """Every process of a system must read the cursors of the others, so the secret follows from one they share."""
    return hashlib.sha256(b"cursors\x1f" + settings.jwt_key_path.read_bytes()).digest()


def issue_token(settings: Settings, identity: Identity) -> str:
    """A bearer token signed with our own key."""
    settings.secrets_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    issuer = Issuer(signing_key(settings.jwt_key_path), settings.jwt_issuer, settings.jwt_audience)
    return issuer.issue(identity, now=SystemClock().now(), ttl_s=settings.token_ttl_s)


def new_token(settings: Settings) -> str:
    """A token of a supervisor at the city center of the sample city."""
    who = operator_id(settings.city, FIRST_SUPERVISOR)
    return issue_token(settings, Identity(f"operator:{FIRST_SUPERVISOR}", (Role.DISPATCHER, Role.SUPERVISOR), who))


# --- work -------------------------------------------------------------------------------------------------------------


async def work(settings: Settings) -> None:
    """Fold, decide and relay until a signal ends it."""
    stop, dsn = asyncio.Event(), database_url(settings)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with foundation(settings, kind=TailedLog) as base, counting(dsn, base.log, base.directory) as left:
        process.settle(process.COLLECT_AFTER_PAGES_ALLOCATIONS)
        await run_all(stop, workers(base, stop, left))


def workers(base: Foundation, stop: asyncio.Event, left: LeftBehind) -> dict[str, Coroutine[Any, Any, None]]:
    """Every task of a worker process, by name. Each owns its work by an advisory lock and takes over from the dead."""
    dsn, log, directory, clock = database_url(base.settings), base.log, base.directory, base.clock
    own = partial(AdvisoryOwnership, dsn)

    def react(reactor: Reactor) -> Coroutine[Any, Any, None]:
        return run_reactor(reactor, log=base.log, scribe=base.scribe, ownership=own(reactor.name), stop=stop)

    scribe, heard = base.scribe, base.hearing.heard
    given = Given(log, directory, clock, scribe, base.positions, base.commitments())
    timers = Timers(
        log=log, directory=directory, clock=clock, scribe=scribe, ownership=own("timers"), heard=heard, left=left
    )
    tasks = {
        "directory": base.keeper.tail(),
        "partitions": make_partitions(base.pool),
        "answers": forget_answers(base.pool, kept=timedelta(days=base.settings.idempotency_kept_days)),
        **{name: projector.run(stop) for name, projector in projectors(base.log, dsn).items()},
        **{reactor.name: react(reactor) for reactor in reactors(given)},
        "timers": timers.run(stop),
        "boards": keep_boards(log, PostgresBoardBaselines(base.pool), own("boards"), stop),
        "partners": run_partners(
            log=base.log,
            pool=base.pool,
            desk=partner_desk(base),
            city=base.settings.city,
            nats=nats_address(base.settings),
            ownership=own("partners"),
            clock=base.clock,
            ids=base.ids,
            stop=stop,
        ),
    }
    if base.settings.nats_url is not None:
        tasks |= _gateway_tasks(base, stop)
    if base.settings.archives_by_itself:
        tasks["archive"] = keep_archived(
            partial(run_archive, base.settings.environment()),
            PostgresArchiveRuns(base.pool),
            own("archive"),
            clock,
            stop,
            every=timedelta(hours=base.settings.archive_every_h),
        )
    return tasks


def _gateway_tasks(base: Foundation, stop: asyncio.Event) -> dict[str, Coroutine[Any, Any, None]]:
    """What hears gateways by NATS."""
    intake, reports = base.intake(), ListenerReports(base.pool, GATEWAYS, base.clock)
    states = StatesIntake(ConditionDesk(base.scribe, base.directory), base.clock, base.ids)
    gateways = GatewayIntake(intake, states, base.settings.city, join_as_us(base.settings), reports.put)
    return {"gateways": gateways.run(stop), "admission": intake.watch(Correlator.name), "hearing": base.hearing.run()}


def partner_desk(base: Foundation) -> PartnerDesk:
    """What partners may decide."""
    return PartnerDesk(
        incidents=base.incidents(),
        assignments=base.assignments(),
        orders=OrderDesk(base.scribe, base.directory),
        directory=base.directory,
        positions=base.positions,
        pool=base.pool,
        clock=base.clock,
    )
