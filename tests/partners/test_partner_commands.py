"""What partners answer us, through a real nats-server into a real log, with everything running."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from dispatch.handling.scribe import as_fact
from dispatch.partners.verbs import VERBS, ProblemReply, Recorded
from dispatch.store.positions import PostgresUnitPositions
from domain.incident.events import IncidentAccepted
from domain.incident.restriction_events import IncidentRestricted
from domain.vocabulary import AgencyRole, AssignmentPhase, IncidentPhase, MessageStatus
from tests.partners.conftest import CITY
from tests.partners.house import NOBODY, House, house, message
from tests.partners.story import ROOT, STATION, assigned

RESPONSIBLE, INFORMED = AgencyRole.RESPONSIBLE, AgencyRole.INFORMED
AT = {"unit_id": str(NOBODY), "lon": 104.0, "lat": 30.0, "reported_at": "2026-07-03T10:00:00Z"}
__all__ = ["house"]


async def ask(house: House, verb: str, body: dict[str, Any] | bytes, **headers: str) -> dict[str, Any]:
    """The desk's answer without NATS between."""
    raw = body if isinstance(body, bytes) else json.dumps(body, default=str).encode()
    headers.setdefault("id", str(message(f"{verb} {raw!r}")))
    named = {f"ce-{name}": value for name, value in headers.items() if value}
    reply = await house.desk.answer(f"city.{CITY}.police.command.{verb}", named, raw)
    answer: dict[str, Any] = json.loads(reply.body)
    (Recorded if answer.get("status") == "recorded" else ProblemReply).model_validate(answer)
    return answer


async def test_an_agency_accepts_over_nats_and_hears_of_it_with_its_own_command_as_the_cause(house: House) -> None:
    incident_id = await house.story.incident("1")
    await house.story.routed(incident_id, police=RESPONSIBLE)
    async with house.served():
        await house.until_read(1)
        answer = await house.until_answered("accept", "m1", {"incident_id": incident_id, "reference": "成公 77"})
        assert answer.recorded
        loaded = await house.incidents.state(incident_id)
        assert loaded.state.answers == {"police": "accepted"}
        assert answer.position == (await house.story.log.tip()).position
        assert answer.headers["Dispatch-Position"] == str(answer.position)
        echo = (await house.until_read(2))[-1]
    assert echo.type == "dispatch.incident.agency_accepted.v1"
    assert echo.attributes["causationid"] == str(message("m1"))
    assert echo.body["recipients"] == [{"agency": "police", "role": "responsible", "answer": "accepted"}]


async def test_an_agency_declines_with_a_reason(house: House) -> None:
    incident_id = await house.story.incident("1")
    await house.story.routed(incident_id, police=RESPONSIBLE)
    assert (await ask(house, "decline", {"incident_id": incident_id}))["code"] == "partner.invalid"
    answer = await ask(house, "decline", {"incident_id": incident_id, "reason": "属交警"})
    assert answer["changed"]
    assert (await house.incidents.state(incident_id)).state.answers == {"police": "declined"}


async def test_a_unit_progresses_from_acknowledged_to_clear(house: House) -> None:
    incident_id = await house.story.incident("1")
    await house.story.routed(incident_id, police=RESPONSIBLE)
    car = await house.story.unit("P-1", "police")
    made = assigned(incident_id, "P-1", "police")
    await house.story.tell(car, made)
    body = {"unit_id": car, "assignment_id": made.assignment_id}
    phases = []
    for verb in ("acknowledge", "en-route", "on-scene"):
        assert (await ask(house, verb, body))["changed"]
        phases.append((await house.assignments.state(car)).state.assignments[made.assignment_id].phase)
    assert phases == [AssignmentPhase.ACKNOWLEDGED, AssignmentPhase.EN_ROUTE, AssignmentPhase.ON_SCENE]
    assert (await ask(house, "clear", {**body, "outcome": "handled"}))["changed"]
    assert (await ask(house, "decline-assignment", {**body, "reason": "late"}))["status"] == 409


async def test_a_unit_of_another_agency_does_not_exist_for_a_partner(house: House) -> None:
    incident_id = await house.story.incident("1")
    await house.story.routed(incident_id, police=RESPONSIBLE)
    boat = await house.story.unit("F-1", "flood_control")
    made = assigned(incident_id, "F-1", "flood_control")
    await house.story.tell(boat, made)
    foreign = await ask(house, "acknowledge", {"unit_id": boat, "assignment_id": made.assignment_id})
    unknown = await ask(house, "acknowledge", {"unit_id": NOBODY, "assignment_id": made.assignment_id})
    assert foreign == unknown
    assert (foreign["status"], foreign["code"]) == (404, "unit.unknown")
    assert (await ask(house, "position", {**AT, "unit_id": str(boat)}))["status"] == 404


async def test_an_incident_an_agency_was_not_told_of_does_not_exist_for_it(house: House) -> None:
    incident_id = await house.story.incident("1")
    await house.story.routed(incident_id, flood_control=RESPONSIBLE)
    exercise = await house.story.incident("2", status=MessageStatus.EXERCISE)
    await house.story.routed(exercise, police=INFORMED)
    for verb, more in (
        ("accept", {}),
        ("decline", {"reason": "x"}),
        ("note", {"text": "x"}),
        ("resolve", {"disposition": "handled"}),
        ("close", {}),
    ):
        answers = [await ask(house, verb, {"incident_id": which, **more}) for which in (incident_id, exercise, NOBODY)]
        assert answers[0] == answers[1] == answers[2]
        assert answers[0]["status"] == 404


async def test_who_has_a_crew_on_a_restricted_incident_answers_as_soon_as_it_was_sent(house: House) -> None:
    incident_id = await house.story.incident("1")
    await house.story.routed(incident_id, police=RESPONSIBLE)
    restricted = IncidentRestricted(operation_id=NOBODY, center_ids=(ROOT, STATION), reason="guarded")
    await house.story.tell(incident_id, restricted)
    assert (await ask(house, "note", {"incident_id": incident_id, "text": "before"}))["status"] == 404
    # No row says it yet: nothing is projected here.
    await house.story.tell(await house.story.unit("P-1", "police"), assigned(incident_id, "P-1", "police"))
    assert (await ask(house, "note", {"incident_id": incident_id, "text": "after"}))["status"] == "recorded"


async def test_only_the_responsible_agency_resolves_and_closes(house: House) -> None:
    incident_id = await house.story.incident("1")
    await house.story.routed(incident_id, police=INFORMED)
    await house.story.tell(incident_id, IncidentAccepted(center_id=STATION))
    refused = await ask(house, "resolve", {"incident_id": incident_id, "disposition": "handled"})
    assert refused["code"] == "partner.not_responsible"
    await house.story.routed(incident_id, police=RESPONSIBLE)
    assert (await ask(house, "resolve", {"incident_id": incident_id, "disposition": "settled"}))["changed"]
    assert (await ask(house, "close", {"incident_id": incident_id, "note": "done"}))["changed"]
    assert (await house.incidents.state(incident_id)).state.phase is IncidentPhase.CLOSED


async def test_a_note_reaches_the_incident(house: House) -> None:
    incident_id = await house.story.incident("1")
    await house.story.routed(incident_id, police=RESPONSIBLE)
    answer = await ask(house, "note", {"incident_id": incident_id, "text": "bridge closed"})
    assert UUID(answer["answer"]["note_id"])


@pytest.mark.parametrize("said_at", ["0001-01-01T00:00:00+14:00", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00"])
async def test_a_partners_clock_that_lost_its_battery_is_not_believed(house: House, said_at: str) -> None:
    incident_id = await house.story.incident("1")
    await house.story.routed(incident_id, police=RESPONSIBLE)
    answer = await ask(house, "note", {"incident_id": incident_id, "text": "bridge closed"}, time=said_at)
    (recorded,) = await house.story.log.read_after(answer["position"] - 1, limit=1)
    assert abs(as_fact(recorded).envelope.occurred_at - recorded.recorded_at) < timedelta(minutes=1)


async def test_a_position_is_kept_and_an_older_one_never_overwrites_it(house: House) -> None:
    car = await house.story.unit("P-1", "police")
    positions = PostgresUnitPositions(house.pool)
    later = {"unit_id": car, "lon": 104.1, "lat": 30.6, "reported_at": "2026-07-03T10:00:00Z"}
    earlier = {"unit_id": car, "lon": 0, "lat": 0, "reported_at": "2026-07-03T09:00:00Z"}
    for body in (later, earlier):
        assert (await ask(house, "position", body))["status"] == "recorded"
    found = (await positions.get([car]))[car]
    assert (found.point.lon, found.source) == (104.1, "partner:police")


async def test_the_same_message_again_gets_the_same_answer_and_changes_nothing(house: House) -> None:
    incident_id = await house.story.incident("1")
    await house.story.routed(incident_id, police=RESPONSIBLE)
    first = await ask(house, "accept", {"incident_id": incident_id})
    await house.story.tell(incident_id, IncidentAccepted(center_id=STATION))
    tip = await house.story.log.tip()
    again = await ask(house, "accept", {"incident_id": incident_id})
    assert (again["repeated"], again["position"], again["answer"]) == (True, first["position"], first["answer"])
    assert await house.story.log.tip() == tip


async def test_the_same_id_with_another_body_is_refused(house: House) -> None:
    incident_id = await house.story.incident("1")
    await house.story.routed(incident_id, police=RESPONSIBLE)
    same = str(message("one"))
    await ask(house, "accept", {"incident_id": incident_id}, id=same)
    reused = await ask(house, "decline", {"incident_id": incident_id, "reason": "x"}, id=same)
    assert (reused["status"], reused["code"]) == (422, "key_reused")


async def test_saying_it_again_under_another_id_is_nothing_and_so_is_its_repeat(house: House) -> None:
    incident_id = await house.story.incident("1")
    await house.story.routed(incident_id, police=RESPONSIBLE)
    await ask(house, "accept", {"incident_id": incident_id}, id=str(message("one")))
    position = (await house.story.log.tip()).position
    for _ in range(2):
        answer = await ask(house, "accept", {"incident_id": incident_id}, id=str(message("two")))
        assert answer["status"] == "recorded"
        assert not answer["changed"]
    assert (await house.story.log.tip()).position == position


async def test_two_agencies_may_choose_the_same_id(house: House) -> None:
    incident_id = await house.story.incident("1")
    await house.story.routed(incident_id, police=RESPONSIBLE, flood_control=INFORMED)
    body = json.dumps({"incident_id": str(incident_id)}).encode()
    for agency in ("police", "flood_control"):
        reply = await house.desk.answer(f"city.{CITY}.{agency}.command.accept", {"ce-id": str(message("same"))}, body)
        assert json.loads(reply.body)["changed"]
    assert (await house.incidents.state(incident_id)).state.answers == {
        "police": "accepted",
        "flood_control": "accepted",
    }


async def test_a_machine_that_answers_its_own_echo_is_stopped(house: House) -> None:
    incident_id = await house.story.incident("1")
    await house.story.routed(incident_id, police=RESPONSIBLE)
    async with house.served():
        (routed,) = await house.until_read(1)
        caused = await ask(house, "accept", {"incident_id": incident_id}, causationid=str(routed.id))
        assert caused["changed"]
        echo = (await house.until_read(2))[-1]
        looped = await ask(house, "decline", {"incident_id": incident_id, "reason": "bounce"}, causationid=str(echo.id))
    assert looped["code"] == "partner.command_loop"


@pytest.mark.parametrize(
    ("verb", "body", "headers", "code"),
    [
        ("accept", b"not json", {}, "partner.invalid"),
        ("accept", b"\xff\xfe", {}, "partner.invalid"),
        ("accept", b"[]", {}, "partner.invalid"),
        ("accept", b'{"incident_id": "1"}', {}, "partner.invalid"),
        ("accept", {"incident_id": NOBODY, "unknown": 1}, {}, "partner.invalid"),
        ("accept", {"incident_id": NOBODY}, {"id": ""}, "partner.message_id_missing"),
        ("accept", {"incident_id": NOBODY}, {"id": "seven"}, "partner.invalid"),
        ("accept", {"incident_id": NOBODY}, {"causationid": "x"}, "partner.invalid"),
        ("accept", b'{"incident_id": "' + b"x" * 70_000 + b'"}', {}, "body_too_large"),
        ("conquer", {"incident_id": NOBODY}, {}, "partner.unknown_verb"),
        ("decline", {"incident_id": NOBODY, "reason": ""}, {}, "partner.invalid"),
        ("decline", {"incident_id": NOBODY, "reason": "x" * 2_001}, {}, "partner.invalid"),
        (
            "position",
            {**AT, "lon": 181},
            {},
            "partner.invalid",
        ),
        (
            "position",
            {**AT, "reported_at": "2026-07-03T10:00:00"},
            {},
            "partner.invalid",
        ),
        ("position", {**AT, "reported_at": "0001-01-01T00:00:00+14:00"}, {}, "partner.invalid"),
        ("note", {"incident_id": NOBODY, "text": "bridge\x00closed"}, {}, "partner.invalid"),
        ("decline", {"incident_id": NOBODY, "reason": "\x00"}, {}, "partner.invalid"),
        ("accept", {"incident_id": NOBODY, "reference": "a\x00"}, {}, "partner.invalid"),
        ("note", b'{"incident_id": "00000000-0000-0000-0000-000000000001", "text": "\\ud800"}', {}, "partner.invalid"),
    ],
)
async def test_what_cannot_be_understood_is_refused_by_name(
    house: House, verb: str, body: Any, headers: dict[str, str], code: str
) -> None:
    assert (await ask(house, verb, body, **headers))["code"] == code


async def test_an_agency_without_a_feed_commands_nothing(house: House) -> None:
    body = json.dumps({"incident_id": str(NOBODY)}).encode()
    for agency in ("fire", "strangers"):
        reply = await house.desk.answer(f"city.{CITY}.{agency}.command.accept", {"ce-id": str(NOBODY)}, body)
        assert json.loads(reply.body)["code"] == "partner.unknown"


def test_every_verb_is_one_token_and_says_what_it_means() -> None:
    assert all(verb.replace("-", "").isalpha() and shape.meaning for verb, shape in VERBS.items())
