"""Live streams and restricted incidents: for whom it no longer exists it leaves the screen, and no word follows.

A center's board is watched by the center and by those above it, who need not know of all that it knows of.
"""

from __future__ import annotations

import asyncio
from uuid import UUID

from dispatch.api.live.board_feed import Change, Key, told
from dispatch.api.server import Server
from tests.api import guarded, town
from tests.api.conftest import Edge
from tests.api.guarded import ABOVE, CHIEF, OWNER
from tests.api.live_feed import DEADLINE_S, opened
from tests.api.orders_desk import decide, issued

STATION, DISTRICT, CITY = (town.center(code) for code in ("east-station", "east", "city"))
BOARD: Key = ("center", STATION)
ORDINARY = (CITY, DISTRICT, STATION)
GUARDED = (CITY, STATION)


def change(before: tuple[UUID, ...], after: tuple[UUID, ...], *, position: int = 1, was: bool, now: bool) -> Change:
    return Change(
        position,
        UUID(int=7),
        "a",
        frozenset("a"),
        frozenset(("center", one) for one in before),
        frozenset(("center", one) for one in after),
        b"upsert",
        was_restricted=was,
        is_restricted=now,
    )


RESTRICTED = change(ORDINARY, GUARDED, was=False, now=True)
CHANGED = change(GUARDED, GUARDED, was=True, now=True)
LIFTED = change(GUARDED, ORDINARY, was=True, now=False)


def test_who_looks_from_above_and_may_not_know_is_told_that_it_is_gone_and_nothing_after() -> None:
    assert RESTRICTED.for_key(BOARD, None) == RESTRICTED.for_key(BOARD, None, CITY) == b"upsert"
    assert RESTRICTED.for_key(BOARD, None, DISTRICT) == RESTRICTED.removal
    assert CHANGED.for_key(BOARD, None) == CHANGED.for_key(BOARD, None, CITY) == b"upsert"
    assert CHANGED.for_key(BOARD, None, DISTRICT) == b""
    assert LIFTED.for_key(BOARD, None, DISTRICT) == b"upsert"
    assert told([RESTRICTED, CHANGED], BOARD, None, DISTRICT) == RESTRICTED.removal


def test_a_board_that_may_not_know_loses_the_row() -> None:
    above: Key = ("center", DISTRICT)
    assert RESTRICTED.for_key(above, None) == RESTRICTED.removal
    assert CHANGED.for_key(above, None) == b""
    assert LIFTED.for_key(above, None) == b"upsert"


async def test_it_leaves_the_screens_of_others_and_comes_back(edge: Edge, server: tuple[Server, str]) -> None:
    found = await guarded.planned(edge)
    one, base = found.incident_id, server[1]
    above, owner = edge.as_operator(ABOVE), edge.as_operator(OWNER)
    async with (
        opened(base, "/v1/centers/east/stream", above) as district,
        opened(base, "/v1/centers/east-station/stream", above) as over_the_shoulder,
        opened(base, "/v1/centers/east-station/stream", owner) as station,
        opened(base, "/v1/agencies/police/stream", edge.as_operator(guarded.POLICE)) as police,
    ):
        for stream in (district, over_the_shoulder, station, police):
            begun = await stream.until("page")
            assert one in [data.get("incident_id") for _, data in begun]
        await found.attach()
        for stream in (district, over_the_shoulder, police):
            assert (await stream.until("page"))[:-1] == [("removal", {"incident_id": one})]
        (row, _) = await station.until("page")
        assert (row[0], row[1]["incident_id"], row[1]["restricted_by"] is not None) == ("upsert", one, True)
        resumed = over_the_shoulder.last_id
        await found.post(f"/incidents/{one}/assignments", {"unit_id": str(town.unit("E-1"))}, by=OWNER)
        (row, _) = await station.until("page")
        assert (row[0], row[1]["incident_id"]) == ("upsert", one)
        # Whoever comes back, or begins anew, hears nothing of it either; a resumption may have to begin anew.
        for path, more in (("", {}), ("", {"Last-Event-ID": str(resumed)})):
            async with opened(base, f"/v1/centers/east-station/stream{path}", above | more) as again:
                assert one not in [data.get("incident_id") for _, data in await again.until("page")]
        await found.detach()
        for stream in (district, over_the_shoulder):
            (row, _) = await stream.until("page")
            assert (row[0], row[1]["incident_id"]) == ("upsert", one)


async def test_who_comes_back_for_orders_is_told_by_what_it_may_know_now(
    edge: Edge, server: tuple[Server, str]
) -> None:
    found = await guarded.planned(edge)
    one, base, above = found.incident_id, server[1], edge.as_operator(ABOVE)

    async def told_since(held: str | None) -> list[tuple[str, str | None]]:
        # Only once the process has read of it: what it remembers must not be what it tells.
        position = (await edge.services.log.tip()).position
        await asyncio.wait_for(edge.services.hub.told_of(position, feed=edge.services.hub.orders), DEADLINE_S)
        async with opened(base, "/v1/orders/stream", above | {"Last-Event-ID": str(held)}) as again:
            events = await again.until("page")
        return [(data["order_id"], data["incident_id"]) for name, data in events if name == "upsert"]

    async with opened(base, "/v1/orders/stream", above) as stream:
        await stream.until("page")
        held = stream.last_id
    station, district, _ = [
        (await issued(edge, incident_id=one, addressees=[{"center_id": str(town.center(code))}]))["order_id"]
        for code in ("east-station", "east", "west")
    ]
    assert await told_since(held) == [(station, one), (district, one)]
    await found.attach()
    assert await told_since(held) == [(district, None)]
    assert (await decide(edge, station, "lift", {"reason": "x"}, by=CHIEF)).status_code == 200
    await found.detach()
    assert await told_since(held) == [(district, one), (station, one)]
