"""NATS as our side speaks to it: request and reply, JetStream's raw API, atomic batches, and a store that can be lost.

Only the wire is modelled; the relay and its `Streams` are the real ones. A batch is committed whole by its last message
and refused if the stream is not where its first message expected it; a message without a reply may be lost.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nats.errors import NoRespondersError

from dispatch.partners.subjects import DIRECT_GET
from dispatch.simulation.process import Network, Process, Server

API = "$JS.API."
NOT_FOUND = {"error": {"code": 404, "description": "stream not found"}}
WRONG_LAST = {"error": {"code": 400, "err_code": 10071, "description": "wrong last sequence"}}
NO_BATCH = {"error": {"code": 400, "description": "batch unknown or incomplete"}}


@dataclass(frozen=True, slots=True)
class Message:
    """What comes back from a request, or lies in a stream."""

    subject: str
    data: bytes
    headers: Mapping[str, str]


@dataclass(slots=True)
class Stream:
    """One stream. `first` is the sequence of its first message, or of the next one while it is empty."""

    config: dict[str, Any]
    first: int
    messages: list[Message] = field(default_factory=list)

    @property
    def last(self) -> int:
        """The last sequence."""
        return self.first + len(self.messages) - 1


@dataclass(slots=True)
class JetStream:
    """The server's memory."""

    streams: dict[str, Stream] = field(default_factory=dict)
    batches: dict[str, list[Message]] = field(default_factory=dict)

    def lose_all(self) -> None:
        """The store is gone, as after a power cut with the default settings."""
        self.streams.clear()
        self.batches.clear()

    def lose_tail(self, name: str, count: int) -> None:
        """The last messages of a stream are gone."""
        stream = self.streams.get(name)
        if stream is not None and count > 0:
            del stream.messages[-count:]

    def answer(self, subject: str, body: bytes, headers: Mapping[str, str]) -> Message:
        """The reply to a request."""
        if subject.startswith(DIRECT_GET):
            return self._direct(subject.removeprefix(DIRECT_GET + "."), json.loads(body))
        if subject.startswith(API):
            return _json(self._api(subject.removeprefix(API), json.loads(body)))
        return self.store(subject, body, headers)

    def store(self, subject: str, body: bytes, headers: Mapping[str, str]) -> Message:
        """A message of a batch; the last one commits it."""
        stream = self._of(subject)
        if stream is None:
            raise NoRespondersError
        number = int(headers["Nats-Batch-Sequence"])
        batch = self.batches.setdefault(headers["Nats-Batch-Id"], [])
        if number != len(batch) + 1:
            return _json(NO_BATCH)
        batch.append(Message(subject, body, dict(headers)))
        if "Nats-Batch-Commit" not in headers:
            return Message("", b"", {})
        del self.batches[headers["Nats-Batch-Id"]]
        if int(batch[0].headers["Nats-Expected-Last-Sequence"]) != stream.last:
            return _json(WRONG_LAST)
        stream.messages += batch
        return _json({"stream": stream.config["name"], "seq": stream.last, "count": len(batch)})

    def _of(self, subject: str) -> Stream | None:
        """The stream that takes a subject: all but its last three tokens are the agency's own."""
        own = ".".join(subject.split(".")[:3])
        for stream in self.streams.values():
            if stream.config["subjects"] == [f"{own}.*.*.*"]:
                return stream
        return None

    def _api(self, call: str, body: dict[str, Any]) -> dict[str, Any]:
        kind, _, name = call.rpartition(".")
        stream = self.streams.get(name)
        if kind == "STREAM.CREATE":
            self.streams.setdefault(name, Stream(body, max(1, body["first_seq"])))
            return {"config": body}
        if stream is None:
            return NOT_FOUND
        if kind == "STREAM.DELETE":
            del self.streams[name]
            return {"success": True}
        assert kind == "STREAM.INFO", call
        state = {"first_seq": stream.first, "last_seq": stream.last, "messages": len(stream.messages)}
        return {"config": stream.config, "state": state}

    def _direct(self, name: str, body: dict[str, Any]) -> Message:
        stream = self.streams.get(name)
        if stream is None:
            raise NoRespondersError
        index = body["seq"] - stream.first
        if not 0 <= index < len(stream.messages):
            return Message("", b"", {"Status": "404"})
        found = stream.messages[index]
        return Message(found.subject, found.data, {**found.headers, "Nats-Sequence": str(body["seq"])})


def _json(body: Mapping[str, Any]) -> Message:
    return Message("", json.dumps(body).encode(), {})


class NatsClient:
    """One process's connection, as far as `dispatch.partners.streams` uses it."""

    def __init__(self, jetstream: JetStream, network: Network, server: Server, process: Process) -> None:
        self._jetstream = jetstream
        self._network = network
        self._server = server
        self._process = process

    async def request(
        self,
        subject: str,
        body: bytes,
        *,
        timeout: float,  # noqa: ASYNC109  # the client library's own signature
        headers: Mapping[str, str] | None = None,
    ) -> Message:
        """Ask; silence is a time-out."""
        assert timeout > 0
        return await self._network.call(
            self._process,
            self._server,
            subject,
            lambda: self._jetstream.answer(subject, body, headers or {}),
            failure=TimeoutError,
            writes=not subject.startswith((DIRECT_GET, API)),
        )

    async def publish(self, subject: str, body: bytes, *, headers: Mapping[str, str]) -> None:
        """Send and hope."""
        self._process.check()
        chance = self._network.chance
        if self._server.reaches(self._process) and not chance.happens(self._network.weather.lost_request):
            self._jetstream.store(subject, body, headers)


Handler = Callable[[str, Mapping[str, str], bytes], Awaitable[Message]]
"""Answers a partner's command."""
