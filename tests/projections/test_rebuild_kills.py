"""kill -9 of a rebuild, in the middle of building and in the middle of its switch: the rerun ends right."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from dispatch.ports import RecordedEvent
from dispatch.store.postgres import PostgresLog
from dispatch.workers.pace import PAGE_EVENTS_BUSY
from dispatch.workers.rebuild import Rebuild
from projections import tables
from projections.registry import PROJECTIONS
from tests.projections.conftest import City
from tests.projections.happenings import collected

GATE = 20_260_703
"""An advisory lock that the test holds: whoever comes to it waits there to be killed."""
STORIES = 12
FACTS = 3 * PAGE_EVENTS_BUSY
IN_THE_BUILDING = """
    CREATE TRIGGER gate BEFORE UPDATE ON read.checkpoints FOR EACH ROW
    WHEN (NEW.name = 'board@building' AND OLD.position > 0) EXECUTE FUNCTION read.gate()
"""
IN_THE_SWITCH = "CREATE TRIGGER gate AFTER UPDATE ON read.board EXECUTE FUNCTION read.gate()"


@asynccontextmanager
async def gate(hand: asyncpg.Connection, trigger: str) -> AsyncIterator[None]:
    """Everybody who comes to the trigger waits until the test goes on."""
    await hand.execute(
        f"""
        CREATE FUNCTION read.gate() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
        $$ BEGIN PERFORM pg_advisory_xact_lock({GATE}); RETURN NEW; END $$;
        """
    )
    await hand.execute(trigger)
    await hand.execute("SELECT pg_advisory_lock($1)", GATE)
    try:
        yield
    finally:
        await hand.execute("SELECT pg_advisory_unlock($1)", GATE)
        await hand.execute("DROP FUNCTION read.gate() CASCADE")


async def killed_at_the_gate(city: City, hand: asyncpg.Connection) -> None:
    """A rebuild in a process of its own, killed where it waits; its session is waited for."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "dispatch.cli.main", "rebuild", "board", "--json"),
        env=os.environ | {"DATABASE_URL": city.dsn},
    )
    # `pg_locks` tells of all databases of the server, and another test may wait at a gate of its own in one of them.
    waiting = """
        SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
        WHERE objid = $1 AND NOT granted AND datname = current_database()
    """
    async with asyncio.timeout(60):
        while not await hand.fetchval(waiting, GATE):
            assert child.returncode is None, "it ended before it came to the gate"
            await asyncio.sleep(0)
    child.kill()
    await child.wait()


async def nobody_rebuilds(hand: asyncpg.Connection) -> None:
    """Its server side notices the death when it next speaks."""
    async with asyncio.timeout(30):
        await hand.execute("SELECT pg_advisory_lock(hashtext('board@building'))")
    await hand.execute("SELECT pg_advisory_unlock(hashtext('board@building'))")


class Following:
    """A log that says from where it was read."""

    def __init__(self, log: PostgresLog) -> None:
        self.log = log
        self.read: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.log, name)

    async def read_after(self, position: int, **wanted: Any) -> list[RecordedEvent]:
        self.read.append(position)
        return await self.log.read_after(position, **wanted)


@pytest.fixture
async def told(city: City) -> City:
    """A log of more than two pages of a rebuild."""
    story = [happening for story in collected(STORIES) for happening in story]
    await city.tell(story * (FACTS // len(story) + 1))
    await city.projector.close()
    return city


@pytest.mark.long
async def test_a_rebuild_killed_while_building_goes_on_and_ends_right(told: City, hand: asyncpg.Connection) -> None:
    async with gate(hand, IN_THE_BUILDING):
        await killed_at_the_gate(told, hand)
    await nobody_rebuilds(hand)
    began = await hand.fetchval("SELECT position FROM read.checkpoints WHERE name = 'board@building'")
    assert 0 < began < told.told
    follower = Following(told.log)
    (switched,) = await Rebuild(follower, told.dsn, PROJECTIONS["board"]).run()
    assert switched.position == told.told
    assert min(follower.read) == began, "it began again"
    (comparison,) = await Rebuild(told.log, told.dsn, PROJECTIONS["board"]).verify()
    assert comparison.is_equal


@pytest.mark.long
async def test_a_rebuild_killed_in_the_switch_shows_the_old_rows_whole_and_ends_right(
    told: City, hand: asyncpg.Connection
) -> None:
    await hand.execute("UPDATE read.board SET priority = 9, headline = 'wrong'")
    wrong = await told.ask(tables.board.select())
    async with gate(hand, IN_THE_SWITCH):
        await killed_at_the_gate(told, hand)
        assert await told.ask(tables.board.select()) == wrong
    await nobody_rebuilds(hand)
    assert await told.ask(tables.board.select()) == wrong
    assert await hand.fetchval("SELECT state FROM read.checkpoints WHERE name = 'board'") == "live"
    (switched,) = await Rebuild(told.log, told.dsn, PROJECTIONS["board"]).run()
    assert switched.rows_written == len(wrong)
    (comparison,) = await Rebuild(told.log, told.dsn, PROJECTIONS["board"]).verify()
    assert comparison.is_equal
