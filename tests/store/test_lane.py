"""What the lane does when callers give up, when too many come, when one is wrong, and when the database goes away."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from dispatch.ports import AppendCommand, Appended, NewEvent, Repeated, StreamAppend, Verdict, VersionConflict
from dispatch.store import postgres
from dispatch.store.lane import Lane
from dispatch.store.migrate import migrate
from dispatch.store.postgres import PostgresLog
from domain.refusals import Unavailable
from tests.cluster import Cluster
from tests.store.contract import CENTER, INCIDENT, UNIT, decision, event, on, positions

LANE_SESSIONS = """
SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'dispatch log'
"""
WAITING_FOR_THE_LOCK = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@asynccontextmanager
async def somebody_holds_the_lane(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """While this lasts, every call waits for the lock."""
    connection = await asyncpg.connect(dsn)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("SELECT FROM log.tip FOR UPDATE")
    try:
        yield connection
    finally:
        await transaction.rollback()
        await connection.close()


async def until_a_call_waits(holder: asyncpg.Connection) -> None:
    """Return when the lane's call has reached the database and waits for the lock."""
    while not await holder.fetch(WAITING_FOR_THE_LOCK):
        pass


# Callers that give up


async def test_a_caller_that_gives_up_before_its_call_goes_out_is_forgotten(pg_log: PostgresLog, dsn: str) -> None:
    async with somebody_holds_the_lane(dsn) as holder:
        first = asyncio.create_task(pg_log.append(decision(on(UNIT, 0))))
        await until_a_call_waits(holder)
        second = asyncio.create_task(pg_log.append(decision(on(CENTER, 0), key="second")))
        third = asyncio.create_task(pg_log.append(decision(on(INCIDENT, 0))))
        await asyncio.sleep(0)
        second.cancel()
    assert isinstance(await first, Appended)
    assert isinstance(await third, Appended)
    assert await pg_log.find_answer(caller="operator 7", key="second") is None
    assert [e.stream_id for e in await pg_log.read_after(0)] == [UNIT, INCIDENT]


async def test_what_a_caller_that_gave_up_had_sent_can_be_found_by_its_key(pg_log: PostgresLog, dsn: str) -> None:
    async with somebody_holds_the_lane(dsn) as holder:
        sent = asyncio.create_task(pg_log.append(decision(on(UNIT, 0), key="sent")))
        await until_a_call_waits(holder)
        sent.cancel()
    assert isinstance(await pg_log.append(decision(on(UNIT, 0), key="sent")), Repeated)
    assert await positions(pg_log) == [1]


# Quiet times


async def test_a_log_that_was_quiet_for_longer_than_the_time_limit_takes_its_first_append(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(postgres.TIMEOUTS, "statement_timeout", "100ms")
    log = await PostgresLog.open(dsn)
    somebody_else = await asyncpg.connect(dsn)
    await somebody_else.execute("SELECT pg_sleep(0.3)")
    await somebody_else.close()
    assert isinstance(await log.append(decision(on(UNIT, 0))), Appended)
    assert isinstance(await log.append(decision(on(UNIT, 1, events=2))), Appended)
    await log.close()


# Too many


async def test_when_too_many_wait_the_next_hears_so_at_once(dsn: str) -> None:
    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(dsn)

    async with somebody_holds_the_lane(dsn) as holder:
        lane = Lane(connect, NoEvidence(), recorded=lambda _position: None, waiting_max=2)
        await lane.start()
        out = lane.enqueue((decision(on(UNIT, None)),), 2)
        await until_a_call_waits(holder)
        waiting = [lane.enqueue((decision(on(UNIT, None)),), 2) for _ in range(2)]
        with pytest.raises(Unavailable, match="2 commands wait") as full:
            lane.enqueue((decision(on(UNIT, None)),), 2)
    assert full.value.code == "log.lane_full"
    assert [isinstance(verdict, Appended) for (verdict,) in await asyncio.gather(out, *waiting)] == [True] * 3
    await lane.close()


class NoEvidence:
    async def read_stream(self, stream_id: UUID, *, after_version: int, limit: int) -> list[Any]:
        return []


async def test_who_waits_when_the_process_stops_hears_so(dsn: str) -> None:
    log = await PostgresLog.open(dsn)
    async with somebody_holds_the_lane(dsn) as holder:
        out = asyncio.create_task(log.append(decision(on(UNIT, 0))))
        await until_a_call_waits(holder)
        waiting = asyncio.create_task(log.append(decision(on(CENTER, 0))))
        await asyncio.sleep(0)
        await log.close()
        codes = [failure.code for failure in await asyncio.gather(out, waiting, return_exceptions=True)]
    assert codes == ["log.outcome_unknown", "log.closed"]
    with pytest.raises(Unavailable):
        await log.append(decision(on(UNIT, 0)))


# One is wrong


async def test_a_command_the_database_cannot_take_does_not_fail_its_neighbours(pg_log: PostgresLog, dsn: str) -> None:
    unencodable = AppendCommand((StreamAppend(CENTER, 0, (NewEvent("\ud800", b"{}"),)),))
    beyond_all_numbers = decision(StreamAppend(CENTER, 2**70, (event(),)))
    async with somebody_holds_the_lane(dsn) as holder:
        first = asyncio.create_task(pg_log.append(decision(on(UNIT, 0))))
        await until_a_call_waits(holder)
        together = [
            asyncio.create_task(pg_log.append(command))
            for command in (decision(on(UNIT, 1)), unencodable, beyond_all_numbers, decision(on(UNIT, 2)))
        ]
        await asyncio.sleep(0)
    assert isinstance(await first, Appended)
    before, wrong, also_wrong, after = await asyncio.gather(*together, return_exceptions=True)
    assert isinstance(before, Appended)
    assert isinstance(wrong, asyncpg.DataError)
    assert isinstance(also_wrong, asyncpg.DataError)
    assert isinstance(after, Appended)
    assert await positions(pg_log) == [1, 2, 3]


# The database goes away


class LosesReplies:
    """A connection whose calls are recorded, and whose replies are lost `losses` times."""

    def __init__(self, real: asyncpg.Connection, losses: Iterator[bool]) -> None:
        self._real = real
        self._losses = losses

    async def prepare(self, query: str) -> Any:
        real, losses = await self._real.prepare(query), self._losses

        class Statement:
            async def fetch(self, *arguments: Any) -> Any:
                rows = await real.fetch(*arguments)
                if next(losses):
                    raise ConnectionResetError("the reply was lost")
                return rows

        return Statement()

    async def execute(self, query: str) -> None:
        await self._real.execute(query)

    def is_closed(self) -> bool:
        return self._real.is_closed()

    def terminate(self) -> None:
        self._real.terminate()


@pytest.fixture
async def lossy(dsn: str, pg_log: PostgresLog) -> AsyncIterator[Any]:
    """Records through a connection that loses the reply of its first call."""
    losses = iter([True] + [False] * 100)

    async def connect() -> Any:
        return LosesReplies(await asyncpg.connect(dsn), losses)

    lane = Lane(connect, pg_log, recorded=lambda _position: None)
    await lane.start()

    async def record(*commands: AppendCommand) -> list[Verdict]:
        return await lane.enqueue(commands, 0)

    yield record
    await lane.close()


async def test_a_lost_reply_to_a_checked_append_is_still_a_success(lossy: Any, pg_log: PostgresLog) -> None:
    (verdict,) = await lossy(decision(on(UNIT, 0, events=2)))
    assert isinstance(verdict, Appended)
    assert (verdict.first_position, verdict.last_position) == (1, 2)
    assert await positions(pg_log) == [1, 2]


async def test_a_lost_reply_to_a_keyed_append_gets_its_stored_answer(lossy: Any, pg_log: PostgresLog) -> None:
    assert await lossy(decision(on(UNIT, None), key="k")) == [Repeated(b"answer to k", 1)]
    assert await positions(pg_log) == [1]


async def test_a_lost_reply_to_an_unchecked_append_is_not_tried_again(lossy: Any, pg_log: PostgresLog) -> None:
    with pytest.raises(Unavailable) as doubt:
        await lossy(decision(on(UNIT, None)))
    assert doubt.value.code == "log.outcome_unknown"
    assert await positions(pg_log) == [1]


async def test_a_lost_reply_to_a_refusal_is_the_same_refusal(lossy: Any, pg_log: PostgresLog) -> None:
    await pg_log.append(decision(on(UNIT, 0)))
    assert await lossy(decision(on(UNIT, 0))) == [VersionConflict(UNIT, 0, 1)]
    assert await positions(pg_log) == [1]


class Workload:
    """Writers that note what they were told, for the comparison with what is there."""

    def __init__(self, log: PostgresLog) -> None:
        self._log = log
        self.told: dict[bytes, Verdict | Unavailable] = {}
        self.stopped = False
        self._successes = 0
        self._succeeded = asyncio.Condition()

    async def write(self, number: int) -> None:
        stream_id, version = UUID(int=1_000 + number), 0
        while not self.stopped:
            new = event()
            expected = version if number % 2 else None
            try:
                verdict = await self._log.append(decision(StreamAppend(stream_id, expected, (new,))))
            except Unavailable as away:
                self.told[new.state] = away
                await asyncio.sleep(0.01)
                version = await self._present_version(stream_id)
            else:
                self.told[new.state] = verdict
                version += 1
                async with self._succeeded:
                    self._successes += 1
                    self._succeeded.notify_all()

    async def _present_version(self, stream_id: UUID) -> int:
        while True:
            try:
                found = await self._log.heads([stream_id])
            except Unavailable:
                await asyncio.sleep(0.01)
            else:
                return found[stream_id].version if found else 0

    async def check(self) -> None:
        """Everything told as recorded is there once, nothing is there that nobody sent, and nothing has a hole."""
        recorded = []
        while page := await self._log.read_after(len(recorded), limit=10_000):
            recorded += page
        assert [e.position for e in recorded] == list(range(1, len(recorded) + 1))
        states = [e.state for e in recorded]
        assert len(set(states)) == len(states)
        by_position = {e.position: e.state for e in recorded}
        for state, told in self.told.items():
            match told:
                case Appended(first_position=position):
                    assert by_position[position] == state
                case Unavailable():
                    pass  # recorded or not: the caller was told to look
                case _:
                    pytest.fail(f"a writer alone on its stream heard {told}")
        assert set(states) <= set(self.told)
        for found in (await self._log.read_streams([UUID(int=1_000 + number) for number in range(16)])).values():
            assert [e.version for e in found] == list(range(1, len(found) + 1))

    async def until_more(self, successes: int) -> None:
        """Return when so many more appends have succeeded."""
        wanted = self._successes + successes
        async with self._succeeded:
            await self._succeeded.wait_for(lambda: self._successes >= wanted)


async def test_killed_connections_lose_nothing_and_record_nothing_twice(pg_log: PostgresLog, dsn: str) -> None:
    workload = Workload(pg_log)
    writers = [asyncio.create_task(workload.write(number)) for number in range(16)]
    administrator = await asyncpg.connect(dsn)
    for _ in range(10):
        await workload.until_more(100)
        await administrator.execute(f"SELECT pg_terminate_backend(pid) FROM ({LANE_SESSIONS}) s")
    await workload.until_more(100)
    workload.stopped = True
    await asyncio.gather(*writers)
    await administrator.close()
    await workload.check()


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    """A durable server of this test's own, to be stopped and started at will."""
    cluster = Cluster.start(durable=True)
    try:
        yield cluster
    finally:
        cluster.stop()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_restarted_database_loses_nothing_and_the_log_goes_on(own_cluster: Cluster, mode: str) -> None:
    await migrate(own_cluster.dsn)
    log = await PostgresLog.open(own_cluster.dsn)
    workload = Workload(log)
    writers = [asyncio.create_task(workload.write(number)) for number in range(16)]
    for _ in range(2):
        await workload.until_more(200)
        await asyncio.to_thread(own_cluster.halt, mode)
        await asyncio.to_thread(own_cluster.restart)
    await workload.until_more(200)
    workload.stopped = True
    await asyncio.gather(*writers)
    await workload.check()
    last = (await log.tip()).position
    waiting = asyncio.create_task(log.wait_beyond(last, timeout_s=60))
    await log.append(decision(on(UNIT, 0)))
    assert await waiting == last + 1
    await log.close()


async def test_an_append_during_an_outage_is_unavailable_and_not_recorded(own_cluster: Cluster) -> None:
    await migrate(own_cluster.dsn)
    log = await PostgresLog.open(own_cluster.dsn)
    await log.append(decision(on(UNIT, 0)))
    await asyncio.to_thread(own_cluster.halt)
    for reading in (log.tip(), log.append(decision(on(UNIT, 1), key="k")), log.append(decision(on(UNIT, None)))):
        with pytest.raises(Unavailable):
            await reading
    own_cluster.restart()
    assert isinstance(await log.append(decision(on(UNIT, 1), key="k")), Appended)
    assert await positions(log) == [1, 2]
    await log.close()


async def test_a_frozen_session_is_given_up_and_what_it_still_does_later_is_harmless(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "COMMAND_TIMEOUT_S", 0.3)
    log = await PostgresLog.open(dsn)
    await log.append(decision(on(UNIT, 0)))
    administrator = await asyncpg.connect(dsn)
    pids = [row["pid"] for row in await administrator.fetch(f"{LANE_SESSIONS} AND query LIKE '%log.append%'")]
    assert len(pids) == 1
    os.kill(pids[0], signal.SIGSTOP)
    try:
        verdict = await log.append(decision(on(UNIT, 1)))
    finally:
        os.kill(pids[0], signal.SIGCONT)
    assert isinstance(verdict, Appended)
    while await administrator.fetch("SELECT FROM pg_stat_activity WHERE pid = $1", pids[0]):
        pass
    assert [e.version for e in await log.read_stream(UNIT)] == [1, 2]
    await administrator.close()
    await log.close()


async def test_a_log_cannot_be_opened_while_the_database_is_away(own_cluster: Cluster) -> None:
    own_cluster.halt()
    with pytest.raises(Unavailable):
        await PostgresLog.open(own_cluster.dsn)
    own_cluster.restart()


# A quiet log


async def test_the_first_append_after_a_long_quiet_is_not_cut_off_by_the_time_limit(dsn: str) -> None:
    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(dsn, server_settings={"statement_timeout": "100ms", "role": "dispatch_app"})

    lane = Lane(connect, NoEvidence(), recorded=lambda _position: None)
    await lane.start()
    other = await asyncpg.connect(dsn)
    try:
        await other.execute("SELECT pg_sleep(0.3)")
        verdicts = await lane.enqueue([decision(on(UNIT, 0))], 0)
    finally:
        await other.close()
        await lane.close()
    assert isinstance(verdicts[0], Appended)
