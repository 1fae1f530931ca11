"""The HTTP server: uvicorn on uvloop and httptools, told to let live streams go when it stops.

A live stream lasts for hours and says little, so it must not keep what a request needs: its task, its parser, its
response. Our protocol offers applications an extension by which a response takes the connection over.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import time
from collections.abc import Callable
from types import FrameType
from typing import cast

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from dispatch.api.http.whole_answers import WholeAnswers
from dispatch.api.live.client import Client
from dispatch.api.live.hub import Hub
from dispatch.api.live.response import HAND_OVER

log = logging.getLogger(__name__)

GRACEFUL_S = 10
"""How long running requests may take to end after a signal."""
BACKLOG = 2_048
KEEP_ALIVE_S = 30
HEAD_S = 20.0
"""How long the head of a request may take, from the connection or from its first byte on. The server's own limit begins
with the first answer: a connection that never asks would be kept for ever, and descriptors are not endless."""

STREAM_BUFFER_BYTES = 131_072
"""What the kernel may hold for one live stream (it doubles this): thousands of slow ones must not take gigabytes."""
FILES_BESIDE_STREAMS = 512
"""Descriptors for everything that is no live stream."""


class StreamingProtocol(HttpToolsProtocol):
    """HTTP/1.1 whose connection a response can take over. Only a response without an end may."""

    head_s = HEAD_S
    _impatience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the server's own
        """Wait for a request, but not for ever."""
        super().connection_made(cast("asyncio.Transport", WholeAnswers(transport, self.loop)))
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._head_is_here()
        super().connection_lost(exc)

    def on_headers_complete(self) -> None:
        """The head is here."""
        self._head_is_here()
        super().on_headers_complete()

    def _await_head(self) -> None:
        self._head_is_here()
        self._impatience = self.loop.call_later(self.head_s, self.transport.close)

    def _head_is_here(self) -> None:
        if self._impatience is not None:
            self._impatience.cancel()
            self._impatience = None

    def on_message_begin(self) -> None:
        """Offer the extension with every request."""
        self._await_head()
        super().on_message_begin()
        self.scope["extensions"] = {HAND_OVER: self.hand_over}  # type: ignore[dict-item]  # ours is a function

    def hand_over(self, client_of: Callable[[asyncio.Transport], Client]) -> Client | None:
        """Put a client in this protocol's place and forget the request; None if the connection is gone.

        Call it when the head is sent. Requests that came after this one on the same connection are not answered: there
        is no end of the answer that they could follow.
        """
        cycle, whole = self.cycle, cast("WholeAnswers", self.transport)
        if cycle.disconnected or whole.is_closing():
            return None
        whole.flush()
        transport = whole.transport
        # As after a disconnection: the application may end now, and what it still sends goes nowhere.
        cycle.disconnected = True
        cycle.message_event.set()
        self._unset_keepalive_if_required()
        self.connections.discard(self)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, STREAM_BUFFER_BYTES)
        client = client_of(transport)
        if self.flow.write_paused:
            client.behind_since_s = time.monotonic()
        transport.set_protocol(client)
        self.flow.resume_reading()
        # What refers to itself in a circle would stay until the collector finds it.
        self.parser = self.cycle = self.scope = self.flow = None  # type: ignore[assignment]
        self.pipeline.clear()
        return client


class Server(uvicorn.Server):
    """Ends live streams first: they never end by themselves, and a graceful stop would wait for them."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """On the first signal: no new streams, the open ones say goodbye."""
        self._hub.close_streams()
        super().handle_exit(sig, frame)

    def stop(self) -> None:
        """End as a signal would."""
        self._hub.close_streams()
        self.should_exit = True


def server_of(app: FastAPI, hub: Hub, *, host: str, port: int) -> Server:
    """A server for the application. `await server.serve()` runs it; `server.started` says when it listens."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http=StreamingProtocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACEFUL_S,
    )
    return Server(config, hub)


def allow_streams(streams_max: int) -> None:
    """Ask the system for a descriptor for each stream; what it refuses is said in the log."""
    wanted = streams_max + FILES_BESIDE_STREAMS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        if soft < wanted:
            log.warning("too few file descriptors for all live streams", extra={"have": soft, "want": wanted})


def listening(host: str, port: int) -> socket.socket:
    """A socket that is bound before the server starts, so that its port (0: a free one) is known."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, event loops switch Nagle's algorithm off on what is accepted. Without it head and body of
    # an answer, written apart, wait for each other's acknowledgement: 44 ms for every request, measured.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((host, port))
    return bound
