"""A recording asked for after the fact: one center asks, another provides, who holds and who looked is on record."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx

from tests.api import town
from tests.api.conftest import Edge
from tests.api.test_problems import is_problem

SHA256, OTHER = "a" * 64, "b" * 64
RECORDING = {
    "uri": "file://store/7781.mp4",
    "sha256": SHA256,
    "clock_offset_s": -412.5,
    "clock_checked_by": "画面中的钟",
    "holder": "东区证据室",
}


async def asked_for(edge: Edge, *, by: str = "west.01", **changed: Any) -> httpx.Response:
    now = edge.services.clock.now()
    body = {
        "camera_id": str(town.camera(town.EAST_CAMERA)),
        "begins_at": (now - timedelta(days=90)).isoformat(),
        "ends_at": (now - timedelta(days=90) + timedelta(minutes=10)).isoformat(),
        "purpose": "旧案线索",
        "case_number": "A1",
    } | changed
    answer = await edge.client.post("/v1/evidence/requests", json=body, headers=edge.as_operator(by) | edge.key())
    await edge.project()
    return answer


async def then(edge: Edge, request_id: str, what: str, body: Any, *, by: str, version: int) -> httpx.Response:
    headers = edge.as_operator(by) | {"If-Match": f'"{version}"'}
    answer = await edge.client.post(f"/v1/evidence/requests/{request_id}/{what}", json=body, headers=headers)
    await edge.project()
    return answer


async def shown(edge: Edge, request_id: str, *, by: str = "west.01") -> dict[str, Any]:
    answer = await edge.client.get(f"/v1/evidence/requests/{request_id}", headers=edge.as_operator(by))
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def test_it_is_asked_for_provided_handed_over_and_read_and_all_of_it_is_told(edge: Edge) -> None:
    asked = await asked_for(edge)
    assert asked.status_code == 201, asked.text
    request_id = asked.json()["request_id"]
    assert asked.headers["location"] == f"/v1/evidence/requests/{request_id}"
    waiting = await edge.client.get(
        "/v1/evidence/requests", params={"phase": "requested"}, headers=edge.as_operator("east-station.01")
    )
    assert [one["request_id"] for one in waiting.json()["items"]] == [request_id]
    provided = await then(edge, request_id, "provide", RECORDING, by="east-station.01", version=1)
    assert provided.status_code == 200, provided.text
    assert provided.headers["etag"] == '"2"'
    over = {"to_holder": "刑侦大队", "sha256": SHA256, "purpose": "侦查"}
    handed = await then(edge, request_id, "hand-over", over, by="west.01", version=2)
    assert handed.status_code == 200, handed.text
    told = await shown(edge, request_id)
    assert "uri" not in told["recording"]
    assert told["recording"]["clock_offset_s"] == -412.5
    assert [(step["from_holder"], step["to_holder"]) for step in told["custody"]] == [
        (None, "东区证据室"),
        ("东区证据室", "刑侦大队"),
    ]
    path, headers = f"/v1/evidence/requests/{request_id}/read", edge.as_operator("west.01") | edge.key()
    read = await edge.client.post(path, json={"purpose": "核对时间线"}, headers=headers)
    assert read.status_code == 200, read.text
    assert (read.json()["uri"], read.json()["holder"]) == (RECORDING["uri"], "刑侦大队")
    await edge.project()
    reads = (await shown(edge, request_id))["reads"]
    assert [(one["by"], one["purpose"]) for one in reads] == [(str(town.operator("west.01")), "核对时间线")]


async def test_another_recording_is_not_taken_over(edge: Edge) -> None:
    request_id = (await asked_for(edge)).json()["request_id"]
    await then(edge, request_id, "provide", RECORDING, by="east.01", version=1)
    wrong = {"to_holder": "刑侦大队", "sha256": OTHER, "purpose": "侦查"}
    answer = await then(edge, request_id, "hand-over", wrong, by="west.01", version=2)
    is_problem(answer, 409, "evidence.hash_differs")


async def test_only_the_cameras_centers_provide_and_nobody_else_sees_it(edge: Edge) -> None:
    request_id = (await asked_for(edge)).json()["request_id"]
    is_problem(await then(edge, request_id, "provide", RECORDING, by="west.01", version=1), 403, "not_the_owner")
    answer = await then(edge, request_id, "provide", RECORDING, by="west-station.01", version=1)
    is_problem(answer, 404, "not_found")
    looked = await edge.client.get(f"/v1/evidence/requests/{request_id}", headers=edge.as_operator("west-station.01"))
    is_problem(looked, 404, "not_found")
    listed = await edge.client.get("/v1/evidence/requests", headers=edge.as_operator("west-station.01"))
    assert listed.json()["items"] == []


async def test_where_there_is_none_the_reason_is_told(edge: Edge) -> None:
    request_id = (await asked_for(edge)).json()["request_id"]
    declined = await then(edge, request_id, "decline", {"reason": "已被覆盖"}, by="east.01", version=1)
    assert declined.status_code == 200, declined.text
    told = await shown(edge, request_id)
    assert (told["phase"], told["reason"]) == ("unavailable", "已被覆盖")
    path, headers = f"/v1/evidence/requests/{request_id}/read", edge.as_operator("west.01") | edge.key()
    is_problem(await edge.client.post(path, json={"purpose": "看看"}, headers=headers), 409, "evidence.not_provided")
    late = await then(edge, request_id, "provide", RECORDING, by="east.01", version=2)
    is_problem(late, 409, "evidence.already_answered")
    stale = await then(edge, request_id, "decline", {"reason": "已被覆盖"}, by="east.01", version=1)
    is_problem(stale, 412, "stale_version")


async def test_what_cannot_be_asked_for(edge: Edge) -> None:
    now = edge.services.clock.now()
    is_problem(await asked_for(edge, camera_id=str(town.center("east"))), 404, "not_found")
    is_problem(await asked_for(edge, ends_at=(now + timedelta(hours=1)).isoformat()), 422, "evidence.no_period")
    is_problem(await asked_for(edge, purpose=""), 422, "invalid")
    is_problem(await asked_for(edge, incident_id=str(town.center("east"))), 404, "not_found")
    for wrong in ({"sha256": "xyz"}, {"clock_offset_s": "late"}, {"holder": ""}):
        request_id = (await asked_for(edge)).json()["request_id"]
        answer = await then(edge, request_id, "provide", RECORDING | wrong, by="east.01", version=1)
        is_problem(answer, 422, "invalid")
