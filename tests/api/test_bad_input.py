"""What dispatchers' programs get wrong: each has a stated answer, and nothing of it is recorded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest

from domain.vocabulary import Role
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
    "query",
    [
        "",
        "bbox=1,2,3",
        "bbox=a,b,c,d",
        "near=104",
        "near=nan,inf",
        "near=nan,nan",
        "bbox=1,2,3,nan",
        "bbox=1,2,3,4&near=1,2",
    ],
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


@pytest.mark.parametrize(
    "path",
    [
        "/v1/incidents?number=CD-1%00",
        "/v1/search?q=a%00b",
        "/v1/cameras?reference=%00",
        "/v1/units?agency=%00",
        "/v1/centers/east/board?category=%00",
        "/v1/centers/east/board?agency=%00",
        "/v1/centers/east/stream?category=%00",
    ],
)
async def test_a_nul_in_a_parameter_is_422_and_names_it(edge: Edge, path: str) -> None:
    answer = await edge.client.get(path, headers=edge.as_operator("east.02"))
    is_problem(answer, 422, "invalid")
    assert answer.json()["errors"][0]["pointer"] == "query:" + path.partition("?")[2].partition("=")[0]


EDGES_OF_TIME = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1969-12-31T00:00:00Z"]


@pytest.mark.parametrize("at", EDGES_OF_TIME)
async def test_a_time_that_nobody_means_is_422(edge: Edge, at: str) -> None:
    moment = quote(at)
    paths = (
        f"/v1/audit/board?instant={moment}",
        f"/v1/audit/board?true_at={moment}",
        f"/v1/audit/incidents/{edge.services.ids.new()}?true_at={moment}",
        f"/v1/statistics/response-times?since={moment}&until={moment}",
    )
    for path in paths:
        is_problem(await edge.client.get(path, headers=edge.as_role(Role.AUDITOR)), 422, "invalid")
    body = {"point": {"type": "Point", "coordinates": [104, 30]}, "reported_at": at}
    address = f"/v1/units/{town.unit('E-1')}/position"
    is_problem(await edge.client.put(address, json=body, headers=edge.as_operator("east.01")), 422, "invalid")


async def test_a_period_that_ends_beyond_all_calendars_is_422(edge: Edge) -> None:
    path = "/v1/statistics/response-times?since=9999-12-01T00:00:00Z&until=9999-12-31T23:59:59Z"
    is_problem(await edge.client.get(path, headers=edge.as_operator("east.02")), 422, "invalid")


@pytest.mark.parametrize("at", ["[1000,1000]", "[NaN,30]", "[Infinity,30]", "[1e308,1e308]", "[104,90.1]"])
async def test_a_unit_that_is_nowhere_on_earth_is_422(edge: Edge, at: str) -> None:
    content = '{"point":{"type":"Point","coordinates":' + at + '},"reported_at":"2024-06-05T20:16:02+08:00"}'
    headers = edge.as_operator("east.01") | {"Content-Type": "application/json"}
    address = f"/v1/units/{town.unit('E-1')}/position"
    answer = await edge.client.put(address, content=content, headers=headers)
    is_problem(answer, 422, "invalid")
    assert answer.json()["errors"][0]["pointer"] == "/point/coordinates"


@pytest.mark.parametrize("last", ["\u00b2", "1\u00b2", "-1", "1e3", "9" * 19, ""])
async def test_a_place_in_a_stream_that_is_no_position_is_422(edge: Edge, last: str) -> None:
    headers = [*edge.as_operator("east.01").items(), ("Last-Event-ID", last.encode("latin-1"))]
    is_problem(await edge.client.get("/v1/centers/east/stream", headers=headers), 422, "invalid")


async def test_a_nul_hidden_in_a_list_is_422(edge: Edge) -> None:
    body = REPORT | {"persons": ["someone", "a\x00b"]}
    answer = await edge.client.post("/v1/reports", json=body, headers=edge.as_operator("east.01") | edge.key())
    is_problem(answer, 422, "invalid")
    rules = town.rulebook(version=2).model_dump(mode="json") | {"number_prefix": "C\x00"}
    headers = edge.as_role(Role.ADMINISTRATOR) | edge.key()
    is_problem(await edge.client.post("/v1/rulebook/versions", json=rules, headers=headers), 422, "invalid")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"time_zone": "Mars/Phobos"}, "/time_zone"),
        ({"time_zone": "../../etc/passwd"}, "/time_zone"),
        ({"time_zone": ""}, "/time_zone"),
        ({"catch_all_center_code": "atlantis"}, "/catch_all_center_code"),
        ({"territorial_agency": "polise"}, "/territorial_agency"),
    ],
)
async def test_rules_that_name_what_the_city_does_not_have_are_422(
    edge: Edge, change: dict[str, str], pointer: str
) -> None:
    rules = town.rulebook(version=2).model_dump(mode="json") | change
    headers = edge.as_role(Role.ADMINISTRATOR) | edge.key()
    answer = await edge.client.post("/v1/rulebook/versions", json=rules, headers=headers)
    is_problem(answer, 422, "invalid")
    assert [wrong["pointer"] for wrong in answer.json()["errors"]] == [pointer]


async def test_rules_that_alarm_an_agency_which_is_not_there_are_422(edge: Edge) -> None:
    rules = town.rulebook(version=2).model_dump(mode="json")
    rules["categories"][0]["agencies"][0]["agency"] = "trafic_police"
    headers = edge.as_role(Role.ADMINISTRATOR) | edge.key()
    answer = await edge.client.post("/v1/rulebook/versions", json=rules, headers=headers)
    is_problem(answer, 422, "invalid")
    assert answer.json()["errors"][0]["pointer"] == "/categories/0/agencies/0/agency"
