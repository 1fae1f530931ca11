"""How cameras are: said by gateways and people, shown in lists, coverage, history and statistics."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from dispatch.workers.ownership import SoleOwnership
from dispatch.workers.timers.watch import Timers
from domain.camera.events import CameraHealthChanged
from domain.identifiers import gateway_stream
from domain.vocabulary import Role
from tests.api import town
from tests.api.conftest import Edge
from tests.api.test_coverage_routes import attach, attachment, route
from tests.api.test_problems import is_problem
from tests.api.test_reading import every_page
from tests.workers.town import HandClock

EAST_CAMERA = str(town.camera(town.EAST_CAMERA))
STATION = "east-station.01"


async def says(edge: Edge, *states: dict[str, Any], gateway: str = town.GATEWAY) -> dict[str, Any]:
    headers = edge.as_role(Role.GATEWAY, gateway=gateway)
    answer = await edge.client.post("/v1/cameras/states", json={"states": list(states)}, headers=headers)
    assert answer.status_code == 200, answer.text
    await edge.project()
    told: dict[str, Any] = answer.json()
    return told


async def finds(edge: Edge, body: dict[str, Any], *, by: str = STATION) -> httpx.Response:
    answer = await edge.client.post(
        f"/v1/cameras/{EAST_CAMERA}/condition", json=body, headers=edge.as_operator(by) | edge.key()
    )
    await edge.project()
    return answer


async def listed(edge: Edge, **asked: str) -> list[str]:
    params = {"center_id": str(town.center("east"))} | asked
    answer = await edge.client.get("/v1/cameras", params=params, headers=edge.as_operator(STATION))
    assert answer.status_code == 200, answer.text
    return [camera["camera_id"] for camera in answer.json()["items"]]


async def test_a_camera_that_cannot_see_is_found_and_covers_nothing(edge: Edge) -> None:
    await edge.project()
    seen = await route(edge)
    assert (seen["cameras"], seen["cannot_see"]) == (1, [])
    offline = {"camera": "cam_1", "health": "offline", "reason": "no signal"}
    assert (await says(edge, offline))["changed"] == 1
    assert (await says(edge, offline, {"camera": "cam_x"}))["unknown"] == ["cam_x"]
    facts = await edge.services.log.read_after(0, limit=100_000, topics=[CameraHealthChanged.name])
    assert len(facts) == 1, "what changes nothing records nothing"
    assert await listed(edge, health="offline") == [EAST_CAMERA]
    assert await listed(edge, health="online") == []
    blind = await route(edge)
    assert (blind["cameras"], blind["covered_m"]) == (0, 0)
    assert [(one["camera_id"], one["what"]) for one in blind["cannot_see"]] == [(EAST_CAMERA, "offline")]
    assert (await route(edge, as_of="2012-01-01"))["cameras"] == 1, "it could see then"
    area = await edge.client.get("/v1/centers/east/coverage?spacing_m=500", headers=edge.as_operator("city.01"))
    assert [one["what"] for one in area.json()["cannot_see"]] == ["offline"]
    await says(edge, {"camera": "cam_1", "health": "online"})
    assert (await route(edge))["covered_m"] == seen["covered_m"]
    told = (await edge.client.get(f"/v1/cameras/{EAST_CAMERA}/history", headers=edge.as_operator(STATION))).json()
    ((what, text, ended_at),) = [(one["what"], one["text_zh"], one["ended_at"]) for one in told["spells"]]
    assert (what, text, ended_at is not None) == ("offline", "离线", True)


async def test_what_people_find_stands_and_is_nobodys_elses_to_say(edge: Edge) -> None:
    found = await finds(edge, {"health": "degraded", "armed": False, "reason": "镜头积灰"})
    assert found.status_code == 200, found.text
    assert (await says(edge, {"camera": "cam_1", "health": "online", "armed": True}))["changed"] == 0
    assert await listed(edge, health="degraded", armed="false") == [EAST_CAMERA]
    camera = (await edge.client.get(f"/v1/cameras/{EAST_CAMERA}", headers=edge.as_operator(STATION))).json()
    assert (camera["health_reason"], camera["health_source"]) == ("镜头积灰", "operator")
    assert camera["armed_cause"] == "person"
    assert (await route(edge))["cannot_see"][0]["what"] == "disarmed"
    is_problem(await finds(edge, {"health": "online", "reason": "x"}, by="west-station.01"), 404, "not_found")
    is_problem(await finds(edge, {"reason": "x"}), 422, "invalid")
    foreign = await says(edge, {"camera": town.EAST_CAMERA, "health": "offline"}, gateway="gw-west")
    assert (foreign["changed"], foreign["foreign"]) == (0, [town.EAST_CAMERA])
    assert (await finds(edge, {"health": "online", "armed": True, "reason": "已清洗"})).status_code == 200
    assert await listed(edge, health="online", armed="true") == [EAST_CAMERA]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [(b"{broken", 400, "malformed_body"), (b"\xff", 400, "malformed_body"), (b'{"states": 3}', 422, "invalid")],
)
async def test_a_gateway_that_cannot_be_understood_is_not_silent(
    edge: Edge, body: bytes, status: int, code: str
) -> None:
    media = {"Content-Type": "application/json"}
    nobody = await edge.client.post("/v1/cameras/states", content=body, headers=media)
    is_problem(nobody, 401, "unauthenticated")
    hearing = edge.services.alerts._hearing
    await hearing.write()
    assert await hearing.all() == {}
    headers = edge.as_role(Role.GATEWAY, gateway=town.GATEWAY) | media
    is_problem(await edge.client.post("/v1/cameras/states", content=body, headers=headers), status, code)
    await hearing.write()
    assert set(await hearing.all()) == {town.GATEWAY}


async def test_a_silent_gateway_makes_its_cameras_silent_and_an_outage_is_counted(edge: Edge) -> None:
    administrator = edge.as_role(Role.ADMINISTRATOR) | edge.key()
    promised = await edge.client.post(
        f"/v1/gateways/{town.GATEWAY}/promise", json={"silent_after_s": 60}, headers=administrator
    )
    assert promised.status_code == 200, promised.text
    nobody = await edge.client.post(
        "/v1/gateways/nobody/promise",
        json={"silent_after_s": 60},
        headers=edge.as_role(Role.ADMINISTRATOR) | edge.key(),
    )
    is_problem(nobody, 404, "not_found")
    services, clock = edge.services, HandClock()
    clock.advance(seconds=(services.clock.now() - clock.now()).total_seconds())
    hearing = services.alerts._hearing
    timers = Timers(
        log=services.log,
        scribe=services.scribe,
        directory=services.directory,
        clock=clock,
        ownership=SoleOwnership(),
        heard=hearing.heard,
    )
    await says(edge)
    await hearing.write()
    assert town.GATEWAY in await hearing.all()
    assert await timers.step() == 0
    clock.advance(seconds=90)
    assert await timers.step() == 1
    await edge.project()
    assert await listed(edge, silent="true") == [EAST_CAMERA]
    assert (await route(edge))["cannot_see"][0]["what"] == "silent"
    (gateway,) = (await edge.client.get("/v1/gateways", headers=edge.as_operator(STATION))).json()["items"]
    assert gateway["silent_since"] is not None
    assert gateway["heard_at"] is not None
    clock.advance(seconds=60)
    await hearing.heard.put({town.GATEWAY: clock.now()})
    assert await timers.step() == 1
    await edge.project()
    assert await listed(edge, silent="true") == []
    now = services.clock.now()
    period = {"since": (now - timedelta(days=1)).isoformat(), "until": (now + timedelta(days=1)).isoformat()}
    auditor, services.clock = edge.as_role(Role.AUDITOR), clock
    counted = await edge.client.get("/v1/statistics/cameras/outages", params=period, headers=auditor)
    assert counted.status_code == 200, counted.text
    ((camera_id, outages, minutes),) = [
        (one["camera_id"], one["outages"], one["minutes"]) for one in counted.json()["items"]
    ]
    assert (camera_id, outages) == (EAST_CAMERA, 1)
    assert 2.4 < minutes < 2.7


async def test_a_silence_of_another_citys_gateway_of_the_same_name_is_none_of_its(edge: Edge) -> None:
    await edge.project()
    connection = await asyncpg.connect(edge.dsn)
    for number, city in enumerate((town.CITY, "elsewhere"), 1):
        stream = gateway_stream(city, town.GATEWAY)
        await connection.execute(
            "INSERT INTO read.gateways (gateway_id, city, gateway, silences) VALUES ($1, $2, $3, 1)",
            *(stream, city, town.GATEWAY),
        )
        await connection.execute(
            "INSERT INTO read.camera_spells (subject_id, kind, number, what, reason, began_at, began_position)"
            " VALUES ($1, 'silence', 1, 'silent', $2, now(), $3)",
            *(stream, city, number),
        )
    await connection.close()
    told = await edge.client.get(f"/v1/cameras/{EAST_CAMERA}/history", headers=edge.as_operator(STATION))
    assert [(one["what"], one["reason"]) for one in told.json()["spells"]] == [("silent", town.CITY)]


async def test_cameras_and_their_outages_are_walked_page_by_page(edge: Edge) -> None:
    await edge.project()
    east, west = town.camera(town.EAST_CAMERA), town.camera(town.WEST_CAMERA)
    connection = await asyncpg.connect(edge.dsn)
    for camera_id, seconds in ((east, 90.000001), (west, 90.000002)):
        await connection.execute(
            "INSERT INTO read.camera_spells"
            " (subject_id, kind, number, what, reason, began_at, began_position, ended_at)"
            " VALUES ($1, 'health', 1, 'offline', '', '2024-06-05Z', 1, '2024-06-05Z'::timestamptz + $2::interval)",
            *(camera_id, timedelta(seconds=seconds)),
        )
    await connection.close()
    period = "since=2024-06-01T00:00:00Z&until=2024-07-01T00:00:00Z"
    by_seconds = await every_page(edge, f"/v1/statistics/cameras/outages?{period}&limit=1", edge.as_role(Role.AUDITOR))
    assert [[row["camera_id"] for row in page] for page in by_seconds] == [[str(west)], [str(east)]]
    by_code = await every_page(edge, "/v1/cameras?bbox=103,30,105,31&limit=1", edge.as_operator("city.01"))
    assert [[row["code"] for row in page] for page in by_code] == [[town.EAST_CAMERA], [town.WEST_CAMERA]]


async def test_a_camera_attached_twice_remembers_both_and_coverage_asks_the_right_one(edge: Edge) -> None:
    (camera_id,) = (await attach(edge, attachment(edge, "social-1"))).json()["camera_ids"]
    detached = await edge.client.post(
        f"/v1/cameras/{camera_id}/detach", json={"reason": "收回授权"}, headers=edge.as_operator("east.02") | edge.key()
    )
    assert detached.status_code == 200, detached.text
    await edge.project()
    await attach(edge, attachment(edge, "social-1", reason="再次接入"))
    told = (await edge.client.get(f"/v1/cameras/{camera_id}/history", headers=edge.as_operator("east.01"))).json()
    assert [(one["reason"], one["ended_by"], one["ended_reason"]) for one in told["attachments"]] == [
        ("整治期间接入", "detached", "收回授权"),
        ("再次接入", None, None),
    ]
    tomorrow = (edge.services.clock.now() + timedelta(days=2)).date().isoformat()
    assert camera_id in (await route(edge, as_of=tomorrow))["seen_by"]
    last_year = (edge.services.clock.now() - timedelta(days=365)).date().isoformat()
    assert camera_id not in (await route(edge, as_of=last_year))["seen_by"]
