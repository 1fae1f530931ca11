"""Machines send alerts by HTTP; every message has a stated answer."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from fastapi.routing import APIRoute

from dispatch.api.machines.ingest import machines
from dispatch.api.machines.machine_door import MachineDoor
from dispatch.api.problems.problem import MEDIA_TYPE
from dispatch.ingest.limits import BODY_BYTES_MAX
from domain.vocabulary import Role
from tests.api import town
from tests.api.conftest import Edge

HIKVISION = (
    "<EventNotificationAlert><macAddress>02:51:01:00:00:01</macAddress><channelID>1</channelID>"
    "<dateTime>2026-08-01T21:14:05+08:00</dateTime><eventType>{}</eventType><eventState>{}</eventState>"
    "</EventNotificationAlert>"
)


def alert(event_id: str = "a1", **fields: Any) -> dict[str, Any]:
    return {"id": event_id, "kind": "motion", "occurred_at": "2026-08-01T21:14:05+08:00", **fields}


async def send(edge: Edge, body: Any, path: str = "/v1/alerts", media: str = "application/json", **params: str) -> Any:
    content = body if isinstance(body, (bytes, str)) else json.dumps(body)
    headers = edge.as_role(Role.GATEWAY, gateway=town.GATEWAY) | {"Content-Type": media}
    return await edge.client.post(path, content=content, headers=headers, params=params)


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.headers["content-type"] == MEDIA_TYPE, answer.text
    document = answer.json()
    assert (answer.status_code, document["status"], document["code"]) == (status, status, code), document
    return document


async def test_a_new_alert_is_created_and_a_repeat_is_not(edge: Edge):
    first = await send(edge, alert(camera=town.EAST_CAMERA))
    second = await send(edge, alert(camera=town.EAST_CAMERA))
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["alert_id"] == second.json()["alert_id"]
    assert (first.json()["duplicate"], second.json()["duplicate"]) == (False, True)
    assert first.headers["dispatch-position"] == second.headers["dispatch-position"] == str(first.json()["position"])
    assert first.headers["location"] == f"/v1/alerts/{first.json()['alert_id']}"


async def test_an_alert_can_be_looked_at_with_everything_said_under_its_identity(edge: Edge):
    made = (await send(edge, alert(severity="minor"))).json()
    await send(edge, alert(severity="severe"))
    found = await edge.client.get(f"/v1/alerts/{made['alert_id']}", headers=edge.as_role(Role.AUDITOR))
    facts = found.json()["facts"]
    assert [fact["name"] for fact in facts] == ["alert.received", "alert.revised"]
    assert facts[1]["content"]["severity"] == 3
    missing = await edge.client.get(f"/v1/alerts/{edge.services.ids.new()}", headers=edge.as_role(Role.AUDITOR))
    problem(missing, 404, "not_found")


async def test_an_alert_of_another_district_is_not_there(edge: Edge):
    by_camera = (await send(edge, alert(camera=town.EAST_CAMERA))).json()["alert_id"]
    spot = {"type": "Point", "coordinates": list(town.IN_EAST)}
    by_place = (await send(edge, alert(id="placed", location=spot))).json()["alert_id"]
    nowhere = (await send(edge, alert(id="nowhere"))).json()["alert_id"]
    for alert_id in (by_camera, by_place):
        for login in ("east-station.01", "east.02", "city.01"):
            found = await edge.client.get(f"/v1/alerts/{alert_id}", headers=edge.as_operator(login))
            assert found.status_code == 200, login
        foreign = await edge.client.get(f"/v1/alerts/{alert_id}", headers=edge.as_operator("west.02"))
        problem(foreign, 404, "not_found")
    assert (await edge.client.get(f"/v1/alerts/{nowhere}", headers=edge.as_operator("city.02"))).status_code == 200
    problem(await edge.client.get(f"/v1/alerts/{nowhere}", headers=edge.as_operator("east.02")), 404, "not_found")


async def test_an_alert_is_seen_by_who_sees_the_incident_it_became(edge: Edge):
    made = (await send(edge, alert(camera=town.EAST_CAMERA))).json()
    incident_id = (await edge.report(by="west-station.01", at=town.IN_WEST))["incident_id"]
    path, headers = f"/v1/alerts/{made['alert_id']}", edge.as_operator("west.01")
    assert (await edge.client.get(path, headers=headers)).status_code == 404
    link = (
        "INSERT INTO read.incident_alerts (incident_id, alert_position, alert_id, reason, linked_position)"
        " VALUES ($1, $2, $3, 'opened', $2)"
    )
    connection = await asyncpg.connect(edge.dsn)
    await connection.execute(link, UUID(incident_id), made["position"], UUID(made["alert_id"]))
    await connection.close()
    assert (await edge.client.get(path, headers=headers)).status_code == 200


async def test_a_batch_answers_each_entry(edge: Edge):
    answer = await send(edge, [alert("1"), {"id": "2"}, alert("1"), alert("3", camera=town.WEST_CAMERA)])
    statuses = [result["status"] for result in answer.json()["results"]]
    assert answer.status_code == 207
    assert statuses == [201, 400, 200, 403]
    assert answer.json()["results"][1]["quarantine"]


async def test_a_batch_all_of_which_is_recorded_is_200(edge: Edge):
    lines = "\n".join(json.dumps(alert(str(number))) for number in range(500))
    answer = await send(edge, lines, "/v1/ingest/native", "application/x-ndjson")
    assert answer.status_code == 200
    assert len({result["position"] for result in answer.json()["results"]}) == 500


async def test_more_than_the_limit_is_refused_whole(edge: Edge):
    answer = await send(edge, [alert(str(number)) for number in range(501)])
    problem(answer, 422, "ingest.too_many")


@pytest.mark.parametrize(
    ("path", "media", "body"),
    [
        ("hikvision", "application/xml", HIKVISION.format("fielddetection", "active")),
        (
            "frigate",
            "application/json",
            '{"type":"new","before":{},"after":{"id":"1","camera":"c","label":"person","start_time":1785590045.4}}',
        ),
        (
            "gb28181",
            "application/xml",
            (
                f"<Notify><CmdType>Alarm</CmdType><SN>1</SN><DeviceID>{town.EAST_CAMERA}</DeviceID>"
                "<AlarmPriority>1</AlarmPriority><AlarmTime>2026-08-01T21:14:05</AlarmTime></Notify>"
            ),
        ),
        (
            "cap",
            "application/cap+xml",
            (
                '<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>1</identifier><sender>s</sender>'
                "<sent>2026-08-01T21:00:00+08:00</sent><status>Test</status><msgType>Alert</msgType></alert>"
            ),
        ),
    ],
)
async def test_each_vendors_bytes_have_an_address(edge: Edge, path: str, media: str, body: str):
    answer = await send(edge, body, f"/v1/ingest/{path}", media)
    assert answer.status_code == 201, answer.text


async def test_a_keep_alive_is_answered_and_not_recorded(edge: Edge):
    before = (await edge.services.log.tip()).position
    answer = await send(edge, HIKVISION.format("videoloss", "inactive"), "/v1/ingest/hikvision", "application/xml")
    assert (answer.status_code, answer.json()["heartbeat"]) == (200, True)
    assert (await edge.services.log.tip()).position == before


async def test_what_is_not_understood_names_the_reason_and_where_it_is_kept(edge: Edge):
    document = problem(await send(edge, "<a><b></a>", "/v1/ingest/cap", "application/xml"), 400, "ingest.malformed")
    kept = await edge.client.get(f"/v1/quarantine/{document['quarantine']}", headers=edge.as_role(Role.AUDITOR))
    assert kept.json()["reason"] == "ingest.malformed"
    assert kept.json()["body_base64"] == "PGE+PGI+PC9hPg=="


async def test_a_pointer_says_which_value_is_wrong(edge: Edge):
    document = problem(await send(edge, alert(kind="ufo")), 400, "ingest.malformed")
    assert document["errors"][0]["pointer"] == "/kind"


@pytest.mark.parametrize("media", ["text/plain", "", "application/xml"])
async def test_another_content_type_is_refused(edge: Edge, media: str):
    problem(await send(edge, "{}", media=media), 415, "unsupported_media_type")


async def test_a_body_over_the_limit_is_refused(edge: Edge):
    problem(await send(edge, b" " * (BODY_BYTES_MAX + 1)), 413, "body_too_large")


async def test_a_body_that_turns_out_too_large_leaves_its_head(edge: Edge):
    async def endless() -> Any:
        for _ in range(20):
            yield b" " * 65_536

    headers = edge.as_role(Role.GATEWAY, gateway=town.GATEWAY) | {"Content-Type": "application/json"}
    answer = await edge.client.post("/v1/alerts", content=endless(), headers=headers)
    problem(answer, 413, "body_too_large")
    (kept,) = (await edge.client.get("/v1/quarantine", headers=edge.as_role(Role.AUDITOR))).json()["items"]
    assert (kept["whole"], kept["reason"]) == (False, "ingest.too_large")


async def test_a_gateway_cannot_speak_in_anothers_name(edge: Edge):
    problem(await send(edge, alert(), source="gw-west"), 403, "forbidden")


async def test_dispatchers_do_not_send_alerts(edge: Edge):
    answer = await edge.client.post("/v1/alerts", json=alert(), headers=edge.as_operator("east-station.01"))
    problem(answer, 403, "forbidden")


@pytest.mark.parametrize("params", [{"crs": "mars"}, {"camera": "a b\x00"}, {"source": "a b"}])
async def test_a_wrong_parameter_is_refused(edge: Edge, params: dict[str, str]):
    headers = edge.as_role(Role.ADMINISTRATOR)
    answer = await edge.client.post("/v1/alerts", json=alert(), headers=headers, params=params)
    problem(answer, 422, "invalid")


async def test_gcj02_is_converted_when_the_address_says_so(edge: Edge):
    place = {"type": "Point", "coordinates": [104.05, 30.65]}
    made = (await send(edge, alert(location=place), crs="gcj02")).json()
    found = await edge.client.get(f"/v1/alerts/{made['alert_id']}", headers=edge.as_role(Role.AUDITOR))
    said = found.json()["facts"][0]["content"]["place"]
    assert said["original"] == {"crs": "gcj02", "x": 104.05, "y": 30.65}
    assert said["point"]["lon"] != 104.05


async def test_the_quarantine_is_listed_page_by_page_and_re_driven(edge: Edge):
    for number in range(3):
        await send(edge, f"<broken{number}", "/v1/ingest/gb28181", "application/xml")
    auditor, administrator = edge.as_role(Role.AUDITOR), edge.as_role(Role.ADMINISTRATOR)
    first = await edge.client.get("/v1/quarantine", params={"limit": 2}, headers=auditor)
    following = first.headers["link"].split(">")[0].removeprefix("<")
    second = await edge.client.get(following, headers=auditor)
    assert len(first.json()["items"] + second.json()["items"]) == 3
    whole = await edge.client.get("/v1/quarantine", params={"limit": 3}, headers=auditor)
    assert whole.json()["items"] == first.json()["items"] + second.json()["items"]
    assert [answer.headers.get("link") for answer in (second, whole)] == [None, None], "none leads to an empty page"
    name = first.json()["items"][0]["sha256"]
    problem(await edge.client.post(f"/v1/quarantine/{name}/redrive", headers=auditor), 403, "forbidden")
    again = await edge.client.post(f"/v1/quarantine/{name}/redrive", headers=administrator)
    problem(again, 400, "ingest.malformed")
    missing = await edge.client.get(f"/v1/quarantine/{'0' * 64}", headers=auditor)
    problem(missing, 404, "not_found")


async def test_everything_kept_can_be_re_driven_at_once(edge: Edge):
    await send(edge, "<broken", "/v1/ingest/gb28181", "application/xml")
    started = await edge.client.post("/v1/quarantine/redrive", headers=edge.as_role(Role.ADMINISTRATOR))
    assert started.status_code == 202
    operation = edge.services.operations.find(next(iter(edge.services.operations._known)))
    assert operation is not None
    await asyncio.gather(*edge.services.operations._tasks)
    assert (operation.state, operation.result) == ("done", {"tried": 1, "understood": 0})


async def test_the_door_for_machines_answers_as_the_routes_do(edge: Edge) -> None:
    """Without a query a message takes the short way, with one the framework's; a caller cannot tell them apart."""
    headers = edge.as_role(Role.GATEWAY, gateway=town.GATEWAY) | {"Content-Type": "application/json"}
    for body in (
        b'{"id": "door-%d", "kind": "motion"}',
        b'[{"id": "door-%d", "kind": "motion"}, {}]',
        b"{%d",
        b'{"id": %d}',
    ):
        short = await edge.client.post("/v1/alerts", content=body % 1, headers=headers)
        long = await edge.client.post("/v1/alerts?crs=wgs84", content=body % 2, headers=headers)
        assert short.status_code == long.status_code
        assert set(short.json()) == set(long.json())
        assert set(short.headers) == set(long.headers)
        assert short.headers["content-type"] == long.headers["content-type"]


def test_the_door_knows_every_machine_route() -> None:
    door = MachineDoor(nobody, machines.routes)
    assert door.paths == {route.path for route in machines.routes if isinstance(route, APIRoute)}


async def nobody(_scope: Any, _receive: Any, _send: Any) -> None:
    raise AssertionError("not for the door")
