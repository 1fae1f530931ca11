"""One client's stream: how it begins (a snapshot, or what it missed), how it goes on, how it ends.

After a restart a thousand screens come back at once, many to the same board. So snapshots are shared: whoever asks for
a board that is being read takes the same bytes. Such a snapshot may be a moment older than the client's place in the
queue; the pages between are then read from the feed, so that nothing falls into the gap. All of this happens before the
answer's head, so that a database that is away is a 503 and not a stream that breaks.
"""

from __future__ import annotations

import asyncio
import functools
import json
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from dispatch.api.database import Database, Snapshot
from dispatch.api.live import Hub, Key, Subscriber, event, page_end
from projections.board import item
from projections.queries import board
from projections.queries.board import BoardCursor, BoardFilter
from projections.queries.progress import checkpoints

PING_S = 10.0
"""Below the promised 15 s; proxies cut what is silent for 30 to 60 s."""
RESUME_CHANGES_MAX = 10_000
"""A client that missed more is quicker with a fresh snapshot."""
SNAPSHOT_INCIDENTS_MAX = 5_000
"""Open incidents of one board that a stream begins with; the most urgent come first."""
ROWS_A_BREATH = 100
"""Rows encoded before other requests of the process get their turn."""

Wanted: TypeAlias = tuple[Key, frozenset[str] | None]


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a client is told first, and the position it then holds."""

    position: int
    told: bytes


class Beginnings:
    """Reads snapshots, each board once at a time, and what a client missed."""

    def __init__(self, hub: Hub, database: Database) -> None:
        self._hub = hub
        self._database = database
        self._reading: dict[Wanted, asyncio.Task[Beginning]] = {}

    async def of(self, subscriber: Subscriber, after: int | None) -> Beginning:
        """The beginning of a stream. Raises `Unavailable`, before anything was answered."""
        if after is None:
            return await self._snapshot(subscriber)
        reason = await self._cannot_resume(after)
        if reason is None:
            missed = await self._missed(subscriber, after)
            if missed is not None:
                return missed
            reason = "too much has changed since"
        fresh = await self._snapshot(subscriber)
        reset = event("reset", json.dumps({"reason": reason, "after": after, "position": fresh.position}))
        return Beginning(fresh.position, reset + fresh.told)

    async def _cannot_resume(self, after: int) -> str | None:
        reached, since = self._hub.position, self._hub.changes_since
        if after >= reached or after <= since:
            # Another process may have told of a page this one has not tailed yet; near the edge only the rows know.
            reached, since = await self._hub.checkpoint()
        if after > reached:
            return "the position is ahead of this log"
        return "changes of that age are no longer kept" if after < since else None

    async def _missed(self, subscriber: Subscriber, after: int) -> Beginning | None:
        upto = max(after, subscriber.since)
        changes = await self._hub.changes(after, upto, limit=RESUME_CHANGES_MAX + 1) if upto > after else []
        if len(changes) > RESUME_CHANGES_MAX:
            return None
        told = [change.for_key(subscriber.key, subscriber.categories) for change in changes]
        return Beginning(upto, b"".join([*filter(None, told), page_end(upto)]))

    async def _snapshot(self, subscriber: Subscriber) -> Beginning:
        wanted = (subscriber.key, subscriber.categories)
        reading = self._reading.get(wanted)
        if reading is None:
            reading = asyncio.create_task(self._read(*wanted), name="live-snapshot")
            self._reading[wanted] = reading
            reading.add_done_callback(lambda _: self._reading.pop(wanted, None))
        # Shielded: one client that leaves must not take the snapshot away from the others.
        found = await asyncio.shield(reading)
        if found.position >= subscriber.since:
            return found
        missed = await self._missed(subscriber, found.position)
        if missed is None:
            return await self._read(*wanted)
        return Beginning(missed.position, found.told + missed.told)

    async def _read(self, key: Key, categories: frozenset[str] | None) -> Beginning:
        async with self._database.snapshot() as moment:
            checkpoint = await moment.row(checkpoints(["board"]))
            rows = await _rows(moment, key, categories)
        position = int(checkpoint["position"]) if checkpoint is not None else 0
        parts = [event("snapshot", json.dumps({"position": position, "incidents": len(rows)}))]
        for number, row in enumerate(rows, 1):
            parts.append(event("upsert", json.dumps(item(row), ensure_ascii=False, separators=(",", ":"))))
            if number % ROWS_A_BREATH == 0:
                await asyncio.sleep(0)
        return Beginning(position, b"".join([*parts, page_end(position)]))


async def _rows(moment: Snapshot, key: Key, categories: frozenset[str] | None) -> list[Any]:
    found: list[Any] = []
    at: BoardCursor | None = None
    limit = board.LIMIT_MAX
    while len(found) < SNAPSHOT_INCIDENTS_MAX:
        if key[0] == "center":
            only = BoardFilter(categories=sorted(categories or ()))
            statement = board.for_center(UUID(str(key[1])), cursor=at, limit=limit, only=only)
        else:
            statement = board.for_agency(str(key[1]), cursor=at, limit=limit)
        rows = await moment.rows(statement)
        found += [row for row in rows[:limit] if not categories or row["category"] in categories]
        if len(rows) <= limit:
            break
        at = (rows[limit - 1]["priority"], rows[limit - 1]["opened_position"])
    return found


class LiveResponse(StreamingResponse):
    """An open stream; the place is given back even if the client left before the first byte."""

    media_type = "text/event-stream"

    def __init__(self, hub: Hub, subscriber: Subscriber, beginning: Beginning) -> None:
        super().__init__(
            stream(hub, subscriber, beginning), headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )
        self._leave = functools.partial(hub.unsubscribe, subscriber)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve until either side ends it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._leave()


async def stream(hub: Hub, subscriber: Subscriber, beginning: Beginning) -> AsyncIterator[bytes]:
    """The events of one client, until it leaves, is too slow, its token ends or the server stops."""
    try:
        yield b"retry: 2000\n\n" + beginning.told
        async for chunk in _following(hub, subscriber, beginning.position):
            yield chunk
    finally:
        hub.unsubscribe(subscriber)


async def _following(hub: Hub, subscriber: Subscriber, position: int) -> AsyncIterator[bytes]:
    told = position
    now = asyncio.get_running_loop().time
    ends_at_s = math.inf if subscriber.life_s is None else now() + subscriber.life_s
    while now() < ends_at_s:
        try:
            async with asyncio.timeout(min(PING_S, ends_at_s - now())):
                await subscriber.wake.wait()
        except TimeoutError:
            # The ping also moves the id, so that a quiet client does not fall out of what is kept.
            current = hub.position if not subscriber.pages else told
            yield b": ping\n\n" + (page_end(current) if current > told else b"")
            told = max(told, current)
            continue
        if subscriber.overflowed:
            yield _last("resync", "you were too slow for the changes", told)
            return
        for page_position, chunk in subscriber.take():
            if page_position > told:
                yield chunk
                told = page_position
        if subscriber.closed:
            yield _last("bye", "the server is stopping", told)
            return
    yield _last("expired", "the token has ended; come back with another", told)


def _last(name: str, reason: str, position: int) -> bytes:
    return event(name, json.dumps({"reason": reason, "position": position}))
