"""JetStream as far as the relay needs it: raw API requests, each with a limit in time.

Raw, because the client library lacks some options (atomic batches) and its convenience calls hide time-outs.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError

from dispatch.partners.connection import put
from dispatch.partners.contracts import MESSAGE_BYTES_MAX
from dispatch.partners.subjects import feed_stream, feed_wildcard
from domain.refusals import Unavailable

BATCH_MESSAGES_MAX = 1_000
"""The server's own limit of an atomic batch."""
NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message of a batch."""

    subject: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class StreamState:
    """Where a stream stands. Empty: `first` is `last` + 1."""

    first: int
    last: int
    messages: int
    config: Mapping[str, Any]


class BatchRefused(Exception):
    """The stream is not where we thought: look again."""


class Streams:
    """One connection's view of the feeds' streams. Every call raises `Unavailable` within `timeout_s`."""

    def __init__(self, client: Client, city: str, *, timeout_s: float, messages_max: int) -> None:
        self._client = client
        self._city = city
        self._timeout_s = timeout_s
        self._messages_max = messages_max

    def config(self, agency: str, first: int) -> dict[str, Any]:
        """The stream of an agency: nothing in it can be deleted, it is read directly, batches are atomic."""
        return {
            "name": feed_stream(agency),
            "description": "Feed of a partner agency. Rebuilt from PostgreSQL whenever it is lost.",
            "subjects": [feed_wildcard(self._city, agency)],
            "retention": "limits",
            "storage": "file",
            "discard": "old",
            "max_msgs": self._messages_max,
            "max_msg_size": MESSAGE_BYTES_MAX,
            "num_replicas": 1,
            "first_seq": first,
            "allow_direct": True,
            "allow_atomic": True,
            "deny_delete": True,
            "deny_purge": True,
        }

    async def state(self, agency: str) -> StreamState | None:
        """The stream's state, or None when there is none."""
        answer = await self._api(f"STREAM.INFO.{feed_stream(agency)}", {})
        if answer is None:
            return None
        state = answer["state"]
        return StreamState(state["first_seq"], state["last_seq"], state["messages"], answer["config"])

    async def create(self, agency: str, *, first: int) -> None:
        """Make the stream; its first message will have the sequence `first`."""
        await self._api(f"STREAM.CREATE.{feed_stream(agency)}", self.config(agency, first))

    async def delete(self, agency: str) -> None:
        """Remove the stream with all its messages."""
        await self._api(f"STREAM.DELETE.{feed_stream(agency)}", {})

    async def headers_at(self, agency: str, sequence: int) -> Mapping[str, str]:
        """The headers of one message; empty when it is not there."""
        request = json.dumps({"seq": sequence}).encode()
        found = await self._request(f"$JS.API.DIRECT.GET.{feed_stream(agency)}", request)
        headers = dict(found.headers or {})
        return {} if headers.get("Status") else headers

    async def publish(self, batch: Sequence[Outgoing], *, batch_id: UUID, after: int) -> None:
        """Publish all or nothing, directly behind the sequence `after`. Raises `BatchRefused` if it is not the last.

        The first and the last message are requests; a batch of one is both.
        """
        assert 0 < len(batch) <= BATCH_MESSAGES_MAX
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._publish(batch, str(batch_id), after)
        except NoRespondersError as error:
            raise BatchRefused("the stream is gone") from error
        except (NatsError, OSError, TimeoutError) as error:
            raise Unavailable("nats.no_answer", f"NATS did not acknowledge a batch: {error!r}") from error
        if "error" in answer or answer.get("seq") != after + len(batch) or answer.get("count") != len(batch):
            raise BatchRefused(json.dumps(answer))

    async def _publish(self, batch: Sequence[Outgoing], batch_id: str, after: int) -> Mapping[str, Any]:
        last = len(batch)
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        answer: Mapping[str, Any] = {}
        for number, message in enumerate(batch, start=1):
            headers = {**message.headers, "Nats-Batch-Id": batch_id, "Nats-Batch-Sequence": str(number)}
            if number == 1:
                headers["Nats-Expected-Last-Sequence"] = str(after)
            if number == last:
                headers["Nats-Batch-Commit"] = "1"
            if number not in (1, last):
                await put(self._client, message.subject, message.body, headers)
                if asyncio.get_running_loop().time() > deadline:
                    # The client library swallows a cancellation, hence our time-out, while it waits for the socket.
                    raise TimeoutError
                continue
            replied = await self._client.request(
                message.subject, message.body, timeout=self._timeout_s, headers=headers
            )
            answer = json.loads(replied.data) if replied.data else {}
            if "error" in answer:
                return answer
        return answer

    async def _api(self, subject: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
        replied = await self._request(f"$JS.API.{subject}", json.dumps(body).encode())
        answer: dict[str, Any] = json.loads(replied.data)
        error = answer.get("error")
        if error is None:
            return answer
        if error.get("code") == NOT_FOUND:
            return None
        raise Unavailable("nats.jetstream_refused", f"JetStream refused {subject}: {error.get('description')}")

    async def _request(self, subject: str, body: bytes) -> Any:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._client.request(subject, body, timeout=self._timeout_s)
        except NoRespondersError as error:
            raise Unavailable("nats.no_jetstream", f"Nobody answers {subject}: is JetStream on?") from error
        except (NatsError, OSError, TimeoutError) as error:
            raise Unavailable("nats.no_answer", f"NATS did not answer {subject}: {error!r}") from error
