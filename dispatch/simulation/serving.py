"""An API process: the desks behind the routes, and the line from a caller to one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar
from uuid import UUID, uuid5

from sqlalchemy import Select

from dispatch.directory import Directory
from dispatch.handling.aid import AidDesk
from dispatch.handling.alerts import AlertDesk
from dispatch.handling.assignments import AssignmentDesk
from dispatch.handling.cases import CaseDesk
from dispatch.handling.checklists import ChecklistDesk
from dispatch.handling.cover import CoverDesk
from dispatch.handling.evidence import EvidenceDesk
from dispatch.handling.handovers import HandoverDesk
from dispatch.handling.headquarters import HeadquartersDesk
from dispatch.handling.incidents import IncidentDesk
from dispatch.handling.operations import OperationDesk
from dispatch.handling.operators import OperatorDesk
from dispatch.handling.orders import OrderDesk
from dispatch.handling.outcomes import CampaignDesk, OutcomeDesk
from dispatch.handling.plans import PlanDesk
from dispatch.handling.reports import ReportDesk
from dispatch.handling.restrictions import RestrictionDesk
from dispatch.handling.rulebook import RulebookHandler
from dispatch.handling.scribe import IdempotencyKey, Request
from dispatch.handling.tree import TreeDesk
from dispatch.handling.watches import WatchDesk
from dispatch.simulation.chance import Chance
from dispatch.simulation.city import CITY
from dispatch.simulation.process import ANSWER_S_MAX, Process
from dispatch.simulation.questions import asked
from dispatch.simulation.remote_log import unavailable
from dispatch.simulation.world import World
from domain.event import Actor
from domain.identifiers import NAMESPACE
from domain.refusals import DispatchError, Unavailable

T = TypeVar("T")
SERVERS = ("api-1", "api-2")
FRESH_S_MAX, FRESH_EVERY_S = 4.0, 0.25
"""How long a question waits for the screens to be as new as it asks for."""


class Unheard(Exception):
    """No answer came: done or not, the caller does not know."""


class ApiProcess:
    """One life of an API process."""

    def __init__(self, world: World, process: Process) -> None:
        base = world.base(process)
        self.process = process
        self.base = base
        self._clock = base.clock
        self._world = world
        self.incidents = IncidentDesk(base.scribe, base.directory, base.commitments())
        self.assignments = AssignmentDesk(base.scribe, base.directory, base.positions)
        self.plans = PlanDesk(base.scribe, base.directory, base.positions, base.commitments())
        self.reports = ReportDesk(base.scribe, base.directory)
        self.rulebook = RulebookHandler(base.scribe, CITY)
        self.alerts = AlertDesk(base.scribe, base.directory, world.ids)
        self.cases = CaseDesk(base.scribe, base.directory)
        self.orders = OrderDesk(base.scribe, base.directory)
        self.operations = OperationDesk(base.scribe)
        self.restrictions = RestrictionDesk(base.scribe, base.directory)
        self.operators = OperatorDesk(base.scribe)
        self.handovers = HandoverDesk(base.scribe)
        self.aid = AidDesk(base.scribe)
        self.watches = WatchDesk(base.scribe)
        self.checklists = ChecklistDesk(base.scribe, base.directory)
        self.outcomes = OutcomeDesk(base.scribe)
        self.campaigns = CampaignDesk(base.scribe)
        self.evidence = EvidenceDesk(base.scribe)
        self.cover = CoverDesk(base.scribe)
        self.tree = TreeDesk(base.scribe, base.directory)
        self.headquarters = HeadquartersDesk(base.scribe, base.directory)

    def request(self, actor: Actor, key: str, meaning: Mapping[str, Any], expected_version: int | None) -> Request:
        """A request as `dispatch.api.http.conditions` makes it: the same key, the same event ids.

        Raises `Unavailable` before the city is known: a server opens its port after that.
        """
        assert self.directory.position > 0, "it was read"
        return Request(
            actor=actor,
            received_at=self._clock.now(),
            request_id=request_id(actor, key),
            expected_version=expected_version,
            idempotency=IdempotencyKey.of(actor.id, key, meaning),
        )

    @property
    def directory(self) -> Directory:
        """The city as this process knows it. Raises `Unavailable` before it does."""
        if not self.base.knows_city:
            raise Unavailable("directory.unread", "Not ready yet. Ask again in a moment.")
        return self.base.directory

    async def rows(self, *statements: Select[Any], min_position: int = 0) -> tuple[int, list[list[dict[str, Any]]]]:
        """What lists show, all in one moment, and the position of that moment. Raises `Unavailable`."""
        screens, network = self._world.screens, self._world.network
        began_s = network.loop.time()

        def look() -> tuple[int, list[list[dict[str, Any]]]]:
            tables = self._world.plant.asked({name: rows.values() for name, rows in screens.rows.items()})
            return screens.position, [asked(each, tables) for each in statements]

        while True:
            position, found = await network.call(
                self.process, self._world.store, "read the screens", look, failure=unavailable
            )
            if position >= min_position:
                return position, found
            if network.loop.time() - began_s > FRESH_S_MAX:
                raise Unavailable("projection.behind", "The screens are not there yet. Ask again in a moment.")
            await asyncio.sleep(FRESH_EVERY_S)


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
