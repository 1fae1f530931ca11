"""Several processes on one log: each gets its turn, and one that is frozen, killed or rude does not hold the lane."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from dispatch.bench.peers.crew import rates_of_crew
from dispatch.bench.peers.writer import Job
from dispatch.ports import Appended
from dispatch.store import lane, postgres
from dispatch.store.lane import Lane
from dispatch.store.postgres import PostgresLog
from domain.refusals import Unavailable
from tests.store.contract import CENTER, UNIT, decision, on, positions
from tests.store.test_lane import NoEvidence, somebody_holds_the_lane, until_a_call_waits

NOWHERE = Path("/nowhere")
CHILD = """
import asyncio, sys
from dispatch.bench.append import commands_of, new_ids
from dispatch.store.postgres import PostgresLog

async def main() -> None:
    log = await PostgresLog.open(sys.argv[1])
    commands = commands_of(new_ids(), idempotent=False)
    async def write() -> None:
        while True:
            await log.append(next(commands))
    await asyncio.gather(*(write() for _ in range(32)))

asyncio.run(main())
"""


@asynccontextmanager
async def another_process(dsn: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """32 writers that never stop, in a process of their own."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD, dsn)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def until_others_wrote(log: PostgresLog, events: int) -> None:
    wanted = (await log.tip()).position + events
    while await log.wait_beyond(wanted, timeout_s=60) <= wanted:
        pass


# Fairness


async def test_a_process_with_one_writer_gets_its_turn_beside_a_busy_one(dsn: str) -> None:
    lone, busy = await rates_of_crew([Job("dispatch", dsn, 1, 1, 1.0), Job("dispatch", dsn, 64, 1, 1.0)], NOWHERE)
    calls_of_the_busy = busy / 64
    assert lone > calls_of_the_busy / 10


async def test_one_command_does_not_wait_behind_all_of_a_bulk(pg_log: PostgresLog, dsn: str) -> None:
    async with somebody_holds_the_lane(dsn) as holder:
        many = [decision(on(UNIT, None)) for _ in range(2_000)]
        bulk = asyncio.create_task(pg_log.append_many(many))
        await until_a_call_waits(holder)
        single = asyncio.create_task(pg_log.append(decision(on(CENTER, 0))))
        await asyncio.sleep(0)
    verdict, verdicts = await asyncio.gather(single, bulk)
    assert isinstance(verdict, Appended)
    assert verdict.first_position == 501
    assert all(isinstance(each, Appended) for each in verdicts)
    assert [e.position for e in await pg_log.read_after(0, limit=5_000)] == list(range(1, 2_002))


async def test_what_waits_is_bounded_in_bytes_too(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(dsn)

    monkeypatch.setattr(lane, "MAX_WAITING_BYTES", 100)
    async with somebody_holds_the_lane(dsn) as holder:
        small = Lane(connect, NoEvidence(), recorded=lambda _position: None)
        await small.start()
        out = small.enqueue((decision(on(UNIT, None)),), 60)
        await until_a_call_waits(holder)
        large = small.enqueue((decision(on(UNIT, None)),), 1_000)  # nobody else waits: however large, it is taken
        with pytest.raises(Unavailable, match="1000 bytes wait") as full:
            small.enqueue((decision(on(UNIT, None)),), 1)
    assert full.value.code == "log.lane_full"
    await asyncio.gather(out, large)
    assert isinstance((await small.enqueue((decision(on(UNIT, None)),), 101))[0], Appended)
    await small.close()


# Frozen and killed


@pytest.mark.parametrize("blow", [signal.SIGSTOP, signal.SIGKILL])
async def test_a_process_frozen_or_killed_while_it_writes_does_not_hold_the_lane(
    pg_log: PostgresLog, dsn: str, blow: signal.Signals
) -> None:
    for round_ in range(5):
        async with another_process(dsn) as other:
            await until_others_wrote(pg_log, 100)
            other.send_signal(blow)
            for _ in range(10):
                assert isinstance(await pg_log.append(decision(on(UNIT, None))), Appended)
        assert len(await pg_log.read_stream(UNIT)) == 10 * (round_ + 1)
    recorded = 0
    while page := await pg_log.read_after(recorded, limit=10_000):
        assert [event.position for event in page] == list(range(recorded + 1, recorded + len(page) + 1))
        recorded = page[-1].position
    assert recorded == (await pg_log.tip()).position


ONE_APPEND = "SELECT log.append_one('00000000-0000-0000-0000-000000000009', NULL, 't', '', NULL, NULL, NULL, NULL)"


def message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4, "big") + body


HALF_A_CALL = (
    message(b"P", b"\0" + ONE_APPEND.encode() + b"\0\0\0")  # parse
    + message(b"B", b"\0\0" + 3 * b"\0\0")  # bind
    + message(b"E", b"\0" + bytes(4))  # execute; the Sync that would commit it never comes
    + message(b"H", b"")  # flush
)


HOLDS_THE_LANE_OR_IS_GONE = """
SELECT FROM pg_locks WHERE pid = $1 AND relation = 'log.tip'::regclass AND mode = 'RowExclusiveLock'
UNION ALL SELECT WHERE NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)
"""


def send_half_a_call(connection: asyncpg.Connection) -> None:
    connection._transport.write(HALF_A_CALL)


def begin_and_go_away(connection: asyncpg.Connection) -> None:
    connection._transport.write(message(b"Q", f"BEGIN; {ONE_APPEND}".encode() + b"\0"))


@pytest.mark.parametrize("rudely", [send_half_a_call, begin_and_go_away])
async def test_a_session_that_leaves_its_call_open_is_ended_and_nothing_of_it_stays(
    dsn: str, monkeypatch: pytest.MonkeyPatch, rudely: Callable[[asyncpg.Connection], None]
) -> None:
    monkeypatch.setattr(postgres, "TRANSACTION_TIMEOUT", "300ms")
    rude = await PostgresLog.open(dsn)
    monkeypatch.undo()
    polite = await PostgresLog.open(dsn)
    administrator = await asyncpg.connect(dsn)
    connection = rude._lane._line._connection
    rudely(connection)
    while not await administrator.fetch(HOLDS_THE_LANE_OR_IS_GONE, connection.get_server_pid()):
        pass
    assert isinstance(await polite.append(decision(on(UNIT, 0))), Appended)
    assert await positions(polite) == [1]
    assert isinstance(await rude.append(decision(on(CENTER, 0))), Appended)
    assert await positions(polite) == [1, 2]
    await administrator.close()
    await rude.close()
    await polite.close()


# Time limits


@pytest.mark.parametrize("limit", ["lock_timeout", "statement_timeout"])
async def test_whoever_waits_too_long_for_the_lane_hears_that_nothing_was_recorded(
    dsn: str, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setitem(postgres.TIMEOUTS, limit, "100ms")
    log = await PostgresLog.open(dsn)
    async with somebody_holds_the_lane(dsn):
        for command in (decision(on(UNIT, 0)), decision(on(UNIT, 0, events=2))):
            with pytest.raises(Unavailable) as late:
                await log.append(command)
            assert late.value.code == "log.refused_for_now"
    assert isinstance(await log.append(decision(on(UNIT, 0))), Appended)
    assert await positions(log) == [1]
    await log.close()


# Reconnecting


async def test_a_connection_that_is_ended_while_it_is_made_ready_is_made_again(dsn: str, pg_log: PostgresLog) -> None:
    administrator = await asyncpg.connect(dsn)
    ended_at_once = iter([False, True, False])

    async def connect() -> asyncpg.Connection:
        connection = await asyncpg.connect(dsn)
        if next(ended_at_once):
            await administrator.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
        return connection

    own = Lane(connect, pg_log, recorded=lambda _position: None)
    await own.start()
    own._line.close()
    assert isinstance((await own.enqueue((decision(on(UNIT, None)),), 0))[0], Appended)
    assert isinstance((await own.enqueue((decision(on(UNIT, 1)),), 0))[0], Appended)
    assert await positions(pg_log) == [1, 2]
    await own.close()
    await administrator.close()
