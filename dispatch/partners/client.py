"""A partner's side, small enough to be read as documentation: how to follow a feed and how to answer.

What a partner keeps is one integer, the sequence of the last message it has dealt with (and the epoch, if it wants to
notice that we were restored from a backup). It reads on by Direct Get, in batches; live copies on its subjects only
wake it up, for a copy may be of a batch that is never committed. A gap is arithmetic: the next message is the last one
plus one. It deals with a message and stores the integer in one transaction of its own; what it may see twice after a
crash has the same `ce-id`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self
from uuid import UUID

from nats.aio.client import Client
from nats.errors import Error as NatsError

from dispatch.partners.cloudevents import attributes_of, headers_of
from dispatch.partners.connection import join, leave
from dispatch.partners.subjects import DIRECT_GET, command_subject, feed_stream, feed_wildcard
from domain.refusals import Unavailable

BATCH_MESSAGES = 500
POLL_S = 2.0
"""Longest sleep without a look: live copies are a hint and may be lost."""


class FeedReset(Exception):
    """We were restored from a backup, or the feed no longer reaches back to where you are: read it from the start."""


@dataclass(frozen=True, slots=True)
class Received:
    """One message of the feed."""

    sequence: int
    subject: str
    attributes: Mapping[str, str]
    body: dict[str, Any]

    @property
    def type(self) -> str:
        """The public contract."""
        return self.attributes["type"]

    @property
    def id(self) -> UUID:
        """The same at every delivery and after every rebuild."""
        return UUID(self.attributes["id"])


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a command. `recorded` is only true after our database has it."""

    recorded: bool
    body: dict[str, Any]
    headers: Mapping[str, str]

    @property
    def position(self) -> int:
        """Where the log stood after it."""
        return int(self.body["position"])


class PartnerClient:
    """One agency's connection."""

    def __init__(self, client: Client, city: str, agency: str, *, timeout_s: float) -> None:
        self._client = client
        self._city = city
        self._agency = agency
        self._timeout_s = timeout_s

    @classmethod
    async def connect(cls, url: str, *, seed: str, city: str, agency: str, timeout_s: float = 5.0) -> Self:
        """Join with the agency's key. Raises `Unavailable`."""
        return cls(
            await join(url, seed=seed, name=f"partner {agency}", timeout_s=timeout_s), city, agency, timeout_s=timeout_s
        )

    async def close(self) -> None:
        """Leave."""
        await leave(self._client)

    async def read(self, after: int, *, limit: int = BATCH_MESSAGES) -> list[Received]:
        """Messages behind the sequence `after`, at most `limit`; none at the end of the feed.

        Raises `FeedReset` when the feed no longer holds the next one, `Unavailable` when NATS does not answer.
        """
        found = await self._get({"seq": after + 1, "batch": limit})
        for expected, message in enumerate(found, start=after + 1):
            if message.sequence != expected:
                raise FeedReset(f"expected {expected}, the feed goes on at {message.sequence}")
        return found

    async def read_since(self, instant: datetime, *, limit: int = BATCH_MESSAGES) -> list[Received]:
        """Messages recorded at `instant` or later, oldest first.

        The stream's own time says when a message came into the stream, which after a loss is later than it was first
        sent: so a read by time may begin too early, never too late, and the rest is left out here.
        """
        start = instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
        found = await self._get({"start_time": start, "batch": limit})
        while found and datetime.fromisoformat(found[-1].attributes["recordedtime"]) < instant:
            found = await self._get({"seq": found[-1].sequence + 1, "batch": limit})
        return [each for each in found if datetime.fromisoformat(each.attributes["recordedtime"]) >= instant]

    async def last(self) -> Received | None:
        """The newest message, or None while the feed is empty."""
        found = await self._get({"multi_last": [feed_wildcard(self._city, self._agency)]})
        return max(found, key=lambda each: each.sequence, default=None)

    async def follow(self, after: int, *, epoch: str | None = None) -> AsyncIterator[Received]:
        """Every message behind `after`, then those to come, for ever. Keep the last `sequence` you have dealt with.

        `epoch` is that of the last message dealt with. Raises `FeedReset` when it has changed: numbers begin to mean
        something else after a restore.
        """
        woken = asyncio.Event()

        async def wake(_: object) -> None:
            woken.set()

        subscription = await self._client.subscribe(feed_wildcard(self._city, self._agency), cb=wake)
        try:
            while True:
                woken.clear()
                messages = await self.read(after)
                newest = messages[-1] if messages else await self.last()
                epoch = _same_epoch(epoch, newest)
                for message in messages:
                    yield message
                    after = message.sequence
                if not messages:
                    await _wait(woken)
        finally:
            if self._client.is_connected:
                await subscription.unsubscribe()

    async def send(
        self, verb: str, message_id: UUID, body: Mapping[str, Any], *, caused_by: UUID | None = None
    ) -> Answer:
        """Send a command and wait for our answer. Raises `Unavailable`: then send it again with the same id.

        `caused_by` is the `id` of the feed message that a machine answers without a person looking at it.
        """
        attributes = {"specversion": "1.0", "id": str(message_id), "type": f"dispatch.command.{verb}.v1"}
        attributes |= {"source": f"/city/{self._city}/{self._agency}", "time": datetime.now(UTC).isoformat()}  # noqa: TID251  # a partner's own clock
        if caused_by is not None:
            attributes["causationid"] = str(caused_by)
        try:
            async with asyncio.timeout(self._timeout_s):
                reply = await self._client.request(
                    command_subject(self._city, self._agency, verb),
                    json.dumps(body, default=str).encode(),
                    timeout=self._timeout_s,
                    headers=headers_of(attributes),
                )
        except (NatsError, OSError, TimeoutError) as error:
            raise Unavailable("partner.no_answer", f"No answer to {verb} {message_id}: send it again") from error
        headers = dict(reply.headers or {})
        return Answer("Dispatch-Position" in headers, json.loads(reply.data), headers)

    async def _get(self, request: Mapping[str, Any]) -> list[Received]:
        """One Direct Get of a batch: messages, then an empty one whose status says that this was all."""
        inbox = self._client.new_inbox()
        subscription = await self._client.subscribe(inbox)
        found: list[Received] = []
        try:
            async with asyncio.timeout(self._timeout_s):
                subject = f"{DIRECT_GET}.{feed_stream(self._agency)}"
                await self._client.publish(subject, json.dumps(request).encode(), reply=inbox)
                while True:
                    message = await subscription.next_msg(timeout=self._timeout_s)
                    headers = dict(message.headers or {})
                    if "Status" in headers:
                        return _whole(found, headers["Status"])
                    found.append(_received(headers, message.data))
        except (NatsError, OSError, TimeoutError) as error:
            raise Unavailable("partner.feed_away", f"The feed does not answer: {error!r}") from error
        finally:
            if self._client.is_connected:
                await subscription.unsubscribe()


def _same_epoch(epoch: str | None, newest: Received | None) -> str | None:
    if newest is None:
        return epoch
    if epoch is not None and newest.attributes["epoch"] != epoch:
        raise FeedReset(f"the feed's epoch was {epoch} and is {newest.attributes['epoch']}")
    return newest.attributes["epoch"]


def _whole(found: list[Received], status: str) -> list[Received]:
    """204 ends a batch, 404 says there is nothing (yet); anything else is trouble."""
    if status in {"204", "404"}:
        return found
    raise Unavailable("partner.feed_away", f"The feed answered with status {status}")


def _received(headers: Mapping[str, str], body: bytes) -> Received:
    return Received(int(headers["Nats-Sequence"]), headers["Nats-Subject"], attributes_of(headers), json.loads(body))


async def _wait(woken: asyncio.Event) -> None:
    """Not by `wait_for`, which loses a cancellation that comes together with the event (Python 3.11)."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(POLL_S):
            await woken.wait()
