"""Every format comes by NATS as by HTTP: the same bytes are the same alerts, and are refused in the same words."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from nats.aio.client import Client

from dispatch.cli.ingest import Parcel, parcels_of
from dispatch.config import Settings
from dispatch.handling.cameras import ConditionDesk
from dispatch.ingest.adapters import ADAPTERS
from dispatch.ingest.gateways import GatewayIntake
from dispatch.ingest.states import StatesIntake
from dispatch.partners.subjects import gateway_subject
from domain.vocabulary import Role
from tests.api.conftest import Edge, an_edge
from tests.ingest.stage import FIXTURES
from tests.ingest.test_hostile_messages import format_of, sample_files
from tests.partners.conftest import CITY, GATEWAYS, Bus

GATEWAY = GATEWAYS[0]
ANSWER_S = 10
NATIVE = b'[{"id":"1","kind":"waterlogging","severity":"severe"},{"id":"2","kind":"tea"}]'


def messages(folder: Path) -> list[tuple[str, Parcel]]:
    """Our own fixtures of every format, and whatever real messages are at hand."""
    (folder / "alerts.json").write_bytes(NATIVE)
    own = [(path.name.partition("_")[0], path) for path in sorted(FIXTURES.iterdir())]
    real = [(adapter, path) for adapter, path in sample_files() if format_of(path) == adapter]
    files = [("native", folder / "alerts.json"), *own, *real]
    return [(adapter, parcel) for adapter, path in files for parcel in parcels_of(path, adapter)]


@asynccontextmanager
async def listening(edge: Edge, bus: Bus) -> AsyncIterator[Client]:
    """The edge's own intake, heard on a real server; a client of a gateway."""

    async def report(_trouble: str | None) -> None:
        return None

    services = edge.services
    desk = ConditionDesk(services.scribe, services.directory)
    states = StatesIntake(desk, services.clock, services.ids)
    gateways, stop = GatewayIntake(services.alerts, states, CITY, bus.ours, report), asyncio.Event()
    running = asyncio.create_task(gateways.run(stop))
    try:
        async with asyncio.timeout(ANSWER_S):
            await gateways.listening.wait()
        yield await bus.gateway(GATEWAY)
    finally:
        stop.set()
        async with asyncio.timeout(ANSWER_S):
            await running


async def by_nats(client: Client, adapter: str, parcel: Parcel) -> Any:
    subject = f"{gateway_subject(CITY, GATEWAY)}.{adapter}"
    answer = await client.request(subject, parcel.body, timeout=ANSWER_S, headers={"Content-Type": parcel.media_type})
    return json.loads(answer.data)


async def by_http(edge: Edge, adapter: str, parcel: Parcel) -> Any:
    headers = edge.as_role(Role.GATEWAY, gateway=GATEWAY) | {"Content-Type": parcel.media_type}
    answer = await edge.client.post(f"/v1/ingest/{adapter}", content=parcel.body, headers=headers)
    return answer.json()


def entries(document: Any) -> list[dict[str, Any]]:
    return document.get("results", [document])


def told(entry: dict[str, Any]) -> tuple[Any, ...]:
    """What an entry is answered, but for whether it was new."""
    if entry["status"] in {200, 201}:
        return entry["alert_id"], entry["position"], entry["outside_city"]
    return entry["status"], entry["code"], entry["detail"], entry.get("quarantine")


async def test_every_format_by_nats_is_what_it_is_by_http(dsn: str, bus: Bus, tmp_path: Path):
    heard = set()
    settings = Settings(data_dir=tmp_path, caller_requests_per_s=10_000)
    async with an_edge(dsn, settings) as edge, listening(edge, bus) as client:
        for adapter, parcel in messages(tmp_path):
            first = entries(await by_nats(client, adapter, parcel))
            again = entries(await by_http(edge, adapter, parcel))
            assert [told(entry) for entry in again] == [told(entry) for entry in first], parcel.file
            assert all(entry.get("duplicate", True) for entry in again), "the same bytes by HTTP say nothing new"
            if any(entry["status"] == 201 for entry in first):
                heard.add(adapter)
    assert heard == set(ADAPTERS), "each format brought an alert"
