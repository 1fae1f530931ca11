"""The runner: one command a page, nothing twice, one bad fact never takes its neighbours along."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pytest

from dispatch.handling.scribe import Change, Scribe
from dispatch.ports import AppendCommand, NewEvent, StreamAppend, Verdict
from dispatch.store.memory import MemoryLog
from dispatch.store.vault import MemorySealer
from dispatch.workers.ownership import SoleOwnership
from dispatch.workers.reactor import MARK_EVERY_POSITIONS, ReactorRunner
from domain.alert.events import AlertReceived, AlertsRecordedOnly, JudgedAlert
from domain.codec import NewerSchema
from domain.event import Event, Fact
from domain.identifiers import named
from domain.policies.events import EventDigested, EventParked
from domain.refusals import Conflict, Unavailable
from tests.workers.town import AlertKind, HandClock, Town

JOURNAL = named("test", "journal")


class Echo:
    """Writes one fact for each alert; stumbles over what `bad` names."""

    name = "echo"
    topics = frozenset({AlertReceived.name})
    page_events = 10
    linger_s = 0.0

    def __init__(self) -> None:
        self.bad: set[UUID] = set()
        self.prepared: list[int] = []
        self.expected_version: int | None = None

    async def prepare(self, mark: int) -> None:
        self.prepared.append(mark)

    async def decide(self, page: Sequence[Fact[Event]]) -> Sequence[Change]:
        if self.bad & {fact.stream_id for fact in page}:
            raise ValueError("cannot digest this")
        alerts = tuple(
            JudgedAlert(position=fact.position, alert_id=fact.stream_id, reason="test.echo") for fact in page
        )
        return [Change(JOURNAL, self.expected_version, (AlertsRecordedOnly(alerts=alerts),))]


def runner_of(town: Town, echo: Echo) -> ReactorRunner:
    return ReactorRunner(echo, log=town.log, scribe=town.scribe, ownership=SoleOwnership())


async def echoed(town: Town) -> list[UUID]:
    return [alert.alert_id for event in await town.events(AlertsRecordedOnly) for alert in event.alerts]


async def test_each_fact_is_answered_once_over_several_pages():
    town = Town()
    alerts = [await town.alert() for _ in range(25)]
    await runner_of(town, Echo()).drain()
    await runner_of(town, Echo()).drain()
    assert await echoed(town) == alerts


async def test_a_poison_fact_is_parked_with_its_reason_and_the_rest_goes_on():
    town = Town()
    echo = Echo()
    alerts = [await town.alert() for _ in range(5)]
    echo.bad.add(alerts[2])
    await runner_of(town, echo).drain()

    assert await echoed(town) == [*alerts[:2], *alerts[3:]]
    (parked,) = await town.events(EventParked)
    assert (parked.stream_id, parked.position, parked.topic) == (alerts[2], 3, "alert.received")
    assert parked.reason == "ValueError: cannot digest this"


async def test_what_was_parked_is_tried_again_at_the_next_start():
    town = Town()
    echo = Echo()
    alerts = [await town.alert() for _ in range(3)]
    echo.bad.update(alerts[:2])
    await runner_of(town, echo).drain()
    echo.bad.discard(alerts[0])
    await runner_of(town, echo).drain()
    assert [event.position for event in await town.events(EventDigested)] == [1]
    await runner_of(town, Echo()).drain()
    await runner_of(town, Echo()).drain()

    assert await echoed(town) == [alerts[2], alerts[0], alerts[1]]
    assert [event.position for event in await town.events(EventDigested)] == [1, 2]
    assert len(await town.events(EventParked)) == 2


async def test_a_decision_that_cannot_be_written_is_parked_too():
    town = Town()
    await town.alert()
    await runner_of(town, Overlong()).drain()
    (parked,) = await town.events(EventParked)
    assert "events in one command" in parked.reason


class Overlong(Echo):
    """Decides more than one command may hold."""

    async def decide(self, page: Sequence[Fact[Event]]) -> Sequence[Change]:
        (change,) = await super().decide(page)
        return [replace(change, events=change.events * 2_001)]


async def test_an_unreadable_fact_is_parked():
    town = Town()
    await town.alert()
    broken = StreamAppend(named("test", "broken"), None, (NewEvent("alert.received", b'{"schema_version":1}'),))
    await town.log.append(AppendCommand((broken,)))
    await town.alert()
    await runner_of(town, Echo()).drain()

    (parked,) = await town.events(EventParked)
    assert parked.position == 2
    assert len(await echoed(town)) == 2


async def test_a_fact_of_a_newer_release_pauses_and_is_not_parked():
    town = Town()
    newer = StreamAppend(
        named("test", "newer"), None, (NewEvent("alert.received", b'{"schema_version":99,"body":{}}'),)
    )
    await town.log.append(AppendCommand((newer,)))
    with pytest.raises(NewerSchema):
        await runner_of(town, Echo()).step()
    assert await town.events(EventParked) == []
    assert await town.log.mark("echo") == 0


async def test_a_runner_whose_mark_was_moved_records_nothing_and_starts_from_there():
    town = Town()
    await town.alert()
    slow, fast = Echo(), Echo()
    slow_runner = runner_of(town, slow)
    await slow_runner.drain()
    await town.alert()
    await runner_of(town, fast).drain()
    await town.alert()

    with pytest.raises(Conflict):
        await slow_runner.step()
    await slow_runner.drain()
    assert len(await echoed(town)) == 3
    assert slow.prepared == [0, await town.log.mark("echo") - 2]


async def test_a_race_that_is_always_lost_is_left_for_a_moment():
    town = Town()
    await town.alert()
    echo = Echo()
    echo.expected_version = 7
    with pytest.raises(Conflict):
        await runner_of(town, echo).step()
    assert await town.log.mark("echo") == 0


class LosingAnswers(MemoryLog):
    """Records a command with a mark, and says nothing about it, as often as `lost` says."""

    lost = 0

    async def append(self, command: AppendCommand) -> Verdict:
        verdict = await super().append(command)
        if command.marks and self.lost:
            self.lost -= 1
            raise Unavailable("store.unavailable", "the answer was lost")
        return verdict


async def test_a_page_whose_answer_was_lost_is_not_decided_against_its_own_effects():
    clock = HandClock()
    log = LosingAnswers(clock)
    town = Town(log, clock)
    echo = Echo()
    echo.expected_version = 0  # a stream it begins: decided again, it would lose to itself for ever
    runner = runner_of(town, echo)
    first = await town.alert(AlertKind.MOTION)
    log.lost = 1
    with pytest.raises(Unavailable):
        await runner.drain()

    echo.expected_version = 1
    second = await town.alert(AlertKind.MOTION)
    await runner.drain()
    assert await echoed(town) == [first, second]
    assert echo.prepared[1:] == [1]


async def test_facts_that_do_not_matter_move_the_mark_only_now_and_then():
    town = await Town().found()
    runner = runner_of(town, Echo())
    await runner.drain()
    assert runner.position == (await town.log.tip()).position
    assert await town.log.mark("echo") == 0

    noise = StreamAppend(named("test", "noise"), None, (NewEvent("unit.went_on_duty", b"{}"),) * 1_000)
    for _ in range(MARK_EVERY_POSITIONS // 1_000):
        await town.log.append(AppendCommand((noise,)))
    await runner.drain()
    assert await town.log.mark("echo") == (await town.log.tip()).position


async def test_a_running_reactor_hears_of_new_facts_and_stops_when_told():
    clock = HandClock()
    log = MemoryLog(clock)
    town = Town(log, clock)
    stop = asyncio.Event()
    runner = ReactorRunner(Echo(), log=log, scribe=Scribe(log, MemorySealer(), clock), ownership=SoleOwnership())
    running = asyncio.create_task(runner.run(stop))
    await town.alert(AlertKind.MOTION)
    async with asyncio.timeout(5):
        while not await echoed(town):
            await log.wait_beyond((await log.tip()).position, timeout_s=1)
    stop.set()
    async with asyncio.timeout(5):
        await running


class NobodyElseLetsGo(SoleOwnership):
    """Somebody else owns the task for ever."""

    async def acquire(self) -> None:
        await asyncio.Event().wait()

    async def holds(self) -> bool:
        return False


async def test_a_standby_that_is_stopped_stops():
    town = Town()
    stop = asyncio.Event()
    runner = ReactorRunner(Echo(), log=town.log, scribe=town.scribe, ownership=NobodyElseLetsGo())
    running = asyncio.create_task(runner.run(stop))
    stop.set()
    async with asyncio.timeout(5):
        await running
