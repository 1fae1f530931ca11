"""What dispatchers' programs get wrong: each has a stated answer, and nothing of it is recorded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.api import town
from tests.api.conftest import Edge
from tests.api.test_problems import is_problem

REPORT: dict[str, Any] = {
    "channel": "operator",
    "category": "traffic.accident",
    "severity": 2,
    "text": "两车追尾",
    "place": {"point": {"type": "Point", "coordinates": list(town.IN_EAST)}},
}


@pytest.fixture
def edge(quiet_edge: Edge) -> Edge:
    """Nothing here changes the town."""
    return quiet_edge


@pytest.fixture(autouse=True)
async def nothing_is_recorded(edge: Edge) -> AsyncIterator[None]:
    """The log ends where it ended."""
    before = await edge.services.log.tip()
    yield
    assert await edge.services.log.tip() == before


@pytest.mark.parametrize("cursor", ["x", "AAAA", "====", "é", "A" * 500, "eyJhIjoxfQ"])
async def test_a_bad_cursor_is_400(edge: Edge, cursor: str) -> None:
    path = f"/v1/centers/east-station/board?cursor={quote(cursor)}"
    is_problem(await edge.client.get(path, headers=edge.as_operator("east.01")), 400, "bad_cursor")


@pytest.mark.parametrize("at", [[181, 30], [104, 91], [104], [104, 30, 500], ["x", "y"], [None, None]])
async def test_impossible_coordinates_are_422(edge: Edge, at: list[Any]) -> None:
    body = {"channel": "operator", "category": "traffic.accident", "text": "x", "place": {"point": {}}}
    body["place"] = {"point": {"type": "Point", "coordinates": at}}
    answer = await edge.client.post("/v1/reports", json=body, headers=edge.as_operator("east.01") | edge.key())
    is_problem(answer, 422, "invalid")


@pytest.mark.parametrize("text", ["\x00", "a\x00b", "\ud800"])
async def test_characters_that_cannot_be_stored_are_422(edge: Edge, text: str) -> None:
    content = '{"channel":"operator","category":"traffic.accident","text":%s,"place":{"address":"x"}}'
    raw = content % ('"' + text.encode("unicode_escape").decode().replace("\\x00", "\\u0000") + '"')
    headers = edge.as_operator("east.01") | edge.key() | {"Content-Type": "application/json"}
    answer = await edge.client.post("/v1/reports", content=raw.encode(), headers=headers)
    is_problem(answer, 422, "invalid")


@pytest.mark.parametrize(
    "query", ["", "bbox=1,2,3", "bbox=a,b,c,d", "near=104", "near=nan,inf", "bbox=1,2,3,4&near=1,2"]
)
async def test_an_unclear_question_for_cameras_is_422(edge: Edge, query: str) -> None:
    is_problem(await edge.client.get(f"/v1/cameras?{query}", headers=edge.as_operator("east.01")), 422, "invalid")


@pytest.mark.parametrize("wrong", ["7", "*", '"x"', '"1", "2"', '"-1"', '"' + "9" * 30 + '"'])
async def test_a_precondition_that_is_no_version_of_ours_is_400(edge: Edge, wrong: str) -> None:
    path = f"/v1/incidents/{edge.services.ids.new()}/verify"
    answer = await edge.client.post(path, json={}, headers=edge.as_operator("east.01") | {"If-Match": wrong})
    is_problem(answer, 400, "bad_precondition")


@pytest.mark.parametrize("key", ["", "   ", "a b", "键", "x" * 201])
async def test_a_key_that_is_no_key_is_refused(edge: Edge, key: str) -> None:
    headers = edge.as_operator("east.01") | {"Idempotency-Key": key.encode()}
    answer = await edge.client.post("/v1/reports", json=REPORT, headers=headers)
    assert answer.status_code in {400, 422}


async def test_a_creation_without_a_key_is_400(edge: Edge) -> None:
    answer = await edge.client.post("/v1/reports", json=REPORT, headers=edge.as_operator("east.01"))
    is_problem(answer, 400, "idempotency_key_missing")


async def test_a_report_of_an_unknown_category_names_it(edge: Edge) -> None:
    body = REPORT | {"category": "tea.cold"}
    answer = await edge.client.post("/v1/reports", json=body, headers=edge.as_operator("east.01") | edge.key())
    assert answer.status_code in {409, 422}
    assert "tea.cold" in answer.json()["detail"]


async def test_a_report_with_an_unknown_camera_names_it(edge: Edge) -> None:
    camera_id = str(edge.services.ids.new())
    body = REPORT | {"camera_id": camera_id}
    answer = await edge.client.post("/v1/reports", json=body, headers=edge.as_operator("east.01") | edge.key())
    is_problem(answer, 404, "camera.unknown")


async def test_a_report_for_a_foreign_center_is_404(edge: Edge) -> None:
    body = REPORT | {"center_id": str(town.center("west"))}
    answer = await edge.client.post("/v1/reports", json=body, headers=edge.as_operator("east.01") | edge.key())
    is_problem(answer, 404, "not_found")


@pytest.mark.parametrize("member", ["surprise", "incident_id", "__proto__"])
async def test_a_member_that_means_nothing_is_422(edge: Edge, member: str) -> None:
    body = REPORT | {member: "x"}
    answer = await edge.client.post("/v1/reports", json=body, headers=edge.as_operator("east.01") | edge.key())
    is_problem(answer, 422, "invalid")
    assert answer.json()["errors"][0]["pointer"] == f"/{member}"


async def test_a_body_as_deep_as_a_well_is_refused(edge: Edge) -> None:
    content = b'{"place":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    headers = edge.as_operator("east.01") | edge.key() | {"Content-Type": "application/json"}
    answer = await edge.client.post("/v1/reports", content=content, headers=headers)
    assert answer.status_code in {400, 422}, answer.text


async def test_another_content_type_is_no_json(edge: Edge) -> None:
    headers = edge.as_operator("east.01") | edge.key() | {"Content-Type": "text/plain"}
    answer = await edge.client.post("/v1/reports", content=b"hello", headers=headers)
    assert answer.status_code in {400, 415, 422}
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("identifier", ["1", "x", "0190f6a2", "../../etc/passwd"])
async def test_an_id_that_is_none_is_refused(edge: Edge, identifier: str) -> None:
    path = f"/v1/incidents/{quote(identifier, safe='')}"
    answer = await edge.client.get(path, headers=edge.as_operator("east.01"))
    assert answer.status_code in {404, 422}
    assert answer.headers["content-type"] == "application/problem+json"
