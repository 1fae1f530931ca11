"""The log in PostgreSQL keeps the contract, and keeps it when several processes write."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from dispatch.ports import Appended, StreamAppend, VersionConflict
from dispatch.store import reader
from dispatch.store.postgres import PostgresLog
from tests.store.contract import UNIT, LogContract, decision, event, on

STREAMS = [UUID(int=number) for number in range(1, 5)]


class TestPostgresLog(LogContract):
    @pytest.fixture
    def log(self, pg_log: PostgresLog) -> PostgresLog:
        return pg_log


async def race(log: PostgresLog, stream_id: UUID, until_version: int) -> int:
    """Append to a stream others append to, until it is long enough; how often somebody else was first."""
    lost = 0
    version = 0
    while version < until_version:
        match await log.append(decision(on(stream_id, version))):
            case Appended():
                version += 1
            case VersionConflict(actual_version=actual):
                assert actual > version
                version = actual
                lost += 1
            case other:
                pytest.fail(f"unexpected: {other}")
    return lost


async def tail(log: PostgresLog, until_position: int) -> list[int]:
    """Read as a projection does, while others write."""
    seen: list[int] = []
    while len(seen) < until_position:
        await log.wait_beyond(len(seen), timeout_s=60)
        seen += [event.position for event in await log.read_after(len(seen), limit=50)]
    return seen


async def test_processes_that_race_for_streams_leave_no_hole_and_a_tailing_reader_misses_nothing(
    pg_log: PostgresLog, dsn: str
) -> None:
    others = [await PostgresLog.open(dsn) for _ in range(2)]
    length = 40
    reader = asyncio.create_task(tail(others[1], length * len(STREAMS)))
    racers = [race(log, stream_id, length) for log in (pg_log, others[0]) for stream_id in STREAMS for _ in range(4)]
    lost = sum(await asyncio.gather(*racers))
    assert lost > 0, "nobody met anybody: the race proves nothing"
    assert await reader == list(range(1, length * len(STREAMS) + 1))
    for events in (await pg_log.read_streams(STREAMS)).values():
        assert [event.version for event in events] == list(range(1, length + 1))
    instants = [event.recorded_at for event in await pg_log.read_after(0)]
    assert instants == sorted(instants)
    for log in others:
        await log.close()


async def test_rare_topics_are_found_stretch_by_stretch_and_none_is_missed(
    pg_log: PostgresLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "STRETCH_POSITIONS", 4)
    rare = [1, 4, 5, 12, 13, 14, 15, 23]
    told = tuple(event("rare" if position in rare else "other") for position in range(1, 31))
    await pg_log.append(decision(StreamAppend(UNIT, 0, told)))
    for after in range(32):
        for limit in (1, 3, 100):
            for upper in (None, 13, 24, 1_000):
                wanted = [position for position in rare if after < position <= (upper or 30)][:limit]
                page = await pg_log.read_after(after, limit=limit, up_to_position=upper, topics=["rare"])
                assert [one.position for one in page] == wanted
