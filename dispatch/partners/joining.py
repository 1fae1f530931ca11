"""Who we are on NATS, and how we join it: from the settings, with the credentials we were given or made."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from nats.aio.client import Client

from dispatch.config import Settings
from dispatch.partners.connection import join, seed_from
from dispatch.partners.credentials import Credentials
from dispatch.partners.worker import NatsAddress


def credentials(settings: Settings) -> Credentials:
    """Seeds of the parties on NATS."""
    return Credentials(settings.secrets_dir / "nats")


def nats_address(settings: Settings) -> NatsAddress | None:
    """Where NATS is and who we are there: the credentials we were given, else the key we made."""
    if settings.nats_url is None:
        return None
    seed = seed_from(settings.nats_credentials_file) or credentials(settings).ours().seed
    return NatsAddress(settings.nats_url, seed, settings.nats_timeout_s)


def join_as_us(settings: Settings) -> Callable[[], Coroutine[Any, Any, Client]]:
    """How the gateways' intake joins NATS."""
    address = nats_address(settings)
    assert address is not None, "asked only where there is NATS"

    async def joining() -> Client:
        return await join(address.url, seed=address.seed, name="dispatch gateways", timeout_s=address.timeout_s)

    return joining
