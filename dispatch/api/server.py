"""The HTTP server: uvicorn on uvloop and httptools, told to let live streams go when it stops."""

from __future__ import annotations

import socket
from types import FrameType

import uvicorn
from fastapi import FastAPI

from dispatch.api.live import Hub

GRACEFUL_S = 10
"""How long running requests may take to end after a signal."""
BACKLOG = 2_048
KEEP_ALIVE_S = 30


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
        http="httptools",
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


def listening(host: str, port: int) -> socket.socket:
    """A socket that is bound before the server starts, so that its port (0: a free one) is known."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, event loops switch Nagle's algorithm off on what is accepted. Without it head and body of
    # an answer, written apart, wait for each other's acknowledgement: 44 ms for every request, measured.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((host, port))
    return bound
