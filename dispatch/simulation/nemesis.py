"""Who breaks things: deaths, cut lines, servers that are away, frozen processes, a message store that is lost."""

from __future__ import annotations

import asyncio

from dispatch.partners.subjects import feed_stream
from dispatch.simulation.city import FEEDS
from dispatch.simulation.world import World

FROZEN_S_MAX = 12.0
SILENCE_S_MAX = 5.0
"""A frozen owner's session is ended after this long."""


class Nemesis:
    """Breaks something every few seconds, until it is told to stop; then all is mended."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._chance = world.chance("nemesis")
        weather = world.network.weather
        bad = self._chance.one_of((0.0, 0.002, 0.01))
        weather.lost_request = bad
        weather.lost_answer = self._chance.one_of((0.0, bad, 0.02))
        weather.death_at_write = self._chance.one_of((0.0, 0.004, 0.012))
        self._every_s = self._chance.one_of((4.0, 8.0, 30.0))

    async def work(self) -> None:
        """Go on until cancelled."""
        acts = {
            self._kill: 6, self._cut: 3, self._store_away: 2, self._nats_away: 3, self._freeze: 2, self._lose_stream: 2,
        }  # fmt: skip
        while True:
            await asyncio.sleep(self._chance.between(0.2, 2 * self._every_s))
            await self._chance.weighted(acts)()

    def mend(self) -> None:
        """No more faults."""
        world = self._world
        world.network.weather.calm()
        for server in (world.store, world.nats):
            server.is_away = False
            server.cut_off.clear()
        for process in world.lives.values():
            process.frozen_until_s = min(process.frozen_until_s, world.loop.time())

    async def _kill(self) -> None:
        process = self._chance.one_of(tuple(self._world.lives.values()))
        self._world.kill(process, "at any moment")

    async def _cut(self) -> None:
        """One process does not reach one server for a while."""
        name = self._chance.one_of(tuple(self._world.lives))
        server = self._chance.one_of((self._world.store, self._world.nats))
        self._note(f"cuts {name} off {server.name}")
        server.cut_off.add(name)
        await asyncio.sleep(self._chance.between(0.5, 8.0))
        server.cut_off.discard(name)

    async def _store_away(self) -> None:
        self._note("stops the store")
        self._world.store.is_away = True
        await asyncio.sleep(self._chance.between(0.2, 4.0))
        self._world.store.is_away = False

    async def _nats_away(self) -> None:
        self._note("stops NATS")
        self._world.nats.is_away = True
        await asyncio.sleep(self._chance.between(0.5, 10.0))
        self._world.nats.is_away = False

    async def _freeze(self) -> None:
        """A process stands still; its sessions are ended while it does."""
        process = self._chance.one_of(tuple(self._world.lives.values()))
        seconds = self._chance.between(0.5, FROZEN_S_MAX)
        self._note(f"freezes {process.name} for {seconds:.1f} s")
        process.frozen_until_s = self._world.loop.time() + seconds
        if seconds > SILENCE_S_MAX:
            self._world.loop.call_later(SILENCE_S_MAX, self._world.locks.end_all_of, process)

    async def _lose_stream(self) -> None:
        if self._chance.happens(0.4):
            self._note("loses the whole message store")
            self._world.jetstream.lose_all()
        else:
            agency, count = self._chance.one_of(FEEDS), self._chance.whole(1, 5)
            self._note(f"loses the last {count} messages of {agency}")
            self._world.jetstream.lose_tail(feed_stream(agency), count)

    def _note(self, what: str) -> None:
        self._world.trace.note("nemesis", what)
