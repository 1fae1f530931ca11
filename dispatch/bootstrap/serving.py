"""The process that answers HTTP."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import httpx

from dispatch import process
from dispatch.api.access.authentication import Authenticator
from dispatch.api.access.tokens import Keys, OwnKey, ProviderKeys, Verifier, signing_key
from dispatch.api.application import create_application
from dispatch.api.server import allow_streams, server_of
from dispatch.api.wiring import Check, Services
from dispatch.bootstrap.foundation import Foundation, database_url, foundation
from dispatch.config import Settings
from dispatch.readiness import gateways_check, relay_check, report_archive, workers_check
from dispatch.reading.database import Database
from dispatch.store.archive_runs import PostgresArchiveRuns
from dispatch.store.board_baselines import PostgresBoardBaselines
from dispatch.store.edge import EdgeStatements
from dispatch.workers.correlator import Correlator
from dispatch.workers.reactors import TOPICS
from dispatch.workers.tasks import background
from dispatch.workers.timers.watch import Timers


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
