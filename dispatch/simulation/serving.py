"""An API process: the desks behind the routes, and the line from a caller to one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar
from uuid import UUID, uuid5

from dispatch.handling.alerts import AlertDesk
from dispatch.handling.assignments import AssignmentDesk
from dispatch.handling.incidents import IncidentDesk
from dispatch.handling.reports import ReportDesk
from dispatch.handling.rulebook import RulebookHandler
from dispatch.handling.scribe import IdempotencyKey, Request
from dispatch.simulation.chance import Chance
from dispatch.simulation.city import CITY
from dispatch.simulation.process import ANSWER_S_MAX, Process
from dispatch.simulation.world import World
from domain.event import Actor
from domain.identifiers import NAMESPACE
from domain.refusals import DispatchError, Unavailable

T = TypeVar("T")
SERVERS = ("api-1", "api-2")


class Unheard(Exception):
    """No answer came: done or not, the caller does not know."""


class ApiProcess:
    """One life of an API process."""

    def __init__(self, world: World, process: Process) -> None:
        base = world.base(process)
        self.process = process
        self.base = base
        self._clock = base.clock
        self.incidents = IncidentDesk(base.scribe, base.directory, base.commitments())
        self.assignments = AssignmentDesk(base.scribe, base.directory, base.positions)
        self.reports = ReportDesk(base.scribe, base.directory)
        self.rulebook = RulebookHandler(base.scribe, CITY)
        self.alerts = AlertDesk(base.scribe, base.directory, world.ids)

    def request(self, actor: Actor, key: str, meaning: Mapping[str, Any], expected_version: int | None) -> Request:
        """A request as `dispatch.api.conditions` makes it: the same key, the same event ids."""
        return Request(
            actor=actor,
            received_at=self._clock.now(),
            request_id=request_id(actor, key),
            expected_version=expected_version,
            idempotency=IdempotencyKey.of(actor.id, key, meaning),
        )


def request_id(actor: Actor, key: str) -> UUID:
    """What the event ids of a request follow from."""
    return uuid5(NAMESPACE, f"request\x1f{actor.id}\x1f{key}")


class Caller:
    """Somebody outside who asks the API and does not give up: the same request, again, until there is an answer."""

    def __init__(self, world: World, name: str, chance: Chance, servers: Mapping[str, Any]) -> None:
        self.world = world
        self.name = name
        self.chance = chance
        self._servers = servers
        """The present life of each process, by its name."""

    async def insist(self, what: str, work: Callable[[Any], Awaitable[T]]) -> T:
        """Ask until it is answered. Raises `Refused` or `Conflict`: those are answers."""
        while True:
            try:
                result = await self.ask(what, work)
            except (Unheard, Unavailable):
                await asyncio.sleep(self.chance.between(0.1, 1.5))
                continue
            except DispatchError as error:
                self.world.trace.note(self.name, f"{what}: {error.code}")
                raise
            self.world.trace.note(self.name, f"{what}: done")
            return result

    async def ask(self, what: str, work: Callable[[Any], Awaitable[T]]) -> T:
        """Ask once, anybody. Raises `Unheard` when no answer comes, and what the process answers."""
        loop, chance = self.world.loop, self.chance
        name = chance.one_of(tuple(self._servers))
        answer: asyncio.Future[T] = loop.create_future()
        is_lost = chance.happens(self.world.network.weather.lost_request)
        is_unheard = chance.happens(self.world.network.weather.lost_answer)

        def give_up() -> None:
            if not answer.done():
                answer.set_exception(Unheard(what))

        def deliver(task: asyncio.Task[T]) -> None:
            if task.cancelled() or is_unheard:
                if not task.cancelled():
                    task.exception()
                loop.call_later(ANSWER_S_MAX, give_up)
            elif not answer.done():
                failure = task.exception()
                if failure is None:
                    answer.set_result(task.result())
                else:
                    answer.set_exception(failure)

        def arrive() -> None:
            server = self._servers.get(name)
            if is_lost or server is None or not server.process.is_alive:
                loop.call_later(chance.between(0.01, ANSWER_S_MAX), give_up)
                return
            task = server.process.spawn(work(server))
            task.add_done_callback(lambda done: loop.call_later(chance.delay_s(), deliver, done))

        loop.call_later(chance.delay_s(), arrive)
        return await answer
