"""A temporary headquarters over HTTP: who forms it, what its people see and decide, what is left when it is over."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx

from dispatch.api.server import Server
from tests.api import guarded, orders_desk, test_cases, test_evidence_requests, test_open311, test_watches, town
from tests.api.conftest import Edge
from tests.api.live_feed import opened
from tests.api.test_problems import is_problem

CITY, COMMANDER, DEPUTY, STRANGER = "city.02", "west.02", "west-station.01", "west.01"
"""West's people act for it above east; who does not act for it stays a neighbour."""
CODE = "flood"


def a_body(edge: Edge, **changed: Any) -> dict[str, Any]:
    return {
        "code": CODE,
        "name_zh": "7·3汛期前线指挥部",
        "name_en": "Headquarters of the flood",
        "purpose": "统一指挥",
        "centers": [str(town.center("east"))],
        "agencies": ["traffic_police"],
        "commander_id": str(town.operator(COMMANDER)),
        "deputy_ids": [str(town.operator(DEPUTY))],
        "ends_at": (edge.services.clock.now() + timedelta(hours=12)).isoformat(),
    } | changed


async def ask(edge: Edge, path: str, body: Any, *, by: str) -> httpx.Response:
    answer = await edge.client.post(path, json=body, headers=edge.as_operator(by) | edge.key())
    await edge.project()
    return answer


async def formed(edge: Edge, **changed: Any) -> str:
    answer = await ask(edge, "/v1/headquarters", a_body(edge, **changed), by=CITY)
    assert answer.status_code == 201, answer.text
    center_id: str = answer.json()["center_id"]
    return center_id


async def stood_down(edge: Edge, *, by: str = COMMANDER, **body: Any) -> httpx.Response:
    return await ask(edge, f"/v1/headquarters/{CODE}/stand-down", {"reason": "水位回落"} | body, by=by)


async def status(edge: Edge, path: str, *, by: str) -> int:
    return (await edge.client.get(path, headers=edge.as_operator(by))).status_code


async def test_its_people_see_what_it_commands_as_long_as_it_is_open_and_the_record_keeps_what_they_saw(
    edge: Edge,
) -> None:
    incident_id = (await edge.report())["incident_id"]
    own = (await edge.report(by="west-station.01", at=town.IN_WEST, category="other.unclassified"))["incident_id"]
    card = f"/v1/incidents/{incident_id}"
    assert [await status(edge, card, by=who) for who in (COMMANDER, DEPUTY, STRANGER)] == [404, 404, 404]
    await formed(edge)
    assert [await status(edge, card, by=who) for who in (COMMANDER, DEPUTY, STRANGER)] == [200, 200, 404]
    board = await edge.read(f"/v1/centers/{CODE}/board", by=DEPUTY)
    assert [one["incident_id"] for one in board["items"]] == [incident_id]
    listed = await edge.read("/v1/incidents", by=COMMANDER)
    assert {one["incident_id"] for one in listed["items"]} == {incident_id, own}
    assert await status(edge, f"/v1/centers/{CODE}/board", by=STRANGER) == 404
    position = (await edge.services.log.tip()).position
    assert (await stood_down(edge)).status_code == 200
    assert [await status(edge, card, by=who) for who in (COMMANDER, DEPUTY)] == [404, 404]
    assert await status(edge, f"/v1/centers/{CODE}/board", by=DEPUTY) == 404
    then = await edge.read(f"/v1/audit/board?center={CODE}&position={position}")
    assert [one["incident_id"] for one in then["items"]] == [incident_id]
    assert (await edge.read(f"/v1/audit/board?center={CODE}"))["items"] == []


async def test_lists_of_what_stands_beside_incidents_and_the_search_widen_for_its_people(edge: Edge) -> None:
    case = await test_cases.filed(edge)
    number = (await edge.read(f"/v1/incidents/{case.incident_id}"))["number"]
    watch_id = (await test_watches.opened(edge, incident_id=case.incident_id)).json()["watch_id"]
    request_id = (await test_evidence_requests.asked_for(edge, by="east.01")).json()["request_id"]
    beside = (
        ("/v1/cases", "case_id", case.case_id),
        ("/v1/watches", "watch_id", watch_id),
        ("/v1/evidence/requests", "request_id", request_id),
        (f"/v1/search?q={number}", "incident_id", case.incident_id),
    )

    async def listed(who: str) -> list[list[str]]:
        return [[one[name] for one in (await edge.read(path, by=who))["items"]] for path, name, _ in beside]

    nothing, everything = [[], [], [], []], [[one] for _, _, one in beside]
    assert [await listed(who) for who in (COMMANDER, DEPUTY, STRANGER)] == [nothing] * 3
    await formed(edge)
    assert [await listed(who) for who in (COMMANDER, DEPUTY, STRANGER)] == [everything, everything, nothing]
    for path, _, one in beside[:3]:
        wanted = [200, 200, 404]
        assert [await status(edge, f"{path}/{one}", by=who) for who in (COMMANDER, DEPUTY, STRANGER)] == wanted, path
    assert (await stood_down(edge)).status_code == 200
    assert await listed(COMMANDER) == nothing


async def test_service_requests_of_citizens_are_told_to_its_people_as_long_as_it_is_open(edge: Edge) -> None:
    filed = await test_open311.filed(edge, test_open311.partner(edge))
    other = await test_open311.filed(edge, test_open311.partner(edge), description="别处")

    async def told(who: str) -> tuple[set[str], int]:
        key = edge.as_operator(who)["Authorization"].removeprefix("Bearer ")
        listed = set(await test_open311.ids(edge, "requests.json", key))
        return listed, (await test_open311.ask(edge, f"requests/{filed}.json", key)).status_code

    nothing, everything = (set[str](), 404), ({filed, other}, 200)
    assert [await told(who) for who in (COMMANDER, DEPUTY, STRANGER)] == [nothing] * 3
    await formed(edge)
    assert [await told(who) for who in (COMMANDER, DEPUTY, STRANGER)] == [everything, everything, nothing]
    assert (await stood_down(edge)).status_code == 200
    assert await told(COMMANDER) == nothing


async def test_nobody_knows_of_a_restricted_watch_for_commanding_whom_it_asks(edge: Edge) -> None:
    found = await guarded.planned(edge)
    asked_of = [str(town.center("east-station"))]
    opened_one = await test_watches.opened(edge, incident_id=found.incident_id, center_ids=asked_of)
    await formed(edge)
    watch = f"/v1/watches/{opened_one.json()['watch_id']}"
    assert await status(edge, watch, by=COMMANDER) == 200
    await found.attach()
    assert [await status(edge, watch, by=who) for who in (COMMANDER, "east-station.01")] == [404, 200]
    assert (await edge.read("/v1/watches", by=COMMANDER))["items"] == []


async def test_it_takes_an_incident_over_decides_about_it_and_gives_it_back_in_the_end(edge: Edge) -> None:
    incident_id = (await edge.report(category="other.unclassified"))["incident_id"]
    kept = (await edge.report(category="other.unclassified"))["incident_id"]
    node = await formed(edge)
    path = f"/v1/headquarters/{CODE}/incidents/{incident_id}"
    is_problem(await ask(edge, f"{path}/take", {"reason": "x"}, by=STRANGER), 403, "not_the_owner")
    taken = await ask(edge, f"{path}/take", {"reason": "跨区险情"}, by=DEPUTY)
    assert taken.status_code == 200, taken.text
    # What it directs it need not have: a commander decides about what is below, as anybody above does.
    for what, version in (("verify", 1), ("accept", 2)):
        done = await edge.decide(kept, what, {} if what == "verify" else None, by=COMMANDER, version=version)
        assert done.status_code == 200, done.text
    await edge.project()
    card = await edge.read(f"/v1/incidents/{incident_id}", by=DEPUTY)
    assert card["owner_center_id"] == node
    shown = await edge.read(f"/v1/headquarters/{CODE}", by=DEPUTY)
    assert [(one["incident_id"], one["giver"]) for one in shown["held"]] == [
        (incident_id, str(town.center("east-station")))
    ]
    assert (await edge.read(f"/v1/headquarters/{CODE}", by=STRANGER))["held"] is None
    offer = {"to_center_id": node, "reason": "x"}
    refused = await edge.decide(kept, "transfers", offer, by="east-station.01", version=3)
    is_problem(refused, 409, "headquarters.takes_over")
    to = {incident_id: str(town.center("east"))}
    ended = await stood_down(edge, to=to)
    assert (ended.status_code, ended.json()["returned"]) == (200, "1"), ended.text
    card = await edge.read(f"/v1/incidents/{incident_id}", by="east.01")
    assert card["owner_center_id"] == str(town.center("east"))
    story = await edge.read(f"/v1/headquarters/{CODE}/history?language=en", by=COMMANDER)
    assert [one["event"] for one in story["items"]] == [
        "headquarters.opened",
        "headquarters.incident_taken",
        "headquarters.stood_down",
    ]
    assert "incidents returned: 1" in story["items"][-1]["text"]
    is_problem(await ask(edge, f"{path}/take", {"reason": "x"}, by=DEPUTY), 404, "not_found")


async def test_it_orders_and_stands_above_the_orders_of_whom_it_commands(edge: Edge) -> None:
    node = await formed(edge)
    made = await orders_desk.issued(edge, by=COMMANDER, center_id=node)
    assert (await orders_desk.decide(edge, made["order_id"], "acknowledge", {"edition": 1}, by="east.01")).is_success
    theirs = await orders_desk.issued(edge, by="east.02", addressees=[{"center_id": str(town.center("east-station"))}])
    for who, wanted in ((COMMANDER, {made["order_id"], theirs["order_id"]}), (STRANGER, set())):
        listed = await edge.read("/v1/orders", by=who)
        assert {one["order_id"] for one in listed["items"]} == wanted, who
    lifted = await orders_desk.decide(edge, theirs["order_id"], "lift", {"reason": "由指挥部统一安排"}, by=COMMANDER)
    assert lifted.status_code == 200, lifted.text
    assert (await stood_down(edge)).status_code == 200
    # What it ordered holds, and is the city's now.
    assert await status(edge, f"/v1/orders/{made['order_id']}", by=COMMANDER) == 404
    lifted = await orders_desk.decide(edge, made["order_id"], "lift", {"reason": "解除"}, by=CITY)
    assert lifted.status_code == 200, lifted.text


async def test_its_board_and_its_orders_are_live(edge: Edge, server: tuple[Server, str]) -> None:
    await formed(edge)
    headers = edge.as_operator(DEPUTY)
    async with (
        opened(server[1], f"/v1/centers/{CODE}/stream", headers) as board,
        opened(server[1], "/v1/orders/stream", headers) as orders,
    ):
        await board.until("page")
        await orders.until("page")
        mine = (await edge.report())["incident_id"]
        told = await board.until("page")
        assert [data["incident_id"] for name, data in told if name == "upsert"] == [mine]
        made = await orders_desk.issued(edge, addressees=[{"center_id": str(town.center("east"))}])
        told = await orders.until("page")
        assert [data["order_id"] for name, data in told if name == "upsert"] == [made["order_id"]]
        last = board.last_id
    await edge.report(by="west-station.01", at=town.IN_WEST, category="other.unclassified")
    missed = (await edge.report())["incident_id"]
    async with opened(server[1], f"/v1/centers/{CODE}/stream?after={last}", headers) as board:
        seen: list[str] = []
        while missed not in seen:
            seen += [data["incident_id"] for name, data in await board.until("page") if name == "upsert"]
        assert seen == [missed], "what is not commanded is not shown"


async def test_restricted_operations_and_situation_reports_of_whom_it_commands_are_its_peoples_too(edge: Edge) -> None:
    now = edge.services.clock.now()
    plan = {
        "code": "levee",
        "name_zh": "堤防抢险",
        "name_en": "The levee",
        "purpose": "x",
        "restricted": True,
        "begins_at": now.isoformat(),
        "ends_at": (now + timedelta(hours=6)).isoformat(),
    }
    planned = await ask(edge, "/v1/city-operations", plan, by="east.02")
    assert planned.status_code == 201
    path = f"/v1/city-operations/{planned.json()['code']}"
    assert await status(edge, path, by=COMMANDER) == 404
    await formed(edge)
    said = await ask(edge, f"{path}/situations", {"text": "水位回落"}, by=DEPUTY)
    assert said.status_code == 201, said.text
    shown = await edge.read(path, by=COMMANDER)
    assert [one["text"] for one in shown["situations"]] == ["水位回落"]
    assert await status(edge, path, by=STRANGER) == 404


async def test_only_the_city_forms_changes_and_prolongs_one(edge: Edge) -> None:
    for who in ("east.02", COMMANDER, "police-hq.02"):
        is_problem(await ask(edge, "/v1/headquarters", a_body(edge), by=who), 403, "forbidden")
    unknown = [str(town.operator("nobody"))]
    is_problem(await ask(edge, "/v1/headquarters", a_body(edge, deputy_ids=unknown), by=CITY), 422, "invalid")
    for scope in ({"centers": unknown}, {"agencies": ["fire"]}, {"centers": [], "agencies": []}):
        is_problem(await ask(edge, "/v1/headquarters", a_body(edge, **scope), by=CITY), 422, "invalid")
    past = edge.services.clock.now().isoformat()
    is_problem(await ask(edge, "/v1/headquarters", a_body(edge, ends_at=past), by=CITY), 422, "headquarters.no_time")
    is_problem(await ask(edge, "/v1/headquarters", a_body(edge, code="east"), by=CITY), 409, "headquarters.code_taken")
    await formed(edge)
    path = f"/v1/headquarters/{CODE}"
    later = (edge.services.clock.now() + timedelta(days=2)).isoformat()
    extended = {"ends_at": later, "reason": "第二次洪峰"}
    is_problem(await ask(edge, f"{path}/extend", extended, by=COMMANDER), 403, "forbidden")
    assert (await ask(edge, f"{path}/extend", extended, by=CITY)).status_code == 200
    ring = [[103.95, 30.62], [103.97, 30.62], [103.97, 30.64], [103.95, 30.62]]
    change = {
        "area": {"type": "Polygon", "coordinates": [ring]},
        "commander_id": str(town.operator("east.02")),
        "reason": "险情移至西区",
    }
    assert (await ask(edge, f"{path}/change", change, by=CITY)).status_code == 200
    shown = await edge.read(path, by=STRANGER)
    assert shown["centers"] == [str(town.center("west-station"))]
    assert shown["commander_id"] == str(town.operator("east.02"))
    assert shown["area"]["type"] == "MultiPolygon"
    assert shown["ends_at"].startswith(later[:19])
    listed = await edge.read("/v1/headquarters?is_open=true", by=STRANGER)
    assert [one["code"] for one in listed["items"]] == [CODE]
    assert (await edge.read("/v1/headquarters?is_open=false", by=STRANGER))["items"] == []
    is_problem(await edge.client.get("/v1/headquarters/none", headers=edge.as_operator(CITY)), 404, "not_found")


async def test_who_is_on_shift_there_goes_home_first(edge: Edge) -> None:
    node = await formed(edge)
    began = await edge.client.post("/v1/me/shift/start", json={"center_id": node}, headers=edge.as_operator(DEPUTY))
    assert began.status_code == 200, began.text
    await edge.project()
    refused = await stood_down(edge)
    is_problem(refused, 409, "headquarters.has_open_work")
    assert "1 shifts" in refused.json()["detail"]
    await edge.client.post("/v1/me/shift/end", json={}, headers=edge.as_operator(DEPUTY))
    await edge.project()
    assert (await stood_down(edge, by=CITY)).status_code == 200
