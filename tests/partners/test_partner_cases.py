"""What a department's feed tells of the cases it has, and that nobody else's does."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from dispatch.partners.feed import Feed
from dispatch.store.postgres import PostgresLog
from domain.casework import events as fact
from domain.casework.events import Department
from domain.event import Event
from domain.identifiers import case_id_for
from domain.ownership import Ownership
from domain.vocabulary import AgencyRole, CaseStage, Lamp
from tests.domain.case_story import ALICE, ASSIGNED, FILED, HANDLED, HOUR, at, limit
from tests.partners.conftest import CITY
from tests.partners.story import ALL_FIELDS, STATION, Story, feed_of

POLICE = Department(agency="police", center=Ownership(center_id=STATION, path=(STATION,)))
FLOOD = Department(agency="flood_control", center=Ownership(center_id=STATION, path=(STATION,)))


class Case:
    """A case of an incident that was routed to nobody."""

    def __init__(self, story: Story, incident_id: UUID) -> None:
        self.story = story
        self.incident_id = incident_id
        self.case_id = case_id_for(incident_id)

    async def tell(self, *events: Event) -> None:
        mine = [event.model_copy(update={"incident_id": self.incident_id}) for event in events]
        await self.story.tell(self.case_id, *mine)


@pytest.fixture
async def case(pg_log: PostgresLog) -> Case:
    story = Story(pg_log)
    await story.city()
    found = Case(story, await story.incident("1"))
    await found.tell(FILED, ASSIGNED.model_copy(update={"department": POLICE}))
    return found


async def heard(case: Case, pool: asyncpg.Pool, agency: str) -> list[tuple[str, dict[str, Any]]]:
    await Feed(case.story.log, pool, CITY).catch_up()
    rows = await feed_of(pool, agency)
    return [(row["type"].removeprefix("dispatch."), json.loads(row["body"])) for row in rows]


def turned(lamp: Lamp, **given: Any) -> fact.LampTurned:
    plain = {"limit_number": 0, "stage": CaseStage.HANDLE, "lamp": lamp, "due_at": at(hours=8), "late_s": 0}
    return fact.LampTurned(incident_id=case_id_for(STATION), **(plain | given))


async def test_a_department_hears_of_its_case_with_what_it_may_know_of_the_incident(
    case: Case, pool: asyncpg.Pool
) -> None:
    ((kind, body),) = await heard(case, pool, "police")
    assert kind == "case.assigned.v1"
    assert (body["case_id"], body["incident_id"]) == (str(case.case_id), str(case.incident_id))
    assert body["case"] == {
        "class_code": "urban.exposed_refuse",
        "phase": "assigned",
        "lamp": "green",
        "handle_by": "2026-07-01T11:00:00Z",
    }
    assert (body["number"], body["place"]["address"]) == ("1", "武侯大道")
    assert "role" not in body
    assert await heard(case, pool, "flood_control") == []


async def test_it_hears_of_the_lamp_and_of_the_leader_who_presses(case: Case, pool: asyncpg.Pool) -> None:
    press = fact.CaseSupervised(incident_id=case.incident_id, demand="今日18时前，电话13912345678", supervised_by=ALICE)
    await case.tell(turned(Lamp.AMBER), press)
    _, (lamp_kind, lamp), (press_kind, pressed) = await heard(case, pool, "police")
    assert (lamp_kind, lamp["case"]["lamp"]) == ("case.lamp_turned.v1", "amber")
    assert (press_kind, pressed["case"]["lamp"]) == ("case.supervised.v1", "amber")
    assert pressed["note"].startswith("今日18时前")
    assert "13912345678" not in pressed["note"]


async def test_it_does_not_hear_of_the_checkers_lamp_nor_of_one_that_was_missed(case: Case, pool: asyncpg.Pool) -> None:
    await case.tell(
        HANDLED,
        turned(Lamp.AMBER, ended_at=at(hours=9)),
        turned(Lamp.RED, limit_number=1, stage=CaseStage.CHECK),
    )
    assert [kind for kind, _ in await heard(case, pool, "police")] == ["case.assigned.v1"]


async def test_who_returned_it_hears_no_more_and_the_next_one_does(case: Case, pool: asyncpg.Pool) -> None:
    back = fact.CaseReturned(
        incident_id=case.incident_id, department=POLICE, reason="not ours", returned_at=at(hours=1), returns=1
    )
    await case.tell(back, ASSIGNED.model_copy(update={"department": FLOOD, "limit": limit(1, at(hours=2))}))
    await case.tell(turned(Lamp.AMBER, limit_number=1))
    assert [kind for kind, _ in await heard(case, pool, "police")] == ["case.assigned.v1"]
    assert [kind for kind, _ in await heard(case, pool, "flood_control")] == [
        "case.assigned.v1",
        "case.lamp_turned.v1",
    ]


async def test_it_hears_when_its_time_changes_when_it_must_do_it_again_and_when_it_is_over(
    case: Case, pool: asyncpg.Pool
) -> None:
    paused = fact.CasePaused(
        incident_id=case.incident_id, reason="暴雨", approved_by=ALICE, paused_at=at(hours=1), left_s=9 * HOUR
    )
    resumed = fact.CaseResumed(
        incident_id=case.incident_id, limit=limit(1, at(days=1), left_s=9 * HOUR), paused_s=23 * HOUR
    )
    again = fact.CaseChecked(
        incident_id=case.incident_id, passed=False, checked_at=at(days=2), limit=limit(3, at(days=2), left_s=HOUR)
    )
    voided = fact.CaseVoided(incident_id=case.incident_id, reason="x", voided_at=at(days=3))
    await case.tell(paused, resumed, HANDLED, again, voided)
    _, (stopped, first), (runs, second), (redo, third), (over, last) = await heard(case, pool, "police")
    assert (stopped, runs, redo, over) == (
        "case.time_changed.v1",
        "case.time_changed.v1",
        "case.checked.v1",
        "case.ended.v1",
    )
    assert "handle_by" not in first["case"]
    assert second["case"]["handle_by"] == (at(days=1) + timedelta(hours=9)).isoformat().replace("+00:00", "Z")
    assert (third["case"]["phase"], third["case"]["lamp"]) == ("assigned", "amber")
    assert last["case"]["phase"] == "voided"


async def test_a_registration_that_does_not_list_cases_is_told_ids_only_of_them(case: Case, pool: asyncpg.Pool) -> None:
    await case.story.agency("police", fields=[name for name in ALL_FIELDS if name != "case"])
    await case.tell(turned(Lamp.AMBER))
    bodies = [body for _, body in await heard(case, pool, "police")]
    assert "case" in bodies[0]
    assert "case" not in bodies[1]
    assert bodies[1]["case_id"] == str(case.case_id)


async def test_an_agency_that_is_routed_later_hears_of_the_incident_from_its_routing_on(
    case: Case, pool: asyncpg.Pool
) -> None:
    await case.story.routed(case.incident_id, police=AgencyRole.RESPONSIBLE)
    assert [kind for kind, _ in await heard(case, pool, "police")] == ["case.assigned.v1", "incident.routed.v1"]
