"""Partner agencies: each reads its own stream message by message and answers what it reads, with repeats."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid5

from nats.errors import Error as NatsError

from dispatch.partners.cloudevents import attributes_of, headers_of
from dispatch.partners.subjects import DIRECT_GET, command_subject, feed_stream
from dispatch.simulation.chance import Chance
from dispatch.simulation.city import CITY, SPOTS
from dispatch.simulation.history import Acknowledged, Asked
from dispatch.simulation.jetstream import Message, NatsClient
from dispatch.simulation.process import Process
from dispatch.simulation.serving import Caller, Unheard
from dispatch.simulation.working import WorkerProcess
from dispatch.simulation.world import World
from domain.event import Actor
from domain.identifiers import named
from domain.vocabulary import ActorKind

UNAVAILABLE = 503
STEPS = ("acknowledge", "en-route", "on-scene", "clear")
POSITION = "position"
"""Kept outside the log: a repeat is harmless and no answer is stored."""
ON_ORDERS = ("acknowledge-order", "acknowledge-order", "decline-order")
ASTRAY = 0.1
"""How often an order is answered in an edition that is not there yet."""
WORDS = {"decline": {"reason": "busy"}, "note": {"text": "on it"}, "resolve": {"disposition": "handled"},
         "decline-order": {"reason": "no crew"}}  # fmt: skip
IDLE_S = 2.5


class Agency(Caller):
    """One agency's system. What it keeps is one integer."""

    def __init__(self, world: World, code: str, workers: dict[str, WorkerProcess]) -> None:
        super().__init__(world, f"agency {code}", Chance(world.seed, f"agency {code}"), workers)
        self.code = code
        self.received: list[tuple[int, str, str]] = []
        """Sequence, message id and subject of all that was read, in the order of reading."""
        self._process = Process(self.name, world.loop)
        self._client = NatsClient(world.jetstream, world.network, world.nats, self._process)
        self._actor = Actor(kind=ActorKind.PARTNER, id=f"partner:{code}", agency=code)
        self._answering: set[asyncio.Task[None]] = set()
        self.is_silent = False

    async def work(self) -> None:
        """Read on, for ever."""
        while True:
            message = await self._next()
            if message is None:
                await asyncio.sleep(IDLE_S)
                continue
            attributes = attributes_of(message.headers)
            self.received.append((len(self.received) + 1, attributes["id"], message.subject))
            body = json.loads(message.data)
            if not self.is_silent and self.chance.happens(0.35):
                answer = self.world.loop.create_task(self._answer(attributes, body))
                self._answering.add(answer)
                answer.add_done_callback(self._answering.discard)

    async def finished(self) -> None:
        """Everything it wanted to say was answered."""
        while self._answering:
            await asyncio.gather(*self._answering)

    async def _next(self) -> Message | None:
        request = json.dumps({"seq": len(self.received) + 1}).encode()
        try:
            found = await self._client.request(f"{DIRECT_GET}.{feed_stream(self.code)}", request, timeout=IDLE_S)
        except (NatsError, OSError, TimeoutError):
            return None
        return found if "Status" not in found.headers else None

    async def _answer(self, attributes: Mapping[str, str], body: Mapping[str, Any]) -> None:
        """Accept, decline, tell how the crew comes along, resolve, write a note."""
        await asyncio.sleep(self.chance.between(0.1, 6.0))
        verb, said = self._words(body)
        message_id = uuid5(UUID(attributes["id"]), f"answer\x1f{self.chance.whole(0, 9)}")
        times = 2 if self.chance.happens(0.15) else 1
        await asyncio.gather(*(self._send(verb, said, message_id) for _ in range(times)))

    def _words(self, body: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """A verb, and what belongs to it."""
        if "order_id" in body:
            verb = self.chance.one_of(ON_ORDERS)
            edition = body["edition"] + (self.chance.whole(0, 1) if self.chance.happens(ASTRAY) else 0)
            return verb, {"order_id": body["order_id"], "edition": edition, **WORDS.get(verb, {})}
        incident_id = body["incident_id"]
        assignments = body.get("assignments") or []
        if assignments and self.chance.happens(0.6):
            entry = self.chance.one_of(assignments)
            said = {"unit_id": entry["unit_id"], "assignment_id": entry["assignment_id"]}
            return self.chance.one_of(STEPS), said
        verb = self.chance.one_of(("accept", "accept", "decline", "note", "resolve", POSITION))
        return verb, self._position() if verb == POSITION else {"incident_id": incident_id, **WORDS.get(verb, {})}

    def _position(self) -> dict[str, Any]:
        """Where one of its units is."""
        units = [unit_id for unit_id, agency in self.world.city.unit_agencies.items() if agency == self.code]
        spot = self.chance.one_of(SPOTS)
        reported_at = self.world.clock.now().isoformat()
        return {"unit_id": str(units[0]), "lon": spot.lon, "lat": spot.lat, "reported_at": reported_at}

    async def _send(self, verb: str, said: Mapping[str, Any], message_id: UUID) -> None:
        """The same message until somebody answers it."""
        asked = Asked(self._actor, str(message_id), named("partner-command", self.code, str(message_id)), verb)
        self.world.history.asked[asked.request_id] = asked
        headers = headers_of({"id": str(message_id), "time": self.world.clock.now().isoformat()})
        subject = command_subject(CITY, self.code, verb)
        while True:
            try:
                reply = await self.ask(verb, lambda worker: worker.answer(subject, headers, json.dumps(said).encode()))
            except Unheard:
                reply = None
            told: dict[str, Any] = json.loads(reply.data) if reply is not None else {"status": UNAVAILABLE}
            if told["status"] != UNAVAILABLE:
                break
            await asyncio.sleep(self.chance.between(0.1, 1.5))
        self.world.trace.note(self.name, f"{verb} {message_id}: {told['status']}")
        if told["status"] == "recorded" and verb != POSITION:
            self.world.history.acknowledged.append(
                Acknowledged(asked, told["position"], told["changed"], told["answer"])
            )
