"""The projector on a real database: whole pages or nothing, one owner, poison parked, newer events waited for."""

from __future__ import annotations

import asyncio
import json
from uuid import UUID

import asyncpg
import pytest

from dispatch.ports import AppendCommand, NewEvent, StreamAppend
from dispatch.telemetry import REGISTRY
from dispatch.workers.page import StaleCheckpoint
from dispatch.workers.projector import BROKEN, Projector, board_projector, other_projector
from dispatch.workers.rebuild import Rebuild
from domain.incident.events import IncidentOpened
from domain.incident.restriction_events import IncidentRestricted
from domain.rulebook.events import RulebookActivated
from domain.upcasters import UPCASTERS
from projections import tables
from projections.board import item
from projections.queries import progress
from projections.registry import PROJECTIONS
from tests.domain.incident_story import ACCEPTED, NOON, OPENED, ROUTED, VERIFIED
from tests.projections.conftest import City
from tests.projections.happenings import INCIDENTS, SYSTEM, Happening, collected, tell

ONE, TWO, THREE = INCIDENTS


def happening(incident_id: UUID, event: object) -> Happening:
    return Happening(incident_id, event, 0, SYSTEM)  # type: ignore[arg-type]


def lag_of(projection: str) -> float | None:
    return REGISTRY.get_sample_value("dispatch_projection_lag_events", {"projection": projection})


async def append_raw(city: City, stream_id: UUID, topic: str, state: bytes) -> int:
    await city.log.append(AppendCommand((StreamAppend(stream_id, None, (NewEvent(topic, state),)),)))
    city.told += 1
    return city.told


async def test_live_rows_equal_rows_folded_in_memory_for_any_story(city: City) -> None:
    for story in collected(12):
        await city.tell(story)


async def test_pages_of_one_event_give_the_same_rows(city: City) -> None:
    city.projector = Projector(city.log, city.dsn, page_events=1)
    try:
        await city.tell(collected(3)[-1])
    finally:
        await city.projector.close()


async def test_a_page_is_written_whole_or_not_at_all(city: City, hand: asyncpg.Connection) -> None:
    """The database kills the projector's connection after the checkpoint and the board were written, before commit."""
    await city.tell([happening(ONE, OPENED)])
    await hand.execute(
        """
        CREATE FUNCTION read.die() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
        ALTER FUNCTION read.die() SECURITY DEFINER;
        CREATE TRIGGER die AFTER INSERT ON read.timeline EXECUTE FUNCTION read.die();
        """
    )
    with pytest.raises(BROKEN):
        await city.tell([happening(ONE, ACCEPTED)])
    (row,) = await city.ask(tables.board.select())
    (checkpoint,) = await city.ask(progress.checkpoints(["board"]))
    assert (row["phase"], checkpoint["position"]) == ("open", 1)
    await hand.execute("DROP TRIGGER die ON read.timeline")
    await city.projector.close()
    await city.projector.catch_up()
    (row,) = await city.ask(tables.board.select())
    assert row["phase"] == "accepted"
    city.told = 2


async def test_a_stale_owner_writes_nothing(city: City, hand: asyncpg.Connection) -> None:
    await city.tell([happening(ONE, OPENED)])
    await hand.execute("UPDATE read.checkpoints SET position = 2 WHERE name = 'board'")
    with pytest.raises(StaleCheckpoint, match="board"):
        await city.tell([happening(TWO, OPENED)])
    assert [row["incident_id"] for row in await city.ask(tables.board.select())] == [ONE]
    moved = {row["name"] for row in await city.ask(progress.checkpoints()) if row["position"] != 1}
    assert moved == {"board"}, "of the projections that share its page, none may go on"
    await hand.execute("UPDATE read.checkpoints SET position = 1 WHERE name = 'board'")


async def test_the_board_follows_a_log_in_which_nothing_matters_to_it(city: City) -> None:
    stop = asyncio.Event()
    board = Projector(city.log, city.dsn, projections=[PROJECTIONS["board"]])
    running = asyncio.create_task(board.run(stop))
    try:
        other = RulebookActivated(version=1, effective_at=NOON)
        for position, event in enumerate((OPENED, other, other), 1):
            city.told = await tell(city.log, [happening(UUID(int=position), event)], began=city.told)
            assert await board.wait_for(position, timeout_s=20)
            (checkpoint,) = await city.ask(progress.checkpoints(["board"]))
            assert checkpoint["position"] >= position
    finally:
        stop.set()
        await running


async def test_the_projectors_of_a_process_keep_every_projection_once(city: City) -> None:
    parts = [board_projector(city.log, city.dsn), other_projector(city.log, city.dsn)]
    try:
        for part in parts:
            await part.claim()
        assert [part.owned for part in parts] == [frozenset({"board"}), frozenset(PROJECTIONS) - {"board"}]
    finally:
        for part in parts:
            await part.close()


async def test_only_one_process_folds_and_another_takes_over(city: City, hand: asyncpg.Connection) -> None:
    await city.tell([happening(ONE, OPENED)])
    standby = Projector(city.log, city.dsn)
    try:
        await standby.claim()
        assert standby.owned == frozenset()
        (pid,) = await hand.fetchrow(
            "SELECT DISTINCT pid FROM pg_locks JOIN pg_stat_activity USING (pid)"
            " WHERE locktype = 'advisory' AND application_name = 'dispatch projector'"
            " AND datname = current_database()"
        )
        await hand.execute("SELECT pg_terminate_backend($1, 10000)", pid)
        await standby.claim()
        assert standby.owned == frozenset(PROJECTIONS)
        await city.tell([happening(TWO, OPENED)])
        assert city.projector.owned == frozenset()
        assert len(await city.ask(tables.board.select())) == 1
        await standby.catch_up()
        assert len(await city.ask(tables.board.select())) == 2
    finally:
        await standby.close()
        await city.projector.close()


async def test_an_unreadable_event_is_parked_with_what_follows_it(city: City) -> None:
    await city.tell([happening(ONE, OPENED), happening(TWO, OPENED)])
    poison = await append_raw(city, ONE, "incident.verified", b'{"schema_version":1,"body":"?"}')
    await city.tell([happening(ONE, ACCEPTED), happening(TWO, ACCEPTED)])
    phases = {row["incident_id"]: row["phase"] for row in await city.ask(tables.board.select())}
    assert phases == {ONE: "open", TWO: "accepted"}
    parked = {
        row["position"]: row["follows"] for row in await city.ask(progress.parked()) if row["projection"] == "board"
    }
    assert parked == {poison: poison, poison + 1: poison}
    # A process that starts later still holds the entity back.
    await city.projector.close()
    await city.tell([happening(ONE, VERIFIED)])
    phases = {row["incident_id"]: row["phase"] for row in await city.ask(tables.board.select())}
    assert phases[ONE] == "open"


async def test_a_row_that_the_database_refuses_is_parked_alone(city: City, hand: asyncpg.Connection) -> None:
    await hand.execute("ALTER TABLE read.board ADD CONSTRAINT short CHECK (length(headline) < 10)")
    try:
        long = OPENED.model_copy(update={"headline": "x" * 20})
        await city.tell([happening(ONE, OPENED), happening(TWO, long), happening(THREE, OPENED)])
        assert {row["incident_id"] for row in await city.ask(tables.board.select())} == {ONE, THREE}
        assert len(await city.ask(tables.incident_cards.select())) == 3
        (parked,) = await city.ask(progress.parked())
        assert (parked["projection"], parked["entity"], parked["topic"]) == ("board", str(TWO), "incident.opened")
    finally:
        await hand.execute("ALTER TABLE read.board DROP CONSTRAINT short")
    await Rebuild(city.log, city.dsn, PROJECTIONS["board"]).run()
    await city.projector.close()
    assert len(await city.ask(tables.board.select())) == 3


async def test_an_event_of_a_newer_schema_pauses_before_it(monkeypatch: pytest.MonkeyPatch, city: City) -> None:
    await city.tell([happening(ONE, OPENED)])
    (recorded,) = await city.log.read_after(0)
    newer = json.loads(recorded.state) | {"schema_version": 2}
    await append_raw(city, TWO, "incident.opened", json.dumps(newer).encode())
    await city.projector.catch_up()
    (checkpoint,) = await city.ask(progress.checkpoints(["board"]))
    assert (checkpoint["state"], checkpoint["position"]) == ("paused", 1)
    assert "schema version 2" in checkpoint["reason"]
    assert "board" not in city.projector.owned
    assert "units" in city.projector.owned
    await append_raw(city, THREE, "operator.shift_started", b"{}")
    await city.projector.catch_up()
    assert (lag_of("board"), lag_of("units")) == (2, 0)
    # The upgrade: this release now knows version 2.
    monkeypatch.setattr(IncidentOpened, "schema_version", 2)
    monkeypatch.setitem(UPCASTERS, (IncidentOpened.name, 1), lambda body: body)
    await city.projector.close()
    city.projector = Projector(city.log, city.dsn)
    await city.projector.catch_up()
    (checkpoint,) = await city.ask(progress.checkpoints(["board"]))
    assert (checkpoint["state"], checkpoint["position"]) == ("live", 3)
    await city.projector.close()


async def test_the_checkpoint_passes_over_what_does_not_matter(city: City) -> None:
    await append_raw(city, ONE, "operator.shift_started", b"{}")
    await city.projector.catch_up()
    assert {row["position"] for row in await city.ask(progress.checkpoints())} == {1}


async def test_a_text_with_a_nul_is_kept_readable(city: City) -> None:
    await city.tell([happening(ONE, OPENED.model_copy(update={"headline": "a\x00b \\u0000"}))])
    (row,) = await city.ask(tables.board.select())
    assert row["headline"] == "a�b \\u0000"


async def test_board_changes_say_who_must_hear_of_it(city: City) -> None:
    await city.tell([happening(ONE, OPENED)])
    await city.tell([happening(ONE, ROUTED)])
    opened, routed = await city.ask(progress.board_changes(0))
    assert (opened["page_position"], opened["centers_before"]) == (1, [])
    assert opened["centers_after"] == list(OPENED.owner.path)
    assert routed["agencies_before"] == []
    assert routed["agencies_after"] == ["traffic_police"]
    assert routed["row"]["recipients"][0]["role"] == "responsible"
    (row,) = await city.ask(tables.board.select())
    assert routed["row"] == item(row)


async def test_pages_are_told_on_the_channel_after_they_can_be_read(city: City, hand: asyncpg.Connection) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    await hand.add_listener(progress.CHANGES_CHANNEL, lambda *told: heard.put_nowait(str(told[3])))
    await city.tell([happening(ONE, OPENED)])
    async with asyncio.timeout(10):
        while int(await heard.get()) < 1:
            pass
    assert len(await city.ask(tables.board.select())) == 1


async def test_old_changes_are_forgotten_and_it_is_said_up_to_where(city: City) -> None:
    city.projector = Projector(city.log, city.dsn, changes_kept_s=0)
    await city.tell([happening(ONE, OPENED)])
    position = await city.tell([happening(ONE, ACCEPTED)])
    await city.projector.prune()
    (checkpoint,) = await city.ask(progress.checkpoints(["board"]))
    assert (await city.ask(progress.board_changes(0)), checkpoint["changes_since"]) == ([], position)
    await city.tell([happening(TWO, OPENED)])
    assert len(await city.ask(progress.board_changes(position))) == 1
    await city.projector.close()


async def test_a_projector_that_loses_its_connection_goes_on_with_a_new_one(
    city: City, hand: asyncpg.Connection
) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(city.projector.run(stop))
    try:
        await tell(city.log, [happening(ONE, OPENED)])
        assert await city.projector.wait_for(1, timeout_s=20)
        await hand.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE application_name = 'dispatch projector' AND datname = current_database() AND pid <> $1",
            hand.get_server_pid(),
        )
        await tell(city.log, [happening(TWO, OPENED)], began=1)
        assert await city.projector.wait_for(2, timeout_s=20)
    finally:
        stop.set()
        await running
    assert len(await city.ask(tables.board.select())) == 2


async def test_no_page_ends_between_an_opening_and_its_label(city: City, hand: asyncpg.Connection) -> None:
    city.projector = Projector(city.log, city.dsn, page_events=2)
    owner = OPENED.owner.center_id
    label = IncidentRestricted(operation_id=TWO, center_ids=(owner,), reason="a guest")
    try:
        await city.tell([happening(THREE, OPENED), happening(ONE, OPENED), happening(ONE, label)])
    finally:
        await city.projector.close()
    seen = await hand.fetch("SELECT restricted_after FROM read.board_changes WHERE incident_id = $1", ONE)
    assert [row["restricted_after"] for row in seen] == [True]
