"""What cameras see, as of a day, and the life of a camera that is not the city's own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx

from domain.vocabulary import Role
from tests.api import town
from tests.api.conftest import Edge
from tests.api.test_problems import is_problem

EAST, WEST = town.center("east"), town.center("west")
ROUTE = {"type": "LineString", "coordinates": [[104.02, 30.65], [104.08, 30.65]]}


def attachment(edge: Edge, *codes: str, **changed: Any) -> dict[str, Any]:
    cameras = [
        {
            "code": code,
            "label": f"门口 {code}",
            "location": {"type": "Point", "coordinates": [104.03 + at / 1000, 30.65]},
        }
        for at, code in enumerate(codes)
    ]
    expires_at = (edge.services.clock.now() + timedelta(days=90)).isoformat()
    return {"owner": "商场", "reason": "整治期间接入", "expires_at": expires_at, "cameras": cameras} | changed


async def attach(edge: Edge, body: dict[str, Any], *, by: str = "east.02") -> httpx.Response:
    answer = await edge.client.post("/v1/cameras/attachments", json=body, headers=edge.as_operator(by) | edge.key())
    await edge.project()
    return answer


async def route(edge: Edge, **asked: Any) -> dict[str, Any]:
    answer = await edge.client.post(
        "/v1/coverage/route", json={"route": ROUTE} | asked, headers=edge.as_operator("east-station.01")
    )
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def test_a_social_camera_is_attached_and_fills_a_gap_until_it_is_detached(edge: Edge) -> None:
    await edge.project()
    before = await route(edge)
    answer = await attach(edge, attachment(edge, "social-1"))
    assert answer.status_code == 201, answer.text
    (camera_id,) = answer.json()["camera_ids"]
    after = await route(edge)
    assert after["cameras"] == before["cameras"] + 1
    assert camera_id in after["seen_by"]
    assert round(after["covered_m"] - before["covered_m"]) == 160
    assert len(after["gaps"]["features"]) == len(before["gaps"]["features"]) + 1
    shown = await edge.client.get(f"/v1/cameras/{camera_id}", headers=edge.as_operator("east.01"))
    told = shown.json()
    assert (told["owner"], told["approved_by"], told["attached_reason"]) == ("商场", "east.02", "整治期间接入")
    detached = await edge.client.post(
        f"/v1/cameras/{camera_id}/detach", json={"reason": "收回授权"}, headers=edge.as_operator("east.02")
    )
    assert detached.status_code == 200, detached.text
    await edge.project()
    assert (await route(edge))["covered_m"] == before["covered_m"]


async def test_coverage_is_of_the_day_that_is_asked_for(edge: Edge) -> None:
    await edge.project()
    today = await route(edge)
    assert today["cameras"] == 1
    assert (await route(edge, as_of="2006-05-01"))["cameras"] == 1
    assert (await route(edge, as_of="2006-04-30"))["cameras"] == 0
    await attach(edge, attachment(edge, "social-1"))
    assert (await route(edge))["cameras"] == 2
    assert (await route(edge, as_of="2012-01-01"))["cameras"] == 1
    grown = await edge.client.get(
        "/v1/coverage/growth", params={"as_of": "2006-05-01"}, headers=edge.as_operator("east.01")
    )
    assert grown.json()["sites"] == 2
    none_yet = await edge.client.get(
        "/v1/coverage/growth", params={"as_of": "2006-04-30"}, headers=edge.as_operator("east.01")
    )
    assert none_yet.json()["sites"] == 0


async def test_blind_spots_of_an_area(edge: Edge) -> None:
    await edge.project()
    headers = edge.as_operator("city.01")
    asked = {"spacing_m": 500, "default_range_m": 600}
    found = (await edge.client.get("/v1/centers/east/coverage", params=asked, headers=headers)).json()
    assert found["places"] == found["seen"] + len(found["blind_spots"]["features"])
    assert 0 < found["seen"] < 10
    finer = await edge.client.get("/v1/centers/city/coverage", params={"spacing_m": 20}, headers=headers)
    is_problem(finer, 422, "invalid")
    nowhere = await edge.client.get("/v1/centers/police-hq/coverage", headers=edge.as_role(Role.AUDITOR))
    is_problem(nowhere, 422, "invalid")
    foreign = await edge.client.get("/v1/centers/west/coverage", headers=edge.as_operator("east.01"))
    is_problem(foreign, 404, "not_found")


async def test_all_of_them_are_attached_or_none(edge: Edge) -> None:
    body = attachment(edge, "social-1", "social-2")
    body["cameras"][1]["location"]["coordinates"] = [103.0, 30.0]
    answer = await attach(edge, body)
    is_problem(answer, 422, "invalid")
    assert answer.json()["errors"][0]["pointer"] == "/cameras/1/location"
    listed = await edge.client.get(
        "/v1/cameras", params={"center_id": str(EAST), "own": "false"}, headers=edge.as_operator("east.01")
    )
    assert listed.json()["items"] == []


async def test_a_thousand_cameras_are_one_request_and_its_repeat_is_none(edge: Edge) -> None:
    codes = [f"yard-{number}" for number in range(1_000)]
    body = attachment(edge, *codes)
    for number, camera in enumerate(body["cameras"]):
        camera["location"]["coordinates"] = [104.01 + number % 80 / 1000, 30.62 + number // 80 / 1000]
    headers = edge.as_operator("east.02") | edge.key()
    first = await edge.client.post("/v1/cameras/attachments", json=body, headers=headers)
    assert first.status_code == 201, first.text
    assert first.json()["cameras_changed"] == 1_000
    again = await edge.client.post("/v1/cameras/attachments", json=body, headers=headers)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json()["position"] == first.json()["position"]


async def test_who_may_attach_what(edge: Edge) -> None:
    body = attachment(edge, "social-1")
    is_problem(await attach(edge, body, by="east.01"), 403, "forbidden")
    is_problem(await attach(edge, body, by="west.02"), 404, "not_found")
    past = body | {"expires_at": (edge.services.clock.now() - timedelta(days=1)).isoformat()}
    is_problem(await attach(edge, past), 422, "invalid")
    twice = attachment(edge, "social-1", "social-1")
    is_problem(await attach(edge, twice), 422, "invalid")
    own = attachment(edge, town.EAST_CAMERA)
    is_problem(await attach(edge, own), 409, "camera.is_own")
    unknown = await edge.client.post(
        f"/v1/cameras/{EAST}/detach", json={"reason": "没有"}, headers=edge.as_operator("east.02")
    )
    is_problem(unknown, 404, "camera.unknown")


async def test_a_route_that_is_none_is_told_so(edge: Edge) -> None:
    headers = edge.as_operator("east.01")
    for coordinates in ([[104.0, 30.6]], [[200, 30], [104, 30]], "here", [[104.0, 30.6], [104.0, 95.0]]):
        body = {"route": {"type": "LineString", "coordinates": coordinates}}
        is_problem(await edge.client.post("/v1/coverage/route", json=body, headers=headers), 422, "invalid")
    around = {"route": {"type": "LineString", "coordinates": [[0, 0], [90, 0]]}}
    is_problem(await edge.client.post("/v1/coverage/route", json=around, headers=headers), 422, "invalid")
