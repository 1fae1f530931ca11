"""Everything that outlives a process: the servers, the tables, the lines, and who lives at the moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar
from uuid import UUID

from dispatch.directory import Directory
from dispatch.directory_baseline import Keeper
from dispatch.handling.commitments import Commitments
from dispatch.handling.scribe import Scribe
from dispatch.ports import Assigned, DirectoryBaseline, EventLog, Snapshot, UnitPosition
from dispatch.simulation.chance import Chance, SeededIds
from dispatch.simulation.city import CITY, founded
from dispatch.simulation.feed_tables import FeedTables
from dispatch.simulation.history import History
from dispatch.simulation.jetstream import JetStream
from dispatch.simulation.locks import Locks, SimulatedOwnership
from dispatch.simulation.plants import Plant
from dispatch.simulation.process import Network, Process, Server
from dispatch.simulation.remote_log import RemoteLog, WakeUps, unavailable
from dispatch.simulation.screens import Screens
from dispatch.simulation.trace import Trace
from dispatch.simulation.vault import SimulatedSealer
from dispatch.simulation.virtual_loop import START, VirtualClock, VirtualLoop
from domain.refusals import Unavailable

T = TypeVar("T")
DIRECTORY_IDLE_S = 5.0
DIRECTORY_EVERY_S = 2.0
RESTART_S_MAX = 3.0
CLOCK_WRONG_S_MAX = 0.4
"""How far a process's clock may be from the store's, either way; another life has another clock."""


class World:
    """One run's world. `start` makes a new life of a process by its name."""

    def __init__(self, seed: int, loop: VirtualLoop, plant: Plant) -> None:
        self.seed = seed
        self.loop = loop
        self.plant = plant
        self.city = founded()
        self.clock = VirtualClock(loop)
        self.trace = Trace(loop.time)
        self.network = Network(loop, self.chance("network"), self.trace, self.kill)
        self.store = Server("the store")
        self.nats = Server("NATS")
        self.log = plant.store(self.clock, self.city.log)
        self.wake_ups = WakeUps(self.network)
        self.screens = Screens()
        self.feeds = FeedTables()
        self.jetstream = JetStream()
        self.locks = Locks(self.network)
        self.positions: dict[UUID, UnitPosition] = {}
        self.snapshots: dict[tuple[UUID, str, str], Snapshot] = {}
        self.directories: dict[str, DirectoryBaseline] = {}
        self.ids = SeededIds(self.chance("ids"), START)
        self.lives: dict[str, Process] = {}
        self.history = History()
        self.deaths = 0
        self.ended_badly: list[str] = []
        loop.set_exception_handler(self._broke)
        self._starters: dict[str, Callable[[Process], None]] = {}
        self._ending: list[asyncio.Task[object]] = []

    def _broke(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:  # noqa: ARG002  # the loop's shape
        """An error that nobody awaits is a finding too."""
        self.ended_badly.append(f"broke: {context.get('message')}: {context.get('exception')!r}")

    def chance(self, name: str) -> Chance:
        """A stream of dice of this run."""
        return Chance(self.seed, name)

    def begin(self, name: str, starter: Callable[[Process], None]) -> None:
        """A process that is started again whenever it dies."""
        self._starters[name] = starter
        self._start(name)

    def _start(self, name: str) -> None:
        process = Process(name, self.loop)
        self.lives[name] = process
        self.trace.note(name, "starts")
        self._starters[name](process)

    def kill(self, process: Process, why: str) -> None:
        """A process dies here and now, and comes back a little later."""
        if not process.is_alive:
            return
        self.deaths += 1
        self.trace.note(process.name, f"dies {why}")
        self._ending += process.kill()
        self.loop.call_later(self.network.chance.between(0.05, RESTART_S_MAX), self._start, process.name)

    async def end(self) -> None:
        """All processes stop for good; nothing is left behind."""
        for process in self.lives.values():
            self._ending += process.kill()
        await asyncio.gather(*self._ending, return_exceptions=True)

    def watch(self, process: Process, part: str, task: asyncio.Task[None]) -> None:
        """A part that ends by itself is a finding: nothing that the world does may end one."""

        def look(done: asyncio.Task[None]) -> None:
            if process.is_alive and not done.cancelled():
                self.ended_badly.append(f"{process.name}: {part} ended: {done.exception()!r}")
                self.kill(process, f"because {part} ended: {done.exception()!r}")

        task.add_done_callback(look)

    def owning(self, process: Process, task: str) -> SimulatedOwnership:
        """The right of a process to do one named task."""
        return SimulatedOwnership(self.locks, process, task)

    def base(self, process: Process, *, kind: type[RemoteLog] = RemoteLog) -> Base:
        """What every process stands on."""
        return Base(self, process, kind)


class Base:
    """A process's own view: its line to the log, its scribe, its directory."""

    def __init__(self, world: World, process: Process, kind: type[RemoteLog]) -> None:
        self.world = world
        self.process = process
        self.clock = VirtualClock(world.loop, world.network.chance.between(-CLOCK_WRONG_S_MAX, CLOCK_WRONG_S_MAX))
        self.log: EventLog = kind(world.log, world.network, world.store, process, world.wake_ups)
        self.scribe = Scribe(self.log, SimulatedSealer(), self.clock, RemoteSnapshots(world, process))
        self.directory = Directory(self.log, CITY)
        self.knows_city = False
        self._keeper = Keeper(self.directory, self.log, RemoteDirectories(world, process))
        self.positions = RemotePositions(world, process)
        self.spawn("directory", self._tail_directory)

    def commitments(self) -> Commitments:
        """Which units are on an incident."""
        return Commitments(self.log, RemoteRoster(self.world, self.process), RemoteSnapshots(self.world, self.process))

    def spawn(self, part: str, run: Callable[..., object], *arguments: object) -> None:
        """A part of the process that runs as long as it does."""
        self.world.watch(self.process, part, self.process.spawn(run(*arguments)))  # type: ignore[arg-type]

    async def known(self) -> None:
        """The directory was read once, to the end."""
        while not self.knows_city:
            try:
                if self.directory.position == 0:
                    await self._keeper.begin()
                await self.directory.catch_up()
                self.knows_city = True
            except Unavailable:
                await asyncio.sleep(DIRECTORY_EVERY_S)

    async def _tail_directory(self) -> None:
        await self.known()
        while True:
            try:
                await self.log.wait_beyond(self.directory.position, timeout_s=DIRECTORY_IDLE_S)
                await self.directory.catch_up()
                await self._keeper.keep()
            except Unavailable:
                pass
            await asyncio.sleep(DIRECTORY_EVERY_S)


class RemotePositions:
    """`dispatch.ports.UnitPositions`, and where partners and crews report them, over a line."""

    def __init__(self, world: World, process: Process) -> None:
        self._world = world
        self._process = process

    async def get(self, unit_ids: Sequence[UUID]) -> dict[UUID, UnitPosition]:
        """The positions of those units that have one."""
        known = self._world.positions
        return await self._call("read positions", lambda: {each: known[each] for each in unit_ids if each in known})

    async def put(self, position: UnitPosition, *, received_at: object) -> None:  # noqa: ARG002  # the port's shape
        """Remember a report unless a newer one is known."""

        def write() -> None:
            before = self._world.positions.get(position.unit_id)
            if before is None or before.reported_at <= position.reported_at:
                self._world.positions[position.unit_id] = position

        await self._call("report a position", write)

    async def _call(self, what: str, work: Callable[[], T]) -> T:
        return await self._world.network.call(self._process, self._world.store, what, work, failure=unavailable)


class RemoteRoster:
    """`dispatch.ports.Roster` over the rows of the projection `units`, as old as they happen to be."""

    def __init__(self, world: World, process: Process) -> None:
        self._world = world
        self._process = process

    async def assigned_to(self, incident_ids: Sequence[UUID]) -> Assigned:
        """Who is on these incidents as far as the screens are folded."""
        wanted = {str(each) for each in incident_ids}
        screens = self._world.screens

        def look() -> Assigned:
            units = [
                row["unit_id"]
                for row in screens.rows["units"].values()
                if any(entry["incident_id"] in wanted for entry in row["assignments"])
            ]
            return Assigned(screens.position, frozenset(units))

        return await self._world.network.call(
            self._process, self._world.store, "read the roster", look, failure=unavailable
        )


class RemoteSnapshots:
    """`dispatch.ports.Snapshots` in a dictionary, over a line."""

    def __init__(self, world: World, process: Process) -> None:
        self._world = world
        self._process = process

    async def find(self, stream_id: UUID, *, kind: str, rules: str) -> Snapshot | None:
        """The snapshot made by these rules, if there is one."""
        return await self._call("read a snapshot", lambda: self._world.snapshots.get((stream_id, kind, rules)))

    async def keep(self, snapshot: Snapshot) -> None:
        """Store it unless a later one by the same rules is there."""
        key = (snapshot.stream_id, snapshot.kind, snapshot.rules)

        def store() -> None:
            before = self._world.snapshots.get(key)
            if before is None or before.version < snapshot.version:
                self._world.snapshots[key] = snapshot

        await self._call("keep a snapshot", store)

    async def _call(self, what: str, work: Callable[[], T]) -> T:
        return await self._world.network.call(
            self._process, self._world.store, what, work, failure=unavailable, writes=what.startswith("keep")
        )


class RemoteDirectories:
    """`dispatch.ports.DirectoryBaselines` in a dictionary, over a line."""

    def __init__(self, world: World, process: Process) -> None:
        self._world = world
        self._process = process

    async def find(self, *, rules: str) -> DirectoryBaseline | None:
        """The one made by these rules."""
        return await self._call("read the city", lambda: self._world.directories.get(rules))

    async def read_on(self, *, rules: str, epoch: UUID, position: int, read_to: int) -> bool:
        """Say that nothing followed `position` up to `read_to`."""

        def look() -> bool:
            found = self._world.directories.get(rules)
            if found is None or (found.epoch, found.position) != (epoch, position):
                return False
            self._world.directories[rules] = replace(found, read_to=max(found.read_to, read_to))
            return True

        return await self._call("keep how far the city was read", look)

    async def keep(self, baseline: DirectoryBaseline) -> None:
        """Store it unless one that read further is there."""

        def store() -> None:
            before = self._world.directories.get(baseline.rules)
            if before is None or before.read_to < baseline.read_to:
                self._world.directories[baseline.rules] = baseline

        await self._call("keep the city", store)

    async def drop(self, *, rules: str) -> None:
        """Throw away what cannot be used: a finding, since nothing here can be damaged."""
        await self._call("drop the city", lambda: self._world.ended_badly.append(f"a directory's baseline {rules}"))

    async def _call(self, what: str, work: Callable[[], T]) -> T:
        return await self._world.network.call(
            self._process, self._world.store, what, work, failure=unavailable, writes=what.startswith("keep")
        )
