"""Every no is a document, the framework's own included, and its type is a page that exists."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatch.api.problems.problem_types import PROBLEM_TYPES, index
from tests.api.conftest import Edge

PAGES = Path(__file__).parents[2] / "docs" / "problems"


@pytest.fixture
def edge(quiet_edge: Edge) -> Edge:
    """Nothing here changes the town."""
    return quiet_edge


def is_problem(answer, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["code"] == code
    assert body["type"] == f"/docs/problems/{code}"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["trace_id"] == answer.headers["dispatch-trace-id"]


async def test_an_unknown_address_is_a_problem(edge: Edge) -> None:
    is_problem(await edge.client.get("/nowhere"), 404, "not_found")


async def test_a_wrong_method_is_a_problem_that_names_the_right_ones(edge: Edge) -> None:
    answer = await edge.client.delete("/v1/centers")
    is_problem(answer, 405, "method_not_allowed")
    assert "GET" in answer.headers["allow"]


async def test_no_token_is_a_problem_that_says_how_to_get_one(edge: Edge) -> None:
    answer = await edge.client.get("/v1/me")
    is_problem(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "dispatch token" in answer.json()["detail"]


async def test_wrong_values_are_named_by_pointers(edge: Edge) -> None:
    body = {"channel": "operator", "category": "traffic.accident", "text": "x", "severity": 9, "place": {"address": ""}}
    answer = await edge.client.post("/v1/reports", json=body, headers=edge.as_operator("east.01") | edge.key())
    is_problem(answer, 422, "invalid")
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/severity", "/place/address"}


async def test_a_wrong_query_parameter_is_named(edge: Edge) -> None:
    answer = await edge.client.get("/v1/centers?limit=100000", headers=edge.as_operator("east.01"))
    is_problem(answer, 422, "invalid")
    assert answer.json()["errors"][0]["pointer"] == "query:limit"


async def test_a_body_that_is_no_json_is_400(edge: Edge) -> None:
    headers = edge.as_operator("east.01") | edge.key() | {"Content-Type": "application/json"}
    is_problem(await edge.client.post("/v1/reports", content=b'{"a": ', headers=headers), 400, "malformed_body")


async def test_a_body_in_a_wrong_encoding_is_400(edge: Edge) -> None:
    headers = edge.as_operator("east.01") | edge.key() | {"Content-Type": "application/json"}
    content = '{"text": "老人走失"}'.encode("gb2312")
    answer = await edge.client.post("/v1/reports", content=content, headers=headers)
    is_problem(answer, 400, "malformed_body")


async def test_a_body_over_the_limit_is_413_by_its_stated_length(edge: Edge) -> None:
    content = b" " * (edge.services.settings.body_bytes_max + 1)
    headers = edge.as_operator("east.01") | edge.key() | {"Content-Type": "application/json"}
    is_problem(await edge.client.post("/v1/reports", content=content, headers=headers), 413, "body_too_large")


async def test_a_body_that_hides_its_length_is_413_as_soon_as_it_is_too_long(edge: Edge) -> None:
    async def endless():
        for _ in range(100):
            yield b" " * 65_536

    headers = edge.as_operator("east.01") | edge.key() | {"Content-Type": "application/json"}
    is_problem(await edge.client.post("/v1/reports", content=endless(), headers=headers), 413, "body_too_large")


async def test_our_own_mistake_is_a_problem_without_a_stack_trace(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise KeyError("a secret detail")

    monkeypatch.setattr(edge.services.incidents, "state", broken)
    answer = await edge.decide(str(edge.services.ids.new()), "verify", {}, by="east.01", version=1)
    is_problem(answer, 500, "internal_error")
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


async def test_every_type_has_a_page_that_is_served(edge: Edge) -> None:
    for kind in PROBLEM_TYPES.values():
        answer = await edge.client.get(kind.uri)
        assert answer.status_code == 200
        assert answer.text == kind.page()


def test_the_pages_in_the_documentation_are_the_ones_served() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} == {*PROBLEM_TYPES, "README"}
    for kind in PROBLEM_TYPES.values():
        assert (PAGES / f"{kind.code}.md").read_text(encoding="utf-8") == kind.page()
    assert (PAGES / "README.md").read_text(encoding="utf-8") == index()
