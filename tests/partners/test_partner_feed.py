"""What each partner's feed holds, against a real database."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import asyncpg
import pytest

from dispatch.partners.contracts import FEED_FIELDS, MESSAGE_BYTES_MAX
from dispatch.partners.feed import Feed
from dispatch.store.postgres import PostgresLog
from domain.assignment.events import (
    AssignmentAcknowledged,
    AssignmentCancelled,
    AssignmentCleared,
    UnitEnRoute,
    UnitOnScene,
)
from domain.event import Actor
from domain.identifiers import companion_of
from domain.incident.events import (
    AgencyAccepted,
    AgencyDeclined,
    IncidentAccepted,
    IncidentClaimed,
    IncidentClosed,
    IncidentMerged,
    IncidentResolved,
    IncidentUnmerged,
    NoteAdded,
    SeverityRaised,
)
from domain.refusals import Conflict
from domain.vocabulary import ActorKind, AgencyRole, Disposition, MessageStatus, Severity
from tests.partners.conftest import CITY
from tests.partners.story import STATION, Story, assigned, feed_of, opened

RESPONSIBLE, INFORMED = AgencyRole.RESPONSIBLE, AgencyRole.INFORMED
RAISED = SeverityRaised(from_severity=Severity.MODERATE, to_severity=Severity.SEVERE, priority=1, alert_position=1)


@pytest.fixture
async def story(pg_log: PostgresLog) -> Story:
    return Story(pg_log)


async def types_of(pool: asyncpg.Pool, agency: str) -> list[str]:
    return [row["type"].removeprefix("dispatch.") for row in await feed_of(pool, agency)]


async def bodies_of(pool: asyncpg.Pool, agency: str) -> list[dict[str, Any]]:
    return [json.loads(row["body"]) for row in await feed_of(pool, agency)]


async def everything(pool: asyncpg.Pool) -> list[tuple[Any, ...]]:
    rows = await pool.fetch(
        "SELECT agency, sequence, position, message_id, type, subject, headers, body FROM feed.entries ORDER BY 1, 2"
    )
    return [tuple(row) for row in rows]


async def test_an_agency_hears_of_an_incident_from_its_routing_to_its_end(story: Story, pool: asyncpg.Pool) -> None:
    await story.city()
    incident_id = await story.incident("1")
    await story.routed(incident_id, police=RESPONSIBLE)
    await story.tell(incident_id, RAISED, IncidentAccepted(center_id=STATION), AgencyAccepted(agency="police"))
    await story.tell(
        incident_id,
        IncidentResolved(disposition=Disposition.HANDLED, note="抽干"),
        IncidentClosed(),
    )
    await Feed(story.log, pool, CITY).catch_up()
    assert await types_of(pool, "police") == [
        "incident.routed.v1",
        "incident.severity_raised.v1",
        "incident.accepted.v1",
        "incident.agency_accepted.v1",
        "incident.resolved.v1",
        "incident.closed.v1",
    ]
    assert await types_of(pool, "flood_control") == []
    last = (await bodies_of(pool, "police"))[-1]
    assert (last["phase"], last["severity"], last["disposition"]) == ("closed", "severe", "handled")


async def test_who_is_asked_later_first_gets_the_state_so_far(story: Story, pool: asyncpg.Pool) -> None:
    await story.city()
    incident_id = await story.incident("1")
    await story.routed(incident_id, police=RESPONSIBLE)
    await story.tell(incident_id, RAISED)
    await story.routed(incident_id, police=RESPONSIBLE, flood_control=INFORMED)
    await Feed(story.log, pool, CITY).catch_up()
    (first,) = await bodies_of(pool, "flood_control")
    assert (first["number"], first["severity"], first["role"]) == ("1", "severe", "informed")
    assert first["place"] == {"lon": 104.04, "lat": 30.64, "address": "武侯大道"}
    assert first["owner"]["code"] == "wuhou-01"
    assert {each["agency"]: each["role"] for each in first["recipients"]} == {
        "police": "responsible",
        "flood_control": "informed",
    }


async def test_who_was_told_hears_the_end_even_if_a_later_routing_leaves_it_out(
    story: Story, pool: asyncpg.Pool
) -> None:
    await story.city()
    incident_id = await story.incident("1")
    await story.routed(incident_id, police=RESPONSIBLE, flood_control=INFORMED)
    await story.routed(incident_id, police=RESPONSIBLE)
    await story.tell(incident_id, IncidentAccepted(center_id=STATION))
    await Feed(story.log, pool, CITY).catch_up()
    bodies = await bodies_of(pool, "flood_control")
    assert [body.get("role") for body in bodies] == ["informed", None, None]
    assert bodies[-1]["phase"] == "accepted"


@pytest.mark.parametrize(
    "status", [MessageStatus.TEST, MessageStatus.EXERCISE, MessageStatus.SYSTEM, MessageStatus.DRAFT]
)
async def test_exercises_and_tests_never_reach_a_feed(story: Story, pool: asyncpg.Pool, status: MessageStatus) -> None:
    await story.city()
    incident_id = await story.incident("1", status=status)
    await story.routed(incident_id, police=INFORMED)
    await story.tell(incident_id, RAISED, IncidentAccepted(center_id=STATION))
    assert await Feed(story.log, pool, CITY).catch_up() == 0
    assert await types_of(pool, "police") == []


async def test_an_agency_hears_of_its_own_units_only(story: Story, pool: asyncpg.Pool) -> None:
    await story.city()
    incident_id = await story.incident("1")
    await story.routed(incident_id, police=RESPONSIBLE, flood_control=INFORMED)
    car = await story.unit("P-1", "police")
    made = assigned(incident_id, "P-1", "police")
    step = {"assignment_id": made.assignment_id, "incident_id": incident_id}
    await story.tell(car, made, AssignmentAcknowledged(**step), UnitEnRoute(**step), UnitOnScene(**step))
    await story.tell(car, AssignmentCleared(**step, outcome="done"))
    await Feed(story.log, pool, CITY).catch_up()
    assert await types_of(pool, "flood_control") == ["incident.routed.v1"]
    assert (await types_of(pool, "police"))[1:] == [
        "assignment.made.v1",
        "assignment.acknowledged.v1",
        "assignment.en_route.v1",
        "assignment.on_scene.v1",
        "assignment.cleared.v1",
    ]
    bodies = (await bodies_of(pool, "police"))[1:]
    assert {body["assignment_id"] for body in bodies} == {str(made.assignment_id)}
    assert [[each["phase"] for each in body["assignments"]] for body in bodies] == [
        ["made"],
        ["acknowledged"],
        ["en_route"],
        ["on_scene"],
        [],
    ]


@pytest.mark.parametrize("is_told_with_it", [True, False])
async def test_a_diverted_crew_hears_one_message(story: Story, pool: asyncpg.Pool, is_told_with_it: bool) -> None:
    await story.city()
    first, second = await story.incident("1"), await story.incident("2")
    await story.routed(first, police=RESPONSIBLE)
    await story.routed(second, **{"police" if is_told_with_it else "flood_control": RESPONSIBLE})
    car = await story.unit("P-1", "police")
    made = assigned(first, "P-1", "police")
    await story.tell(car, made)
    await Feed(story.log, pool, CITY).catch_up()
    before = len(await types_of(pool, "police"))
    called_back = AssignmentCancelled(
        assignment_id=made.assignment_id,
        incident_id=first,
        reason="a life is at stake",
        diverted_to=second,
        is_told_with_it=is_told_with_it,
    )
    instead = assigned(second, "P-1", "police").model_copy(
        update={"diverted_from": first, "instead_of": made.assignment_id}
    )
    await story.tell(car, called_back, instead)
    await Feed(story.log, pool, CITY).catch_up()
    heard = "assignment.made.v1" if is_told_with_it else "assignment.cancelled.v1"
    assert (await types_of(pool, "police"))[before:] == [heard]
    (body,) = (await bodies_of(pool, "police"))[before:]
    if is_told_with_it:
        assert body["instead_of"] == str(made.assignment_id)
        assert body["assignment_id"] == str(instead.assignment_id)


async def test_notes_and_claims_stay_inside(story: Story, pool: asyncpg.Pool) -> None:
    await story.city()
    incident_id = await story.incident("1")
    await story.routed(incident_id, police=RESPONSIBLE)
    await story.tell(incident_id, IncidentClaimed(operator_id=STATION))
    await story.tell(companion_of(incident_id), NoteAdded(incident_id=incident_id, note_id=STATION, text="witness: Li"))
    await Feed(story.log, pool, CITY).catch_up()
    assert await types_of(pool, "police") == ["incident.routed.v1"]


async def test_a_merge_points_to_the_other_incident_and_its_undoing_takes_the_pointer_away(
    story: Story, pool: asyncpg.Pool
) -> None:
    await story.city()
    incident_id, head = await story.incident("1"), await story.incident("2")
    await story.routed(incident_id, police=RESPONSIBLE)
    await story.tell(incident_id, IncidentMerged(merge_id=STATION, into_incident_id=head, into_version=1))
    await story.tell(incident_id, IncidentUnmerged(merge_id=STATION, from_incident_id=head))
    await Feed(story.log, pool, CITY).catch_up()
    bodies = await bodies_of(pool, "police")
    assert [(body["phase"], body.get("merged_into")) for body in bodies[1:]] == [("merged", str(head)), ("open", None)]


async def test_numbers_are_contiguous_for_each_partner_whatever_the_page_size(story: Story, pool: asyncpg.Pool) -> None:
    await story.city()
    for number in range(20):
        incident_id = await story.incident(str(number))
        roles = {"police": RESPONSIBLE} if number % 3 else {"police": INFORMED, "flood_control": RESPONSIBLE}
        await story.routed(incident_id, **roles)
        await story.tell(incident_id, RAISED)
    await Feed(story.log, pool, CITY, page_events=7).catch_up()
    for agency in ("police", "flood_control"):
        sequences = [row["sequence"] for row in await feed_of(pool, agency)]
        assert sequences == list(range(1, len(sequences) + 1))
        positions = [row["position"] for row in await feed_of(pool, agency)]
        assert positions == sorted(positions)


async def test_written_in_one_go_or_page_by_page_with_restarts_the_feed_is_the_same(
    story: Story, pool: asyncpg.Pool
) -> None:
    await story.city()
    for number in range(8):
        incident_id = await story.incident(str(number))
        await story.routed(incident_id, police=RESPONSIBLE)
        if number == 3:
            await story.agency("police", fields=("number", "severity"))
        await story.tell(incident_id, RAISED, AgencyDeclined(agency="police", reason="not ours"))
    while await Feed(story.log, pool, CITY, page_events=3).advance() is not None:
        pass
    piecewise = await everything(pool)
    for table in ("entries", "incidents", "checkpoints"):
        await pool.execute(f"DELETE FROM feed.{table}")
    await Feed(story.log, pool, CITY).catch_up()
    assert await everything(pool) == piecewise


async def test_a_second_owner_that_comes_late_writes_nothing(story: Story, pool: asyncpg.Pool) -> None:
    await story.city()
    first, second = Feed(story.log, pool, CITY), Feed(story.log, pool, CITY)
    assert await first.catch_up() == await second.catch_up() == 0
    incident_id = await story.incident("1")
    await story.routed(incident_id, police=RESPONSIBLE)
    await first.catch_up()
    with pytest.raises(Conflict):
        await second.advance()
    assert await second.catch_up() == 0
    assert await types_of(pool, "police") == ["incident.routed.v1"]


async def test_what_is_not_listed_does_not_leave(story: Story, pool: asyncpg.Pool) -> None:
    await story.city()
    await story.agency("police", fields=("number", "severity", "no_such_field"))
    await story.agency("flood_control", fields=())
    incident_id = await story.incident("1")
    await story.routed(incident_id, police=RESPONSIBLE, flood_control=INFORMED)
    await Feed(story.log, pool, CITY).catch_up()
    assert await bodies_of(pool, "police") == [{"incident_id": str(incident_id), "number": "1", "severity": "moderate"}]
    assert await bodies_of(pool, "flood_control") == [{"incident_id": str(incident_id)}]


async def test_a_change_of_the_list_counts_from_its_own_position_on(story: Story, pool: asyncpg.Pool) -> None:
    await story.city()
    incident_id = await story.incident("1")
    await story.routed(incident_id, police=RESPONSIBLE)
    await story.agency("police", fields=("number",))
    await story.tell(incident_id, RAISED)
    await Feed(story.log, pool, CITY).catch_up()
    before, after = await bodies_of(pool, "police")
    assert "headline" in before
    assert set(after) == {"incident_id", "number"}


async def test_headers_are_cloudevents_and_survive_any_text(story: Story, pool: asyncpg.Pool) -> None:
    await story.city()
    incident_id = await story.incident("1")
    await story.routed(incident_id, police=RESPONSIBLE)
    await Feed(story.log, pool, CITY).catch_up()
    (row,) = await feed_of(pool, "police")
    headers = json.loads(row["headers"])
    assert headers["ce-specversion"] == "1.0"
    assert headers["ce-type"] == "dispatch.incident.routed.v1"
    assert headers["ce-source"] == f"/city/{CITY}/dispatch"
    assert headers["ce-subject"] == f"incident/{incident_id}"
    assert headers["ce-sequence"] == "1"
    assert headers["ce-correlationid"] == str(incident_id)
    assert UUID(headers["ce-causationid"])
    assert headers["ce-id"] == str(row["message_id"])
    assert all(value.isascii() and " " not in value for value in headers.values())
    assert unquote(headers["ce-time"]).startswith("2026-07-03T18:")
    assert row["subject"] == f"city.{CITY}.police.wuhou.wuhou-01.incident-routed"


async def test_a_partner_recognises_what_its_own_command_caused(story: Story, pool: asyncpg.Pool) -> None:
    await story.city()
    incident_id = await story.incident("1")
    await story.routed(incident_id, police=RESPONSIBLE, flood_control=INFORMED)
    partner = Actor(kind=ActorKind.PARTNER, id="police", agency="police")
    await story.tell(incident_id, AgencyAccepted(agency="police"), actor=partner, causation_id=STATION)
    await Feed(story.log, pool, CITY).catch_up()
    own, foreign = (await feed_of(pool, "police"))[-1], (await feed_of(pool, "flood_control"))[-1]
    assert json.loads(own["headers"])["ce-causationid"] == str(STATION)
    assert own["from_partner"]
    assert json.loads(foreign["headers"])["ce-causationid"] != str(STATION)
    assert not foreign["from_partner"]


async def test_a_message_too_large_goes_out_by_reference(story: Story, pool: asyncpg.Pool) -> None:
    await story.city()
    incident_id = await story.incident("1")
    many = {f"agency_{number}": INFORMED for number in range(2_000)}
    await story.routed(incident_id, police=RESPONSIBLE, **many)
    await Feed(story.log, pool, CITY).catch_up()
    (row,) = await feed_of(pool, "police")
    assert len(row["body"]) + len(row["headers"]) < MESSAGE_BYTES_MAX
    assert json.loads(row["body"]) == {
        "incident_id": str(incident_id),
        "reference": f"/v1/incidents/{incident_id}?min_position={row['position']}",
    }


async def test_a_poison_fact_is_parked_with_what_follows_it_and_the_rest_goes_on(
    story: Story, pool: asyncpg.Pool
) -> None:
    await story.city()
    bad, good = await story.incident("bad"), await story.incident("good")
    await story.routed(good, police=RESPONSIBLE)
    poison = opened("bad").model_copy(update={"priority": 99})
    await story.tell(bad, poison)
    await story.routed(bad, police=RESPONSIBLE)
    await story.tell(good, RAISED)
    await Feed(story.log, pool, CITY).catch_up()
    assert await types_of(pool, "police") == ["incident.routed.v1", "incident.severity_raised.v1"]
    parked = await pool.fetch("SELECT stream_id, reason FROM feed.parked ORDER BY position")
    assert [row["stream_id"] for row in parked] == [bad, bad]
    await story.routed(bad, police=INFORMED)
    await Feed(story.log, pool, CITY).catch_up()
    assert len(await feed_of(pool, "police")) == 2


def test_every_field_the_sample_city_lists_is_one_we_know() -> None:
    city = json.loads((files("dispatch.cities.chengdu") / "city.json").read_text(encoding="utf-8"))
    listed = {agency["code"]: set(agency["feed_fields"]) for agency in city["agencies"] if agency["has_feed"]}
    assert set(listed) == {"police", "urban_management", "flood_control", "traffic_police"}
    assert all(fields <= FEED_FIELDS for fields in listed.values())
