"""The whole HTTP edge on a real database; only the network is left out, where it proves nothing."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI

from dispatch.api.access.authentication import Authenticator
from dispatch.api.access.tokens import Identity, Issuer, OwnKey, Verifier
from dispatch.api.application import ROUTERS, create_application
from dispatch.api.server import Server, listening, server_of
from dispatch.api.wiring import Services
from dispatch.config import Settings
from dispatch.directory import Directory
from dispatch.handling.alerts import AlertDesk
from dispatch.handling.assignments import AssignmentDesk
from dispatch.handling.commitments import Commitments
from dispatch.handling.incidents import IncidentDesk
from dispatch.handling.reports import ReportDesk
from dispatch.handling.scribe import Change, Request, Scribe
from dispatch.ingest.gathering import PAGE_EVERY_S
from dispatch.ingest.hearing import Hearing
from dispatch.ingest.intake import Intake
from dispatch.ingest.quarantine import Quarantine
from dispatch.reading.database import Database
from dispatch.store.edge import EdgeStatements, PostgresHeardGateways
from dispatch.store.positions import PostgresUnitPositions
from dispatch.store.postgres import PostgresLog
from dispatch.store.roster import PostgresRoster
from dispatch.store.vault import PostgresSealer
from dispatch.workers.projector import Projector
from dispatch.world import FreshIds, SystemClock
from domain.event import Actor
from domain.vocabulary import ActorKind, Role
from tests.api import town
from tests.api.described import Description
from tests.api.live_feed import Feed
from tests.conftest import database_of

STOP_WAIT_S = 10.0
ISSUER, AUDIENCE = "city-dispatch", "city-dispatch"


@dataclass
class Edge:
    """The application, whoever calls it, and the projector that keeps its views."""

    app: FastAPI
    services: Services
    projector: Projector
    client: httpx.AsyncClient
    issuer: Issuer
    dsn: str

    def token(self, identity: Identity, *, ttl_s: int = 600) -> str:
        return self.issuer.issue(identity, now=self.services.clock.now(), ttl_s=ttl_s)

    def as_operator(self, login: str) -> dict[str, str]:
        identity = Identity(subject=login, roles=(), operator_id=town.operator(login))
        return {"Authorization": f"Bearer {self.token(identity)}"}

    def as_role(self, *roles: Role, **claims: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(Identity(subject='test', roles=roles, **claims))}"}

    def key(self) -> dict[str, str]:
        return {"Idempotency-Key": str(self.services.ids.new())}

    async def project(self) -> int:
        return await self.projector.catch_up()

    async def read(self, path: str, *, by: str | None = None) -> Any:
        """What a person reads; an auditor if nobody is named."""
        headers = self.as_role(Role.AUDITOR) if by is None else self.as_operator(by)
        answer = await self.client.get(path, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def record(self, *changes: Change, by: str = "test", at: datetime | None = None) -> None:
        """Put facts on streams that no route puts there, and let whoever decides and whoever reads see them."""
        services = self.services
        actor = Actor(kind=ActorKind.SYSTEM, id=by)
        request = Request(actor, services.clock.now(), services.ids.new(), occurred_at=at)
        await services.scribe.record(changes, request)
        await services.directory.catch_up()
        await self.project()

    async def report(self, *, by: str = "east-station.01", at: tuple[float, float] = town.IN_EAST, **body: Any) -> Any:
        """File a report that opens an incident, and let the views see it."""
        content = {
            "channel": "operator",
            "category": "traffic.accident",
            "severity": 2,
            "text": "两车追尾",
            "place": {"point": {"type": "Point", "coordinates": list(at)}},
        } | body
        answer = await self.client.post("/v1/reports", json=content, headers=self.as_operator(by) | self.key())
        assert answer.status_code == 201, answer.text
        await self.project()
        return answer.json()

    async def decide(
        self, incident_id: str, what: str, body: Any = None, *, by: str, version: int, **headers: str
    ) -> httpx.Response:
        return await self.client.post(
            f"/v1/incidents/{incident_id}/{what}",
            json=body,
            headers=self.as_operator(by) | {"If-Match": f'"{version}"'} | self.key() | headers,
        )


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, min_position_wait_s=0.3, caller_requests_per_s=10_000)


FIRST: list[tuple[FastAPI, Description]] = []


def described(app: FastAPI) -> Description:
    """What the application promises, which is what the first one does, and the routes as the first one has them.

    What the framework derives from the routes, when they are first used and for the description, costs more CPU than
    most tests. All applications have the same routes, and who serves them is said by each request.
    """
    if not FIRST:
        FIRST.append((app, Description(app.openapi())))
    first, description = FIRST[0]
    app.router.routes[-len(ROUTERS) :] = first.router.routes[-len(ROUTERS) :]
    return description


@asynccontextmanager
async def an_edge(dsn: str, settings: Settings) -> AsyncIterator[Edge]:
    """The application on a fresh database with the town in it."""
    async with AsyncExitStack() as stack:
        clock, ids = SystemClock(), FreshIds()
        log = await PostgresLog.open(dsn)
        stack.push_async_callback(log.close)
        sealer = await PostgresSealer.open_vault(dsn, settings.data_dir / "seal.key")
        stack.push_async_callback(sealer.close)
        pool = await asyncpg.create_pool(dsn, min_size=1, max_size=4, server_settings={"role": "dispatch_app"})
        stack.push_async_callback(pool.close)
        database = Database.connect(dsn, connections_max=4)
        stack.push_async_callback(database.close)
        scribe = Scribe(log, sealer, clock)
        await town.load(scribe)
        directory = Directory(log, town.CITY)
        await directory.catch_up()
        key = Ed25519PrivateKey.generate()
        positions = PostgresUnitPositions(pool)
        services = Services(
            settings=settings,
            log=log,
            scribe=scribe,
            directory=directory,
            clock=clock,
            ids=ids,
            database=database,
            authenticator=Authenticator(Verifier(OwnKey(key), ISSUER, AUDIENCE), directory),
            cursor_secret=b"of this test",
            incidents=IncidentDesk(scribe, directory, Commitments(log, PostgresRoster(pool))),
            reports=ReportDesk(scribe, directory),
            assignments=AssignmentDesk(scribe, directory, positions),
            positions=positions,
            alerts=Intake(
                AlertDesk(scribe, directory, ids),
                Quarantine(EdgeStatements(pool), scribe, ids),
                wait_s_max=settings.alert_wait_s_max,
                page_every_s=PAGE_EVERY_S,
                hearing=Hearing(PostgresHeardGateways(pool), clock),
            ),
        )
        projector = Projector(log, dsn)
        await projector.claim()
        stack.push_async_callback(projector.close)
        await projector.catch_up()
        app = create_application(services)
        await stack.enter_async_context(app.router.lifespan_context(app))
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        client = await stack.enter_async_context(
            httpx.AsyncClient(
                transport=transport,
                base_url="http://edge",
                event_hooks={"response": [described(app).check]},
            )
        )
        yield Edge(app, services, projector, client, Issuer(key, ISSUER, AUDIENCE), dsn)


@pytest.fixture
async def edge(dsn: str, settings: Settings) -> AsyncIterator[Edge]:
    """An edge of one's own."""
    async with an_edge(dsn, settings) as made:
        yield made


@pytest.fixture
async def server(edge: Edge) -> AsyncIterator[tuple[Server, str]]:
    """The application behind a real socket; the server and its address."""
    bound = listening("127.0.0.1", 0)
    running = server_of(edge.app, edge.services.hub, host="127.0.0.1", port=0)
    running.config.lifespan = "off"  # the fixture of the application runs it
    running.capture_signals = nullcontext  # type: ignore[method-assign]
    task = asyncio.create_task(running.serve(sockets=[bound]))
    yield running, f"http://127.0.0.1:{bound.getsockname()[1]}"
    running.stop()
    await asyncio.wait_for(task, STOP_WAIT_S)


@pytest.fixture
async def feed(edge: Edge) -> AsyncIterator[Feed]:
    """Who writes pages of the board's changes beside the projector, from where that stands."""
    connection = await asyncpg.connect(edge.dsn)
    position = await connection.fetchval("SELECT position FROM read.checkpoints WHERE name = 'board'")
    yield Feed(connection, position)
    await connection.close()


@asynccontextmanager
async def a_shared_edge(shared: dict[str, str], folder: Path) -> AsyncIterator[Edge]:
    """An edge for many tests, on a database of its own."""
    name = f"q_{secrets.token_hex(6)}"
    administrator = await asyncpg.connect(shared["server"])
    await administrator.execute(f'CREATE DATABASE "{name}" TEMPLATE "{shared["template"]}"')
    settings = Settings(data_dir=folder, caller_requests_per_s=10_000, min_position_wait_s=0.05)
    async with an_edge(database_of(shared["server"], name), settings) as made:
        yield made
    await administrator.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await administrator.close()


@pytest.fixture(scope="session")
async def quiet_edge(shared: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    """One edge for all tests that change nothing in the town: refusals, descriptions, tokens."""
    async with a_shared_edge(shared, tmp_path_factory.mktemp("quiet")) as made:
        yield made


@pytest.fixture(scope="session")
async def busy_edge(shared: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    """One edge for all tests that tell what they did from what others did there."""
    async with a_shared_edge(shared, tmp_path_factory.mktemp("busy")) as made:
        yield made
