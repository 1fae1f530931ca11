"""One run: a city lives for some minutes while everything breaks, is mended, comes to rest, and is judged."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from dispatch.ports import RecordedEvent
from dispatch.simulation.agencies import Agency
from dispatch.simulation.city import FEEDS, rules
from dispatch.simulation.copies import wrong_copies
from dispatch.simulation.dues import broken_deadlines, owed, still_due
from dispatch.simulation.limits import small_limits
from dispatch.simulation.machines import Gateway
from dispatch.simulation.nemesis import Nemesis
from dispatch.simulation.officials import Official, played
from dispatch.simulation.oracles.every import broken_flows
from dispatch.simulation.people import Dispatcher
from dispatch.simulation.plants import PlantedFault, planted
from dispatch.simulation.played import decisions
from dispatch.simulation.process import Process
from dispatch.simulation.promises import broken_promises
from dispatch.simulation.reading import Story
from dispatch.simulation.serving import SERVERS, ApiProcess
from dispatch.simulation.virtual_loop import Deadlock, VirtualLoop
from dispatch.simulation.working import WorkerProcess
from dispatch.simulation.world import World

WORKERS = ("work-1", "work-2")
SEATS = ("seat-1", "seat-2")
OFFICES = ("office-1", "office-2")
MESSAGES = 10
"""Batches of each gateway."""
ACTIONS = 24
"""Things each seat does."""
ACTS = 24
"""And each office."""
STILL_S = 11.0
"""The log must not grow for this long: longer than a lost wake-up costs."""
REST_S_MAX = 400.0
"""Virtual time after the mending within which everything must have come to rest."""
WORK_S_MAX = 900.0
"""Virtual time within which everybody outside has been answered."""
TRACE_LINES = 40
FINDINGS_MAX = 20


@dataclass(frozen=True, slots=True)
class Report:
    """What a run gave. No findings: every promise held."""

    seed: int
    findings: tuple[str, ...]
    trace_hash: str
    last_steps: tuple[str, ...]
    events: int
    incidents: int
    deaths: int
    virtual_s: float
    steps: int
    decisions: Counter[str]
    """How many facts of each kind were recorded."""


def simulate(seed: int, fault: PlantedFault | None = None) -> Report:
    """Run one seed. The same seed and fault give the same report, to the last step of the trace."""
    loop = VirtualLoop()
    with _quiet(), small_limits(), asyncio.Runner(loop_factory=lambda: loop) as runner:
        run = _Run(seed, loop, fault)
        try:
            runner.run(run.live())
        except Deadlock:
            run.findings.append("liveness: everybody waits for somebody")
        return runner.run(run.report())


@contextmanager
def _quiet() -> Iterator[None]:
    """What breaks here breaks on purpose: nobody needs to read of it."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


class _Run:
    def __init__(self, seed: int, loop: VirtualLoop, fault: PlantedFault | None) -> None:
        self._world = World(seed, loop, planted(fault, seed))
        self._apis: dict[str, ApiProcess] = {}
        self._workers: dict[str, WorkerProcess] = {}
        self._agencies = [Agency(self._world, code, self._workers) for code in FEEDS]
        self.findings: list[str] = []

    async def report(self) -> Report:
        """End and judge it."""
        world = self._world
        await world.end()
        await self._judge()
        for row in world.log.all():
            world.trace.take(f"{row.position} {row.stream_id} {row.version} {row.recorded_at}".encode() + row.state)
        found = tuple(self.findings[:FINDINGS_MAX])
        world.trace.note("oracle", f"{len(self.findings)} findings")
        return Report(
            seed=world.seed,
            findings=found,
            trace_hash=world.trace.hexdigest(),
            last_steps=tuple(world.trace.lines)[-TRACE_LINES:] if found else (),
            events=len(world.log.all()) - len(world.city.log),
            incidents=len(world.screens.rows["board"]),
            deaths=world.deaths,
            virtual_s=world.loop.time(),
            steps=world.trace.count,
            decisions=decisions(world.log.all()[len(world.city.log) :]),
        )

    async def history(self) -> list[RecordedEvent]:
        """Live, and give what was recorded."""
        await self.live()
        await self._world.end()
        return list(self._world.log.all())

    async def live(self) -> None:
        """Live, break, mend, come to rest."""
        world = self._world
        for name in SERVERS:
            world.begin(name, self._serve)
        for name in WORKERS:
            world.begin(name, self._work)
        nemesis = Nemesis(world)
        breaking = world.loop.create_task(nemesis.work())
        reading = [world.loop.create_task(agency.work()) for agency in self._agencies]
        outside = [Gateway(world, number, self._apis).work(MESSAGES) for number in (0, 1)]
        outside += [Dispatcher(world, name, self._apis).work(ACTIONS) for name in SEATS]
        flows = played(world.chance("flows"), world.plant.flow)
        outside += [Official(world, name, self._apis, flows).work(ACTS) for name in OFFICES]
        busy = asyncio.gather(*outside)
        await asyncio.wait([busy], timeout=WORK_S_MAX / 2)
        await _ended([breaking])
        nemesis.mend()
        world.trace.note("nemesis", "mends everything")
        for agency in self._agencies:
            agency.is_silent = True
        await self._answered(busy)
        await self._rest()
        await _ended(reading)

    async def _answered(self, busy: asyncio.Future[list[None]]) -> None:
        """Everybody outside gets an answer, now that nothing breaks."""
        finished = asyncio.gather(busy, *(agency.finished() for agency in self._agencies))
        try:
            async with asyncio.timeout(WORK_S_MAX):
                await finished
        except TimeoutError:
            self.findings.append(f"liveness: somebody outside is unanswered {WORK_S_MAX:g} s after the mending")

    async def _rest(self) -> None:
        """Until nothing moves and nothing is owed."""
        world = self._world
        began_s, tip, still_since_s = world.loop.time(), -1, world.loop.time()
        while True:
            await asyncio.sleep(1.0)
            now_s = world.loop.time()
            if len(world.log.all()) != tip:
                tip, still_since_s = len(world.log.all()), now_s
            if now_s - still_since_s >= STILL_S and not (unsettled := self._unsettled(tip)):
                return
            if now_s - began_s > REST_S_MAX:
                why = ", ".join(unsettled) if now_s - still_since_s >= STILL_S else "the log still grows"
                self.findings.append(f"liveness: no rest {REST_S_MAX:g} s after the mending: {why}")
                return

    def _unsettled(self, tip: int) -> list[str]:
        """Who is not yet where the log is, and what is owed."""
        world = self._world
        found = []
        if world.screens.position != tip:
            found.append(f"the screens are at {world.screens.position} of {tip}")
        if (at := world.feeds.checkpoints.get("partner_feed")) != tip:
            found.append(f"the feeds are at {at} of {tip}")
        found += [
            f"{agency.code} read {len(agency.received)} of {world.feeds.last(agency.code)}"
            for agency in self._agencies
            if len(agency.received) != world.feeds.last(agency.code)
        ]
        if not found:
            story, now = Story.of(world.log), world.clock.now()
            found += [f"{due.kind} of {due.incident_id} is open" for due in owed(story, rules(1), now)]
            found += still_due(story, now)
        return found

    async def _judge(self) -> None:
        world = self._world
        story = Story.of(world.log)
        self.findings += world.ended_badly
        self.findings += await broken_promises(world.log, story, world.history)
        self.findings += broken_flows(world, story)
        self.findings += broken_deadlines(story, rules(1), world.clock.now())
        self.findings += await wrong_copies(world, story, self._agencies)

    def _serve(self, process: Process) -> None:
        self._apis[process.name] = ApiProcess(self._world, process)

    def _work(self, process: Process) -> None:
        self._workers[process.name] = WorkerProcess(self._world, process)


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def recorded(seed: int) -> list[RecordedEvent]:
    """Everything a town of this seed recorded, its foundation included: for measurements that need a real history."""
    loop = VirtualLoop()
    with _quiet(), asyncio.Runner(loop_factory=lambda: loop) as runner:
        run = _Run(seed, loop, None)
        return runner.run(run.history())
