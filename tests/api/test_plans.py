"""Response plans over HTTP: the alarm is raised on what was seen, and what is lacking is sent by one request."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
import pytest

from dispatch.handling.scribe import Change
from domain.event import Explanation
from domain.identifiers import companion_of, rulebook_stream
from domain.incident.events import IncidentRouted
from domain.incident.plan_events import UnitsRecommended, WantedUnits
from domain.rulebook.events import RulebookActivated, RulebookPublished
from domain.rulebook.plans import AlarmLevel, ChecklistItem, ResponsePlan, ResponseRule
from domain.vocabulary import UnitKind
from tests.api import town
from tests.api.conftest import Edge
from tests.api.test_problems import is_problem

OWNER = "east-station.01"
CARS = ResponseRule(agency="police", unit_kinds=(UnitKind.PATROL_CAR,))
ITEM = ChecklistItem(code="trapped_counted", text_zh="核实被困人数", text_en="The trapped are counted")
PLAN = ResponsePlan(
    code="accident",
    name_zh="事故",
    name_en="Accident",
    category="traffic.accident",
    levels=(AlarmLevel(level=1, response=(CARS,)), AlarmLevel(level=2, response=(CARS,), checklist=(ITEM,))),
)
WANTED = WantedUnits(agency="police", unit_kinds=(UnitKind.PATROL_CAR,), units=1)


@pytest.fixture
async def incident_id(edge: Edge) -> str:
    """An accident in a town with a plan for it."""
    rules = town.rulebook(2).model_copy(update={"plans": (PLAN,)})
    activated = RulebookActivated(version=2, effective_at=edge.services.clock.now())
    await edge.record(Change(rulebook_stream(town.CITY), None, (RulebookPublished(rulebook=rules), activated)))
    opened: str = (await edge.report())["incident_id"]
    return opened


async def card(edge: Edge, incident_id: str) -> tuple[Any, int]:
    answer = await edge.client.get(f"/v1/incidents/{incident_id}", headers=edge.as_operator(OWNER))
    assert answer.status_code == 200, answer.text
    return answer.json(), int(answer.headers["etag"].strip('"'))


async def alarm(edge: Edge, incident_id: str, way: str, level: int, version: int, by: str = OWNER) -> httpx.Response:
    body = {"level": level, "reason": "多车连环相撞"}
    answer = await edge.decide(incident_id, f"alarm/{way}", body, by=by, version=version)
    await edge.project()
    return answer


async def send(edge: Edge, incident_id: str, *call_signs: str, **headers: str) -> httpx.Response:
    body = {"unit_ids": [str(town.unit(each)) for each in call_signs]} if call_signs else {}
    answer = await edge.client.post(
        f"/v1/incidents/{incident_id}/assignments/plan",
        json=body,
        headers=edge.as_operator(OWNER) | (headers or edge.key()),
    )
    await edge.project()
    return answer


async def test_an_alarm_is_raised_and_lowered_on_the_version_that_was_seen(edge: Edge, incident_id: str) -> None:
    _, version = await card(edge, incident_id)
    is_problem(await alarm(edge, incident_id, "raise", 3, version), 422, "incident.no_such_alarm_level")
    is_problem(await alarm(edge, incident_id, "raise", 2, version, by="west.01"), 404, "not_found")
    raised = await alarm(edge, incident_id, "raise", 2, version)
    assert raised.status_code == 200, raised.text
    assert (raised.json()["alarm_level"], raised.json()["plan"]) == (2, "accident")
    shown, after = await card(edge, incident_id)
    assert shown["alarm_level"] == 2
    assert shown["wanted"] == [
        {"agency": "police", "unit_kinds": ["patrol_car"], "skills": [], "units": 2, "there": 0},
    ]
    assert shown["lacking"] == {"zh": "缺巡逻车2", "en": "2 patrol cars missing"}
    stale = await alarm(edge, incident_id, "lower", 1, version)
    is_problem(stale, 412, "stale_version")
    is_problem(await alarm(edge, incident_id, "raise", 1, after), 409, "incident.alarm_other_way")
    assert (await alarm(edge, incident_id, "lower", 1, after)).status_code == 200
    assert (await card(edge, incident_id))[0]["alarm_level"] == 1


async def test_what_is_lacking_is_sent_by_one_request_with_a_verdict_each(edge: Edge, incident_id: str) -> None:
    key = edge.key()
    sent = await send(edge, incident_id, "E-1", "E-2", **key)
    assert sent.status_code == 201, sent.text
    assert [each["verdict"] for each in sent.json()["units"]] == ["assigned", "assignment.not_asked_for"]
    again = await send(edge, incident_id, "E-1", "E-2", **key)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json()["units"] == sent.json()["units"]
    is_problem(await send(edge, incident_id, "E-2"), 409, "assignment.nobody_can_go")
    _, version = await card(edge, incident_id)
    await alarm(edge, incident_id, "raise", 2, version)
    assert (await send(edge, incident_id, "E-2")).status_code == 201
    shown, _ = await card(edge, incident_id)
    assert [one["there"] for one in shown["wanted"]] == [2]
    assert shown["lacking"] == {"zh": None, "en": None}
    assert {each["recommended"] for each in shown["assignments"]} == {True}
    step = sent.json()["units"][0]["assignment_id"]
    acknowledged = await edge.client.post(f"/v1/assignments/{step}/acknowledge", headers=edge.as_operator("east.01"))
    assert acknowledged.status_code == 200, acknowledged.text


async def test_without_names_those_of_the_latest_recommendation_are_sent(edge: Edge, incident_id: str) -> None:
    is_problem(await send(edge, incident_id), 409, "assignment.nothing_recommended")
    recommended = UnitsRecommended(
        incident_id=UUID(incident_id),
        unit_ids=(town.unit("W-1"), town.unit("E-2")),
        shortfalls=(),
        candidates=(),
        explanation=Explanation(policy="recommendation"),
        plan="accident",
        wanted=(WANTED,),
        unfilled=(1,),
    )
    await edge.record(Change(companion_of(UUID(incident_id)), None, (recommended,)))
    assert (await card(edge, incident_id))[0]["recommendation"]["plan"] == "accident"
    sent = await send(edge, incident_id)
    assert sent.status_code == 201, sent.text
    assert [(each["call_sign"], each["verdict"]) for each in sent.json()["units"]] == [
        ("W-1", "unit.of_others"),
        ("E-2", "assigned"),
    ]
    is_problem(await send(edge, incident_id, "W-1"), 404, "not_found")


async def test_the_checklist_grows_with_the_alarm(edge: Edge, incident_id: str) -> None:
    said = IncidentRouted(
        owner=town.ownership("east-station"), recipients=(), explanation=Explanation(policy="routing")
    )
    await edge.record(Change(UUID(incident_id), None, (said,), rule_version=2))

    async def items() -> list[str]:
        answer = await edge.client.get(f"/v1/incidents/{incident_id}/checklist", headers=edge.as_operator(OWNER))
        return [item["code"] for item in answer.json()["items"]]

    assert await items() == []
    _, version = await card(edge, incident_id)
    assert (await alarm(edge, incident_id, "raise", 2, version)).status_code == 200
    assert await items() == ["trapped_counted"]
