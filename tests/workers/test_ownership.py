"""One owner at a time on a real database, replaced when dead or frozen; and no effect twice even if two act."""

from __future__ import annotations

import asyncio

import asyncpg

from dispatch.store.postgres import PostgresLog
from dispatch.workers.ownership import AdvisoryOwnership
from dispatch.workers.reactor import run_reactor
from domain.alert.events import AlertsRecordedOnly, AlertsWaited
from domain.incident.events import AlertsFolded, IncidentOpened, NumberAllocated
from domain.refusals import Conflict
from tests.workers.town import EAST, WEST, AlertKind, HandClock, Town, north_of

ALERTS = 120
FIRE_SPOTS = {(number % 2, number % 7) for number in range(ALERTS) if number % 3}


def owner(dsn: str, **limits: float) -> AdvisoryOwnership:
    return AdvisoryOwnership(dsn, "correlator", **{"beat_s": 0.05, "silence_s_max": 5.0, **limits})


async def test_the_second_waits_until_the_first_lets_go(dsn):
    first, second = owner(dsn), owner(dsn)
    await first.acquire()
    waiting = asyncio.create_task(second.acquire())
    done, _ = await asyncio.wait([waiting], timeout=0.3)
    assert not done
    await first.release()
    async with asyncio.timeout(5):
        await waiting
    assert await second.holds()
    assert not await first.holds()
    await second.release()


async def test_tasks_do_not_stand_in_each_others_way(dsn):
    one, other = owner(dsn), AdvisoryOwnership(dsn, "router")
    async with asyncio.timeout(5):
        await one.acquire()
        await other.acquire()
    await one.release()
    await other.release()


async def test_a_killed_owner_is_replaced_and_knows_it(dsn):
    first, second = owner(dsn), owner(dsn)
    await first.acquire()
    administrator = await asyncpg.connect(dsn)
    await administrator.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name LIKE 'dispatch owner%' AND datname = current_database()"
    )
    await administrator.close()
    async with asyncio.timeout(5):
        await second.acquire()
    assert await second.holds()
    async with asyncio.timeout(5):
        while await first.holds():
            await first.beat_ended()
    await first.release()
    await second.release()


async def test_a_frozen_owner_is_replaced(dsn):
    frozen = owner(dsn, beat_s=3_600.0)
    await frozen.acquire()
    second = owner(dsn, silence_s_max=0.3)
    async with asyncio.timeout(10):
        await second.acquire()
    assert await second.holds()
    await frozen.release()
    await second.release()


async def test_two_correlators_that_both_believe_to_own_the_task_record_everything_once(dsn):
    """The lock saves work; the mark keeps the promise. Both work at once here, as after a partition."""
    clock = HandClock()
    logs = [await PostgresLog.open(dsn) for _ in range(2)]
    try:
        one, other = Town(logs[0], clock), Town(logs[1], clock)
        await one.found()
        arriving = asyncio.create_task(arrive(one))
        await asyncio.gather(work(one, arriving), work(other, arriving))
        await everything_is_there_once(one)
    finally:
        for log in logs:
            await log.close()


async def test_a_standby_takes_over_in_the_middle_of_the_work(dsn):
    clock = HandClock()
    logs = [await PostgresLog.open(dsn) for _ in range(2)]
    stop = asyncio.Event()
    try:
        one, other = Town(logs[0], clock), Town(logs[1], clock)
        await one.found()
        running = [
            asyncio.create_task(
                run_reactor(town.correlator, log=town.log, scribe=town.scribe, ownership=owner(dsn), stop=stop)
            )
            for town in (one, other)
        ]
        arriving = asyncio.create_task(arrive(one))
        await until_judged(one, ALERTS // 4)
        administrator = await asyncpg.connect(dsn)
        killed = await administrator.fetchval(
            """
            SELECT count(pg_terminate_backend(a.pid)) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
            WHERE l.locktype = 'advisory' AND l.granted AND a.application_name LIKE 'dispatch owner%'
              AND a.datname = current_database()
            """
        )
        await administrator.close()
        assert killed == 1
        await arriving
        await until_judged(one, ALERTS)
        stop.set()
        async with asyncio.timeout(10):
            await asyncio.gather(*running)
        await everything_is_there_once(one)
    finally:
        stop.set()
        for log in logs:
            await log.close()


async def until_judged(town: Town, count: int) -> None:
    """Wait on the log itself until that many alerts have an end."""
    position = 0
    async with asyncio.timeout(30):
        while len(await ends_of(town)) < count:
            position = await town.log.wait_beyond(position, timeout_s=0.5)


async def ends_of(town: Town) -> list[int]:
    ends = [event.cause.alert_positions[-1] for event in await town.events(IncidentOpened)]
    for kind in (AlertsFolded, AlertsWaited, AlertsRecordedOnly):
        ends += [alert.position for event in await town.events(kind) for alert in event.alerts]
    return ends


async def arrive(town: Town) -> None:
    for number in range(ALERTS):
        kind = AlertKind.SMOKE_FIRE if number % 3 else AlertKind.MOTION
        spot = EAST if number % 2 else WEST
        await town.alert(kind, point=north_of(spot, 900 * (number % 7)))


async def work(town: Town, arriving: asyncio.Task[None]) -> None:
    """Step until all alerts have arrived and nothing is left; whoever loses a race goes on from the mark."""
    while True:
        last_round = arriving.done()
        try:
            await town.runners[0].drain()
        except Conflict:
            continue
        if last_round:
            return


async def everything_is_there_once(town: Town) -> None:
    ends = await ends_of(town)
    assert len(ends) == len(set(ends)) == ALERTS
    numbers = [event.number for event in await town.events(NumberAllocated)]
    assert numbers == [f"CD-20260701-{nth:04d}" for nth in range(1, len(numbers) + 1)]
    opened = await town.events(IncidentOpened)
    assert len(numbers) == len(opened)
    assert len([event for event in opened if event.category == "fire.alarm"]) == len(FIRE_SPOTS)
