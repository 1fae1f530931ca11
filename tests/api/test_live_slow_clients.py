"""Streams whose clients are slow: each is told what is then the case or let go, and nobody else notices."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from dispatch.api.live import board_feed
from dispatch.api.server import STREAM_BUFFER_BYTES, Server
from tests.api.conftest import Edge
from tests.api.live_feed import DEADLINE_S, EAST, EAST_STREAM, Feed, Move, heard, incident, opened

LARGE = "x" * 100_000
"""A row that fills buffers soon."""


def asking(path: str, headers: dict[str, str]) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: test\r\nAuthorization: {headers['Authorization']}\r\n\r\n".encode()


@asynccontextmanager
async def deaf(address: str, headers: dict[str, str]) -> AsyncIterator[socket.socket]:
    """A client that asks for a stream and reads only what it is made to read."""
    parts = urlsplit(address)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.setblocking(False)  # the standard library's own
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, (parts.hostname, parts.port))
        await loop.sock_sendall(client, asking(EAST_STREAM, headers))
        yield client


async def read_until(client: socket.socket, mark: bytes) -> bytes:
    received = b""
    async with asyncio.timeout(DEADLINE_S):
        while mark not in received:
            more = await asyncio.get_running_loop().sock_recv(client, 262_144)
            if not more:
                break
            received += more
    return received


async def test_a_client_that_reads_nothing_is_cut_and_others_do_not_notice(
    edge: Edge, server: tuple[Server, str], feed: Feed
) -> None:
    hub, headers = edge.services.hub, edge.as_operator("east-station.01")
    hub.ping_s, hub.stalled_s_max = 0.5, 0.5
    async with opened(server[1], EAST_STREAM, headers) as quick, deaf(server[1], headers):
        await quick.until("page")
        async with asyncio.timeout(DEADLINE_S):
            number = 0
            while hub.seated != 1 or number < 20:
                number += 1
                position = await feed.page(Move(incident(number), (), (EAST,), LARGE))
                assert await heard(quick, position) == {str(incident(number)): LARGE}


async def test_a_slow_client_is_told_what_is_then_the_case(edge: Edge, server: tuple[Server, str], feed: Feed) -> None:
    hub, headers = edge.services.hub, edge.as_operator("east-station.01")
    async with deaf(server[1], headers) as slow:
        await read_until(slow, b"event: page")
        pages = 2 * STREAM_BUFFER_BYTES * 20 // len(LARGE)
        for number in range(pages):
            position = await feed.page(Move(incident(1), (EAST,), (EAST,), f"{number:06d}{LARGE}"))
            await asyncio.wait_for(hub.told_of(position), DEADLINE_S)
        (client,) = hub._behind
        assert client.transport.get_write_buffer_size() < 4 * len(
            LARGE
        )  # not what it missed: that is kept once for all
        received = await read_until(slow, f"id: {position}\n".encode())
        texts = [json.loads(line[6:])["text"][:6] for line in received.splitlines() if b'"text": ' in line]
        assert texts == sorted(set(texts))
        assert texts[-1] == f"{pages - 1:06d}"
        assert len(texts) < pages
        assert not hub._behind


async def test_a_client_too_slow_for_what_is_remembered_is_told_to_resync(
    edge: Edge, server: tuple[Server, str], feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board_feed, "RECENT_BYTES_MAX", 5 * len(LARGE))
    hub, headers = edge.services.hub, edge.as_operator("east-station.01")
    hub.ping_s = 0.05
    async with deaf(server[1], headers) as slow:
        await read_until(slow, b"event: page")
        number = 0
        async with asyncio.timeout(DEADLINE_S):
            while hub.seated:
                number += 1
                position = await feed.page(Move(incident(number), (), (EAST,), LARGE))
                await hub.told_of(position)
        received = await read_until(slow, b"event: resync")
        assert received.endswith(b"\r\n0\r\n\r\n")
        last = received.rindex(b"\nid: ")
        word = received[received.rindex(b"event: resync") :].split(b"data: ")[1]
        # It may come back with what it is told it holds, and with what it saw itself: the two are the same.
        assert json.loads(word.split(b"\n")[0])["position"] == int(received[last + 5 :].split(b"\n")[0])


async def test_a_change_during_a_large_beginning_is_not_lost(
    edge: Edge, server: tuple[Server, str], feed: Feed
) -> None:
    headers = edge.as_operator("east-station.01")
    after = feed.position
    for number in range(30):
        position = await feed.page(Move(incident(number), (), (EAST,), LARGE))
    await asyncio.wait_for(edge.services.hub.told_of(position), DEADLINE_S)
    parts = urlsplit(server[1])
    async with deaf(server[1], headers) as warm_up:
        await read_until(warm_up, b"event: page")
    with socket.create_connection((parts.hostname, parts.port)) as client:
        client.setblocking(False)  # the standard library's own
        await asyncio.get_running_loop().sock_sendall(client, asking(f"{EAST_STREAM}?after={after}", headers))
        async with asyncio.timeout(DEADLINE_S):
            while not edge.services.hub._behind:
                position = await feed.page(Move(incident(99), (EAST,), (EAST,), f"at {feed.position}"))
                await edge.services.hub.told_of(position)
        position = await feed.page(Move(incident(99), (EAST,), (EAST,), "last"))
        received = await read_until(client, f"id: {position}\n".encode())
    for number in range(30):
        assert received.count(str(incident(number)).encode()) == 1
    assert b'"text": "last"' in received
