"""Cover over HTTP: what must be free, what is, who should move up; answered by the center that lacks units."""

from __future__ import annotations

from typing import Any

import httpx

from dispatch.directory import Directory
from dispatch.handling.scribe import Change, Request
from dispatch.workers.cover import CoverKeeper
from dispatch.workers.ownership import SoleOwnership
from dispatch.workers.reactor import ReactorRunner
from domain import identifiers
from domain.assignment.events import UnitWentOffDuty, UnitWentOnDuty
from domain.event import Event
from domain.rulebook.content import CoverRule
from domain.rulebook.events import RulebookActivated, RulebookPublished
from domain.vocabulary import UnitKind
from tests.api import town
from tests.api.conftest import Edge
from tests.api.test_problems import is_problem
from tests.domain.shapes import ENVELOPE

CHIEF, CITY_CHIEF, GIVER = "west.02", "city.02", "east.02"


async def tell(edge: Edge, stream_id: Any, *events: Event) -> None:
    services = edge.services
    request = Request(ENVELOPE.actor, services.clock.now(), services.ids.new())
    await services.scribe.record([Change(stream_id, None, events)], request)
    directory = Directory(services.log, town.CITY)
    await directory.catch_up()
    await services.directory.catch_up()
    keeper = CoverKeeper(log=services.log, directory=directory, clock=services.clock)
    await ReactorRunner(keeper, log=services.log, scribe=services.scribe, ownership=SoleOwnership()).drain()
    await edge.project()


async def with_minima(edge: Edge) -> None:
    """One patrol car in each district, at any time."""
    cover = tuple(
        CoverRule(code=f"cars-{code}", center_code=code, kinds=(UnitKind.PATROL_CAR,)) for code in ("east", "west")
    )
    rules = town.rulebook(version=2).model_copy(update={"cover": cover})
    activated = RulebookActivated(version=2, effective_at=town.LOADED_AT)
    await tell(edge, identifiers.rulebook_stream(town.CITY), RulebookPublished(rulebook=rules), activated)


async def answer(edge: Edge, what: str, code: str, suggestion_id: str, *, by: str, **body: Any) -> httpx.Response:
    path = f"/v1/cover/{code}/suggestions/{suggestion_id}/{what}"
    done = await edge.client.post(path, json=body, headers=edge.as_operator(by) | edge.key())
    await edge.project()
    return done


async def cover(edge: Edge, center: str = "west", by: str = CHIEF) -> dict[str, Any]:
    found = await edge.read(f"/v1/centers/{center}/cover", by=by)
    return {one["code"]: one for one in found["items"]}


async def test_a_gap_is_shown_with_who_should_move_up_and_accepting_posts_the_unit(edge: Edge) -> None:
    await with_minima(edge)
    counts = {
        code: (one["required"], one["free"], one["gap"])
        for code, one in (await cover(edge, "city", CITY_CHIEF)).items()
    }
    assert counts == {"cars-east": (1, 2, 0), "cars-west": (1, 1, 0)}
    await tell(edge, town.unit("W-1"), UnitWentOffDuty())
    for center, by in (("west", CHIEF), ("city", CITY_CHIEF)):
        west = (await cover(edge, center, by))["cars-west"]
        assert (west["free"], west["gap"], west["fell_at"] is None) == (0, 1, False)
        suggestion = west["suggestion"]
        assert (suggestion["call_sign"], suggestion["rule_version"]) == ("E-1", 2)
    assert set(await cover(edge, "west")) == {"cars-west"}
    is_problem(await edge.client.get("/v1/centers/west/cover", headers=edge.as_operator(GIVER)), 404, "not_found")

    key = suggestion["suggestion_id"]
    is_problem(await answer(edge, "accept", "cars-west", key, by="west.01"), 403, "forbidden")
    is_problem(await answer(edge, "accept", "cars-west", key, by=GIVER), 404, "not_found")
    is_problem(await answer(edge, "accept", "cars-north", key, by=CHIEF), 404, "not_found")
    for _ in range(2):
        done = await answer(edge, "accept", "cars-west", key, by=CHIEF)
        assert done.status_code == 200, done.text
    is_problem(await answer(edge, "decline", "cars-west", key, by=CHIEF, reason="x"), 409, "cover.already_answered")
    west = (await cover(edge))["cars-west"]
    assert (west["free"], west["gap"], west["suggestion"]) == (1, 0, None)
    assert west["answer"]["answer"] == "accepted"
    assert [one["call_sign"] for one in west["standing_by"]] == ["E-1"]
    unit = await edge.read(f"/v1/units/{town.unit('E-1')}", by=GIVER)
    assert unit["posted"]["center_id"] == str(town.center("west"))

    # Its own is back: the guest is called home, and the screen shows both.
    await tell(edge, town.unit("W-1"), UnitWentOnDuty())
    west = (await cover(edge))["cars-west"]
    assert (west["fell_at"], west["standing_by"]) == (None, [])


async def test_a_declined_suggestion_names_its_reason_and_a_unit_is_sent_home_by_hand(edge: Edge) -> None:
    await with_minima(edge)
    await tell(edge, town.unit("W-1"), UnitWentOffDuty())
    key = (await cover(edge))["cars-west"]["suggestion"]["suggestion_id"]
    is_problem(
        await answer(edge, "decline", "cars-west", str(town.unit("W-1")), by=CHIEF, reason="x"),
        404,
        "cover.no_such_suggestion",
    )
    assert (await answer(edge, "decline", "cars-west", key, by=CITY_CHIEF, reason="车组用餐")).status_code == 200
    west = (await cover(edge))["cars-west"]
    assert (west["suggestion"], west["answer"]["answer"], west["answer"]["reason"]) == (None, "declined", "车组用餐")
    await tell(edge, town.unit("W-1"))
    await tell(edge, town.unit("E-2"), UnitWentOffDuty(), UnitWentOnDuty())
    again = (await cover(edge))["cars-west"]["suggestion"]
    assert again["call_sign"] == "E-2"
    assert (await answer(edge, "accept", "cars-west", again["suggestion_id"], by=CHIEF)).status_code == 200
    path = f"/v1/units/{town.unit('E-2')}/recall"
    for _ in range(2):
        done = await edge.client.post(path, json={"reason": "换岗"}, headers=edge.as_operator(GIVER))
        assert done.status_code == 200, done.text
    await edge.project()
    assert (await cover(edge))["cars-west"]["standing_by"] == []


async def test_without_minima_nothing_is_demanded(edge: Edge) -> None:
    assert await cover(edge) == {}
