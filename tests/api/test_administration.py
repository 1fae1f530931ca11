"""Rules change by publishing and activating, never by editing; people come on and go off shift."""

from __future__ import annotations

from datetime import timedelta

from dispatch.handling.operators import OperatorDesk
from domain.vocabulary import Role
from tests.api import town
from tests.api.conftest import Edge
from tests.api.test_problems import is_problem


async def test_a_new_version_decides_only_once_it_is_in_force(edge: Edge) -> None:
    administrator = edge.as_role(Role.ADMINISTRATOR)
    rules = town.rulebook(2).model_dump(mode="json")
    rules["categories"][0]["priority"] = 1
    published = await edge.client.post("/v1/rulebook/versions", json=rules, headers=administrator | edge.key())
    assert published.status_code == 201, published.text
    assert (await edge.report())["number"]
    board = await edge.client.get("/v1/centers/city/board", headers=administrator)
    assert board.json()["items"][0]["priority"] == 3
    path = "/v1/rulebook/versions/2/activate"
    assert (await edge.client.post(path, headers=administrator | edge.key())).status_code == 200
    await edge.report()
    board = await edge.client.get("/v1/centers/city/board", headers=administrator)
    assert [row["priority"] for row in board.json()["items"]] == [1, 3]
    versions = await edge.client.get("/v1/rulebook/versions", headers=administrator)
    assert versions.json()["active"] == 2


async def test_a_version_is_never_published_twice_with_other_rules(edge: Edge) -> None:
    administrator = edge.as_role(Role.ADMINISTRATOR)
    rules = town.rulebook(1).model_dump(mode="json")
    rules["categories"][0]["priority"] = 1
    answer = await edge.client.post("/v1/rulebook/versions", json=rules, headers=administrator | edge.key())
    is_problem(answer, 409, "rulebook.version_taken")
    answer = await edge.client.post("/v1/rulebook/versions/7/activate", headers=administrator | edge.key())
    is_problem(answer, 409, "rulebook.not_published")


async def test_rules_that_contradict_themselves_are_422(edge: Edge) -> None:
    rules = town.rulebook(2).model_dump(mode="json") | {"catch_all_category": "tea.cold"}
    headers = edge.as_role(Role.ADMINISTRATOR) | edge.key()
    is_problem(await edge.client.post("/v1/rulebook/versions", json=rules, headers=headers), 422, "invalid")


async def test_a_person_is_on_one_shift_at_a_time(edge: Edge) -> None:
    headers = edge.as_operator("east.01")
    assert (await edge.client.post("/v1/me/shift/start", json={}, headers=headers)).status_code == 200
    desk = OperatorDesk(edge.services.scribe)
    assert await desk.on_shift_at(town.operator("east.01")) == town.center("east")
    below = {"center_id": str(town.center("east-station"))}
    is_problem(
        await edge.client.post("/v1/me/shift/start", json=below, headers=headers), 409, "operator.already_on_shift"
    )
    foreign = {"center_id": str(town.center("west"))}
    is_problem(await edge.client.post("/v1/me/shift/start", json=foreign, headers=headers), 404, "not_found")
    ended = await edge.client.post("/v1/me/shift/end", json={"note": "已交接"}, headers=headers)
    assert (ended.status_code, ended.json()["changed"]) == (200, True)
    assert await desk.on_shift_at(town.operator("east.01")) is None


async def test_a_version_is_scheduled_shown_and_taken_back(edge: Edge) -> None:
    rules = town.rulebook(2).model_dump(mode="json")
    headers = edge.as_role(Role.ADMINISTRATOR)
    assert (
        await edge.client.post("/v1/rulebook/versions", json=rules, headers=headers | edge.key())
    ).status_code == 201
    later = (edge.services.clock.now() + timedelta(days=1)).isoformat()
    path = "/v1/rulebook/versions/2"
    answer = await edge.client.post(f"{path}/schedule", json={"effective_at": later}, headers=headers | edge.key())
    assert answer.status_code == 200, answer.text
    shown = (await edge.client.get("/v1/rulebook/versions", headers=headers)).json()
    assert shown["active"] == 1
    assert [item["effective_at"] and item["effective_at"][:16] for item in shown["items"]] == [None, later[:16]]
    past = (edge.services.clock.now() - timedelta(days=1)).isoformat()
    refused = await edge.client.post(f"{path}/schedule", json={"effective_at": past}, headers=headers | edge.key())
    is_problem(refused, 422, "rulebook.not_ahead")
    taken = await edge.client.post(f"{path}/unschedule", json={"reason": "误派"}, headers=headers)
    assert taken.status_code == 200, taken.text
    shown = (await edge.client.get("/v1/rulebook/versions", headers=headers)).json()
    assert [item["effective_at"] for item in shown["items"]] == [None, None]
