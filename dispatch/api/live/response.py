"""How a client's stream begins: a snapshot, or what it missed; then it is handed over to the hub.

After a restart a thousand screens come back at once, many to the same board. So snapshots are shared: whoever asks for
a board that is being read, or was a moment ago, takes the same bytes, and what changed since follows from what the hub
remembers. All of this happens before the answer's head, so that a database that is away is a 503 and not a stream that
breaks.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, cast

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from dispatch.api.live import board_feed, order_feed
from dispatch.api.live.board_feed import ROWS_A_BREATH, Above, Categories, Key, event, page_end, told
from dispatch.api.live.client import Beginning, Client, Wanted, chunk
from dispatch.api.live.hub import Hub
from dispatch.reading.database import Database, Snapshot
from projections.board import item
from projections.queries import board
from projections.queries.board import BoardCursor, BoardFilter
from projections.queries.progress import checkpoints
from projections.queries.sight import EVERYTHING, Sight

SNAPSHOT_INCIDENTS_MAX = 5_000
"""Open incidents of one board that a stream begins with; the most urgent come first."""
SNAPSHOT_FRESH_S = 1.0
"""How long a snapshot is shared after it was read."""
HAND_OVER = "dispatch.hand_over"
"""The extension of our server by which a response takes the connection over (see `dispatch.api.server`)."""
GREETING = chunk([b"retry: 2000\n\n"])

HandOver = Callable[[Callable[[asyncio.Transport], Client]], Client | None]
"""Puts a client in the place of the HTTP protocol; None if the connection is gone."""


class Beginnings:
    """Reads snapshots, each board once at a time, and what a client missed."""

    def __init__(self, hub: Hub, database: Database) -> None:
        self._hub = hub
        self._database = database
        self._reading: dict[Wanted, asyncio.Task[Beginning]] = {}

    async def of(self, wanted: Wanted, after: int | None) -> Beginning:
        """The beginning of a stream. Raises `Unavailable`, before anything was answered."""
        if after is None:
            return await self._snapshot(wanted)
        missed = await self._missed(wanted, after)
        if isinstance(missed, Beginning):
            return missed
        fresh = await self._snapshot(wanted)
        reset = event("reset", json.dumps({"reason": missed, "after": after, "position": fresh.position}))
        return Beginning(fresh.position, (chunk([reset]), *fresh.frames))

    async def _missed(self, wanted: Wanted, after: int) -> Beginning | str:
        """What came after a position, or why that cannot be said."""
        feed, is_orders = self._hub.feed_of(wanted[0]), wanted[0][0] == order_feed.ORDERS
        # An order that is remembered is known to whoever could know of its incident then; the rows say who can now.
        recent = feed.recent.after(after) if after <= feed.position and not is_orders else None
        if recent is not None:
            upto = feed.position
            restricts = any(change.is_restricted for change in recent)
            return Beginning(upto, (chunk([told(recent, *wanted), page_end(upto)]),), restricts)
        # Older than what is remembered, or another process has told of a page that this one has not read yet.
        read = order_feed.missed if is_orders else board_feed.missed
        missed = await read(self._database, *wanted, after)
        if after > missed.reached:
            return "the position is ahead of this log"
        if after < missed.changes_since:
            return "changes of that age are no longer kept"
        if missed.said is None:
            return "too much has changed since"
        return Beginning(missed.reached, (chunk([missed.said, page_end(missed.reached)]),), missed.restricts)

    async def _snapshot(self, wanted: Wanted) -> Beginning:
        reading = self._reading.get(wanted)
        if reading is None:
            reading = asyncio.create_task(self._read(*wanted), name="live-snapshot")
            self._reading[wanted] = reading
            reading.add_done_callback(lambda done: self._keep_a_while(wanted, done))
        # Shielded: one client that leaves must not take the snapshot away from the others.
        found = await asyncio.shield(reading)
        since = self._hub.feed_of(wanted[0]).recent.after(found.position)
        if since is not None and not any(change.is_restricted for change in since):
            return found  # the hub tells what came since
        missed = await self._missed(wanted, found.position)
        if isinstance(missed, Beginning) and not missed.restricts:
            return Beginning(missed.position, (*found.frames, *missed.frames))
        return await self._read(*wanted)

    def _keep_a_while(self, wanted: Wanted, done: asyncio.Task[Beginning]) -> None:
        failed = done.cancelled() or done.exception() is not None
        asyncio.get_running_loop().call_later(0 if failed else SNAPSHOT_FRESH_S, self._reading.pop, wanted, None)

    async def _read(self, key: Key, categories: Categories, above: Above) -> Beginning:
        if key[0] == order_feed.ORDERS:
            at, frames = await order_feed.snapshot(self._database, key, categories)
            return Beginning(at, (chunk([*frames, page_end(at)]),))
        async with self._database.snapshot() as moment:
            checkpoint = await moment.row(checkpoints(["board"]))
            rows = await _rows(moment, key, categories, above)
        position = int(checkpoint["position"]) if checkpoint is not None else 0
        parts = [event("snapshot", json.dumps({"position": position, "incidents": len(rows)}))]
        for number, row in enumerate(rows, 1):
            parts.append(event("upsert", json.dumps(item(row), ensure_ascii=False, separators=(",", ":"))))
            if number % ROWS_A_BREATH == 0:
                await asyncio.sleep(0)
        return Beginning(position, (chunk([*parts, page_end(position)]),))


async def _rows(moment: Snapshot, key: Key, categories: Categories, above: Above) -> list[Any]:
    # Whose board shows an incident may know of it; the caller was asked for at the door.
    sight = EVERYTHING if above is None else Sight(center_id=above)
    found: list[Any] = []
    at: BoardCursor | None = None
    limit, seen = board.LIMIT_MAX, board_feed.centers_of(key)
    while len(found) < SNAPSHOT_INCIDENTS_MAX:
        if seen:
            only = BoardFilter(categories=sorted(categories or ()))
            statement = board.for_center(seen[0], sight=sight, also=seen[1:], cursor=at, limit=limit, only=only)
        else:
            statement = board.for_agency(str(key[1]), sight=sight, cursor=at, limit=limit)
        rows = await moment.rows(statement)
        found += [row for row in rows[:limit] if not categories or row["category"] in categories]
        if len(rows) <= limit:
            break
        at = (rows[limit - 1]["priority"], rows[limit - 1]["opened_position"])
    return found


class LiveResponse(Response):
    """The head of a stream; then the connection is the hub's. The seat is given back if the client is gone by then."""

    def __init__(self, hub: Hub, wanted: Wanted, beginning: Beginning, *, life_s: float | None) -> None:
        self._hub = hub
        self._wanted = wanted
        self._beginning = beginning
        self._life_s = life_s
        self.status_code = 200
        self.background = None
        self.media_type = "text/event-stream"
        self.init_headers({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # there is no body
        """Send the head and hand over."""
        hand_over = cast("HandOver", scope["extensions"][HAND_OVER])
        client = None
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            client = hand_over(lambda transport: Client(self._hub, transport, self._beginning.position))
        finally:
            if client is None:
                self._hub.release()
        if client is not None:
            client.write(GREETING)
            self._hub.seat(client, self._beginning, self._wanted, life_s=self._life_s)
