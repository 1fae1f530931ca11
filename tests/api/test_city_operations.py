"""Operations of the city: planned by one center, run by those that take part, hidden where they are restricted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx

from tests.api import town
from tests.api.conftest import Edge
from tests.api.test_problems import is_problem

ROUTE = {"type": "LineString", "coordinates": [[104.04, 30.65], [104.06, 30.65]]}


async def post(edge: Edge, path: str, body: Any = None, *, by: str) -> httpx.Response:
    answer = await edge.client.post(f"/v1/city-operations{path}", json=body, headers=edge.as_operator(by) | edge.key())
    await edge.project()
    return answer


async def get(edge: Edge, path: str, *, by: str, **asked: Any) -> httpx.Response:
    return await edge.client.get(f"/v1/city-operations{path}", params=asked, headers=edge.as_operator(by))


async def planned(edge: Edge, code: str = "relay", *, by: str = "east.02", **changed: Any) -> httpx.Response:
    now = edge.services.clock.now()
    body = {
        "code": code,
        "name_zh": "火炬传递",
        "name_en": "Relay",
        "purpose": "全程可视",
        "begins_at": now.isoformat(),
        "ends_at": (now + timedelta(hours=4)).isoformat(),
        "route": ROUTE,
    } | changed
    return await post(edge, "", body, by=by)


async def test_an_operation_from_plan_to_end(edge: Edge) -> None:
    assert (await planned(edge)).status_code == 201
    joined = await post(edge, "/relay/members", {"center_id": str(town.center("east-station"))}, by="east.02")
    assert joined.status_code == 200, joined.text
    camera_id = str(town.camera(town.EAST_CAMERA))
    assigned = await post(
        edge,
        "/relay/cameras",
        {"camera_id": camera_id, "center_id": str(town.center("east-station"))},
        by="east.02",
    )
    assert assigned.status_code == 200, assigned.text
    seen = (await get(edge, "/relay/coverage", by="east-station.01", assigned_only=True)).json()
    assert (seen["seen_by"], round(seen["covered_m"])) == ([camera_id], 160)
    now = edge.services.clock.now()
    checkpoint = {
        "label": "广场",
        "location": {"type": "Point", "coordinates": [104.05, 30.65]},
        "planned_at": (now - timedelta(minutes=2)).isoformat(),
    }
    answer = await post(edge, "/relay/checkpoints", checkpoint, by="east.02")
    assert answer.status_code == 201, answer.text
    checkpoint_id = answer.json()["checkpoint_id"]
    early = await post(edge, f"/relay/checkpoints/{checkpoint_id}/pass", {}, by="east-station.01")
    is_problem(early, 409, "operation.not_under_way")
    await post(edge, "/relay/start", by="east.02")
    passed = await post(edge, f"/relay/checkpoints/{checkpoint_id}/pass", {"note": "通过"}, by="east-station.01")
    assert passed.status_code == 200, passed.text
    await post(edge, "/relay/situations", {"text": "进展正常"}, by="east-station.01")
    await post(edge, "/relay/end", {"note": "结束"}, by="east.02")
    told = (await get(edge, "/relay", by="city.01")).json()
    assert told["phase"] == "ended"
    assert 120 <= told["checkpoints"][0]["late_s"] < 180
    assert [(one["number"], one["text"]) for one in told["situations"]] == [(1, "进展正常")]
    assert told["cameras"] == {camera_id: str(town.center("east-station"))}


async def test_points_are_as_they_were_last_reported(edge: Edge) -> None:
    await planned(edge)
    body = {"kind": "shelter", "place": {"address": "体育馆"}, "text": "开放", "people": 10, "capacity": 300}
    first = await post(edge, "/relay/points", body, by="east.01")
    assert first.status_code == 201, first.text
    point_id = first.json()["point_id"]
    again = body | {"point_id": point_id, "people": 300, "status": "watched"}
    assert (await post(edge, "/relay/points", again, by="east.01")).json()["point_id"] == point_id
    await post(edge, "/relay/points", {"kind": "breach", "place": {"address": "桥"}, "text": "渗漏"}, by="east.01")
    shelters = (await get(edge, "/relay/points", by="east.01", kind="shelter")).json()["items"]
    assert [(one["people"], one["status"]) for one in shelters] == [(300, "watched")]
    page = await get(edge, "/relay/points", by="east.01", limit=1)
    assert [one["kind"] for one in page.json()["items"]] == ["breach"]
    rest = await edge.client.get(page.links["next"]["url"], headers=edge.as_operator("east.01"))
    assert [one["kind"] for one in rest.json()["items"]] == ["shelter"]


async def test_a_restricted_one_is_nothing_to_everybody_else(edge: Edge) -> None:
    code = (await planned(edge, "quiet", restricted=True)).json()["code"]
    nothing = await get(edge, "/nothing", by="west.02")
    hidden = await get(edge, f"/{code}", by="west.02")
    is_problem(hidden, 404, "not_found")
    assert hidden.json()["detail"] == nothing.json()["detail"]
    for path, body in (
        ("/start", None),
        ("/situations", {"text": "x"}),
        ("/members", {"center_id": str(town.center("west"))}),
    ):
        told = [await post(edge, f"/{one}{path}", body, by="west.02") for one in (code, "nothing")]
        assert {answer.status_code for answer in told} == {404}
        assert told[0].json()["detail"] == told[1].json()["detail"]
    assert (await get(edge, "", by="west.02")).json()["items"] == []
    assert (await get(edge, "", by="east-station.01")).json()["items"] == []
    assert [one["code"] for one in (await get(edge, "", by="east.01")).json()["items"]] == [code]
    assert [one["code"] for one in (await get(edge, "", by="city.01")).json()["items"]] == [code]
    await post(edge, f"/{code}/members", {"center_id": str(town.center("west"))}, by="east.02")
    assert (await get(edge, f"/{code}", by="west.01")).status_code == 200
    await post(edge, f"/{code}/members/remove", {"center_id": str(town.center("west"))}, by="east.02")
    assert (await get(edge, f"/{code}", by="west.01")).status_code == 404


async def test_that_there_is_a_restricted_one_no_code_tells(edge: Edge) -> None:
    """Each has a code of its own, so nobody is ever told that one is taken by what is hidden."""
    first = (await planned(edge, "quiet", restricted=True)).json()["code"]
    key = edge.key()
    again = [await planned_with(edge, key, "quiet", by="west.02") for _ in range(2)]
    assert {answer.status_code for answer in again} == {201}
    assert {answer.json()["code"] for answer in again} == {again[0].headers["Location"].rsplit("/", 1)[1]}
    assert again[0].json()["code"] != first
    assert (await planned(edge, "quiet", by="west.02")).status_code == 201
    long = (await planned(edge, "q" * 61, restricted=True)).json()["code"]
    assert (await get(edge, f"/{long}", by="east.01")).status_code == 200


async def planned_with(edge: Edge, key: dict[str, str], code: str, *, by: str) -> httpx.Response:
    body = {
        "code": code,
        "name_zh": "另一个",
        "name_en": "Another",
        "purpose": "x",
        "restricted": True,
        "begins_at": "2026-08-05T08:00:00+08:00",
        "ends_at": "2026-08-05T12:00:00+08:00",
    }
    return await edge.client.post("/v1/city-operations", json=body, headers=edge.as_operator(by) | key)


async def test_who_only_looks_does_not_decide(edge: Edge) -> None:
    await planned(edge)
    is_problem(await post(edge, "/relay/start", by="west.02"), 403, "not_the_owner")
    is_problem(await post(edge, "/relay/situations", {"text": "x"}, by="west.01"), 403, "not_the_owner")
    is_problem(await post(edge, "/relay/start", by="east.01"), 403, "forbidden")
    is_problem(await planned(edge, "other", by="east.02", center_id=str(town.center("west"))), 404, "not_found")


async def test_what_makes_no_sense_is_told_so(edge: Edge) -> None:
    now = edge.services.clock.now()
    is_problem(await planned(edge, ends_at=now.isoformat(), begins_at=now.isoformat()), 422, "operation.no_period")
    is_problem(await planned(edge, code="Torch Relay"), 422, "invalid")
    await planned(edge)
    is_problem(await planned(edge, purpose="另一个"), 409, "operation.code_taken")
    unknown = {"camera_id": str(town.center("east")), "center_id": str(town.center("east"))}
    is_problem(await post(edge, "/relay/cameras", unknown, by="east.02"), 404, "not_found")
    camera = {"camera_id": str(town.camera(town.EAST_CAMERA)), "center_id": str(town.center("west"))}
    is_problem(await post(edge, "/relay/cameras", camera, by="east.02"), 409, "operation.not_a_member")
    point = {"kind": "shelter", "place": {}, "text": "x"}
    is_problem(await post(edge, "/relay/points", point, by="east.01"), 422, "invalid")
    for body in ({"kind": "volcano", "place": {"address": "x"}, "text": "x"}, {"kind": "breach", "text": "x"}):
        is_problem(await post(edge, "/relay/points", body, by="east.01"), 422, "invalid")
