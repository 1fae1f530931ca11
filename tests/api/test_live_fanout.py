"""Many streams on one tail: what is told together, who comes back, and that nobody else notices."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import AsyncExitStack

import pytest

from dispatch.api.live import board_feed
from dispatch.api.live.board_feed import Change, Recent, told
from dispatch.api.server import Server
from dispatch.bench.storm_plan import Dice
from projections.queries.progress import CHANGES_CHANNEL
from tests.api import town
from tests.api.conftest import Edge
from tests.api.live_feed import DEADLINE_S, EAST, EAST_STREAM, WEST, Feed, Move, heard, incident, opened, rows_of

# --- Told together ----------------------------------------------------------------------------------------------------


async def test_pages_that_come_together_are_told_together_and_of_each_incident_the_last(
    edge: Edge, server: tuple[Server, str], feed: Feed
) -> None:
    async with opened(server[1], EAST_STREAM, edge.as_operator("east-station.01")) as events:
        await events.until("page")
        one, two, three = incident(1), incident(2), incident(3)
        pages = await feed.together(
            [
                (Move(one, (), (EAST,), "first"), Move(two, (), (EAST,), "only")),
                (Move(one, (EAST,), (EAST,), "second"), Move(three, (EAST,), (EAST,), "here")),
                (Move(one, (EAST,), (EAST,), "third"), Move(three, (EAST,), (), "")),
            ]
        )
        told_now = await events.until("page")
        assert rows_of(told_now) == {str(one): "third", str(two): "only", str(three): None}
        assert events.last_id == str(pages[-1])


async def test_what_is_told_is_encoded_once_for_all(
    edge: Edge, server: tuple[Server, str], feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined = 0

    def counted(*wanted: object) -> bytes:
        nonlocal joined
        joined += 1
        return told(*wanted)  # type: ignore[arg-type]

    async with AsyncExitStack() as stack:
        headers = edge.as_operator("east-station.01")
        clients = [await stack.enter_async_context(opened(server[1], EAST_STREAM, headers)) for _ in range(8)]
        for client in clients:
            await client.until("page")
        monkeypatch.setattr("dispatch.api.live.hub.told", counted)
        position = await feed.page(Move(incident(1), (), (EAST,), "a"), Move(incident(2), (), (WEST,), "b"))
        for client in clients:
            assert await heard(client, position) == {str(incident(1)): "a"}
    assert joined == 1


async def test_a_stream_needs_no_task(edge: Edge, server: tuple[Server, str]) -> None:
    headers = edge.as_operator("east-station.01")
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(opened(server[1], EAST_STREAM, headers))
        await first.until("page")
        before = len(asyncio.all_tasks())
        clients = [await stack.enter_async_context(opened(server[1], EAST_STREAM, headers)) for _ in range(10)]
        for client in clients:
            await client.until("page")
        assert len(asyncio.all_tasks()) == before
        assert edge.services.hub.seated == 11


async def test_a_lost_hint_is_found_by_looking(edge: Edge, server: tuple[Server, str], feed: Feed) -> None:
    async with opened(server[1], EAST_STREAM, edge.as_operator("east-station.01")) as events:
        await events.until("page")
        position = await feed.page(Move(incident(1), (), (EAST,), "a"), hint=False)
        assert await heard(events, position) == {str(incident(1)): "a"}


async def test_the_tail_outlives_its_connection(edge: Edge, server: tuple[Server, str], feed: Feed) -> None:
    async with opened(server[1], EAST_STREAM, edge.as_operator("east-station.01")) as events:
        await events.until("page")
        ended = await feed.connection.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'dispatch api' AND pid <> pg_backend_pid()"
        )
        assert ended
        position = await feed.page(Move(incident(1), (), (EAST,), "a"))
        assert await heard(events, position) == {str(incident(1)): "a"}


# --- Coming back ------------------------------------------------------------------------------------------------------


async def test_who_comes_and_goes_misses_nothing_and_hears_nothing_twice(
    edge: Edge, server: tuple[Server, str], feed: Feed
) -> None:
    seed = secrets.randbelow(10**6)
    print(f"seed {seed}")
    headers, stop = edge.as_operator("east-station.01"), asyncio.Event()
    async with opened(server[1], EAST_STREAM, headers) as events:
        await events.until("page")
        held = int(str(events.last_id))
    writing = asyncio.create_task(_write_pages(feed, Dice(seed), stop))
    try:
        dice = Dice(seed + 1)
        for number in range(30):
            if number % 3 == 0:
                edge.services.hub.recent = Recent(edge.services.hub.position)  # then the rows must say it
            async with opened(server[1], EAST_STREAM, headers | {"Last-Event-ID": str(held)}) as events:
                for _ in range(1 + dice.below(5)):
                    rows = rows_of(await events.until("page"))
                    position = int(str(events.last_id))
                    assert rows == feed.due(EAST, held, position), (held, position)
                    held = position
    finally:
        stop.set()
        await writing
    async with opened(server[1], EAST_STREAM, headers | {"Last-Event-ID": str(held)}) as events:
        assert await heard(events, feed.position) == feed.due(EAST, held, feed.position)


async def _write_pages(feed: Feed, dice: Dice, stop: asyncio.Event) -> None:
    """Incidents that appear, change, move between two stations and vanish."""
    seen_by: dict[int, tuple[str, ...]] = {}
    boards: tuple[tuple[str, ...], ...] = ((EAST,), (WEST,), (EAST, WEST), ())
    while not stop.is_set():
        pages = []
        for page in range(1 + dice.below(3)):
            moves = []
            for number in {dice.below(12) for _ in range(4)}:
                before, after = seen_by.get(number, ()), boards[dice.below(4)]
                seen_by[number] = after
                moves.append(Move(incident(number), before, after, f"{feed.position} {page}"))
            pages.append(moves)
        await feed.together(pages, hint=dice.happens(0.8))


async def test_a_position_another_process_has_told_of_is_no_reset(
    edge: Edge, server: tuple[Server, str], feed: Feed
) -> None:
    hub = edge.services.hub
    await hub.ready()
    ahead = await feed.page(Move(incident(1), (), (EAST,), "a"))
    await asyncio.wait_for(hub.told_of(ahead), DEADLINE_S)
    hub.position = ahead - 1  # as if this process had not read the page yet
    async with opened(server[1], f"{EAST_STREAM}?after={ahead}", edge.as_operator("east-station.01")) as events:
        assert await events.until("page") == [("page", {"position": ahead})]
        position = await feed.page(Move(incident(2), (), (EAST,), "b"))
        assert await heard(events, position) == {str(incident(2)): "b"}


async def test_an_incident_that_left_and_came_back_as_something_else_is_taken_away(
    edge: Edge, server: tuple[Server, str], feed: Feed
) -> None:
    path, headers = f"{EAST_STREAM}?category=traffic.accident", edge.as_operator("east-station.01")
    held = await feed.page(Move(incident(1), (), (EAST,), "seen"))
    await feed.page(Move(incident(1), (EAST,), (), ""))
    position = await feed.page(Move(incident(1), (), (EAST,), "other"))
    await feed.connection.execute(
        "UPDATE read.board_changes SET category = 'other.unclassified',"
        " categories = '{other.unclassified,traffic.accident}' WHERE page_position = $1",
        position,
    )
    await asyncio.wait_for(edge.services.hub.told_of(position), DEADLINE_S)
    edge.services.hub.recent = Recent(position)  # the rows must say it
    async with opened(server[1], f"{path}&after={held}", headers) as events:
        assert await heard(events, position) == {str(incident(1)): None}


@pytest.mark.parametrize("limit", ["MISSED_POSITIONS_MAX", "MISSED_INCIDENTS_MAX"])
async def test_who_missed_too_much_is_reset(
    edge: Edge, server: tuple[Server, str], feed: Feed, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(board_feed, limit, 2)
    held = feed.position
    for number in range(3):
        position = await feed.page(Move(incident(number), (), (EAST,), "a"))
    await asyncio.wait_for(edge.services.hub.told_of(position), DEADLINE_S)
    edge.services.hub.recent = Recent(position)
    async with opened(server[1], f"{EAST_STREAM}?after={held}", edge.as_operator("east-station.01")) as events:
        told_now = await events.until("page")
        assert [name for name, _ in told_now] == ["reset", "snapshot", "page"]
        assert told_now[0][1]["reason"] == "too much has changed since"


async def test_rows_that_were_switched_are_a_resync_for_all(edge: Edge, server: tuple[Server, str], feed: Feed) -> None:
    headers = edge.as_operator("east-station.01")
    async with (
        opened(server[1], EAST_STREAM, headers) as events,
        opened(server[1], "/v1/orders/stream", headers) as orders,
    ):
        await events.until("page")
        await orders.until("page")
        await switched(feed, "board")
        assert (await events.until("resync"))[-1][1]["reason"] == "the rows were built anew"
        assert (await events.next())[0] == "end"
        assert edge.services.hub.seated == 1  # orders have rows of their own, and they are the same
        held = feed.position
        async with opened(server[1], f"{EAST_STREAM}?after={held}", headers) as again:
            assert (await again.until("page"))[0][0] == "reset"
            position = await feed.page(Move(incident(1), (), (EAST,), "a"))
            assert await heard(again, position) == {str(incident(1)): "a"}  # told once that it begins anew is enough
        await switched(feed, "orders")
        assert (await orders.until("resync"))[-1][1]["reason"] == "the rows were built anew"


async def switched(feed: Feed, name: str) -> None:
    """What the switch of a rebuild says: rows before the next page are of another world."""
    async with feed.connection.transaction():
        await feed.connection.execute("UPDATE read.checkpoints SET changes_since = position + 1 WHERE name = $1", name)
        await feed.connection.execute("SELECT pg_notify($1, 'orders')", CHANGES_CHANNEL)


# --- What is remembered -----------------------------------------------------------------------------------------------


def change(position: int, *, size: int = 10) -> Change:
    key = ("center", town.center(EAST))
    nobody: frozenset[board_feed.Key] = frozenset()
    return Change(position, incident(position), "a", frozenset("a"), nobody, frozenset([key]), b"x" * size)


def test_what_is_remembered_is_bounded_and_says_from_where_on() -> None:
    recent = Recent(10)
    recent.add([change(11), change(12), change(12), change(15)])
    assert [one.page_position for one in recent.after(10) or ()] == [11, 12, 12, 15]
    assert [one.page_position for one in recent.after(12) or ()] == [15]
    assert recent.after(15) == []
    assert recent.after(9) is None
    recent.add([change(16, size=board_feed.RECENT_BYTES_MAX - 2 * board_feed.CHANGE_BYTES)])
    assert recent.floor == 15
    assert recent.after(12) is None
    assert [one.page_position for one in recent.after(15) or ()] == [16]


def test_a_page_is_forgotten_whole() -> None:
    recent = Recent(0)
    recent.add([change(position) for position in range(1, board_feed.RECENT_CHANGES_MAX - 1)])
    recent.add([change(10**6), change(10**6), change(10**6 + 1)])
    assert recent.floor == 1
    recent.add([change(10**6 + 2) for _ in range(board_feed.RECENT_CHANGES_MAX)])
    assert recent.floor == 10**6 + 1
    assert len(recent.after(10**6 + 1) or ()) == board_feed.RECENT_CHANGES_MAX


def test_a_reading_that_its_limit_may_have_cut_ends_with_a_whole_page() -> None:
    def row(position: int, number: int) -> dict[str, object]:
        return {
            "reached": 9,
            "changes_since": 0,
            "page_position": position,
            "incident_id": incident(number),
            "row": "{}",
            "category": None,
            "centers_before": [],
            "centers_after": [],
            "agencies_before": [],
            "agencies_after": [],
            "categories": [],
            "restricted_before": False,
            "restricted_after": False,
        }

    rows = [row(3, 1), row(3, 2), row(5, 1)]
    assert board_feed.Reading.of(rows, limit=4).position == 9
    cut = board_feed.Reading.of(rows, limit=3)
    assert (cut.position, len(cut.changes)) == (3, 2)
    assert board_feed.Reading.of(rows[:2], limit=2).position == 0  # not even one page: ask for more
