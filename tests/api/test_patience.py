"""Whoever connects and does not say what it wants gets a limited time, and takes nobody's place after it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import pytest

from dispatch.api.http.patience import Patience
from dispatch.api.server import Server, StreamingProtocol
from domain.vocabulary import Role
from tests.api import town
from tests.api.conftest import Edge
from tests.api.test_problems import is_problem

WITHIN_S = 10.0


async def never_whole() -> AsyncIterator[bytes]:
    yield b'{"channel":'
    await asyncio.Event().wait()


@pytest.mark.parametrize("path", ["/v1/reports", "/v1/alerts", "/v1/alerts?crs=gcj02"])
async def test_a_body_that_drips_in_is_408_and_gives_its_place_back(edge: Edge, path: str) -> None:
    transport = httpx.ASGITransport(app=Patience(edge.app, body_s=0.05))
    async with httpx.AsyncClient(transport=transport, base_url="http://edge", timeout=WITHIN_S) as client:
        headers = edge.as_operator("east.01") | edge.key() | {"Content-Type": "application/json"}
        if "alerts" in path:
            headers |= edge.as_role(Role.GATEWAY, gateway=town.GATEWAY)
        before = await edge.services.log.tip()
        answer = await client.post(path, content=never_whole(), headers=headers)
        is_problem(answer, 408, "body_too_slow")
        assert answer.headers["connection"] == "close"
        assert await edge.services.log.tip() == before


async def test_an_answer_may_take_longer_than_its_body(edge: Edge) -> None:
    transport = httpx.ASGITransport(app=Patience(edge.app, body_s=0.05))
    async with httpx.AsyncClient(transport=transport, base_url="http://edge", timeout=WITHIN_S) as client:
        headers = edge.as_operator("east.01") | edge.key()
        answer = await client.get("/v1/incidents?min_position=1000000", headers=headers)  # waits 0.3 s, is then 503
        is_problem(answer, 503, "projection_behind")


@pytest.mark.parametrize("said", [b"", b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: "])
async def test_a_connection_that_never_asks_is_hung_up(
    server: tuple[Server, str], monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(StreamingProtocol, "head_s", 0.05)
    parts = urlsplit(server[1])
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(said)
    async with asyncio.timeout(WITHIN_S):
        assert await reader.read() == b""
    writer.close()


async def test_a_head_that_stops_in_a_later_request_is_hung_up_too(
    server: tuple[Server, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StreamingProtocol, "head_s", 0.2)
    parts = urlsplit(server[1])
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    async with asyncio.timeout(WITHIN_S):
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"alive" in await reader.readuntil(b"}")
        writer.write(b"GET /livez HTT")
        assert await reader.read() == b""
    writer.close()
