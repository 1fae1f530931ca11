"""The process that folds, decides and relays."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from datetime import timedelta
from functools import partial
from typing import Any

from dispatch import process
from dispatch.bootstrap.foundation import Foundation, database_url, foundation
from dispatch.config import Settings
from dispatch.handling.cameras import ConditionDesk
from dispatch.handling.orders import OrderDesk
from dispatch.handling.tree import LeftBehind
from dispatch.ingest.gateways import LISTENER, GatewayIntake
from dispatch.ingest.states import StatesIntake
from dispatch.open_work import counting
from dispatch.partners.commands import PartnerDesk
from dispatch.partners.joining import join_as_us, nats_address
from dispatch.partners.worker import run_partners
from dispatch.store.archive_runs import PostgresArchiveRuns
from dispatch.store.board_baselines import PostgresBoardBaselines
from dispatch.store.edge import ListenerReports
from dispatch.store.tail import TailedLog
from dispatch.store.upkeep import forget_answers, make_partitions
from dispatch.workers.archivist import keep_archived, run_archive
from dispatch.workers.board_keeper import keep_boards
from dispatch.workers.correlator import Correlator
from dispatch.workers.ownership import AdvisoryOwnership
from dispatch.workers.projector import projectors
from dispatch.workers.reactor import Reactor, run_reactor
from dispatch.workers.reactors import Given, reactors
from dispatch.workers.tasks import run_all
from dispatch.workers.timers.watch import Timers


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
    intake, reports = base.intake(), ListenerReports(base.pool, LISTENER, base.clock)
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
