"""What a feed remembers of incidents between two pages is what is stored, whatever happened in between."""

from __future__ import annotations

from uuid import UUID

import asyncpg
import pytest

from dispatch.partners.feed import Feed
from dispatch.partners.proof import feed_differences
from dispatch.store.postgres import PostgresLog
from domain.incident.events import AgencyDeclined, IncidentAccepted, SeverityRaised
from domain.refusals import Conflict
from domain.vocabulary import AgencyRole, Severity
from tests.partners.conftest import CITY
from tests.partners.story import STATION, Story, feed_of

RAISED = SeverityRaised(from_severity=Severity.MODERATE, to_severity=Severity.SEVERE, priority=1, alert_position=1)
DECLINED = AgencyDeclined(agency="police", reason="not ours")
IN_THE_WAY = """
INSERT INTO feed.entries (agency, sequence, position, message_id, type, subject, headers, body, from_partner)
VALUES ('fire', 1, 1, gen_random_uuid(), '', '', '{}', '{}', false)
"""


@pytest.fixture
async def story(pg_log: PostgresLog) -> Story:
    return Story(pg_log)


async def incidents(story: Story, feed: Feed, count: int) -> list[UUID]:
    """Opened and routed to the police, each in pages of its own."""
    found = []
    for number in range(count):
        found.append(await story.incident(str(number)))
        await feed.catch_up()
        await story.routed(found[-1], police=AgencyRole.RESPONSIBLE)
        await feed.catch_up()
    return found


async def test_only_what_was_touched_last_is_known_and_the_rest_is_read(story: Story, pool: asyncpg.Pool) -> None:
    await story.city()
    feed = Feed(story.log, pool, CITY, incidents_known_max=2)
    found = await incidents(story, feed, 4)
    await story.tell(found[2], RAISED)
    await feed.catch_up()
    await pool.execute("DELETE FROM feed.incidents")
    for incident_id in found:
        await story.tell(incident_id, IncidentAccepted(center_id=STATION))
    await feed.catch_up()
    accepted = [row for row in await feed_of(pool, "police") if row["type"] == "dispatch.incident.accepted.v1"]
    assert [row["position"] for row in accepted] == story.positions[-2:]


async def test_more_incidents_than_are_known_make_the_same_feed(story: Story, pool: asyncpg.Pool) -> None:
    await story.city()
    feed = Feed(story.log, pool, CITY, page_events=4, incidents_known_max=3)
    found = await incidents(story, feed, 7)
    for fact in (RAISED, IncidentAccepted(center_id=STATION), DECLINED):
        for incident_id in found:
            await story.tell(incident_id, fact)
        await feed.catch_up()
    assert len(await feed_of(pool, "police")) == 4 * 7
    assert await feed_differences(story.log, pool, CITY) == []


async def test_what_another_owner_wrote_is_read(story: Story, pool: asyncpg.Pool) -> None:
    await story.city()
    first, second = Feed(story.log, pool, CITY), Feed(story.log, pool, CITY)
    (incident_id,) = await incidents(story, first, 1)
    for fact in (RAISED, IncidentAccepted(center_id=STATION), DECLINED):
        await story.tell(incident_id, fact)
        await second.catch_up()
        with pytest.raises(Conflict):
            await first.advance()
        first, second = second, first
    await story.tell(incident_id, RAISED)
    await second.catch_up()
    assert await feed_differences(story.log, pool, CITY) == []


async def test_what_a_failed_transaction_would_have_stored_is_forgotten(story: Story, pool: asyncpg.Pool) -> None:
    """An agency is told for the first time by a page that fails: when it is told indeed, it is still the first time."""
    await story.city()
    feed = Feed(story.log, pool, CITY)
    incident_id = await story.incident("1")
    await story.routed(incident_id, fire=AgencyRole.RESPONSIBLE)
    await story.agency("fire")
    await feed.catch_up()
    await pool.execute(IN_THE_WAY)
    await story.tell(incident_id, RAISED)
    with pytest.raises(asyncpg.UniqueViolationError):
        await feed.advance()
    await pool.execute("DELETE FROM feed.entries WHERE type = ''")
    await feed.catch_up()
    assert [row["type"] for row in await feed_of(pool, "fire")] == ["dispatch.incident.routed.v1"]
    assert await feed_differences(story.log, pool, CITY) == []
