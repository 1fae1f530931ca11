"""The process that folds, decides and relays."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Collection, Coroutine
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
from dispatch.workers.projector import board_projector, other_projector
from dispatch.workers.reactor import Reactor, run_reactor
from dispatch.workers.reactors import MAKERS, URGENT, Given, reactors
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
    """Every task of this worker process, by name. Each owns its work by an advisory lock and takes over from the dead.

    Which they are, `DISPATCH_WORK_ON` says (decision 0038).
    """
    tasks = {"directory": base.keeper.tail()}
    if base.settings.work_on != "rest":
        tasks |= _urgent(base, stop)
    if base.settings.work_on != "urgent":
        tasks |= _rest(base, stop, left)
    return tasks


def _urgent(base: Foundation, stop: asyncio.Event) -> dict[str, Coroutine[Any, Any, None]]:
    """What stands between an alert and the boards of those who answer it."""
    board = board_projector(base.log, database_url(base.settings))
    tasks = {"projector of the board": board.run(stop), **_react(base, stop, URGENT)}
    return tasks | (_gateway_tasks(base, stop) if base.settings.nats_url is not None else {})


def _rest(base: Foundation, stop: asyncio.Event, left: LeftBehind) -> dict[str, Coroutine[Any, Any, None]]:
    """Everything else."""
    dsn, log, clock = database_url(base.settings), base.log, base.clock
    own = partial(AdvisoryOwnership, dsn)
    timers = Timers(
        log=log,
        directory=base.directory,
        clock=clock,
        scribe=base.scribe,
        ownership=own("timers"),
        heard=base.hearing.heard,
        left=left,
    )
    tasks = {
        "partitions": make_partitions(base.pool),
        "answers": forget_answers(base.pool, kept=timedelta(days=base.settings.idempotency_kept_days)),
        "projector": other_projector(log, dsn).run(stop),
        **_react(base, stop, MAKERS.keys() - URGENT),
        "timers": timers.run(stop),
        "boards": keep_boards(log, PostgresBoardBaselines(base.pool), own("boards"), stop),
        "partners": run_partners(
            log=log,
            pool=base.pool,
            desk=partner_desk(base),
            city=base.settings.city,
            nats=nats_address(base.settings),
            ownership=own("partners"),
            clock=clock,
            ids=base.ids,
            stop=stop,
        ),
    }
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


def _react(
    base: Foundation, stop: asyncio.Event, kinds: Collection[type[Reactor]]
) -> dict[str, Coroutine[Any, Any, None]]:
    log, scribe = base.log, base.scribe
    given = Given(log, base.directory, base.clock, scribe, base.positions, base.commitments())
    dsn = database_url(base.settings)
    return {
        each.name: run_reactor(each, log=log, scribe=scribe, ownership=AdvisoryOwnership(dsn, each.name), stop=stop)
        for each in reactors(given, kinds)
    }


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
