"""Partners are served whatever NATS, the database, another worker or another partner does."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from uuid import UUID

import asyncpg

from dispatch.partners.connection import settled
from dispatch.partners.proof import feed_differences, stream_differences
from domain.incident.events import IncidentAccepted
from domain.refusals import Unavailable
from domain.vocabulary import AgencyRole
from tests.partners.conftest import CITY
from tests.partners.house import WITHIN_S, House, house, message, notes_of
from tests.partners.story import STATION

RESPONSIBLE, INFORMED = AgencyRole.RESPONSIBLE, AgencyRole.INFORMED
__all__ = ["house"]


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
