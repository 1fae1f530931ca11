"""A rebuild makes the same rows, mends wrong ones in one step, and goes on where it stopped."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from dispatch.workers.page import StaleCheckpoint
from dispatch.workers.projector import Projector
from dispatch.workers.rebuild import Rebuild
from projections import tables
from projections.board import Board
from projections.projection import Projection
from projections.queries import progress
from projections.registry import PROJECTIONS
from tests.domain.incident_story import ACCEPTED, OPENED
from tests.projections.conftest import City
from tests.projections.happenings import INCIDENTS, SYSTEM, Happening, collected

ONE, TWO, THREE = INCIDENTS


def happening(incident_id: object, event: object) -> Happening:
    return Happening(incident_id, event, 0, SYSTEM)  # type: ignore[arg-type]


async def test_verify_names_the_rows_that_differ(city: City, hand: asyncpg.Connection) -> None:
    await city.tell([happening(ONE, OPENED), happening(TWO, OPENED)])
    await hand.execute("UPDATE read.board SET priority = 9 WHERE incident_id = $1", ONE)
    await hand.execute("DELETE FROM read.board WHERE incident_id = $1", TWO)
    (comparison,) = await Rebuild(city.log, city.dsn, PROJECTIONS["board"]).verify()
    assert not comparison.is_equal
    assert (comparison.live_rows, comparison.rebuilt_rows) == (1, 2)
    assert sorted(comparison.differences) == [f"missing: {TWO}", f"other: {ONE}"]
    (switched,) = await Rebuild(city.log, city.dsn, PROJECTIONS["board"]).run()
    assert (switched.rows_written, switched.rows_removed) == (2, 0)
    await city.projector.close()


async def test_a_rebuild_of_right_rows_writes_nothing(city: City) -> None:
    await city.tell(collected(2)[-1])
    for projection in PROJECTIONS.values():
        (switched,) = await Rebuild(city.log, city.dsn, projection).run()
        assert (switched.rows_written, switched.rows_removed) == (0, 0)
    await city.projector.close()


async def test_a_rebuild_removes_rows_that_nothing_explains(city: City, hand: asyncpg.Connection) -> None:
    await city.tell([happening(ONE, OPENED)])
    await hand.execute("INSERT INTO read.incident_cards VALUES ($1, $2, 1)", THREE, "{}")
    (switched,) = await Rebuild(city.log, city.dsn, PROJECTIONS["incident_cards"]).run()
    assert (switched.rows_written, switched.rows_removed) == (0, 1)
    await city.projector.close()


async def test_live_clients_are_told_to_reset_after_a_switch(city: City, hand: asyncpg.Connection) -> None:
    position = await city.tell([happening(ONE, OPENED)])
    await Rebuild(city.log, city.dsn, PROJECTIONS["board"]).run()
    (checkpoint,) = await city.ask(progress.checkpoints(["board"]))
    assert checkpoint["changes_since"] > position
    # The owner finds its memory stale, drops it, and goes on.
    with pytest.raises(StaleCheckpoint):
        await city.tell([happening(TWO, OPENED)])
    city.told = 2
    stop = asyncio.Event()
    running = asyncio.create_task(city.projector.run(stop))
    assert await city.projector.wait_for(2, timeout_s=20)
    stop.set()
    await running
    assert len(await city.ask(tables.board.select())) == 2


class Interrupted(Exception):
    pass


async def test_an_interrupted_rebuild_goes_on_where_it_stopped(city: City) -> None:
    await city.tell(collected(2)[-1])
    seen: list[int] = []

    def stop_early(position: int, goal: int) -> None:
        seen.append(position)
        if len(seen) == 2:
            raise Interrupted

    def follow(position: int, goal: int) -> None:
        seen.append(position)

    with pytest.raises(Interrupted):
        await Rebuild(city.log, city.dsn, PROJECTIONS["timeline"], page_events=1, advanced=stop_early).run()
    await Rebuild(city.log, city.dsn, PROJECTIONS["timeline"], page_events=1, advanced=follow).run()
    assert seen == sorted(set(seen))
    await city.projector.close()


@pytest.mark.parametrize("left", ["TRUNCATE read.board__building", "DROP TABLE read.board__building"])
async def test_a_copy_that_a_crash_of_the_server_took_is_built_again(
    city: City, hand: asyncpg.Connection, left: str
) -> None:
    """A crash empties tables that are not logged; a backup may be without them. Their checkpoint is there."""
    await city.tell(collected(2)[-1])

    def stop_early(position: int, goal: int) -> None:
        if position > 1:
            raise Interrupted

    with pytest.raises(Interrupted):
        await Rebuild(city.log, city.dsn, PROJECTIONS["board"], page_events=1, advanced=stop_early).run()
    assert await hand.fetchval("SELECT position FROM read.checkpoints WHERE name = 'board@building'") > 1
    await hand.execute(left)
    (switched,) = await Rebuild(city.log, city.dsn, PROJECTIONS["board"], page_events=1).run()
    assert (switched.rows_written, switched.rows_removed) == (0, 0)
    await city.projector.close()


async def test_two_rebuilds_of_one_projection_do_not_meet(city: City) -> None:
    await city.tell([happening(ONE, OPENED), happening(TWO, OPENED)])
    other: list[BaseException] = []

    async def second() -> None:
        with pytest.raises(StaleCheckpoint, match="by another process"):
            await Rebuild(city.log, city.dsn, PROJECTIONS["board"]).run()
        other.append(Interrupted())

    waiting: list[asyncio.Task[None]] = []

    class Meeting(Rebuild):
        async def _switch(self, connection: asyncpg.Connection, copy: object) -> object:  # type: ignore[override]
            waiting.append(asyncio.create_task(second()))
            await waiting[0]
            return await super()._switch(connection, copy)  # type: ignore[arg-type]

    await Meeting(city.log, city.dsn, PROJECTIONS["board"]).run()
    assert len(other) == 1
    await city.projector.close()


class ChangedBoard(Board):
    """The next release's board: the same rows, another version."""

    version = Board.version + 1


async def test_a_new_version_is_built_beside_the_old_one_and_switched(city: City) -> None:
    await city.tell([happening(ONE, OPENED)])
    await city.projector.close()
    changed: list[Projection] = [ChangedBoard()]
    upgraded = Projector(city.log, city.dsn, projections=changed)
    stop = asyncio.Event()
    running = asyncio.create_task(upgraded.run(stop))
    try:
        assert await upgraded.wait_for(1, timeout_s=20)
        (checkpoint,) = await city.ask(progress.checkpoints(["board"]))
        assert (checkpoint["version"], checkpoint["position"]) == (ChangedBoard.version, 1)
        # The old release, started again, leaves the newer rows alone.
        await city.projector.claim()
        assert "board" not in city.projector.owned
    finally:
        stop.set()
        await running
    await city.projector.close()
    await Rebuild(city.log, city.dsn, PROJECTIONS["board"]).run()


async def test_a_new_projection_on_a_long_log_does_not_hold_up_the_others(city: City) -> None:
    names = [name for name in PROJECTIONS if name != "timeline"]
    first = Projector(city.log, city.dsn, projections=[PROJECTIONS[name] for name in names])
    city.projector = first
    await city.tell([happening(ONE, OPENED), happening(ONE, ACCEPTED)])
    await first.close()
    city.projector = Projector(city.log, city.dsn, join_events_max=1)
    stop = asyncio.Event()
    running = asyncio.create_task(city.projector.run(stop))
    try:
        async with asyncio.timeout(20):
            while "timeline" not in city.projector.owned:
                assert await city.projector.wait_for(2, timeout_s=20)
                await asyncio.sleep(0)
    finally:
        stop.set()
        await running
    assert len(await city.ask(tables.timeline.select())) == 2
