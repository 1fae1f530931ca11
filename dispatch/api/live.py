"""Live boards: `read.board_changes`, tailed once a process, each row encoded once, fanned out by center and agency.

The problem: a thousand screens that each poll their board, or that each get every row encoded for them, cost more than
all the work they show. So one task reads the change rows in page order and writes each as the bytes of a server-sent
event; who gets it is a lookup by center id or agency code.

The rule kept: a client's `id` is a page's last position and is sent after the page's rows, so a client that comes back
with it has seen that page whole and misses nothing of the next. A row is an upsert for whoever sees the incident after
the page, a removal for whoever saw it before and no longer does. A client too slow for its queue is told `resync` and
let go: memory for the slow would be taken from the quick.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

import sqlalchemy as sa

from dispatch.api.database import Database, Row
from dispatch.api.problem import Problem
from dispatch.ports import EventLog
from dispatch.telemetry import counter, gauge
from domain.refusals import Unavailable
from projections import tables
from projections.queries.progress import checkpoints

log = logging.getLogger(__name__)

QUEUE_BYTES_MAX = 4_194_304
QUEUE_PAGES_MAX = 512
CHANGES_PER_READ = 2_000
PAGE_CHANGES_MAX = 1_000_000
"""Rows of one page: it is read whole; a page has at most as many incidents as events."""
IDLE_WAIT_S = 2.0
BEHIND_POLL_S = 0.01
"""How soon the checkpoint is looked at again while the log is ahead of it."""
FAILED_WAIT_S = 1.0
START_WAIT_S = 2.0

CLIENTS = gauge("live_clients", "Live streams that are open.")
RESYNCS = counter("live_resyncs_total", "Clients let go because they were too slow.")

CHECKPOINT = checkpoints(["board"])
_changes = tables.board_changes
# The row stays text: it was encoded when it was written, and goes to every client as it is.
CHANGES = (
    sa.select(
        *(column for column in _changes.columns if column.name != "row"),
        sa.cast(_changes.c.row, sa.Text).label("row"),
        _changes.c.row["category"].astext.label("category"),
    )
    .where(_changes.c.page_position > sa.bindparam("after"), _changes.c.page_position <= sa.bindparam("upto"))
    .order_by(_changes.c.page_position, _changes.c.incident_id)
    .limit(sa.bindparam("most"))
)

Side = Literal["center", "agency"]
Key = tuple[Side, UUID | str]


def event(name: str, data: str, *, position: int | None = None) -> bytes:
    """One server-sent event. `data` is one line of JSON."""
    identifier = f"id: {position}\n" if position is not None else ""
    return f"event: {name}\n{identifier}data: {data}\n\n".encode()


def page_end(position: int) -> bytes:
    """The event that lets a client resume from here."""
    return event("page", json.dumps({"position": position}), position=position)


@dataclass(frozen=True, slots=True)
class Change:
    """One row of the change feed, encoded."""

    page_position: int
    category: str | None
    categories: frozenset[str]
    before: frozenset[Key]
    after: frozenset[Key]
    upsert: bytes
    removal: bytes

    @classmethod
    def of(cls, row: Row) -> Change:
        """From a row of `read.board_changes`."""
        shown = row["row"]
        return cls(
            page_position=int(row["page_position"]),
            category=row["category"],
            categories=frozenset(row["categories"]),
            before=_keys(row["centers_before"], row["agencies_before"]),
            after=_keys(row["centers_after"], row["agencies_after"]) if shown is not None else frozenset(),
            upsert=event("upsert", shown) if shown is not None else b"",
            removal=event("removal", json.dumps({"incident_id": str(row["incident_id"])})),
        )

    def for_key(self, key: Key, categories: frozenset[str] | None) -> bytes:
        """What a client of this center or agency is told; nothing if it never saw the incident."""
        if key in self.after and (categories is None or self.category in categories):
            return self.upsert
        if key in self.before and (categories is None or not self.categories.isdisjoint(categories)):
            return self.removal
        return b""


def _keys(centers: Iterable[UUID], agencies: Iterable[str]) -> frozenset[Key]:
    return frozenset([*(("center", center) for center in centers), *(("agency", agency) for agency in agencies)])


@dataclass(eq=False, slots=True)
class Subscriber:
    """One open stream, with a bounded queue."""

    key: Key
    categories: frozenset[str] | None
    life_s: float | None = None
    """How long the stream may live: as long as the token it was opened with."""
    pages: list[tuple[int, bytes]] = field(default_factory=list)
    bytes_waiting: int = 0
    overflowed: bool = False
    closed: bool = False
    since: int = 0
    """Pages after this one are offered to the queue; what came before is read."""
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(self, position: int, chunk: bytes) -> None:
        """Queue one page's events, or mark the client as too slow."""
        if self.overflowed:
            return
        if self.bytes_waiting + len(chunk) > QUEUE_BYTES_MAX or len(self.pages) >= QUEUE_PAGES_MAX:
            self.overflowed = True
            self.pages.clear()
            RESYNCS.inc()
        else:
            self.pages.append((position, chunk))
            self.bytes_waiting += len(chunk)
        self.wake.set()

    def take(self) -> list[tuple[int, bytes]]:
        """All that waits."""
        taken, self.pages, self.bytes_waiting = self.pages, [], 0
        self.wake.clear()
        return taken

    def close(self) -> None:
        """End the stream after what is queued."""
        self.closed = True
        self.wake.set()


class Hub:
    """The process's one tail of the change feed."""

    def __init__(self, database: Database, source: EventLog, *, clients_max: int) -> None:
        self._database = database
        self._log = source
        self._clients_max = clients_max
        self._subscribers: dict[Key, set[Subscriber]] = defaultdict(set)
        self._count = 0
        self._task: asyncio.Task[None] | None = None
        self.position = 0
        self.changes_since = 0
        self._moved = asyncio.Condition()
        self._started = asyncio.Event()

    def start(self) -> None:
        """Begin tailing. Needs a running loop."""
        self._task = asyncio.create_task(self._tail(), name="board-tail")

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
        """End every stream, so that the server can stop without waiting for clients that never leave."""
        self._clients_max = 0
        for subscribers in self._subscribers.values():
            for subscriber in subscribers:
                subscriber.close()

    async def close(self) -> None:
        """Stop tailing and end every stream."""
        self.close_streams()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def subscribe(self, key: Key, categories: frozenset[str] | None, *, life_s: float | None = None) -> Subscriber:
        """Take a place. Raises `Problem` too_many_streams."""
        if self._count >= self._clients_max:
            raise Problem(
                "too_many_streams",
                f"This process serves {self._clients_max} live streams and all are taken. Try again in 5 s.",
                headers={"Retry-After": "5"},
            )
        subscriber = Subscriber(key, categories, life_s, since=self.position)
        self._subscribers[key].add(subscriber)
        self._count += 1
        CLIENTS.set(self._count)
        return subscriber

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Give the place back."""
        found = self._subscribers.get(subscriber.key, set())
        if subscriber in found:
            found.discard(subscriber)
            self._count -= 1
            CLIENTS.set(self._count)
            if not found:
                self._subscribers.pop(subscriber.key, None)

    async def _tail(self) -> None:
        started = False
        while True:
            try:
                if not started:
                    self.position, self.changes_since = await self.checkpoint()
                    started = True
                    self._started.set()
                await self._step()
            except (Unavailable, OSError):
                log.warning("the change feed cannot be read; trying again", extra={"position": self.position})
                await asyncio.sleep(FAILED_WAIT_S)

    async def _step(self) -> None:
        reached, self.changes_since = await self.checkpoint()
        if reached < self.position:
            # Rows were switched or the log was restored: what clients hold is of another world.
            self._resync_all()
            self.position = reached
        if reached > self.position:
            await self._publish(reached)
        elif (await self._log.tip()).position > reached:
            await asyncio.sleep(BEHIND_POLL_S)
        else:
            await self._log.wait_beyond(reached, timeout_s=IDLE_WAIT_S)

    async def checkpoint(self) -> tuple[int, int]:
        """The board's position, and the position since which changes are kept."""
        row = await self._database.row(CHECKPOINT)
        return (int(row["position"]), int(row["changes_since"])) if row is not None else (0, 0)

    async def changes(self, after: int, upto: int, *, limit: int = CHANGES_PER_READ) -> list[Change]:
        """Change rows of whole pages after one position up to another, at most about `limit`."""
        rows = await self._database.rows(CHANGES, {"after": after, "upto": upto, "most": limit})
        if len(rows) == limit:
            # The last page may be cut: take it whole.
            last = int(rows[-1]["page_position"])
            rows = [row for row in rows if int(row["page_position"]) < last]
            rows += await self._database.rows(CHANGES, {"after": last - 1, "upto": last, "most": PAGE_CHANGES_MAX})
        return [Change.of(row) for row in rows]

    async def _publish(self, upto: int) -> None:
        while self.position < upto:
            changes = await self.changes(self.position, upto)
            reached = changes[-1].page_position if len(changes) >= CHANGES_PER_READ else upto
            pages: dict[int, list[Change]] = defaultdict(list)
            for change in changes:
                pages[change.page_position].append(change)
            for position, page in pages.items():
                self._fan_out(position, page)
            self.position = reached
            async with self._moved:
                self._moved.notify_all()

    async def told_of(self, position: int) -> None:
        """Return when every stream of this process was offered the pages up to this position."""
        async with self._moved:
            await self._moved.wait_for(lambda: self.position >= position)

    def _fan_out(self, position: int, page: list[Change]) -> None:
        told: dict[Subscriber, list[bytes]] = defaultdict(list)
        for change in page:
            for key in change.before | change.after:
                for subscriber in self._subscribers.get(key, ()):
                    chunk = change.for_key(key, subscriber.categories)
                    if chunk:
                        told[subscriber].append(chunk)
        for subscriber, chunks in told.items():
            subscriber.offer(position, b"".join([*chunks, page_end(position)]))

    def _resync_all(self) -> None:
        for subscribers in self._subscribers.values():
            for subscriber in subscribers:
                subscriber.overflowed = True
                subscriber.wake.set()
