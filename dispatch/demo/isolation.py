"""What one agency's credential tries on the others: all of it must be refused."""

from __future__ import annotations

import asyncio
import contextlib
import json

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from dispatch.demo.scenes.acts import resolve_and_close
from dispatch.demo.stage import Stage
from dispatch.partners.connection import joined, settled
from dispatch.partners.joining import credentials
from dispatch.partners.subjects import DIRECT_GET, command_subject, feed_stream, feed_wildcard

WAIT_S = 1.5
"""How long a foreign message is waited for that must not come."""


async def foreign_feeds(stage: Stage) -> dict[str, bool]:
    """Expectation → whether it held. Police try to read, hear, and speak for traffic police, and to manage streams."""
    settings = stage.settings
    assert settings.nats_url is not None, "the embedded system has NATS"
    seed = credentials(settings).agency("police").seed
    foreign, city = "traffic_police", settings.city
    incident_id = stage.incidents.get("accident", "")
    async with joined(settings.nats_url, seed=seed, name="curious police", timeout_s=5.0) as (client, _):
        first = json.dumps({"seq": 1}).encode()
        accept = json.dumps({"incident_id": incident_id}).encode()
        return {
            "police cannot read the feed of traffic police": not await _answers(
                client, f"{DIRECT_GET}.{feed_stream(foreign)}", first
            ),
            "police can read their own": await _answers(client, f"{DIRECT_GET}.{feed_stream('police')}", first),
            "police cannot speak for traffic police": not await _answers(
                client, command_subject(city, foreign, "accept"), accept
            ),
            "police cannot list streams": not await _answers(client, "$JS.API.STREAM.NAMES", b""),
            "police cannot empty a stream": not await _answers(
                client, f"$JS.API.STREAM.PURGE.{feed_stream('police')}", b""
            ),
            "police cannot make a consumer": not await _answers(
                client, f"$JS.API.CONSUMER.CREATE.{feed_stream('police')}", b"{}"
            ),
            "police hear nothing of traffic police": await _hears_nothing(client, feed_wildcard(city, foreign), stage),
        }


async def _answers(client: Client, subject: str, body: bytes) -> bool:
    """Whether anybody answers. A refusal by the server, or silence, is no answer."""
    try:
        reply: Msg = await client.request(subject, body, timeout=WAIT_S)
    except (NatsError, OSError, TimeoutError):
        return False
    return "error" not in _document(reply.data)


async def _hears_nothing(client: Client, subject: str, stage: Stage) -> bool:
    """Listen on a foreign subject while its feed gets a message."""
    heard = asyncio.Event()

    async def hear(_: Msg) -> None:
        heard.set()

    with contextlib.suppress(NatsError):
        await client.subscribe(subject, cb=hear)
        await settled(client, 2)
    incident_id = stage.incidents.get("accident")
    if incident_id is not None:
        await stage.seats["supervisor"].decide(incident_id, "reopen", {"reason": "演练：旁听者不得听到"})
        await stage.seats["traffic"].decide(incident_id, "accept")
        await resolve_and_close(stage, "traffic", incident_id)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(heard.wait(), WAIT_S)
    return not heard.is_set()


def _document(body: bytes) -> dict[str, object]:
    with contextlib.suppress(ValueError):
        found = json.loads(body)
        if isinstance(found, dict):
            return found
    return {}
