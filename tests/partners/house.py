"""A city whose partners are served over a real nats-server, with everything running."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import asyncpg
import pytest

from dispatch.directory import Directory
from dispatch.handling.assignments import AssignmentDesk
from dispatch.handling.commitments import Commitments
from dispatch.handling.incidents import IncidentDesk
from dispatch.handling.orders import OrderDesk
from dispatch.handling.scribe import Scribe
from dispatch.partners.client import Answer, PartnerClient, Received
from dispatch.partners.commands import PartnerDesk
from dispatch.partners.worker import NatsAddress, run_partners
from dispatch.store.positions import PostgresUnitPositions
from dispatch.store.postgres import PostgresLog
from dispatch.store.roster import PostgresRoster
from dispatch.store.vault import PostgresSealer
from dispatch.workers.ownership import AdvisoryOwnership
from dispatch.world import FreshIds, SystemClock
from domain.identifiers import companion_of
from domain.refusals import Unavailable
from tests.partners.conftest import CITY, Bus
from tests.partners.story import Story

NOBODY = UUID(int=1)
WITHIN_S = 30


def message(name: str) -> UUID:
    return uuid5(NOBODY, name)


@dataclass
class House:
    """A city whose partners are served, and what happened in it."""

    bus: Bus
    story: Story
    pool: asyncpg.Pool
    incidents: IncidentDesk
    assignments: AssignmentDesk
    desk: PartnerDesk
    dsn: str

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        """The worker runs; no NATS is needed to begin."""
        nats = NatsAddress(self.bus.server.url, self.bus.credentials.ours().seed, timeout_s=1.0)
        working = asyncio.create_task(
            run_partners(
                log=self.story.log,
                pool=self.pool,
                desk=self.desk,
                city=CITY,
                nats=nats,
                ownership=AdvisoryOwnership(self.dsn, "partners"),
                clock=SystemClock(),
                ids=FreshIds(),
            )
        )
        try:
            yield
        finally:
            died = working.done()
            working.cancel()
            (ended,) = await asyncio.gather(working, return_exceptions=True)
            assert not died, repr(ended)

    async def partner(self, agency: str = "police") -> PartnerClient:
        return PartnerClient(await self.bus.agency(agency), CITY, agency, timeout_s=2.0)

    @asynccontextmanager
    async def joined(self, agency: str) -> AsyncIterator[PartnerClient]:
        """A partner for as long as the block runs: a server has a limit of connections."""
        partner = await self.partner(agency)
        try:
            yield partner
        finally:
            await partner.close()

    async def until_read(self, count: int, agency: str = "police") -> list[Received]:
        """The agency's first `count` messages, however often NATS goes away meanwhile."""
        seen: list[Received] = []
        async with asyncio.timeout(WITHIN_S):
            while len(seen) < count:
                with contextlib.suppress(Unavailable):
                    async with self.joined(agency) as partner:
                        async for message in partner.follow(len(seen)):
                            seen.append(message)
                            if len(seen) == count:
                                break
        return seen

    async def until_answered(self, verb: str, name: str, body: dict[str, Any], agency: str = "police") -> Answer:
        """Repeat a command with the same id until it is answered, as a partner must."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                with contextlib.suppress(Unavailable):
                    async with self.joined(agency) as partner:
                        return await partner.send(verb, message(name), body)


@pytest.fixture
async def house(bus: Bus, pg_log: PostgresLog, pool: asyncpg.Pool, dsn: str, tmp_path: Path) -> AsyncIterator[House]:
    story = Story(pg_log)
    await story.city()
    sealer = await PostgresSealer.open_vault(dsn, tmp_path / "seal.key")
    directory = Directory(pg_log, CITY)
    await directory.catch_up()
    scribe = Scribe(pg_log, sealer, SystemClock())
    positions = PostgresUnitPositions(pool)
    incidents = IncidentDesk(scribe, directory, Commitments(pg_log, PostgresRoster(pool)))
    assignments = AssignmentDesk(scribe, directory, positions)
    desk = PartnerDesk(
        incidents=incidents,
        assignments=assignments,
        orders=OrderDesk(scribe, directory),
        directory=directory,
        positions=positions,
        pool=pool,
        clock=SystemClock(),
    )
    yield House(bus, story, pool, incidents, assignments, desk, dsn)
    await sealer.close()


async def notes_of(house: House, incident_id: UUID) -> int:
    return len(await house.story.log.read_stream(companion_of(incident_id)))
