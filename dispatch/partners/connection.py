"""Joining NATS so that nothing can hang and nothing leaks.

A frozen server answers nothing and refuses nothing: a core `publish` into it waits for over a minute without an error.
So every wait here has a limit, and whoever sees a time-out throws the connection away and joins anew, rather than let
the client send old messages later.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.protocol.command import hpub_cmd

from domain.refusals import Unavailable

CLOSE_WAIT_S = 1.0
PING_EVERY_S = 5
"""After two pings without an answer the client gives the connection up."""
OnError: TypeAlias = Callable[[Exception], Awaitable[None]]
_log = logging.getLogger(__name__)


async def _log_error(error: Exception) -> None:
    _log.warning("nats: %s", error)


async def join(url: str, *, seed: str | None, name: str, timeout_s: float, on_error: OnError = _log_error) -> Client:
    """A connection that does not reconnect by itself. `seed` None: the URL holds the credentials.

    Raises `Unavailable` (`nats.unreachable`) within `timeout_s`, whatever the server does.
    """
    client, _ = await _join(url, seed=seed, name=name, timeout_s=timeout_s, on_error=on_error)
    return client


async def _join(
    url: str, *, seed: str | None, name: str, timeout_s: float, on_error: OnError
) -> tuple[Client, asyncio.Event]:
    client, lost = Client(), asyncio.Event()

    async def on_closed() -> None:
        lost.set()

    try:
        async with asyncio.timeout(timeout_s):
            await client.connect(
                url,
                name=name,
                nkeys_seed_str=seed,
                tls=_tls(url),
                allow_reconnect=False,
                max_reconnect_attempts=0,
                connect_timeout=max(1, round(timeout_s)),
                ping_interval=PING_EVERY_S,
                flush_timeout=timeout_s,
                error_cb=on_error,
                closed_cb=on_closed,
            )
    except (NatsError, OSError, TimeoutError) as error:
        await leave(client)
        raise Unavailable("nats.unreachable", f"NATS does not take the connection: {error!r}") from error
    except BaseException:
        await leave(client)
        raise
    return client, lost


async def settled(client: Client, timeout_s: float) -> None:
    """Wait until all that was subscribed and published so far has reached the server.

    `flush` alone does not tell: the client writes its PING before the commands that wait to be sent, so that only a
    second one comes after them. Raises nats' own `TimeoutError`.
    """
    for _ in range(2):
        await client.flush(timeout=math.ceil(timeout_s))


async def put(client: Client, subject: str, body: bytes, headers: Mapping[str, str]) -> None:
    """Publish a message of a batch; a request must follow, which brings it to the server and learns what became of it.

    The client looks through every name and value for spaces and line breaks, which took two thirds of a relay's time.
    Headers of feeds have none (`cloudevents.encoded`), so they go to the client as the protocol's own text.
    """
    send = getattr(client, "_send_command", None)
    if send is None:
        await client.publish(subject, body, headers=dict(headers))
        return
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    assert lines.count("\n") == lines.count("\r") == len(headers), "a header with a line break would be two"
    await send(hpub_cmd(subject, "", f"NATS/1.0\r\n{lines}\r\n".encode(), body))


async def leave(client: Client) -> None:
    """Close without waiting for a server that may never answer, and without leaving its socket open."""
    transport = getattr(client, "_transport", None)
    with contextlib.suppress(NatsError, OSError, TimeoutError):
        async with asyncio.timeout(CLOSE_WAIT_S):
            await client.close()
    writer = getattr(transport, "_io_writer", None)
    if writer is not None:
        writer.transport.abort()


@contextlib.asynccontextmanager
async def joined(
    url: str, *, seed: str | None, name: str, timeout_s: float
) -> AsyncIterator[tuple[Client, asyncio.Event]]:
    """`join`, and `leave` at the end; the event tells that the connection was lost meanwhile."""
    client, lost = await _join(url, seed=seed, name=name, timeout_s=timeout_s, on_error=_log_error)
    try:
        yield client, lost
    finally:
        await leave(client)


def seed_from(credentials_file: Path | None) -> str | None:
    """The nkey seed in a file of credentials, bare or inside a `.creds` file's seed block."""
    if credentials_file is None:
        return None
    lines = [line.strip() for line in credentials_file.read_text(encoding="utf-8").splitlines()]
    return next((line for line in lines if line.startswith("SU")), None)


def _tls(url: str) -> ssl.SSLContext | None:
    return ssl.create_default_context() if urlsplit(url).scheme == "tls" else None
