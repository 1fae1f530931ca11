"""A real nats-server with the accounts of two agencies and two gateways, and clients that join as any of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest
from nats.aio.client import Client

from dispatch.embedded.nats import EmbeddedNats
from dispatch.partners.accounts import accounts_config
from dispatch.partners.connection import join, leave
from dispatch.partners.credentials import Credential, Credentials

CITY = "chengdu"
AGENCIES = ("flood_control", "police", "traffic_police", "urban_management")
GATEWAYS = ("frigate-east", "hikvision-west")


@dataclass
class Bus:
    """One running server and those who joined it."""

    server: EmbeddedNats
    credentials: Credentials
    store: Path
    errors: list[str] = field(default_factory=list)
    _clients: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def join(self, credential: Credential) -> Client:
        """A client of that party; what the server refuses it is in `errors`."""

        async def on_error(error: Exception) -> None:
            self.errors.append(str(error))

        client = await join(self.server.url, seed=credential.seed, name="test", timeout_s=5, on_error=on_error)
        self._clients.push_async_callback(leave, client)
        return client

    async def ours(self) -> Client:
        """A client of our own account."""
        return await self.join(self.credentials.ours())

    async def agency(self, code: str) -> Client:
        """A client of an agency."""
        return await self.join(self.credentials.agency(code))

    async def gateway(self, name: str) -> Client:
        """A client of a gateway."""
        return await self.join(self.credentials.gateway(name))

    async def leave(self) -> None:
        """Close every client."""
        await self._clients.aclose()


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[Bus]:
    credentials = Credentials(tmp_path / "secrets" / "nats")
    config = accounts_config(CITY, AGENCIES, GATEWAYS, credentials)
    server = EmbeddedNats(tmp_path / "nats", auth_config=config)
    await server.start()
    running = Bus(server, credentials, tmp_path / "nats" / "store")
    try:
        yield running
    finally:
        await running.leave()
        await server.stop()


@pytest.fixture
async def pool(dsn: str) -> AsyncIterator[asyncpg.Pool]:
    """Connections to the test's database."""
    async with asyncpg.create_pool(dsn, min_size=1, max_size=6) as opened_pool:
        yield opened_pool
