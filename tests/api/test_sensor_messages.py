"""What gauges and other vendors' devices send comes through the same door, is recorded once, and can be read back."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from dispatch.api.machines.ingest_bodies import VENDOR_EXAMPLES
from domain.vocabulary import Role
from tests.api import town
from tests.api.conftest import Edge
from tests.ingest.stage import fixture


async def send(edge: Edge, adapter: str, body: bytes | str, media: str = "application/json", **params: str) -> Any:
    headers = edge.as_role(Role.GATEWAY, gateway=town.GATEWAY) | {"Content-Type": media}
    return await edge.client.post(f"/v1/ingest/{adapter}", content=body, headers=headers, params=params)


async def content_of(edge: Edge, answer: Any) -> dict[str, Any]:
    """What was recorded last under the identity that the answer names."""
    found = await edge.client.get(answer.headers["location"], headers=edge.as_role(Role.AUDITOR))
    content: dict[str, Any] = found.json()["facts"][-1]["content"]
    return content


async def tip(edge: Edge) -> int:
    return (await edge.services.log.tip()).position


async def test_a_gauge_over_its_threshold_is_recorded_once(edge: Edge):
    body = fixture("sensorthings_observation.json")
    first, second = await send(edge, "sensorthings", body), await send(edge, "sensorthings", body)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["alert_id"] == second.json()["alert_id"]
    content = await content_of(edge, first)
    assert (content["adapter"], content["kind"], content["severity"]) == ("sensorthings", "water_level", 3)
    assert content["vendor_type"] == "level 4.62 m, said as 462 cm (warn 4 m, alarm 4.6 m)"


async def test_a_corrected_level_is_a_revision(edge: Edge):
    body = json.loads(fixture("sensorthings_observation.json"))
    await send(edge, "sensorthings", json.dumps(body))
    corrected = await send(edge, "sensorthings", json.dumps(body | {"result": 410}))
    assert (corrected.status_code, corrected.json()["revised"]) == (201, True)
    assert (await content_of(edge, corrected))["severity"] == 2


async def test_a_quiet_gauge_is_answered_and_nothing_is_recorded_or_kept(busy_edge: Edge):
    before = await tip(busy_edge)
    body = json.loads(fixture("sensorthings_gauge.json")) | {"level_m": 1.2}
    answer = await send(busy_edge, "sensorthings", json.dumps(body))
    assert (answer.status_code, answer.json()["code"]) == (422, "ingest.not_an_alarm")
    assert "quarantine" not in answer.json()
    assert await tip(busy_edge) == before


async def test_a_gauge_without_a_threshold_is_kept_aside(busy_edge: Edge):
    body = {"gauge": "JJ-07", "measured_at": "2026-08-01T21:10:00+08:00", "level_m": 9.9}
    answer = await send(busy_edge, "sensorthings", json.dumps(body))
    assert (answer.status_code, answer.json()["code"]) == (400, "ingest.malformed")
    kept = await busy_edge.client.get(
        f"/v1/quarantine/{answer.json()['quarantine']}", headers=busy_edge.as_role(Role.AUDITOR)
    )
    assert (kept.json()["adapter"], kept.json()["whole"]) == ("sensorthings", True)


async def test_of_a_page_each_reading_has_its_answer(edge: Edge):
    answer = await send(edge, "sensorthings", fixture("sensorthings_datastream.json"))
    assert answer.status_code == 207
    assert [result["status"] for result in answer.json()["results"]] == [422, 201, 400]


async def test_a_dahua_line_is_recorded_once_and_its_end_is_another(edge: Edge):
    body = fixture("dahua_crossline.txt")
    first, second = [await send(edge, "dahua", body, "text/plain", camera=town.EAST_CAMERA) for _ in range(2)]
    assert (first.status_code, second.status_code) == (201, 200)
    content = await content_of(edge, first)
    assert (content["kind"], content["vendor_type"]) == ("line_crossing", "CrossLineDetection")
    assert content["camera_code"] == town.EAST_CAMERA
    stop = await send(edge, "dahua", body.replace(b"=Start", b"=Stop"), "text/plain", camera=town.EAST_CAMERA)
    assert (stop.status_code, (await content_of(edge, stop))["phase"]) == (201, "end")


async def test_a_dahua_stream_answers_each_part(edge: Edge):
    media = "multipart/x-mixed-replace; boundary=myboundary"
    answer = await send(edge, "dahua", fixture("dahua_stream.txt"), media)
    assert answer.status_code == 207
    assert [result["status"] for result in answer.json()["results"]] == [201, 400, 201]


async def test_a_face_is_refused_and_nothing_is_recorded_or_kept(busy_edge: Edge):
    before = await tip(busy_edge)
    body = {"Code": "FaceRecognition", "Action": "Start", "Index": 0, "Data": {"RealUTC": 1785590045}}
    answer = await send(busy_edge, "dahua", json.dumps(body))
    assert (answer.status_code, answer.json()["code"]) == (422, "ingest.identification")
    assert "quarantine" not in answer.json()
    assert await tip(busy_edge) == before


async def test_an_onvif_notification_is_recorded_once(edge: Edge):
    body, media = fixture("onvif_notify.xml"), "application/soap+xml; charset=utf-8"
    first, second = [await send(edge, "onvif", body, media, camera=town.EAST_CAMERA) for _ in range(2)]
    assert (first.status_code, second.status_code) == (201, 200)
    content = await content_of(edge, first)
    assert (content["kind"], content["phase"], content["text"]) == ("intrusion", "start", "rule 锦江桥头; object 15")


async def test_a_pulled_onvif_answer_has_an_answer_for_each_message_and_keeps_no_plate(edge: Edge):
    answer = await send(edge, "onvif", fixture("onvif_pull.xml"), "application/xml")
    assert answer.status_code == 207
    results = answer.json()["results"]
    assert [result["status"] for result in results] == [422, 201, 400]
    kept = await edge.client.get(f"/v1/quarantine/{results[2]['quarantine']}", headers=edge.as_role(Role.AUDITOR))
    body = base64.b64decode(kept.json()["body_base64"])
    assert b"LicensePlate" in body
    assert b"SECRET" not in body


async def test_every_example_of_the_description_is_an_alert(edge: Edge):
    for adapter, (media, example) in VENDOR_EXAMPLES.items():
        answer = await send(edge, adapter, example, media)
        said = answer.json()
        assert answer.status_code == (200 if "results" in said else 201), (adapter, answer.text)
        assert [entry["status"] for entry in said.get("results", [said])] == [201], (adapter, answer.text)


@pytest.mark.parametrize(
    ("adapter", "name", "media"),
    [
        ("datex2", "datex2_publication.xml", "application/xml"),
        ("wzdx", "wzdx_feed.geojson", "application/geo+json"),
    ],
)
async def test_of_a_feed_of_roads_each_entry_has_its_answer(edge: Edge, adapter: str, name: str, media: str):
    first, again = [await send(edge, adapter, fixture(name), media) for _ in range(2)]
    assert (first.status_code, again.status_code) == (207, 207)
    assert [entry["status"] for entry in first.json()["results"]] == [201, 422, 400]
    assert [entry["status"] for entry in again.json()["results"]] == [200, 422, 400]
    kept = [result.get("quarantine") for result in first.json()["results"]]
    assert [reference is not None for reference in kept] == [False, False, True]
