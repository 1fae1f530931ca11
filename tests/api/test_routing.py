"""Which router an address is for."""

from __future__ import annotations

import pytest
from starlette.routing import Match

from dispatch.api.application import ROUTERS
from dispatch.api.routing import NounRouter

NOUN_ROUTERS = [router for router in ROUTERS if isinstance(router, NounRouter)]


def asked(path: str, root_path: str = "") -> dict[str, object]:
    return {"type": "http", "method": "GET", "path": path, "root_path": root_path, "headers": []}


def test_every_address_has_a_noun_that_is_no_parameter() -> None:
    nouns = {noun for router in NOUN_ROUTERS for noun in router.nouns}
    assert {"incidents", "cameras", "centers", "operations"} <= nouns
    assert not [noun for noun in nouns if not noun or "{" in noun]


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1", "/", "/v1/incident", "/v1//incidents", "/v2"])
def test_an_address_of_another_noun_is_turned_away(path: str) -> None:
    assert {router.matches(asked(path))[0] for router in NOUN_ROUTERS} == {Match.NONE}


def test_an_application_below_another_address_leaves_it_to_the_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []

    def matches(_router: object, scope: dict[str, str]) -> tuple[Match, dict[str, object]]:
        heard.append(scope["path"])
        return Match.NONE, {}

    monkeypatch.setattr("fastapi.APIRouter.matches", matches)
    NOUN_ROUTERS[0].matches(asked("/city/v1/x"))
    assert heard == []
    NOUN_ROUTERS[0].matches(asked("/city/v1/x", root_path="/city"))
    assert heard == ["/city/v1/x"]
