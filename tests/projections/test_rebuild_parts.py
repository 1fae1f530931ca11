"""A rebuild by several processes makes the rows that one makes, whoever of them is killed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import asyncpg
import pytest

from dispatch.cli.rebuild_part import EXIT_LEFT_ALONE
from dispatch.workers import pace, rebuild
from dispatch.workers.parts import Advanced, PartProcesses
from dispatch.workers.rebuild import Rebuild
from projections.registry import PROJECTIONS
from tests.domain.incident_story import ACCEPTED, OPENED
from tests.projections.conftest import City
from tests.projections.happenings import INCIDENTS, SYSTEM, Happening, collected
from tests.projections.test_projector import append_raw
from tests.projections.test_rebuild_kills import GATE, gate

ONE, TWO, _ = INCIDENTS
PARTS = 2
IN_A_PART = """
    CREATE TRIGGER gate BEFORE UPDATE ON read.checkpoints FOR EACH ROW
    WHEN (NEW.name = 'board@building 2/2') EXECUTE FUNCTION read.gate()
"""


@pytest.fixture(autouse=True)
def every_way_is_long_and_every_log_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "QUIET_AFTER_S", 0.0)
    monkeypatch.setattr(rebuild, "SHARED_EVENTS_MIN", 1)


@pytest.fixture
async def told(city: City) -> City:
    """A log of several pages of `page_events` 20."""
    await city.tell([happening for story in collected(12) for happening in story])
    await city.projector.close()
    return city


class Counting(PartProcesses):
    """Says how often it was sent for, and how it ended."""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn, None, PARTS)
        self.ends: list[bool] = []

    async def build(self, names: Sequence[str], up_to_position: int, advanced: Advanced) -> bool:
        self.ends.append(await super().build(names, up_to_position, advanced))
        return self.ends[-1]


class Killed(Exception):
    pass


class KilledAtTheGate(PartProcesses):
    """Its processes are killed while one of them waits at the gate."""

    def __init__(self, dsn: str, hand: asyncpg.Connection) -> None:
        super().__init__(dsn, None, PARTS)
        self._hand = hand

    async def build(self, names: Sequence[str], up_to_position: int, advanced: Advanced) -> bool:
        children = [await self._start(names, number, up_to_position) for number in range(PARTS)]
        await children[0].wait()
        await waits_at_the_gate(children[1], self._hand)
        children[1].kill()
        await children[1].wait()
        raise Killed


async def waits_at_the_gate(child: asyncio.subprocess.Process, hand: asyncpg.Connection) -> None:
    async with asyncio.timeout(60):
        while not await hand.fetchval("SELECT count(*) FROM pg_locks WHERE objid = $1 AND NOT granted", GATE):
            assert child.returncode is None, "it ended before it came to the gate"
            await asyncio.sleep(0)


async def checkpoints(hand: asyncpg.Connection) -> dict[str, int]:
    rows = await hand.fetch("SELECT name, position FROM read.checkpoints WHERE name LIKE 'board@building%'")
    return {row["name"]: row["position"] for row in rows}


async def test_parts_in_processes_of_their_own_make_the_same_rows(told: City, hand: asyncpg.Connection) -> None:
    await hand.execute("UPDATE read.board SET priority = priority + 1")
    crew = Counting(told.dsn)
    switched = await Rebuild(told.log, told.dsn, *PROJECTIONS.values(), page_events=20, crew=crew).run()
    assert crew.ends == [True]
    changed = {one.name: one.rows_written for one in switched if one.rows_written}
    assert changed == {"board": await hand.fetchval("SELECT count(*) FROM read.board")}
    assert await checkpoints(hand) == {}


async def test_a_part_killed_goes_on_where_it_stopped(told: City, hand: asyncpg.Connection) -> None:
    async with gate(hand, IN_A_PART):
        with pytest.raises(Killed):
            await Rebuild(
                told.log, told.dsn, PROJECTIONS["board"], page_events=20, crew=KilledAtTheGate(told.dsn, hand)
            ).run()
    left = await checkpoints(hand)
    assert left["board@building"] == left["board@building 2/2"] < left["board@building 1/2"] == told.told
    async with asyncio.timeout(30):  # the dead one's server side notices when it next speaks
        await hand.execute("SELECT pg_advisory_lock(hashtext('board@building 2/2'))")
    await hand.execute("SELECT pg_advisory_unlock(hashtext('board@building 2/2'))")
    crew = Counting(told.dsn)
    (switched,) = await Rebuild(told.log, told.dsn, PROJECTIONS["board"], page_events=20, crew=crew).run()
    assert crew.ends == [True]
    assert (switched.position, switched.rows_written, switched.rows_removed) == (told.told, 0, 0)


async def test_parts_that_were_left_are_finished_by_one_process(told: City, hand: asyncpg.Connection) -> None:
    async with gate(hand, IN_A_PART):
        with pytest.raises(Killed):
            await Rebuild(
                told.log, told.dsn, PROJECTIONS["board"], page_events=20, crew=KilledAtTheGate(told.dsn, hand)
            ).run()
    async with asyncio.timeout(30):
        await hand.execute("SELECT pg_advisory_lock(hashtext('board@building 2/2'))")
    await hand.execute("SELECT pg_advisory_unlock(hashtext('board@building 2/2'))")
    (switched,) = await Rebuild(told.log, told.dsn, PROJECTIONS["board"], page_events=20).run()
    assert (switched.position, switched.rows_written, switched.rows_removed) == (told.told, 0, 0)
    assert await checkpoints(hand) == {}


async def test_a_part_ends_when_its_rebuild_is_gone(told: City, hand: asyncpg.Connection) -> None:
    class LeftAlone(KilledAtTheGate):
        async def build(self, names: Sequence[str], up_to_position: int, advanced: Advanced) -> bool:
            child = await self._start(names, 1, up_to_position)
            await waits_at_the_gate(child, hand)
            assert child.stdin is not None
            child.stdin.close()
            assert await child.wait() == EXIT_LEFT_ALONE
            raise Killed

    async with gate(hand, IN_A_PART):
        with pytest.raises(Killed):
            await Rebuild(
                told.log, told.dsn, PROJECTIONS["board"], page_events=20, crew=LeftAlone(told.dsn, hand)
            ).run()


async def test_a_log_with_poison_is_folded_by_one_process(city: City, hand: asyncpg.Connection) -> None:
    """What follows a parked fact may be in another part, which knows nothing of it."""
    await city.tell([Happening(one, OPENED, 0, SYSTEM) for one in (ONE, TWO)])
    await append_raw(city, ONE, "incident.verified", b'{"schema_version":1,"body":"?"}')
    await city.tell([Happening(one, ACCEPTED, 0, SYSTEM) for one in (ONE, TWO)])
    await city.projector.close()
    parked = await hand.fetch("DELETE FROM read.parked WHERE projection = 'board' RETURNING position, entity, follows")
    crew = Counting(city.dsn)
    for _ in range(2):  # the second time the parked facts say so beforehand
        await Rebuild(city.log, city.dsn, PROJECTIONS["board"], page_events=1, crew=crew).run()
        found = await hand.fetch("SELECT position, entity, follows FROM read.parked WHERE projection = 'board'")
        assert sorted(map(tuple, found)) == sorted(map(tuple, parked))
    assert crew.ends == [False]
