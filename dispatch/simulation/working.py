"""A worker process: every task of `dispatch work`, the real ones, over this process's lines."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from nats.errors import Error as NatsError

from dispatch.handling.assignments import AssignmentDesk
from dispatch.handling.incidents import IncidentDesk
from dispatch.handling.orders import OrderDesk
from dispatch.partners.commands import PartnerDesk, problem_reply
from dispatch.partners.feed import Feed
from dispatch.partners.relay import Relay
from dispatch.partners.streams import Streams
from dispatch.simulation.city import CITY
from dispatch.simulation.feed_tables import FeedPool
from dispatch.simulation.jetstream import Message, NatsClient
from dispatch.simulation.process import Process
from dispatch.simulation.remote_log import TailedRemoteLog
from dispatch.simulation.screens import Folder
from dispatch.simulation.world import World
from dispatch.workers.reactor import Reactor, run_reactor
from dispatch.workers.reactors import Given, reactors
from dispatch.workers.timers.watch import Timers
from domain.refusals import DispatchError

IDLE_S = 1.0
BACK_OFF_S = 0.3
BATCH_MESSAGES = 7
"""Small batches, so that a short feed has many."""
LOOK_AGAIN_S = 10.0
"""How often the relay compares streams and feeds: an emptied store shows itself."""
NATS_TIMEOUT_S = 60.0
"""Longer than the lines take to say that nobody answers, so that silence is told by them."""
TROUBLE = (DispatchError, NatsError, OSError, TimeoutError)


class WorkerProcess:
    """One life of a worker."""

    def __init__(self, world: World, process: Process) -> None:
        self._world = world
        self.process = process
        self._base = base = world.base(process, kind=TailedRemoteLog)
        self._pool = FeedPool(world.feeds, world.network, world.store, process)
        self._desk = PartnerDesk(
            incidents=IncidentDesk(base.scribe, base.directory, base.commitments()),
            assignments=AssignmentDesk(base.scribe, base.directory, base.positions),
            orders=OrderDesk(base.scribe, base.directory),
            directory=base.directory,
            positions=base.positions,
            pool=self._pool,
            clock=base.clock,
        )
        base.spawn("work", self._begin)

    async def _begin(self) -> None:
        """All parts, once the city is known."""
        base, world = self._base, self._world
        await base.known()
        log, directory, clock = base.log, base.directory, base.clock
        for reactor in reactors(Given(log, directory, clock, base.scribe, base.positions, base.commitments())):
            self._react(reactor)
        ownership = world.owning(self.process, "timers")
        timers = Timers(log=log, directory=directory, clock=clock, scribe=base.scribe, ownership=ownership)
        base.spawn("timers", timers.run, asyncio.Event())
        folder = Folder(
            log=base.log,
            screens=world.screens,
            network=world.network,
            server=world.store,
            process=self.process,
            ownership=world.owning(self.process, "projector"),
            plant=world.plant,
        )
        base.spawn("projector", folder.run)
        base.spawn("partners", self._partners)
        await asyncio.Event().wait()

    def _react(self, reactor: Reactor) -> None:
        ownership = self._world.owning(self.process, reactor.name)

        async def run() -> None:
            await run_reactor(
                reactor, log=self._base.log, scribe=self._base.scribe, ownership=ownership, stop=asyncio.Event()
            )

        self._base.spawn(reactor.name, run)

    async def _partners(self) -> None:
        """One term of ownership after the other, as in `dispatch.partners.worker`: write the feeds and carry them."""
        ownership = self._world.owning(self.process, "partners")
        while True:
            await ownership.acquire()
            feed = Feed(self._base.log, self._pool, CITY, page_events=40)
            parts = [self.process.spawn(part) for part in (self._write(feed), self._carry(feed))]
            try:
                while await ownership.holds() and not any(part.done() for part in parts):  # noqa: ASYNC110  # it is asked
                    await asyncio.sleep(IDLE_S)
            finally:
                for part in parts:
                    part.cancel()
                ended = await asyncio.gather(*parts, return_exceptions=True)
            for failure in ended:
                if isinstance(failure, Exception):
                    raise failure
            await ownership.release()

    async def _write(self, feed: Feed) -> None:
        """Number messages."""
        while True:
            try:
                if await feed.advance() is None:
                    await self._base.log.wait_beyond(feed.position or 0, timeout_s=IDLE_S)
            except TROUBLE:
                await asyncio.sleep(BACK_OFF_S)

    async def _carry(self, feed: Feed) -> None:
        """Send them: a new relay after any trouble, a comparison now and then."""
        client = NatsClient(self._world.jetstream, self._world.network, self._world.nats, self.process)
        streams = Streams(client, CITY, timeout_s=NATS_TIMEOUT_S, messages_max=100_000)  # type: ignore[arg-type]
        loop = self._world.loop
        while True:
            try:
                epoch = (await self._base.log.tip()).epoch
                relay = Relay(
                    streams, self._pool, self._world.ids, lambda: feed.tree.fields, epoch, batch_messages=BATCH_MESSAGES
                )
                await relay.reconcile()
                looked_at_s = loop.time()
                while loop.time() - looked_at_s < LOOK_AGAIN_S:
                    if not await relay.step():
                        await asyncio.sleep(2 * IDLE_S)
                await relay.report(self._world.clock.now())
            except TROUBLE:
                await asyncio.sleep(BACK_OFF_S)

    async def answer(self, subject: str, headers: Mapping[str, str], body: bytes) -> Message:
        """A partner's command, as the partner worker takes it."""
        try:
            reply = await self._desk.answer(subject, headers, body)
        except (OSError, TimeoutError):
            reply = problem_reply("unavailable", "Not recorded. Send the same message again in a moment.")
        return Message("", reply.body, reply.headers)
