"""What a process can and cannot do over its lines, alive and dead."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from dispatch.ports import AppendCommand, Appended, NewEvent, StreamAppend
from dispatch.simulation.chance import Chance
from dispatch.simulation.feed_tables import FeedTables, read
from dispatch.simulation.process import ANSWER_S_MAX, Network, Process, Server
from dispatch.simulation.remote_log import RemoteLog, WakeUps
from dispatch.simulation.trace import Trace
from dispatch.simulation.virtual_loop import VirtualClock, VirtualLoop
from dispatch.store.memory import MemoryLog
from domain.identifiers import named
from domain.refusals import Unavailable

ONE = AppendCommand((StreamAppend(named("test", "stream"), 0, (NewEvent("test.happened", b"{}"),)),))


class Line:
    """A process, a store, and the line between them."""

    def __init__(self) -> None:
        self.loop = VirtualLoop()
        self.store = Server("the store")
        self.process = Process("one", self.loop)
        self.deaths: list[str] = []
        self.network = Network(self.loop, Chance(1, "test"), Trace(self.loop.time), self._kill)
        self.memory = MemoryLog(VirtualClock(self.loop))
        self.log = RemoteLog(self.memory, self.network, self.store, self.process, WakeUps(self.network))

    def _kill(self, process: Process, why: str) -> None:
        self.deaths.append(why)
        process.kill()

    def run(self, work: Callable[[], Awaitable[None]]) -> None:
        async def main() -> None:
            await work()

        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(main())


def test_what_was_asked_is_done_and_answered() -> None:
    line = Line()

    async def work() -> None:
        assert isinstance(await line.log.append(ONE), Appended)
        assert [row.topic for row in await line.log.read_after(0)] == ["test.happened"]

    line.run(work)


def test_a_lost_request_leaves_nothing_and_is_unavailable_after_a_while() -> None:
    line = Line()
    line.network.weather.lost_request = 1.0

    async def work() -> None:
        with pytest.raises(Unavailable):
            await line.log.append(ONE)

    line.run(work)
    assert not line.memory.all()
    assert line.loop.time() >= ANSWER_S_MAX


def test_a_lost_answer_leaves_the_commit_done() -> None:
    line = Line()
    line.network.weather.lost_answer = 1.0

    async def work() -> None:
        with pytest.raises(Unavailable):
            await line.log.append(ONE)

    line.run(work)
    assert len(line.memory.all()) == 1


def test_a_process_cut_off_does_not_reach_the_store_and_another_does() -> None:
    line = Line()
    other = Process("two", line.loop)
    line.store.cut_off.add("one")

    async def work() -> None:
        with pytest.raises(Unavailable):
            await line.log.tip()
        remote = RemoteLog(line.memory, line.network, line.store, other, WakeUps(line.network))
        assert (await remote.tip()).position == 0

    line.run(work)


def test_a_process_that_dies_at_a_write_never_hears_of_its_commit_and_does_nothing_more() -> None:
    line = Line()
    line.network.weather.death_at_write = 1.0
    heard: list[str] = []

    async def life() -> None:
        await line.log.append(ONE)
        heard.append("the answer")
        await line.log.append(ONE)

    async def work() -> None:
        task = line.process.spawn(life())
        await asyncio.wait([task])
        assert task.cancelled()
        await asyncio.sleep(60)

    line.run(work)
    assert line.deaths
    assert heard == []
    assert len(line.memory.all()) == 1


def test_a_dead_process_is_refused_by_its_own_lines() -> None:
    line = Line()

    async def work() -> None:
        line.process.kill()
        with pytest.raises(asyncio.CancelledError):
            await line.log.tip()

    line.run(work)


def test_the_log_wakes_who_waits_for_it() -> None:
    line = Line()

    async def work() -> None:
        waiting = line.process.spawn(line.log.wait_beyond(0, timeout_s=60))
        await asyncio.sleep(1)
        await line.log.append(ONE)
        assert await waiting == 1
        assert line.loop.time() < 60

    line.run(work)


def test_a_statement_that_the_simulated_tables_do_not_know_fails_the_run() -> None:
    with pytest.raises(AssertionError, match="do not know"):
        read(FeedTables(), "SELECT something else", ())
