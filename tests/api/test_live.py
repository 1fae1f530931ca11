"""Live boards, through a real server and a real socket: nothing is missed, nothing is shown to the wrong people."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import asyncpg
import pytest

from dispatch.api.access.tokens import Identity
from dispatch.api.live import hub
from dispatch.api.live.board_feed import Recent
from dispatch.api.live.client import Beginning
from dispatch.api.server import Server, listening
from dispatch.reading.database import Database
from domain.vocabulary import Role
from tests.api import town
from tests.api.conftest import Edge
from tests.api.live_feed import DEADLINE_S, opened
from tests.api.test_problems import is_problem


async def test_a_stream_begins_with_a_snapshot_and_goes_on_page_by_page(edge: Edge, server: tuple[Server, str]) -> None:
    before = await edge.report()
    async with opened(server[1], "/v1/centers/east-station/stream", edge.as_operator("east-station.01")) as events:
        (snapshot, first, page) = await events.until("page")
        assert snapshot == ("snapshot", {"position": page[1]["position"], "incidents": 1})
        assert (first[0], first[1]["incident_id"]) == ("upsert", before["incident_id"])
        after = await edge.report()
        told = await events.until("page")
        assert [(name, data.get("incident_id")) for name, data in told[:-1]] == [("upsert", after["incident_id"])]
        assert events.last_id == str(told[-1][1]["position"])
        assert told[-1][1]["position"] >= after["position"]


async def test_the_rows_of_a_stream_are_the_rows_of_the_board(edge: Edge, server: tuple[Server, str]) -> None:
    headers = edge.as_operator("east-station.01")
    async with opened(server[1], "/v1/centers/east-station/stream", headers) as events:
        await events.until("page")
        opened_now = await edge.report()
        streamed = (await events.until("page"))[0][1]
        board = await edge.client.get("/v1/centers/east-station/board", headers=headers)
        assert board.json()["items"] == [streamed]
        assert streamed["incident_id"] == opened_now["incident_id"]


async def test_a_client_that_comes_back_misses_nothing(edge: Edge, server: tuple[Server, str]) -> None:
    headers = edge.as_operator("east-station.01")
    async with opened(server[1], "/v1/centers/east-station/stream", headers) as events:
        await events.until("page")
        last = events.last_id
    missed = [(await edge.report())["incident_id"] for _ in range(3)]
    for resume in ({"Last-Event-ID": str(last)}, {}):
        path = "/v1/centers/east-station/stream" + ("" if resume else f"?after={last}")
        async with opened(server[1], path, headers | resume) as events:
            told = await events.until("page")
            while len([name for name, _ in told if name == "upsert"]) < len(missed):
                told += await events.until("page")  # pages this process has not tailed yet follow as they come
            assert [data["incident_id"] for name, data in told if name == "upsert"] == missed
            assert not [name for name, _ in told if name in {"snapshot", "reset"}]


async def test_a_transfer_takes_the_row_from_the_giver(edge: Edge, server: tuple[Server, str]) -> None:
    incident = await edge.report()
    headers = edge.as_operator("east.01")
    async with (
        opened(server[1], "/v1/centers/east/stream", headers) as giver,
        opened(server[1], "/v1/centers/west/stream", edge.as_operator("west.01")) as taker,
    ):
        await giver.until("page")
        await taker.until("page")
        offer = {"to_center_id": str(town.center("west")), "reason": "贵辖区"}
        offered = await edge.decide(incident["incident_id"], "transfers", offer, by="east.01", version=1)
        await edge.project()
        assert (await taker.until("page"))[0][0] == "upsert"
        await giver.until("page")
        path = f"transfers/{offered.json()['transfer_id']}/accept"
        assert (await edge.decide(incident["incident_id"], path, by="west.01", version=2)).status_code == 200
        await edge.project()
        assert (await giver.until("page"))[0] == ("removal", {"incident_id": incident["incident_id"]})
        assert (await taker.until("page"))[0][0] == "upsert"


async def test_a_stream_can_be_of_some_categories(edge: Edge, server: tuple[Server, str]) -> None:
    headers = edge.as_operator("east-station.01")
    path = "/v1/centers/east-station/stream?category=other.unclassified"
    async with opened(server[1], path, headers) as events:
        await events.until("page")
        await edge.report()
        wanted = await edge.report(category="other.unclassified")
        told = await events.until("page")
        assert [data["incident_id"] for name, data in told if name == "upsert"] == [wanted["incident_id"]]


@pytest.mark.parametrize("after", [10**15, 0])
async def test_a_position_that_cannot_be_resumed_is_a_reset_and_a_snapshot(
    edge: Edge, server: tuple[Server, str], after: int
) -> None:
    await edge.report()
    if after == 0:
        administrator = await asyncpg.connect(edge.dsn)
        await administrator.execute("UPDATE read.checkpoints SET changes_since = position")
        await administrator.close()
    path = f"/v1/centers/east-station/stream?after={after}"
    async with opened(server[1], path, edge.as_operator("east-station.01")) as events:
        told = await events.until("page")
        assert [name for name, _ in told] == ["reset", "snapshot", "upsert", "page"]


async def test_an_id_that_is_no_position_is_422(edge: Edge) -> None:
    headers = edge.as_operator("east-station.01") | {"Last-Event-ID": "x"}
    is_problem(await edge.client.get("/v1/centers/east-station/stream", headers=headers), 422, "invalid")


async def test_a_silent_stream_pings_and_moves_its_id(edge: Edge, server: tuple[Server, str]) -> None:
    edge.services.hub.ping_s = 0.05
    headers = edge.as_operator("west-station.01")
    async with opened(server[1], "/v1/centers/west-station/stream", headers) as events:
        await events.until("page")
        before = int(str(events.last_id))
        await edge.report()
        await events.until("page")
        assert int(str(events.last_id)) > before
        assert events.comments >= 1


def test_an_answer_does_not_wait_for_the_acknowledgement_of_its_head() -> None:
    with listening("127.0.0.1", 0) as bound:
        assert bound.proto == socket.IPPROTO_TCP  # what makes event loops switch Nagle's algorithm off


def test_the_ping_keeps_the_promise() -> None:
    assert hub.PING_S <= 15


async def test_the_number_of_streams_is_limited(edge: Edge, server: tuple[Server, str]) -> None:
    edge.services.hub._clients_max = 1
    headers = edge.as_operator("east-station.01")
    async with opened(server[1], "/v1/centers/east-station/stream", headers) as events:
        await events.until("page")
        answer = await edge.client.get("/v1/centers/east-station/stream", headers=headers)
        is_problem(answer, 503, "too_many_streams")
        assert answer.headers["retry-after"]


async def test_a_place_is_given_back_when_a_client_leaves(edge: Edge, server: tuple[Server, str]) -> None:
    edge.services.hub._clients_max = 1
    headers = edge.as_operator("east-station.01")
    for _ in range(3):
        async with opened(server[1], "/v1/centers/east-station/stream", headers) as events:
            await events.until("page")
        async with asyncio.timeout(DEADLINE_S):
            while edge.services.hub.seated:
                # Leaving is noticed by the server when it next writes or reads the socket.
                await edge.report()


async def test_stopping_the_server_says_goodbye_to_streams(edge: Edge, server: tuple[Server, str]) -> None:
    async with opened(server[1], "/v1/centers/east-station/stream", edge.as_operator("east-station.01")) as events:
        await events.until("page")
        server[0].stop()
        assert (await events.until("bye"))[-1][0] == "bye"


async def test_an_agencys_stream_is_the_agencys_only(edge: Edge, server: tuple[Server, str]) -> None:
    headers = edge.as_operator("police-hq.01")
    async with opened(server[1], "/v1/agencies/police/stream", headers) as events:
        assert (await events.until("page"))[0][0] == "snapshot"
    is_problem(await edge.client.get("/v1/agencies/fire/stream", headers=headers), 404, "not_found")
    partner = edge.as_role(Role.PARTNER, agency="police")
    is_problem(await edge.client.get("/v1/agencies/police/stream", headers=partner), 403, "forbidden")


async def test_a_stream_does_not_outlive_its_token(edge: Edge, server: tuple[Server, str]) -> None:
    identity = Identity(subject="x", roles=(), operator_id=town.operator("east-station.01"))
    headers = {"Authorization": f"Bearer {edge.token(identity, ttl_s=1)}"}
    async with opened(server[1], "/v1/centers/east-station/stream", headers) as events:
        assert (await events.until("expired"))[-1][0] == "expired"
        assert (await events.next())[0] == "end"


async def test_clients_of_one_board_share_its_snapshot(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = 0
    read = edge.services.beginnings._read

    async def counted(*wanted: Any) -> Beginning:
        nonlocal reads
        reads += 1
        return await read(*wanted)

    monkeypatch.setattr(edge.services.beginnings, "_read", counted)
    await edge.services.hub.ready()
    wanted = (("center", town.center("east")), None, None)
    begun = await asyncio.gather(*(edge.services.beginnings.of(wanted, None) for _ in range(50)))
    begun.append(await edge.services.beginnings.of(wanted, None))  # who comes a moment later shares it too
    assert reads == 1
    assert len({id(beginning) for beginning in begun}) == 1


async def test_a_shared_snapshot_is_completed_by_what_came_since(
    edge: Edge, server: tuple[Server, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, key = edge.services.hub, ("center", town.center("east-station"))
    old = await edge.services.beginnings._read(key, None, None)
    missed = await edge.report()
    async with asyncio.timeout(DEADLINE_S):
        await hub.told_of(missed["position"])

    async def stale(*_: Any) -> Beginning:
        return old

    monkeypatch.setattr(edge.services.beginnings, "_read", stale)
    for forgotten in (False, True):
        if forgotten:
            hub.recent = Recent(hub.position)  # then the rows must say it
        async with opened(server[1], "/v1/centers/east-station/stream", edge.as_operator("east-station.01")) as events:
            assert (await events.until("page"))[0] == ("snapshot", {"position": old.position, "incidents": 0})
            told = await events.until("page")
            assert [data.get("incident_id") for _, data in told] == [missed["incident_id"], None]
            assert int(str(events.last_id)) >= missed["position"]


async def test_a_stream_that_cannot_begin_is_503_and_keeps_no_place(edge: Edge) -> None:
    away = Database.connect("postgresql://nobody@127.0.0.1:1/none")
    edge.services.beginnings._database = away
    answer = await edge.client.get("/v1/centers/east/stream", headers=edge.as_operator("east.01"))
    is_problem(answer, 503, "unavailable")
    assert edge.services.hub.seated == 0
    await away.close()
