"""Live boards: one tail a process, each row encoded once, written to those who may see it and to nobody else.

The problem: thousands of screens that each poll their board, or that each get every row encoded for them, or that each
wake a task, cost more than all the work they show. So one task reads the change feed page by page; an index from center
and agency to audiences says who sees a change; all clients of an audience are written the same bytes.

The rules kept. A client's `id` is a page's last position and is sent after the rows of all pages up to it, so a client
that comes back with it has seen those pages whole and misses nothing of the next. A row is an upsert for whoever sees
the incident after the page, a removal for whoever saw it before and no longer does. Pages that are told together show
of each incident only the last. A client that does not take what it is sent is not sent more: once it has drained it is
told what is then the case, from changes that are remembered once for all; if those do not reach back to it, or it does
not drain, it is let go. So memory is bounded, and the slow cost the quick nothing.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Iterator
from itertools import count

from dispatch.api.live.audiences import Audiences
from dispatch.api.live.board_feed import Key, Reading, Recent, page_end, told
from dispatch.api.live.board_feed import event as told_event
from dispatch.api.live.client import LAST_CHUNK, Audience, Beginning, Client, Wanted, chunk
from dispatch.api.live.feed import Feed
from dispatch.api.live.order_feed import ORDERS
from dispatch.api.live.tail import Tail
from dispatch.api.problems.problem import Problem
from dispatch.reading.database import Database
from dispatch.telemetry import counter, gauge
from domain.refusals import Unavailable

log = logging.getLogger(__name__)

IDLE_WAIT_S = 1.0
"""How often the feed is read when nobody says that it has grown: a hint may be lost, a position may not."""
FAILED_WAIT_S = 1.0
START_WAIT_S = 2.0
PAUSE_S_MIN, PAUSE_S_MAX = 0.002, 0.04
"""Telling takes at most about half of the process: after it the tail waits as long as it took, within these bounds, and
what comes meanwhile is told together. What is told in less, or after a quiet moment, waits for nothing."""
BREATH_WRITES = 256
"""Writes before other work of the process gets its turn: about 3 ms."""
PING_S = 10.0
"""Below the promised 15 s; proxies cut what is silent for 30 to 60 s."""
SLOTS = 50
"""One timer serves all heartbeats, a slice of the clients at a time: no burst, and no cost to speak of."""
STALLED_S_MAX = 30.0
"""How long a client may take nothing at all."""
LINGER_S = 5.0
"""How long a last word may take to leave."""

EXPIRED = "the token has ended; come back with another"
FIRST = 2**62
"""Beyond every position: asks for none of the changes."""
CLIENTS = gauge("live_clients", "Live streams that are open.")
BEHIND = gauge("live_clients_behind", "Live streams that do not take what they are sent.")
RESYNCS = counter("live_resyncs_total", "Clients let go because they were too slow.")
FRAMES = counter("live_frames_total", "Writes to live streams.")
PING = b": ping\n\n"
PING_FRAME = chunk([PING])


class Hub:
    """The process's one tail of the change feed, and all who listen."""

    def __init__(self, database: Database, *, clients_max: int, ping_s: float = PING_S) -> None:
        self._tail = Tail(database)
        self._clients_max = clients_max
        self.ping_s = ping_s
        self.stalled_s_max = STALLED_S_MAX
        self._audiences = Audiences()
        self._slots: list[set[Client]] = [set() for _ in range(SLOTS)]
        self._next_slot = count()
        self._behind: set[Client] = set()
        self._count = 0
        self._tasks: list[asyncio.Task[None]] = []
        self.board = Feed()
        self.orders = Feed()
        self._moved = asyncio.Condition()
        self._started = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def position(self) -> int:
        """Up to where boards are told."""
        return self.board.position

    @position.setter
    def position(self, position: int) -> None:
        self.board.position = position

    @property
    def recent(self) -> Recent:
        """What was told of boards a moment ago."""
        return self.board.recent

    @recent.setter
    def recent(self, recent: Recent) -> None:
        self.board.recent = recent

    def feed_of(self, key: Key) -> Feed:
        """Where what a key looks at comes from."""
        return self.orders if key[0] == ORDERS else self.board

    # --- Life ---------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin tailing. Needs a running loop."""
        self._loop = asyncio.get_running_loop()
        self._tasks = [
            asyncio.create_task(self._follow(), name="board-tail"),
            asyncio.create_task(self._beat(), name="live-heartbeat"),
        ]

    async def ready(self) -> None:
        """Return once the tail knows where it stands: a stream opened before that would have a gap.

        Raises `Unavailable`.
        """
        try:
            async with asyncio.timeout(START_WAIT_S):
                await self._started.wait()
        except TimeoutError:
            raise Unavailable("live.not_started", "The change feed cannot be read yet. Try again shortly.") from None

    def close_streams(self) -> None:
        """Say goodbye to every stream. May be called by a signal, in the middle of anything."""
        self._clients_max = 0
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._end_all, "bye", "the server is stopping")

    async def close(self) -> None:
        """Stop tailing and end every stream."""
        self._clients_max = 0
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tail.drop()
        self._end_all("bye", "the server is stopping")

    # --- Seats --------------------------------------------------------------------------------------------------------

    @property
    def seated(self) -> int:
        """Streams that are open or about to begin."""
        return self._count

    def reserve(self) -> None:
        """Take a seat for a stream that is about to begin. Raises `Problem` too_many_streams."""
        if self._count >= self._clients_max:
            raise Problem(
                "too_many_streams",
                f"This process serves {self._clients_max} live streams and all are taken. Try again in 5 s.",
                headers={"Retry-After": "5"},
            )
        self._count += 1
        CLIENTS.set(self._count)

    def release(self) -> None:
        """Give a seat back on which no client sits."""
        self._count -= 1
        CLIENTS.set(self._count)

    def seat(self, client: Client, beginning: Beginning, wanted: Wanted, *, life_s: float | None = None) -> None:
        """Tell a client its beginning and let it follow, for as long as its token lives. Its seat was reserved."""
        for frame in beginning.frames:
            client.write(frame)
        audience = self._audiences.of(wanted)
        audience.clients.add(client)
        client.audience = audience
        client.slot = next(self._next_slot) % SLOTS
        self._slots[client.slot].add(client)
        if life_s is not None:
            client.expiry = asyncio.get_running_loop().call_later(life_s, self._end, client, "expired", EXPIRED)
        if client.behind_since_s is not None:
            self._note_behind(client)
        self._catch_up(client)

    def left(self, client: Client) -> None:
        """Forget a client and give its seat back."""
        audience = client.audience
        if audience is None:
            return
        client.audience = None
        audience.clients.discard(client)
        if not audience.clients:
            self._audiences.drop(audience)
        self._slots[client.slot].discard(client)
        self._note_even(client)
        if client.expiry is not None:
            client.expiry.cancel()
        self.release()

    def _clients(self) -> Iterator[Client]:
        for slot in self._slots:
            yield from tuple(slot)

    # --- The slow -----------------------------------------------------------------------------------------------------

    def fell_behind(self, client: Client) -> None:
        """Write nothing more to it until it has drained."""
        if client.audience is not None:
            client.told = max(client.told, self._whole_to(client.audience))
            self._note_behind(client)

    def drained(self, client: Client) -> None:
        """Tell it what it missed."""
        self._note_even(client)
        if client.audience is not None:
            self._catch_up(client)

    def _note_behind(self, client: Client) -> None:
        self._behind.add(client)
        BEHIND.set(len(self._behind))

    def _note_even(self, client: Client) -> None:
        self._behind.discard(client)
        BEHIND.set(len(self._behind))

    def _whole_to(self, audience: Audience) -> int:
        return self.feed_of(audience.key).whole_to(audience)

    def _catch_up(self, client: Client) -> None:
        audience = client.audience
        assert audience is not None
        feed = self.feed_of(audience.key)
        if client.behind_since_s is not None or client.told >= feed.position:
            return
        missed = feed.recent.after(client.told)
        if missed is None:
            self._let_go(client)
            return
        client.told = feed.position
        said = told(missed, audience.key, audience.categories, audience.above)
        if said:
            client.write(chunk([said, page_end(feed.position)]))

    def _let_go(self, client: Client) -> None:
        RESYNCS.inc()
        self._end(client, "resync", "you were too slow for the changes")

    def _end(self, client: Client, name: str, reason: str) -> None:
        """Say a last word and hang up; a client that does not take it is cut off."""
        if client.audience is None:
            return
        position = max(client.told, self._whole_to(client.audience)) if client.behind_since_s is None else client.told
        self.left(client)
        word = told_event(name, json.dumps({"reason": reason, "position": position}))
        client.transport.write(chunk([word]) + LAST_CHUNK)
        client.transport.close()
        if client.transport.get_write_buffer_size():
            asyncio.get_running_loop().call_later(LINGER_S, client.transport.abort)

    def _end_all(self, name: str, reason: str, *, feed: Feed | None = None) -> None:
        """End every stream, or those that follow one feed."""
        for client in self._clients():
            if feed is None or (client.audience is not None and self.feed_of(client.audience.key) is feed):
                self._end(client, name, reason)

    async def _beat(self) -> None:
        for slot in _round(self._slots):
            await asyncio.sleep(self.ping_s / SLOTS)
            now = time.monotonic()
            for client in tuple(self._behind):
                since_s = client.behind_since_s
                stalled = since_s is not None and now - since_s > self.stalled_s_max
                audience = client.audience
                if stalled or (audience is not None and client.told < self.feed_of(audience.key).recent.floor):
                    self._let_go(client)
            for client in tuple(slot):
                self._ping(client)

    def _ping(self, client: Client) -> None:
        """A sign of life for whom nothing was written. It also moves the id, so that a quiet client does not fall out
        of what is kept."""
        if client.audience is None or client.behind_since_s is not None:
            return
        if client.is_quiet:
            position = self._whole_to(client.audience)
            if position > client.told:
                client.told = position
                client.write(chunk([PING, page_end(position)]))
            else:
                client.write(PING_FRAME)
        client.is_quiet = True

    # --- The tail -----------------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        while True:
            try:
                if not self._started.is_set():
                    await self._begin(self.board, await self._tail.read(FIRST))
                    await self._begin(self.orders, await self._tail.read_orders(FIRST))
                    self._started.set()
                await self._step()
            except (Unavailable, OSError):
                log.warning("the change feed cannot be read; trying again", extra={"position": self.position})
                await asyncio.sleep(FAILED_WAIT_S)
            except Exception:
                # Nobody knows who was told what: better all begin anew than one has a gap.
                log.exception("telling of changes failed", extra={"position": self.position})
                self._end_all("resync", "the server made a mistake")
                self.board.untold.clear()
                self.orders.untold.clear()
                await asyncio.sleep(FAILED_WAIT_S)

    async def _begin(self, feed: Feed, reading: Reading) -> None:
        feed.begin(reading.reached, reading.changes_since)
        async with self._moved:
            self._moved.notify_all()

    async def _step(self) -> None:
        reading = await self._tail.read(self.position)
        await self._take(self.board, reading)
        if self._tail.are_orders_due():
            await self._take(self.orders, await self._tail.read_orders(self.orders.position))
        if self.position >= reading.reached and not self._tail.are_orders_due():
            # Everything was read; what was recorded since says so itself, or did while we told.
            await self._tail.grown(timeout_s=IDLE_WAIT_S)

    async def _take(self, feed: Feed, reading: Reading) -> None:
        if reading.reached < feed.position or reading.changes_since > max(feed.position, feed.since):
            # Rows were switched or the log was restored: what clients hold is of another world.
            self._end_all("resync", "the rows were built anew", feed=feed)
            await self._begin(feed, reading)
        elif reading.position > feed.position:
            began_s = time.perf_counter()
            await self._tell(feed, reading)
            took_s = time.perf_counter() - began_s
            if took_s >= PAUSE_S_MIN:
                await asyncio.sleep(min(took_s, PAUSE_S_MAX))

    async def _tell(self, feed: Feed, reading: Reading) -> None:
        """Write pages to whoever sees something of them. In between clients may come and go, but an audience is
        told in one go."""
        before, feed.told_before, feed.position = feed.position, feed.position, reading.position
        feed.recent.add(reading.changes)
        touched = self._audiences.concerned(reading.changes)
        feed.untold = set(touched)
        end = page_end(reading.position)
        written = 0
        for audience, changes in touched.items():
            said = told(changes, audience.key, audience.categories, audience.above)
            if said:
                self._write(audience, before, reading.position, chunk([said, end]))
                written += len(audience.clients)
            feed.untold.discard(audience)
            if written >= BREATH_WRITES:
                FRAMES.inc(written)
                written = 0
                await asyncio.sleep(0)
        FRAMES.inc(written)
        async with self._moved:
            self._moved.notify_all()

    def _write(self, audience: Audience, before: int, position: int, frame: bytes) -> None:
        for client in tuple(audience.clients):
            if client.behind_since_s is not None:
                continue
            if client.told > before:
                # It came while these pages were read or told, and has seen some of them.
                self._catch_up(client)
                continue
            client.told = position
            client.is_quiet = False
            client.transport.write(frame)

    async def told_of(self, position: int, *, feed: Feed | None = None) -> None:
        """Return when every stream of a feed, the boards' if none is named, was told of the pages up to a position."""
        told_feed = feed or self.board
        async with self._moved:
            await self._moved.wait_for(lambda: told_feed.position >= position and not told_feed.untold)


def _round(slots: list[set[Client]]) -> Iterator[set[Client]]:
    while True:
        yield from slots
