"""What a restricted operation said would be its own never was on anybody else's screen, from its first moment on."""

from __future__ import annotations

from typing import Any

import httpx

from dispatch.api.server import Server
from tests.api import guarded, town
from tests.api.conftest import Edge
from tests.api.guarded import ABOVE, CHIEF, OWNER, OWNER_CHIEF, POLICE, SPOT, Guarded
from tests.api.guarded import minutes as in_minutes
from tests.api.live_feed import opened
from tests.api.test_problems import is_problem

NEAR = 0.003
CORNERS = ((-NEAR, -NEAR), (NEAR, -NEAR), (NEAR, NEAR), (-NEAR, -NEAR))
RING = [[SPOT[0] + east, SPOT[1] + north] for east, north in CORNERS]
AREA = {"type": "Polygon", "coordinates": [RING]}
INSIDE = (SPOT[0] + 0.001, SPOT[1] - 0.001)
REPORT = {"category": "other.unclassified"}


async def ask(found: Guarded, body: dict[str, Any], *, by: str = CHIEF) -> httpx.Response:
    said = {"reason": "警卫区域内一切事件"} | body
    headers = found.edge.as_operator(by) | found.edge.key()
    answer = await found.edge.client.post(f"/v1/city-operations/{found.code}/labels", json=said, headers=headers)
    await found.edge.project()
    return answer


async def set_to(found: Guarded, **body: Any) -> None:
    answer = await ask(found, body)
    assert answer.status_code == 200, answer.text


async def status(edge: Edge, incident_id: str, by: str) -> int:
    return (await edge.client.get(f"/v1/incidents/{incident_id}", headers=edge.as_operator(by))).status_code


async def test_nobody_else_is_ever_told_of_it(edge: Edge, server: tuple[Server, str]) -> None:
    found = await guarded.planned(edge)
    await set_to(found, area=AREA)
    async with (
        opened(server[1], "/v1/centers/east/stream", edge.as_operator(ABOVE)) as district,
        opened(server[1], "/v1/centers/east-station/stream", edge.as_operator(OWNER)) as station,
    ):
        for stream in (district, station):
            await stream.until("page")
        secret = (await edge.report(by=OWNER, at=INSIDE, **REPORT))["incident_id"]
        plain = (await edge.report(by=OWNER, at=town.IN_EAST, **REPORT))["incident_id"]
        told: list[str] = []
        while plain not in told:
            told += [data["incident_id"] for name, data in await district.until("page") if name != "page"]
        assert told == [plain]
        (row, *_) = await station.until("page")
        assert (row[1]["incident_id"], row[1]["restricted_by"] is not None) == (secret, True)
    assert [await status(edge, secret, by=who) for who in (OWNER, CHIEF, ABOVE, POLICE)] == [200, 200, 404, 404]
    path = f"/v1/city-operations/{found.code}"
    listed = await edge.client.get(f"{path}/incidents", headers=edge.as_operator(OWNER))
    assert [one["incident_id"] for one in listed.json()["items"]] == [secret]
    card = (await edge.client.get(f"/v1/incidents/{secret}", headers=edge.as_operator(OWNER))).json()
    assert [one["reasons"][0]["code"] for one in card["decisions"] if one["policy"] == "label"] == ["label.by_area"]
    # A person takes it off again, as any other.
    done = await edge.client.post(
        f"{path}/incidents/{secret}/detach", json={"reason": "x"}, headers=edge.as_operator(CHIEF) | edge.key()
    )
    assert done.status_code == 200, done.text
    await edge.project()
    assert await status(edge, secret, by=ABOVE) == 200


async def test_by_camera_and_time_and_no_more_once_it_is_taken_back(edge: Edge) -> None:
    found = await guarded.planned(edge)
    camera = {"camera_id": str(town.camera(town.EAST_CAMERA))}
    await set_to(found, camera_ids=[camera["camera_id"]], begins_at=in_minutes(30), ends_at=in_minutes(60))
    early = (await edge.report(by=OWNER, **camera, **REPORT))["incident_id"]
    assert await status(edge, early, by=ABOVE) == 200
    await set_to(found, camera_ids=[camera["camera_id"]])
    labelled = (await edge.report(by=OWNER, **camera, **REPORT))["incident_id"]
    assert [await status(edge, labelled, by=who) for who in (OWNER, ABOVE)] == [200, 404]
    await set_to(found)
    later = (await edge.report(by=OWNER, **camera, **REPORT))["incident_id"]
    assert await status(edge, later, by=ABOVE) == 200
    assert await status(edge, labelled, by=ABOVE) == 404, "what was labelled stays so"
    shown = await edge.client.get(f"/v1/city-operations/{found.code}", headers=edge.as_operator(OWNER))
    assert shown.json()["labels"] is None


async def test_the_operations_own_center_says_it_and_it_is_shown_to_who_knows(edge: Edge) -> None:
    found = await guarded.planned(edge)
    is_problem(await ask(found, {"area": AREA}, by=OWNER_CHIEF), 403, "not_the_owner")
    is_problem(await ask(found, {"area": AREA}, by=ABOVE), 404, "not_found")
    nobody = str(town.operator("nobody"))
    is_problem(await ask(found, {"camera_ids": [nobody]}), 422, "invalid")
    is_problem(await ask(found, {"area": AREA, "ends_at": in_minutes(-120)}), 422, "operation.no_period")
    await set_to(found, area=AREA)
    shown = (await edge.client.get(f"/v1/city-operations/{found.code}", headers=edge.as_operator(OWNER))).json()
    assert shown["labels"]["area"] == {"type": "MultiPolygon", "coordinates": [[RING]]}
    assert (shown["labels"]["ends_at"], shown["labels"]["camera_ids"]) == (shown["ends_at"], [])
