"""What leaves is held against the log and against the list of what may leave."""

from __future__ import annotations

import json
from random import Random  # noqa: TID251  # always seeded
from uuid import UUID

import asyncpg
import pytest

from dispatch.partners.contracts import CONTRACTS, personal_keys, unlisted_fields
from dispatch.partners.feed import Feed
from dispatch.partners.proof import feed_differences
from dispatch.partners.sharing import as_json
from dispatch.store.postgres import PostgresLog
from domain.assignment.events import UnitEnRoute
from domain.incident.events import (
    AgencyDeclined,
    IncidentAccepted,
    IncidentClassified,
    IncidentClosed,
    SeverityRaised,
)
from domain.vocabulary import AgencyRole, MessageStatus, Severity
from tests.partners.conftest import CITY
from tests.partners.story import ALL_FIELDS, STATION, Story, assigned, feed_of

RESPONSIBLE, INFORMED = AgencyRole.RESPONSIBLE, AgencyRole.INFORMED
RAISED = SeverityRaised(from_severity=Severity.MODERATE, to_severity=Severity.SEVERE, priority=1, alert_position=1)


@pytest.fixture
async def story(pg_log: PostgresLog) -> Story:
    return Story(pg_log)


async def test_the_checker_finds_nothing_in_a_whole_feed_and_every_body_is_its_contract(
    story: Story, pool: asyncpg.Pool
) -> None:
    await story.city()
    incident_id = await story.incident("1")
    await story.routed(incident_id, police=RESPONSIBLE)
    await story.tell(
        incident_id,
        IncidentClassified(category="flood.landslide", severity=Severity.EXTREME, priority=0, note="山体滑坡"),
    )
    feed = Feed(story.log, pool, CITY)
    await feed.catch_up()
    rows = await feed_of(pool, "police")
    for row in rows:
        body = json.loads(row["body"])
        assert not unlisted_fields(body, feed.tree.fields["police"])
        assert not personal_keys(row["body"])
        CONTRACTS[row["type"]].model_validate_json(row["body"])


def test_the_checker_sees_what_does_not_belong() -> None:
    body = {"incident_id": "1", "number": "2", "caller": "Li", "place": {"sealed": "x", "lon": 1}}
    assert unlisted_fields(body, frozenset({"number"})) == {"caller", "place"}
    assert personal_keys(json.dumps(body).encode()) == {"caller", "sealed"}
    assert personal_keys(b'[{"a": [{"subject_id" : "1"}]}]') == {"subject_id"}
    assert personal_keys(json.dumps({"note": 'he said "sealed": yes, "caller": no'}).encode()) == set()


async def test_the_proof_sees_every_kind_of_difference(story: Story, pool: asyncpg.Pool) -> None:
    await story.city()
    for number in range(3):
        incident_id = await story.incident(str(number))
        await story.routed(incident_id, police=RESPONSIBLE, flood_control=INFORMED)
    await Feed(story.log, pool, CITY, page_events=2).catch_up()
    assert await feed_differences(story.log, pool, CITY) == []
    await pool.execute("UPDATE feed.entries SET body = '{}' WHERE agency = 'police' AND sequence = 2")
    await pool.execute("DELETE FROM feed.entries WHERE agency = 'flood_control' AND sequence = 3")
    await pool.execute(
        "INSERT INTO feed.entries SELECT 'fire', sequence, position, message_id, type, subject, headers, body, false"
        " FROM feed.entries WHERE agency = 'police' AND sequence = 1"
    )
    differences = await feed_differences(story.log, pool, CITY)
    assert [each.split(":")[0] for each in differences] == ["fire 1", "flood_control 3", "police 2"]


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_happens_every_feed_is_what_the_log_says(story: Story, pool: asyncpg.Pool, seed: int) -> None:
    """Random facts, page sizes, restarts and registrations; the oracle folds again from nothing. Prints its seed."""
    chance = Random(seed)
    await story.city()
    incidents = [
        await story.incident(str(number), status=chance.choice([MessageStatus.ACTUAL] * 4 + [MessageStatus.TEST]))
        for number in range(5)
    ]
    feed = Feed(story.log, pool, CITY, page_events=chance.randint(1, 9))
    for _ in range(60):
        await something_happens(story, chance, chance.choice(incidents))
        if chance.random() < 0.2:
            feed = Feed(story.log, pool, CITY, page_events=chance.randint(1, 9))
        if chance.random() < 0.4:
            await feed.advance()
    await feed.catch_up()
    assert await feed_differences(story.log, pool, CITY) == [], f"seed {seed}"
    for agency in ("police", "flood_control"):
        rows = await feed_of(pool, agency)
        assert [row["sequence"] for row in rows] == list(range(1, len(rows) + 1)), f"seed {seed}"
        assert [row["position"] for row in rows] == sorted(row["position"] for row in rows), f"seed {seed}"
        for row in rows:
            message = CONTRACTS[row["type"]].model_validate_json(row["body"])
            assert as_json(message.model_dump(mode="json", exclude_none=True)) == row["body"], f"seed {seed}"


async def something_happens(story: Story, chance: Random, incident_id: UUID) -> None:
    roles = {"police": RESPONSIBLE, "flood_control": INFORMED, "fire": INFORMED}
    match chance.randint(0, 6):
        case 0 | 1:
            named = chance.sample(sorted(roles), chance.randint(1, 3))
            await story.routed(incident_id, **{agency: roles[agency] for agency in named})
        case 2:
            await story.tell(incident_id, RAISED)
        case 3:
            made = assigned(
                incident_id, f"P-{chance.randint(1, 3)}", chance.choice(["police", "flood_control", "fire"])
            )
            await story.tell(made.unit_id, made, UnitEnRoute(assignment_id=made.assignment_id, incident_id=incident_id))
        case 4:
            await story.agency("police", fields=chance.sample(ALL_FIELDS, chance.randint(0, len(ALL_FIELDS))))
        case 5:
            await story.tell(incident_id, AgencyDeclined(agency="police", reason="x"))
        case _:
            await story.tell(incident_id, IncidentAccepted(center_id=STATION), IncidentClosed())
