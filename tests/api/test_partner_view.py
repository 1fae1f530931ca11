"""A partner that reads by HTTP learns what its feed tells it, and nothing else."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import asyncpg

from dispatch.handling.scribe import Change, as_fact
from dispatch.partners import contracts
from dispatch.partners.feed import Feed
from domain.event import Explanation, Reason
from domain.incident.events import IncidentRouted, Recipient
from domain.vocabulary import AgencyRole, MessageStatus, Role
from tests.api import town
from tests.api.conftest import Edge
from tests.api.test_problems import is_problem

SAID = "张先生 13800000000 说两车追尾"
ALWAYS = {"incident_id"}


async def routed(edge: Edge, incident_id: str, **roles: AgencyRole) -> None:
    """What the router would record."""
    stream = UUID(incident_id)
    loaded = await edge.services.incidents.state(stream)
    assert loaded.state.owner is not None
    recipients = tuple(
        Recipient(
            agency=agency,
            center_id=town.center("traffic-hq"),
            path=town.path("traffic-hq"),
            role=role,
            reason=Reason(code="category"),
        )
        for agency, role in roles.items()
    )
    event = IncidentRouted(owner=loaded.state.owner, recipients=recipients, explanation=Explanation(policy="routing"))
    await edge.record(Change(stream, loaded.version, (event,)), by="router")


async def told_to_all(edge: Edge) -> str:
    """An incident of two agencies, with everything on it that must stay inside."""
    opened = await edge.report(text=SAID, caller="张先生", place={"address": "红星路 028-86123456"})
    incident_id: str = opened["incident_id"]
    await routed(edge, incident_id, traffic_police=AgencyRole.RESPONSIBLE, police=AgencyRole.SUPPORTING)
    headers = edge.as_operator("east-station.01")
    for path, body in (
        (f"/v1/incidents/{incident_id}/notes", {"text": "an internal remark"}),
        (f"/v1/incidents/{incident_id}/assignments", {"unit_id": str(town.unit("E-1"))}),
    ):
        answer = await edge.client.post(path, json=body, headers=headers | edge.key())
        assert answer.status_code == 201, answer.text
    await edge.project()
    return incident_id


def as_partner(edge: Edge, agency: str) -> dict[str, str]:
    return edge.as_role(Role.PARTNER, agency=agency)


async def looked_up(edge: Edge, agency: str, incident_id: str) -> list[dict[str, Any]]:
    """The card and the entry of the queue."""
    headers = as_partner(edge, agency)
    card = await edge.client.get(f"/v1/incidents/{incident_id}", headers=headers)
    queue = await edge.client.get(f"/v1/agencies/{agency}/queue", headers=headers)
    assert card.status_code == queue.status_code == 200, (card.text, queue.text)
    (entry,) = queue.json()["items"]
    mine = entry.pop("mine")
    assert {told["agency"] for told in mine} == {agency}
    return [card.json(), entry]


async def test_a_partner_reads_listed_fields_and_no_others(edge: Edge) -> None:
    incident_id = await told_to_all(edge)
    for shown in await looked_up(edge, "traffic_police", incident_id):
        assert set(shown) <= {*town.FEED_FIELDS, *ALWAYS}
        assert "headline" not in shown, "a reporter's words were said to us"
        assert shown["assignments"] == [], "another agency's unit"
        assert shown["role"] == "responsible"
        text = json.dumps(shown, ensure_ascii=False)
        assert not any(secret in text for secret in ("张先生", "13800000000", "remark", "E-1", "86123456")), text
    for shown in await looked_up(edge, "police", incident_id):
        assert [each["call_sign"] for each in shown["assignments"]] == ["E-1"]


async def test_what_is_read_is_what_the_feed_tells(edge: Edge) -> None:
    incident_id = await told_to_all(edge)
    async with asyncpg.create_pool(edge.dsn, min_size=1, max_size=2) as pool:
        await Feed(edge.services.log, pool, town.CITY).catch_up()
        last = await pool.fetch(
            "SELECT DISTINCT ON (agency) agency, body FROM feed.entries ORDER BY agency, sequence DESC"
        )
    assert {row["agency"] for row in last} == {"traffic_police", "police"}
    for agency, body in last:
        fed = json.loads(body)
        for shown in await looked_up(edge, agency, incident_id):
            assert shown == {name: value for name, value in fed.items() if name in {*town.FEED_FIELDS, *ALWAYS}}


async def test_a_partner_without_a_list_reads_that_there_is_something_and_no_more(edge: Edge) -> None:
    opened = await edge.report()
    await routed(edge, opened["incident_id"], fire=AgencyRole.RESPONSIBLE)
    for shown in await looked_up(edge, "fire", opened["incident_id"]):
        assert set(shown) == ALWAYS


async def test_an_exercise_is_not_there_for_a_partner(edge: Edge) -> None:
    opened = await edge.report()
    (first, *_) = await edge.services.log.read_stream(UUID(opened["incident_id"]))
    actual = as_fact(first).event
    drill = actual.model_copy(update={"status": MessageStatus.EXERCISE, "number": "CD-20240605-0777"})
    stream = edge.services.ids.new()
    await edge.record(Change(stream, 0, (drill,)))
    incident_id = str(stream)
    await routed(edge, incident_id, police=AgencyRole.RESPONSIBLE)
    own = await edge.client.get("/v1/agencies/police/queue", headers=edge.as_operator("police-hq.01"))
    assert [row["incident_id"] for row in own.json()["items"]] == [incident_id]
    headers = as_partner(edge, "police")
    is_problem(await edge.client.get(f"/v1/incidents/{incident_id}", headers=headers), 404, "not_found")
    queue = await edge.client.get("/v1/agencies/police/queue", headers=headers)
    assert queue.json()["items"] == []


async def test_the_story_of_an_incident_stays_inside(edge: Edge) -> None:
    incident_id = await told_to_all(edge)
    path = f"/v1/incidents/{incident_id}/timeline"
    is_problem(await edge.client.get(path, headers=as_partner(edge, "police")), 403, "forbidden")


async def test_people_of_an_agency_in_our_own_centers_see_the_whole_card(edge: Edge) -> None:
    incident_id = await told_to_all(edge)
    card = await edge.client.get(f"/v1/incidents/{incident_id}", headers=edge.as_operator("traffic-hq.01"))
    assert [note["text"] for note in card.json()["notes"]] == ["an internal remark"]


def test_every_public_field_has_its_place() -> None:
    assert set(town.FEED_FIELDS) <= contracts.FEED_FIELDS
