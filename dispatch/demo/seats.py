"""Where people sit in the evening: a dispatcher with a live board, a gateway, a partner. Public interfaces only."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid5

import httpx

from dispatch.partners.client import PartnerClient, Received
from dispatch.workers.tasks import end
from domain.identifiers import NAMESPACE

SEEN_WITHIN_S = 20.0
"""How long anybody waits for something to appear before the expectation has failed."""

Row = Mapping[str, Any]


class Seat:
    """A caller of the API with a token of its own."""

    def __init__(self, client: httpx.AsyncClient, token: str, name: str) -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer {token}"}
        self._keys = 0
        self.name = name

    async def get(self, path: str, **parameters: Any) -> httpx.Response:
        """Read."""
        return await self._client.get(path, params=parameters, headers=self._headers)

    async def post(
        self, path: str, body: Any = None, *, version: str | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Write, with a fresh idempotency key and, for a decision, the version it is made on."""
        self._keys += 1
        sent = {**self._headers, "Idempotency-Key": f"{self.name}-{self._keys}", "Prefer": "wait=10", **(headers or {})}
        if version is not None:
            sent["If-Match"] = version
        return await self._client.post(path, json={} if body is None else body, headers=sent)

    async def send(self, path: str, body: bytes, media_type: str) -> httpx.Response:
        """Bytes of a device."""
        return await self._client.post(path, content=body, headers={**self._headers, "Content-Type": media_type})

    async def decide(self, incident_id: str, decision: str, body: Any = None) -> httpx.Response:
        """Look at the card, then decide on what was seen; a card that has moved on since is looked at again."""
        async with asyncio.timeout(SEEN_WITHIN_S):
            while True:
                card = await self.get(f"/v1/incidents/{incident_id}")
                version = card.headers.get("etag")
                answer = await self.post(f"/v1/incidents/{incident_id}/{decision}", body, version=version)
                if answer.status_code != httpx.codes.PRECONDITION_FAILED:
                    return answer

    async def board(self, center_id: str, **parameters: Any) -> list[Row]:
        """All pages of a board as of now."""
        path: str | None = f"/v1/centers/{center_id}/board"
        rows: list[Row] = []
        while path is not None:
            answer = await self._client.get(path, params=parameters, headers=self._headers)
            answer.raise_for_status()
            rows += answer.json()["items"]
            link = answer.links.get("next")
            path, parameters = (link["url"], {}) if link else (None, {})
        return rows


class Board:
    """A live board: rows as the stream tells them."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.ever: dict[str, Row] = {}
        self.position = 0
        self._changed = asyncio.Condition()

    async def until(self, wanted: Callable[[Board], bool]) -> bool:
        """Wait until the board is as wanted; whether it came to be."""
        try:
            async with asyncio.timeout(SEEN_WITHIN_S), self._changed:
                await self._changed.wait_for(lambda: wanted(self))
        except TimeoutError:
            return False
        return True

    async def shows(self, incident_id: str, **columns: Any) -> bool:
        """Wait until a row is there with these columns."""

        def as_wanted(board: Board) -> bool:
            row = board.rows.get(incident_id)
            return row is not None and all(row[name] == value for name, value in columns.items())

        return await self.until(as_wanted)

    async def lacks(self, incident_id: str) -> bool:
        """Wait until a row is gone."""
        return await self.until(lambda board: incident_id not in board.rows)

    async def take(self, event: str, data: Any) -> None:
        """One event of the stream."""
        async with self._changed:
            if event == "snapshot":
                self.rows.clear()
            elif event == "upsert":
                self.rows[data["incident_id"]] = self.ever[data["incident_id"]] = data
            elif event == "removal":
                self.rows.pop(data["incident_id"], None)
            elif event == "page":
                self.position = data["position"]
            self._changed.notify_all()


@asynccontextmanager
async def live_board(client: httpx.AsyncClient, token: str, path: str) -> AsyncIterator[Board]:
    """Follow a live stream while the block runs."""
    board = Board()
    ready = asyncio.Event()

    async def follow() -> None:
        headers = {"Authorization": f"Bearer {token}"}
        async with client.stream("GET", path, headers=headers, timeout=None) as answer:
            answer.raise_for_status()
            event = ""
            async for line in answer.aiter_lines():
                name, _, value = line.partition(": ")
                if name == "event":
                    event = value
                elif name == "data":
                    await board.take(event, json.loads(value))
                    ready.set()

    task = asyncio.create_task(follow())
    try:
        async with asyncio.timeout(SEEN_WITHIN_S):
            await ready.wait()
        yield board
    finally:
        await end([task])


class Partner:
    """An agency's own system: it follows its feed and answers."""

    def __init__(self, client: PartnerClient, agency: str) -> None:
        self.client = client
        self.agency = agency
        self.received: list[Received] = []
        self._arrived = asyncio.Condition()

    async def follow(self) -> None:
        """Read the feed until cancelled."""
        async for message in self.client.follow(0):
            async with self._arrived:
                self.received.append(message)
                self._arrived.notify_all()

    async def hears(self, message_type: str, incident_id: str) -> Received | None:
        """The first message of this type about the incident, waited for."""

        def found() -> Received | None:
            return next(
                (
                    each
                    for each in self.received
                    if each.type == message_type and each.body.get("incident_id") == incident_id
                ),
                None,
            )

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SEEN_WITHIN_S), self._arrived:
                await self._arrived.wait_for(lambda: found() is not None)
        return found()

    async def say(self, verb: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send a command; our reply, which comes after the commit."""
        answer = await self.client.send(verb, self._message_id(verb, body), body)
        return {"recorded": answer.recorded, **answer.body}

    def _message_id(self, verb: str, body: Mapping[str, Any]) -> UUID:
        return uuid5(NAMESPACE, json.dumps([self.agency, verb, dict(body)], default=str, sort_keys=True))


@asynccontextmanager
async def partner(url: str, *, seed: str, city: str, agency: str) -> AsyncIterator[Partner]:
    """A partner that follows its feed while the block runs."""
    seat = Partner(await PartnerClient.connect(url, seed=seed, city=city, agency=agency), agency)
    task = asyncio.create_task(seat.follow())
    try:
        yield seat
    finally:
        await end([task])
        await seat.client.close()
