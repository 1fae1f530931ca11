"""The OpenAPI description says what is true, and the documentation needs no internet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest

from tests.api.conftest import Edge
from tests.api.test_problems import is_problem

METHODS = {"get", "put", "post", "delete", "patch"}


@pytest.fixture
def edge(quiet_edge: Edge) -> Edge:
    """Nothing here changes the town."""
    return quiet_edge


async def description(edge: Edge) -> dict[str, Any]:
    answer = await edge.client.get("/openapi.json")
    assert answer.status_code == 200
    document: dict[str, Any] = answer.json()
    return document


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert method in METHODS
            yield path, method, operation


async def test_it_is_openapi_3_1_with_unique_operation_ids(edge: Edge) -> None:
    document = await description(edge)
    assert document["openapi"].startswith("3.1")
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in names), names


async def test_every_body_has_an_example(edge: Edge) -> None:
    document = await description(edge)
    for path, _, operation in operations(document):
        for media in operation.get("requestBody", {}).get("content", {}).values():
            assert has_example(document, media), (path, operation["operationId"])


def has_example(document: dict[str, Any], media: dict[str, Any]) -> bool:
    if "example" in media or media.get("examples"):
        return True
    schema = media.get("schema", {})
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return bool(schema.get("examples") or "example" in schema)


async def test_every_operation_behind_a_token_declares_its_problems(edge: Edge) -> None:
    document = await description(edge)
    for path, method, operation in operations(document):
        failures = {status: answer for status, answer in operation["responses"].items() if int(status) >= 400}
        if path.startswith("/open311/"):
            assert {"400", "403", "404", "429", "500", "503"} == set(failures), (path, method)
            assert all(set(answer["content"]) == {"application/json", "text/xml"} for answer in failures.values())
            assert operation["security"] == [{"bearer": []}, {"api_key": []}]
            continue
        for status, answer in failures.items():
            assert list(answer["content"]) == ["application/problem+json"], (path, status)
            assert answer["content"]["application/problem+json"]["schema"]["$ref"].endswith("/ProblemDocument")
        if path.startswith("/v1"):
            assert {"400", "401", "403", "422", "429", "500", "503"} <= set(failures), (path, method)
            assert operation["security"] == [{"bearer": []}]
        if "{" in path and path.startswith("/v1"):
            assert "404" in failures, (path, method)


async def test_a_decision_declares_what_a_version_can_do(edge: Edge) -> None:
    document = await description(edge)
    for path, _, operation in operations(document):
        names = {parameter["name"] for parameter in operation.get("parameters", [])}
        if "If-Match" in names:
            assert {"409", "412", "428"} <= set(operation["responses"]), path


async def test_references_lead_somewhere(edge: Edge) -> None:
    document = await description(edge)
    schemas = document["components"]["schemas"]
    text = (await edge.client.get("/openapi.json")).text
    for name in set(re.findall(r'"#/components/schemas/([^"]+)"', text)):
        assert name in schemas
    assert "HTTPValidationError" not in text


async def test_every_operation_says_what_it_is(edge: Edge) -> None:
    for path, method, operation in operations(await description(edge)):
        assert operation.get("summary"), (path, method)
        assert operation.get("description"), (path, method)
        assert operation.get("tags"), (path, method)


async def test_the_limits_are_in_the_text(edge: Edge) -> None:
    document = await description(edge)
    settings = edge.services.settings
    for limit in (settings.body_bytes_max, settings.batch_alerts_max, settings.sse_clients_max):
        assert f"{limit:,}" in document["info"]["description"]


class References(HTMLParser):
    """Everything a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [str(value) for name, value in attrs if name in {"src", "href"}]


async def test_the_documentation_page_needs_nothing_from_elsewhere(edge: Edge) -> None:
    page = await edge.client.get("/docs")
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "://" not in page.text
    parser = References()
    parser.feed(page.text)
    assert len(parser.found) == 3
    for reference in parser.found:
        assert reference.startswith("/docs/assets/")
        asset = await edge.client.get(reference)
        assert asset.status_code == 200
        assert len(asset.content) > 100
    style = await edge.client.get("/docs/assets/swagger-ui.css")
    assert "@import" not in style.text
    assert all(target.startswith("data:") for target in re.findall(r"url\(\s*['\"]?([^'\")]{0,12})", style.text))
    assert "validatorUrl: null" in (await edge.client.get("/docs/assets/docs.js")).text


async def test_only_listed_assets_are_served(edge: Edge) -> None:
    for name in ("README.md", "..%2Fproblem.py", "x.js"):
        is_problem(await edge.client.get(f"/docs/assets/{name}"), 404, "not_found")


async def test_every_answer_is_shown_by_an_example(edge: Edge) -> None:
    document = await description(edge)
    for path, _, operation in operations(document):
        for status, answer in operation["responses"].items():
            for media_type, media in answer.get("content", {}).items():
                shown = media_type != "application/json" or has_example(document, media)
                assert shown or operation["operationId"] in SELF_EXPLAINING, (path, status)


SELF_EXPLAINING = {"livez", "rulebook_get", "rulebook_version_get"}
"""The rulebook is shown by the body that publishes it."""
