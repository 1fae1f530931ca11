"""What partners answer us, through a real nats-server into a real log, with everything running."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import asyncpg
import pytest

from dispatch.directory import Directory
from dispatch.handling.assignments import AssignmentDesk
from dispatch.handling.commitments import Commitments
from dispatch.handling.incidents import IncidentDesk
from dispatch.handling.scribe import Scribe, as_fact
from dispatch.partners.client import Answer, PartnerClient, Received
from dispatch.partners.commands import PartnerDesk
from dispatch.partners.connection import settled
from dispatch.partners.proof import feed_differences, stream_differences
from dispatch.partners.verbs import VERBS, ProblemReply, Recorded
from dispatch.partners.worker import NatsAddress, run_partners
from dispatch.store.positions import PostgresUnitPositions
from dispatch.store.postgres import PostgresLog
from dispatch.store.roster import PostgresRoster
from dispatch.store.vault import PostgresSealer
from dispatch.workers.ownership import AdvisoryOwnership
from dispatch.world import FreshIds, SystemClock
from domain.identifiers import companion_of
from domain.incident.events import IncidentAccepted
from domain.refusals import Unavailable
from domain.vocabulary import AgencyRole, AssignmentPhase, IncidentPhase, MessageStatus
from tests.partners.conftest import CITY, Bus
from tests.partners.story import STATION, Story, assigned

RESPONSIBLE, INFORMED = AgencyRole.RESPONSIBLE, AgencyRole.INFORMED
NOBODY = UUID(int=1)
AT = {"unit_id": str(NOBODY), "lon": 104.0, "lat": 30.0, "reported_at": "2026-07-03T10:00:00Z"}
WITHIN_S = 30


def message(name: str) -> UUID:
    return uuid5(NOBODY, name)


@dataclass
class House:
    """A city whose partners are served, and what happened in it."""

    bus: Bus
    story: Story
    pool: asyncpg.Pool
    incidents: IncidentDesk
    assignments: AssignmentDesk
    desk: PartnerDesk
    dsn: str

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        """The worker runs; no NATS is needed to begin."""
        nats = NatsAddress(self.bus.server.url, self.bus.credentials.ours().seed, timeout_s=1.0)
        working = asyncio.create_task(
            run_partners(
                log=self.story.log,
                pool=self.pool,
                desk=self.desk,
                city=CITY,
                nats=nats,
                ownership=AdvisoryOwnership(self.dsn, "partners"),
                clock=SystemClock(),
                ids=FreshIds(),
            )
        )
        try:
            yield
        finally:
            died = working.done()
            working.cancel()
            (ended,) = await asyncio.gather(working, return_exceptions=True)
            assert not died, repr(ended)

    async def partner(self, agency: str = "police") -> PartnerClient:
        return PartnerClient(await self.bus.agency(agency), CITY, agency, timeout_s=2.0)

    @asynccontextmanager
    async def joined(self, agency: str) -> AsyncIterator[PartnerClient]:
        """A partner for as long as the block runs: a server has a limit of connections."""
        partner = await self.partner(agency)
        try:
            yield partner
        finally:
            await partner.close()

    async def until_read(self, count: int, agency: str = "police") -> list[Received]:
        """The agency's first `count` messages, however often NATS goes away meanwhile."""
        seen: list[Received] = []
        async with asyncio.timeout(WITHIN_S):
            while len(seen) < count:
                with contextlib.suppress(Unavailable):
                    async with self.joined(agency) as partner:
                        async for message in partner.follow(len(seen)):
                            seen.append(message)
                            if len(seen) == count:
                                break
        return seen

    async def until_answered(self, verb: str, name: str, body: dict[str, Any], agency: str = "police") -> Answer:
        """Repeat a command with the same id until it is answered, as a partner must."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                with contextlib.suppress(Unavailable):
                    async with self.joined(agency) as partner:
                        return await partner.send(verb, message(name), body)


@pytest.fixture
async def house(bus: Bus, pg_log: PostgresLog, pool: asyncpg.Pool, dsn: str, tmp_path: Path) -> AsyncIterator[House]:
    story = Story(pg_log)
    await story.city()
    sealer = await PostgresSealer.open_vault(dsn, tmp_path / "seal.key")
    directory = Directory(pg_log, CITY)
    await directory.catch_up()
    scribe = Scribe(pg_log, sealer, SystemClock())
    positions = PostgresUnitPositions(pool)
    incidents = IncidentDesk(scribe, directory, Commitments(pg_log, PostgresRoster(pool)))
    assignments = AssignmentDesk(scribe, directory, positions)
    desk = PartnerDesk(
        incidents=incidents,
        assignments=assignments,
        directory=directory,
        positions=positions,
        pool=pool,
        clock=SystemClock(),
    )
    yield House(bus, story, pool, incidents, assignments, desk, dsn)
    await sealer.close()


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


async def test_nats_away_from_the_start_stops_nothing_and_the_feed_catches_up_by_itself(house: House) -> None:
    await house.bus.leave()
    os.kill(house.bus.server.child.pid, signal.SIGKILL)
    await house.bus.server.child.wait()
    incident_id = await house.story.incident("1")
    await house.story.routed(incident_id, police=RESPONSIBLE)
    async with house.served():
        await until_written(house, 1)
        await house.bus.server.start()
        (first,) = await house.until_read(1)
    assert first.type == "dispatch.incident.routed.v1"


async def test_killed_emptied_and_frozen_nats_is_survived_while_facts_go_on(house: House) -> None:
    incident_id = await house.story.incident("1")
    async with house.served():
        await house.story.routed(incident_id, police=RESPONSIBLE)
        await house.until_read(1)
        os.kill(house.bus.server.child.pid, signal.SIGKILL)
        await house.bus.server.child.wait()
        shutil.rmtree(house.bus.store / "jetstream")
        await house.story.tell(incident_id, IncidentAccepted(center_id=STATION))
        await house.bus.server.start()
        await house.until_read(2)
        os.kill(house.bus.server.child.pid, signal.SIGSTOP)
        await house.story.routed(incident_id, police=INFORMED)
        await until_written(house, 3)
        os.kill(house.bus.server.child.pid, signal.SIGCONT)
        messages = await house.until_read(3)
        answer = await house.until_answered("accept", "late", {"incident_id": incident_id})
        assert answer.recorded
        await house.until_read(4)
        assert await stream_differences(house.pool, await house.partner(), "police") == []
    assert [each.sequence for each in messages] == [1, 2, 3]
    assert await feed_differences(house.story.log, house.pool, CITY) == []


async def test_of_two_workers_one_works_and_the_other_takes_over(house: House) -> None:
    incident_id = await house.story.incident("1")
    async with house.served():
        async with house.served():
            await house.story.routed(incident_id, police=RESPONSIBLE)
            await house.until_read(1)
        await house.story.tell(incident_id, IncidentAccepted(center_id=STATION))
        await house.until_read(2)
        answer = await house.until_answered("accept", "after", {"incident_id": incident_id})
        assert answer.recorded
        await house.until_read(3)
        assert await stream_differences(house.pool, await house.partner(), "police") == []


async def test_a_backend_killed_in_the_middle_loses_and_repeats_nothing(house: House) -> None:
    incident_id = await house.story.incident("1")
    async with house.served():
        await house.story.routed(incident_id, police=RESPONSIBLE)
        await house.until_read(1)
        administrator = await asyncpg.connect(house.dsn)
        await administrator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await administrator.close()
        await told(house, incident_id)
        messages = await house.until_read(2)
    assert [each.sequence for each in messages] == [1, 2]


async def test_a_partner_that_floods_us_holds_up_only_itself(house: House) -> None:
    incident_id = await house.story.incident("1")
    await house.story.routed(incident_id, police=RESPONSIBLE, flood_control=INFORMED)
    async with house.served():
        await house.until_answered("accept", "first", {"incident_id": incident_id}, "police")
        flooder = await house.bus.agency("police")
        body = json.dumps({"incident_id": str(incident_id), "text": "x"}).encode()
        for number in range(1_000):
            headers = {"ce-id": str(message(f"flood {number}"))}
            await flooder.publish(f"city.{CITY}.police.command.note", body, headers=headers)
        await settled(flooder, 5)
        answer = await house.until_answered("accept", "calm", {"incident_id": incident_id}, "flood_control")
        assert answer.recorded
        assert await notes_of(house, incident_id) < 1_000, "the flood was over before the other was answered"


async def notes_of(house: House, incident_id: UUID) -> int:
    return len(await house.story.log.read_stream(companion_of(incident_id)))


async def told(house: House, incident_id: UUID) -> None:
    """The log itself needs a moment after its connections were killed."""
    while True:
        try:
            await house.story.tell(incident_id, IncidentAccepted(center_id=STATION))
        except Unavailable:
            continue
        return


async def until_written(house: House, count: int) -> None:
    async with asyncio.timeout(WITHIN_S):
        while await house.pool.fetchval("SELECT count(*) FROM feed.entries WHERE agency = 'police'") < count:
            pass


def test_every_verb_is_one_token_and_says_what_it_means() -> None:
    assert all(verb.replace("-", "").isalpha() and shape.meaning for verb, shape in VERBS.items())
