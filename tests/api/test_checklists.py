"""The checklist of an incident: that of the rules by which it was routed, whatever the rules become."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx

from dispatch.handling.scribe import Change
from domain.event import Explanation
from domain.identifiers import rulebook_stream
from domain.incident.events import IncidentRouted
from domain.rulebook.events import RulebookActivated, RulebookPublished
from domain.rulebook.plans import ChecklistItem
from tests.api import town
from tests.api.conftest import Edge
from tests.api.test_problems import is_problem

ITEMS = ("watched_live", "unit_sent")


async def with_checklist(edge: Edge, version: int, items: tuple[str, ...]) -> None:
    """Put rules in force in which accidents have this list."""
    rules = town.rulebook(version)
    listed = tuple(ChecklistItem(code=code, text_zh=code, text_en=code) for code in items)
    categories = tuple(
        rule.model_copy(update={"checklist": listed}) if rule.code == "traffic.accident" else rule
        for rule in rules.categories
    )
    rules = rules.model_copy(update={"categories": categories})
    now = edge.services.clock.now()
    activated = RulebookActivated(version=version, effective_at=now)
    await edge.record(Change(rulebook_stream(town.CITY), None, (RulebookPublished(rulebook=rules), activated)))


async def routed(edge: Edge, incident_id: Any, version: int) -> None:
    """What the router would say."""
    event = IncidentRouted(owner=town.ownership("east"), recipients=(), explanation=Explanation(policy="routing"))
    await edge.record(Change(incident_id, None, (event,), rule_version=version))


async def listed(edge: Edge, incident_id: str) -> dict[str, Any]:
    await edge.project()
    answer = await edge.client.get(f"/v1/incidents/{incident_id}/checklist", headers=edge.as_operator("east.01"))
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def tick(edge: Edge, incident_id: str, item: str, what: str = "done", body: Any = None) -> httpx.Response:
    path = f"/v1/incidents/{incident_id}/checklist/{item}/{what}"
    return await edge.client.post(path, json=body or {}, headers=edge.as_operator("east.01"))


async def test_the_list_is_that_of_the_routing_and_stays_it(edge: Edge) -> None:
    await with_checklist(edge, 2, ITEMS)
    incident_id = (await edge.report())["incident_id"]
    before = await listed(edge, incident_id)
    assert (before["rule_version"], before["items"]) == (None, [])
    await routed(edge, UUID(incident_id), 2)
    await with_checklist(edge, 3, ("something_else",))
    await routed(edge, UUID(incident_id), 3)
    told = await listed(edge, incident_id)
    assert (told["rule_version"], [item["code"] for item in told["items"]]) == (2, list(ITEMS))
    assert told["open_required"] == list(ITEMS)
    answer = await tick(edge, incident_id, "unit_sent", body={"note": "已派"})
    assert answer.status_code == 200, answer.text
    told = await listed(edge, incident_id)
    assert told["open_required"] == ["watched_live"]
    assert told["items"][1]["done"]["note"] == "已派"
    assert told["items"][1]["done"]["done_by"] == str(town.operator("east.01"))
    assert (await tick(edge, incident_id, "unit_sent")).json()["changed"] is False
    undone = await tick(edge, incident_id, "unit_sent", "undone", {"reason": "点错"})
    assert undone.status_code == 200, undone.text
    assert (await listed(edge, incident_id))["open_required"] == list(ITEMS)
    is_problem(await tick(edge, incident_id, "something_else"), 404, "checklist.item_unknown")
    is_problem(await tick(edge, incident_id, "Nonsense!"), 422, "invalid")


async def test_another_category_is_another_list(edge: Edge) -> None:
    await with_checklist(edge, 2, ITEMS)
    incident_id = (await edge.report())["incident_id"]
    await routed(edge, UUID(incident_id), 2)
    other = {"category": "other.unclassified", "severity": 2, "priority": 6}
    assert (await edge.decide(incident_id, "classify", other, by="east.01", version=2)).status_code == 200
    await routed(edge, UUID(incident_id), 2)
    assert (await listed(edge, incident_id))["items"] == []


async def test_a_foreign_incident_has_no_list(edge: Edge) -> None:
    incident_id = (await edge.report())["incident_id"]
    answer = await edge.client.get(
        f"/v1/incidents/{incident_id}/checklist", headers=edge.as_operator("west-station.01")
    )
    is_problem(answer, 404, "not_found")
