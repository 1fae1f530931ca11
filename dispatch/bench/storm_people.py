"""Who must get through while machines flood: a person who reads a board and reports, a gateway with a severe alert."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from itertools import count

from dispatch.bench.storm import percentile
from dispatch.bench.wire import Answer, Connection

ASK_EVERY_S = 0.25
REPORT = {
    "channel": "operator",
    "category": "traffic.accident",
    "severity": 2,
    "text": "两车追尾，占用一条车道",
    "place": {"point": {"type": "Point", "coordinates": [104.0801, 30.6574]}},
}
KINDS = ("board", "report", "severe")


class People:
    """Asks at a steady rate and takes the time. `alert` is one of a camera that `gateway` may speak for."""

    def __init__(self, person: Connection, center: str, gateway: Connection, alert: Mapping[str, object]) -> None:
        self._person = person
        self._board = f"/v1/centers/{center}/board?limit=50"
        self._gateway = gateway
        self._alert = {**alert, "severity": "severe"}
        self._ms: dict[str, list[float]] = {kind: [] for kind in KINDS}
        self._refused = dict.fromkeys(KINDS, 0)
        self._asked = count()

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        """Ask beside the block."""
        task = asyncio.create_task(self._ask())
        try:
            yield
        finally:
            is_failed = task.done()
            task.cancel()
            # The server would hang up on what is quiet until the next time.
            self._person.close()
            self._gateway.close()
            await asyncio.gather(task, return_exceptions=not is_failed)

    def figures(self) -> dict[str, float | int]:
        """How long each kind took, and how many were refused."""
        taken = {f"overload_{kind}_ms_p99": percentile(sorted(ms), 99) for kind, ms in self._ms.items()}
        return taken | {f"overload_{kind}_refused": refused for kind, refused in self._refused.items()}

    async def _ask(self) -> None:
        for number in self._asked:
            await self._timed("board", self._person.request("GET", self._board))
            report = json.dumps(REPORT).encode()
            key = f"Idempotency-Key: flood-{number:06d}\r\n"
            await self._timed("report", self._person.request("POST", "/v1/reports", report, headers=key))
            alert = json.dumps({**self._alert, "id": f"severe-{number:06d}"}).encode()
            await self._timed("severe", self._gateway.request("POST", "/v1/alerts", alert))
            await asyncio.sleep(ASK_EVERY_S)

    async def _timed(self, kind: str, asking: Awaitable[Answer]) -> None:
        began_at = time.monotonic()
        answer = await asking
        if answer.status in (HTTPStatus.OK, HTTPStatus.CREATED):
            self._ms[kind].append((time.monotonic() - began_at) * 1000)
        else:
            self._refused[kind] += 1
