"""Orders, live: whoever may see one hears of it at once and of every change, without a gap, and nobody else does."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from dispatch.api.live.board_feed import Recent, told
from dispatch.api.live.order_feed import ORDERS, ORDERS_PER_READ, OrderChange, Viewer, reading_of
from dispatch.api.server import Server
from dispatch.simulation.chance import Chance
from domain.vocabulary import Role
from tests.api import town
from tests.api.conftest import Edge
from tests.api.live_feed import DEADLINE_S, Events, opened
from tests.api.orders_desk import CHIEF, EAST, TRAFFIC, decide, issued
from tests.api.test_problems import is_problem

PATH = "/v1/orders/stream"
TO_EAST = [{"center_id": str(town.center("east"))}]
TO_WEST = [{"center_id": str(town.center("west"))}]


async def upserts(events: Events) -> list[dict[str, Any]]:
    """What the next page tells."""
    return [data for name, data in await events.until("page") if name == "upsert"]


async def test_addressees_and_those_above_hear_of_an_order_at_once_and_nobody_else(
    edge: Edge, server: tuple[Server, str]
) -> None:
    async with (
        opened(server[1], PATH, edge.as_operator(EAST)) as east,
        opened(server[1], PATH, edge.as_operator(TRAFFIC)) as traffic,
        opened(server[1], PATH, edge.as_operator("west.01")) as west,
        opened(server[1], PATH, edge.as_role(Role.AUDITOR)) as auditor,
    ):
        for stream in (east, traffic, west, auditor):
            assert await stream.until("page")
        order_id = (await issued(edge))["order_id"]
        for stream in (east, traffic, auditor):
            (heard,) = await upserts(stream)
            assert heard["order_id"] == order_id
            shown = await edge.read(f"/v1/orders/{order_id}", by=EAST)
            assert heard == {name: value for name, value in shown.items() if name != "is_in_force"}
        # West hears nothing of it: the first it is told is its own.
        own = (await issued(edge, addressees=TO_WEST))["order_id"]
        assert [one["order_id"] for one in await upserts(west)] == [own]


@pytest.fixture
def no_timers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks by himself whether there is something new. Asked for before the hub is: no wait of it is shorter."""
    monkeypatch.setattr("dispatch.api.live.tail.ORDERS_EVERY_S", 1e9)
    monkeypatch.setattr("dispatch.api.live.hub.IDLE_WAIT_S", 1e9)


@pytest.mark.usefixtures("no_timers")
async def test_the_hint_of_the_page_is_enough_and_no_timer_is_waited_for(
    edge: Edge, server: tuple[Server, str]
) -> None:
    async with opened(server[1], PATH, edge.as_operator(EAST)) as east:
        await east.until("page")
        made = await issued(edge)
        assert [one["order_id"] for one in await upserts(east)] == [made["order_id"]]


async def test_answers_changes_and_the_end_are_told_and_a_snapshot_has_what_is_not_over(
    edge: Edge, server: tuple[Server, str]
) -> None:
    over = (await issued(edge, addressees=TO_EAST))["order_id"]
    assert (await decide(edge, over, "lift", {"reason": "x"}, by=CHIEF)).status_code == 200
    order_id = (await issued(edge))["order_id"]
    async with opened(server[1], PATH, edge.as_operator(EAST)) as east:
        snapshot, *rest, _page = await east.until("page")
        assert (snapshot[0], snapshot[1]["orders"]) == ("snapshot", 1)
        assert [data["order_id"] for _, data in rest] == [order_id]
        done = await decide(edge, order_id, "acknowledge", {"edition": 1}, by=EAST)
        assert done.status_code == 200
        (answered,) = await upserts(east)
        assert [one["answer"] for one in answered["addressees"]] == [None, "acknowledged"]
        assert (await decide(edge, order_id, "lift", {"reason": "水退"}, by=CHIEF)).status_code == 200
        (ended,) = await upserts(east)
        assert (ended["phase"], ended["end_reason"]) == ("lifted", "水退")


async def test_only_the_kinds_that_are_wanted(edge: Edge, server: tuple[Server, str]) -> None:
    async with opened(server[1], f"{PATH}?kind=evacuation", edge.as_operator(EAST)) as east:
        await east.until("page")
        await issued(edge, addressees=TO_EAST)
        wanted = (await issued(edge, addressees=TO_EAST, kind="evacuation"))["order_id"]
        assert [one["order_id"] for one in await upserts(east)] == [wanted]


@pytest.mark.parametrize("is_forgotten", [False, True])
async def test_a_client_that_comes_back_misses_nothing_and_hears_nothing_twice(
    edge: Edge, server: tuple[Server, str], is_forgotten: bool
) -> None:
    chance = Chance(int(is_forgotten), "orders")
    hub = edge.services.hub
    async with opened(server[1], PATH, edge.as_operator(EAST)) as east:
        await east.until("page")
        last = east.last_id
    mine: list[str] = []
    extended = 0
    for _ in range(4):
        missed: dict[str, int] = {}
        for _ in range(chance.whole(1, 3)):
            if mine and chance.happens(0.4):
                order_id = chance.one_of(mine)
                before = (await edge.read(f"/v1/orders/{order_id}"))["version"]
                extended += 1
                body = {"reason": "雨势未减", "expires_at": f"2099-01-01T00:{extended:02d}:00Z"}
                done = await decide(edge, order_id, "extend", body, by=CHIEF, version=before)
                assert done.status_code == 200, done.text
            else:
                to = chance.one_of([TO_EAST, TO_WEST])
                order_id = (await issued(edge, addressees=to))["order_id"]
                if to is TO_WEST:
                    continue
                mine.append(order_id)
            missed.pop(order_id, None)
            missed[order_id] = (await edge.read(f"/v1/orders/{order_id}"))["version"]
        position = (await edge.services.log.tip()).position
        await asyncio.wait_for(hub.told_of(position, feed=hub.orders), DEADLINE_S)
        if is_forgotten:
            hub.orders.recent = Recent(hub.orders.position)  # the rows must say it
        async with opened(server[1], PATH, edge.as_operator(EAST) | {"Last-Event-ID": str(last)}) as east:
            told_now = await east.until("page")
            last = east.last_id
            assert [(data["order_id"], data["version"]) for name, data in told_now if name == "upsert"] == list(
                missed.items()
            )
            assert {name for name, _ in told_now} <= {"upsert", "page"}
    assert mine
    assert extended, "the dice of these seeds extend some"


async def test_who_comes_with_a_position_ahead_of_the_log_begins_anew(edge: Edge, server: tuple[Server, str]) -> None:
    order_id = (await issued(edge))["order_id"]
    async with opened(server[1], f"{PATH}?after=99999999", edge.as_operator(EAST)) as east:
        told_now = await east.until("page")
        assert [name for name, _ in told_now] == ["reset", "snapshot", "upsert", "page"]
        assert told_now[2][1]["order_id"] == order_id


async def test_a_partner_gets_no_stream(quiet_edge: Edge) -> None:
    headers = quiet_edge.as_role(Role.PARTNER, agency="police")
    is_problem(await quiet_edge.client.get(PATH, headers=headers), 403, "forbidden")


def change(number: int, *, center: int = 1, agency: str = "police", position: int | None = None) -> OrderChange:
    return OrderChange(
        page_position=position if position is not None else number,
        subject_id=UUID(int=number),
        kind="evacuation",
        centers=frozenset({UUID(int=center)}),
        agencies=frozenset({agency}),
        upsert=b"%d;" % number,
    )


def test_who_looks_sees_by_center_or_by_agency_and_by_nothing_else():
    changes = [change(1), change(2, center=2), change(3, center=2, agency="fire")]
    for viewer, wanted in (
        (Viewer(), b"1;2;3;"),
        (Viewer(frozenset({UUID(int=1)})), b"1;"),
        (Viewer(frozenset({UUID(int=1), UUID(int=2)})), b"1;2;3;"),
        (Viewer(frozenset({UUID(int=1)}), "fire"), b"1;3;"),
        (Viewer(frozenset({UUID(int=3)})), b""),
    ):
        assert told(changes, (ORDERS, viewer), None) == wanted
    assert told(changes, (ORDERS, Viewer()), frozenset({"other"})) == b""
    assert told(changes, ("center", UUID(int=1)), None) == b""


def test_of_a_restricted_incident_who_may_know_sees_all_and_who_is_addressed_not_which_it_is():
    one, two, three = (UUID(int=number) for number in (1, 2, 3))
    secret = replace(
        change(1),
        centers=frozenset({one, two, three}),
        addressed=frozenset({two}),
        knowing_centers=frozenset({one}),
        knowing_agencies=frozenset({"fire"}),
        unnamed=b"?;",
    )
    for viewer, wanted in (
        (Viewer(), b"1;"),
        (Viewer(frozenset({one}), own=one), b"1;"),
        (Viewer(frozenset({two}), own=two), b"?;"),
        (Viewer(frozenset({three}), own=three), b""),
        (Viewer(frozenset({one, three}), own=three), b""),
        (Viewer(frozenset({three}), "fire", own=three), b"1;"),
        (Viewer(frozenset({three}), "police", own=three), b"?;"),
    ):
        assert told([secret], (ORDERS, viewer), None) == wanted, viewer


def test_a_reading_that_is_cut_goes_no_farther_than_its_last_order(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(OrderChange, "of", classmethod(lambda cls, row: change(row["updated_position"])))
    seen = {"reached": 9_999, "changes_since": 0}
    rows = [seen | {"order_id": number, "updated_position": number} for number in range(1, 501)]
    assert len(rows) == ORDERS_PER_READ
    assert (reading_of(rows).position, reading_of(rows).reached) == (500, 9_999)
    assert reading_of(rows[:-1]).position == 9_999
    nothing = reading_of([{"reached": 7, "changes_since": 8, "order_id": None}])
    assert (nothing.changes, nothing.changes_since) == ([], 8)
    assert reading_of([]).reached == 0
