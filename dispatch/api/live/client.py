"""One open live stream, as lean as it can be: a protocol on a transport, no task, no queue, no copy of anything.

The problem: a task, a request and a response object for each of five thousand silent screens is most of what they
cost. So once its beginning is told, a stream is a `Client` in place of the HTTP protocol, and the hub writes shared
bytes into its transport. What a client has not yet taken is never queued for it: it is told later what is then the
case.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from dispatch.api.live.board_feed import Above, Categories, Key

Wanted: TypeAlias = tuple[Key, Categories, Above]


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a client is told first, as chunks that others may be sent too, and the position it then holds."""

    position: int
    frames: tuple[bytes, ...]
    restricts: bool = False
    """A change among what is told restricts an incident: it must not follow a snapshot that still shows it."""


class Seats(Protocol):
    """What a client says to the hub."""

    def left(self, client: Client) -> None:
        """The connection is gone."""

    def fell_behind(self, client: Client) -> None:
        """It does not take what it is sent."""

    def drained(self, client: Client) -> None:
        """It has taken what it was sent."""


class Audience:
    """All clients that are told exactly the same."""

    __slots__ = ("above", "categories", "clients", "key")

    def __init__(self, key: Key, categories: Categories, above: Above) -> None:
        self.key = key
        self.categories = categories
        self.above = above
        self.clients: set[Client] = set()


class Client(asyncio.Protocol):
    """See the module. `told` is a position up to which it was certainly told everything."""

    __slots__ = ("audience", "behind_since_s", "expiry", "is_quiet", "seats", "slot", "told", "transport")

    def __init__(self, seats: Seats, transport: asyncio.Transport, position: int) -> None:
        self.seats = seats
        self.transport = transport
        self.told = position
        self.audience: Audience | None = None
        """None once it has left."""
        self.is_quiet = True
        """Nothing was written since the last heartbeat."""
        self.behind_since_s: float | None = None
        """Since when it does not take what it is sent."""
        self.expiry: asyncio.TimerHandle | None = None
        self.slot = 0

    def write(self, frame: bytes) -> None:
        """Send bytes that other clients may be sent too."""
        self.is_quiet = False
        self.transport.write(frame)

    def pause_writing(self) -> None:
        """The transport holds more than it should."""
        self.behind_since_s = time.monotonic()
        self.seats.fell_behind(self)

    def resume_writing(self) -> None:
        """It has drained."""
        self.behind_since_s = None
        self.seats.drained(self)

    def data_received(self, data: bytes) -> None:
        """A client of a live stream has nothing more to say; what it says is not kept."""

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # why does not matter
        """Give the seat back."""
        self.seats.left(self)


LAST_CHUNK = b"0\r\n\r\n"


def chunk(parts: Iterable[bytes]) -> bytes:
    """One chunk of a body whose end is not known (RFC 9112, 7.1). Nothing for nothing: an empty one would end it."""
    body = b"".join(parts)
    return b"%x\r\n%b\r\n" % (len(body), body) if body else b""
