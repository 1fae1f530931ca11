"""A repeat hears the answer of the first time, also when what was asked is why it would be refused now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import httpx
import pytest

from dispatch.handling.scribe import Change
from domain.event import Explanation
from domain.incident.events import IncidentRouted
from tests.api import town
from tests.api.conftest import Edge
from tests.api.test_problems import is_problem

EAST = "east-station.01"
IN_WEST = {"point": {"type": "Point", "coordinates": list(town.IN_WEST)}}


async def moved_west(edge: Edge, incident_id: str) -> None:
    """What the router records for an incident that is found to lie in the other district."""
    stream = UUID(incident_id)
    loaded = await edge.services.incidents.state(stream)
    event = IncidentRouted(
        owner=town.ownership("west-station"), recipients=(), explanation=Explanation(policy="routing")
    )
    await edge.record(Change(stream, loaded.version, (event,)), by="router")


async def asked(edge: Edge, incident_id: str, what: str, body: Any, headers: Mapping[str, str]) -> httpx.Response:
    return await edge.client.post(f"/v1/incidents/{incident_id}/{what}", json=body, headers=dict(headers))


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("relocate", IN_WEST),
        ("accept", None),
        ("classify", {"category": "other.unclassified", "severity": 2, "priority": 4}),
        ("claim", None),
        ("transfers", {"to_center_id": str(town.center("west")), "reason": "theirs"}),
        ("notes", {"text": "lies west of the bridge"}),
        ("evidence", {"media": {"uri": "https://evidence.example.invalid/1"}}),
        ("assignments", {"unit_id": str(town.unit("E-1"))}),
    ],
)
async def test_a_repeat_is_answered_although_the_incident_is_another_districts_by_now(
    edge: Edge, what: str, body: Any
) -> None:
    incident_id = (await edge.report(by=EAST))["incident_id"]
    headers = edge.as_operator(EAST) | edge.key() | {"If-Match": '"1"'}
    first = await asked(edge, incident_id, what, body, headers)
    assert first.status_code in {200, 201}, first.text
    await moved_west(edge, incident_id)
    before = await edge.services.log.tip()
    again = await asked(edge, incident_id, what, body, headers)
    assert (again.status_code, again.headers.get("idempotent-replayed")) == (first.status_code, "true"), again.text
    assert {**again.json(), "changed": True} == {**first.json(), "changed": True}
    assert await edge.services.log.tip() == before
    is_problem(await asked(edge, incident_id, what, body, headers | edge.key()), 404, "not_found")


async def test_a_transfer_that_was_accepted_is_accepted_for_whoever_repeats_it(edge: Edge) -> None:
    incident_id = (await edge.report(by=EAST))["incident_id"]
    offer = {"to_center_id": str(town.center("west")), "reason": "theirs"}
    offered = await edge.decide(incident_id, "transfers", offer, by=EAST, version=1)
    path = f"transfers/{offered.json()['transfer_id']}/accept"
    headers = edge.as_operator("west.01") | edge.key() | {"If-Match": '"2"'}
    first = await asked(edge, incident_id, path, None, headers)
    again = await asked(edge, incident_id, path, None, headers)
    assert (first.status_code, again.status_code) == (200, 200), again.text
    assert again.headers["idempotent-replayed"] == "true"


async def test_the_same_key_with_another_body_is_refused_as_such_and_tells_nothing_else(edge: Edge) -> None:
    incident_id = (await edge.report(by=EAST))["incident_id"]
    headers = edge.as_operator(EAST) | edge.key()
    assert (await asked(edge, incident_id, "notes", {"text": "a"}, headers)).status_code == 201
    await moved_west(edge, incident_id)
    is_problem(await asked(edge, incident_id, "notes", {"text": "b"}, headers), 422, "key_reused")
