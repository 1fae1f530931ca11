"""The record over HTTP: as it was known, why, and whole."""

from __future__ import annotations

import asyncio

from domain.vocabulary import Role
from tests.api.conftest import Edge
from tests.api.test_problems import is_problem
from tests.api.test_reading import every_page


async def test_a_board_can_be_seen_as_it_was_known(edge: Edge) -> None:
    auditor = edge.as_role(Role.AUDITOR)
    first = await edge.report()
    live = (await edge.client.get("/v1/centers/east-station/board", headers=auditor)).json()["items"]
    await edge.decide(first["incident_id"], "verify", {}, by="east.01", version=1)
    await edge.report()
    path = f"/v1/audit/board?center=east-station&position={first['position']}"
    then = await edge.client.get(path, headers=auditor)
    assert then.json()["items"] == live
    now = await edge.client.get("/v1/audit/board?center=east-station", headers=auditor)
    assert len(now.json()["items"]) == 2
    assert now.json()["items"] != live
    before = await edge.client.get("/v1/audit/board?instant=2000-01-01T00:00:00Z", headers=auditor)
    assert before.json()["items"] == []


async def test_an_incident_can_be_seen_as_it_was(edge: Edge) -> None:
    auditor = edge.as_role(Role.AUDITOR)
    opened = await edge.report()
    await edge.decide(opened["incident_id"], "verify", {}, by="east.01", version=1)
    path = f"/v1/audit/incidents/{opened['incident_id']}"
    then = await edge.client.get(f"{path}?position={opened['position']}&language=en", headers=auditor)
    assert then.json()["card"]["phase"] == "open"
    assert all(entry["text"] for entry in then.json()["timeline"])
    assert (await edge.client.get(path, headers=auditor)).json()["card"]["phase"] == "verified"
    is_problem(await edge.client.get(f"{path}?position=1", headers=auditor), 404, "not_found")


async def test_a_moment_is_said_once_and_must_exist(edge: Edge) -> None:
    auditor = edge.as_role(Role.AUDITOR)
    both = await edge.client.get("/v1/audit/board?position=1&instant=2024-06-05T00:00:00Z", headers=auditor)
    is_problem(both, 422, "invalid")
    ahead = await edge.client.get("/v1/audit/board?position=999999", headers=auditor)
    assert ahead.status_code in {404, 409, 422}


async def test_the_log_is_read_in_order_and_persons_stay_sealed(edge: Edge) -> None:
    await edge.report(caller="张先生")
    pages = await every_page(edge, "/v1/audit/events?limit=7", edge.as_role(Role.AUDITOR))
    positions = [event["position"] for page in pages for event in page]
    assert positions == list(range(1, len(positions) + 1))
    assert "张先生" not in str(pages)


async def test_the_log_is_verified_as_long_work(edge: Edge) -> None:
    auditor = edge.as_role(Role.AUDITOR)
    started = await edge.client.post("/v1/audit/verification", headers=auditor)
    assert started.status_code == 202
    location = started.headers["location"]
    async with asyncio.timeout(10):
        await edge.services.operations.settled()
    found = await edge.client.get(location, headers=auditor)
    assert found.json()["state"] == "done"
    assert found.json()["result"]["whole"] is True
    assert found.json()["done"] == found.json()["total"] == (await edge.services.log.tip()).position
    for other in (edge.as_operator("east.02"), edge.as_operator("city.02")):
        is_problem(await edge.client.get(location, headers=other), 404, "not_found")
    stranger = "/v1/operations/0190f6a2-c4d8-7d1e-9c0b-5a7f3e2d1c0b"
    is_problem(await edge.client.get(stranger, headers=auditor), 404, "not_found")


async def test_a_position_without_a_machines_decision_is_404(edge: Edge) -> None:
    is_problem(await edge.client.get("/v1/audit/decisions/1", headers=edge.as_role(Role.AUDITOR)), 404, "not_found")
