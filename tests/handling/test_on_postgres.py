"""The same desks on the real log: two processes' worth of appenders, and nobody is booked twice or numbered twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from dispatch.store.postgres import PostgresLog
from domain.assignment import commands as ask
from domain.assignment.events import AssignmentMade
from domain.incident import commands as incident_ask
from domain.incident.events import NumberAllocated
from domain.refusals import Conflict, Refused
from domain.vocabulary import IncidentPhase
from tests.handling.test_report_desk import DISPUTE
from tests.handling.world import STATION, UNIT, Watch, World


@pytest.fixture
async def two(pg_log: PostgresLog, dsn: str) -> AsyncIterator[tuple[World, World]]:
    """Two processes on one city, each with an appender of its own."""
    watch = Watch()
    first = await World(pg_log, watch).settle()
    other_log = await PostgresLog.open(dsn)
    try:
        second = World(other_log, watch, sealer=first.sealer, asked=100_000)
        await second.directory.catch_up()
        yield first, second
    finally:
        await other_log.close()


async def test_of_twenty_dispatchers_in_two_processes_one_gets_the_unit(two):
    incidents = [await two[0].open() for _ in range(20)]
    results = await asyncio.gather(
        *(
            two[index % 2].assignments.assign(UNIT, incident_id, two[index % 2].request())
            for index, incident_id in enumerate(incidents)
        ),
        return_exceptions=True,
    )
    refused = [result for result in results if isinstance(result, Refused)]
    assert len(refused) == 19
    assert {error.code for error in refused} == {"unit.already_assigned"}
    made = [event for event in await two[0].facts(UNIT) if isinstance(event, AssignmentMade)]
    assert [event.incident_number for event in made] == [refused[0].values["incident_number"]]


async def test_reports_in_two_processes_are_numbered_without_gap_or_double(two):
    outcomes = await asyncio.gather(
        *(world.reports.file_report(DISPUTE, world.request()) for _ in range(15) for world in two)
    )
    numbers = sorted(outcome.answer["number"] for outcome in outcomes)
    assert numbers == [f"CD-20260701-{nth:04d}" for nth in range(1, 31)]
    counted = [fact.event.number for fact in await two[0].everything() if isinstance(fact.event, NumberAllocated)]
    assert counted == numbers


async def test_two_merges_that_would_close_a_ring_are_not_both_recorded(two):
    here, there = await two[0].open(), await two[0].open()
    results = await asyncio.gather(
        two[0].incidents.merge(here, there, two[0].request()),
        two[1].incidents.merge(there, here, two[1].request()),
        return_exceptions=True,
    )
    lost = [result for result in results if isinstance(result, Refused)]
    assert [error.code for error in lost] in (["incident.merge_cycle"], ["incident.merged"])
    phases = {(await two[0].incidents.state(each)).state.phase for each in (here, there)}
    assert phases == {IncidentPhase.MERGED, IncidentPhase.OPEN}


async def test_of_two_who_state_the_same_version_one_is_stale(two):
    incident_id = await two[0].open()
    results = await asyncio.gather(
        *(
            world.incidents.execute(
                incident_id, incident_ask.AcceptIncident(center_id=STATION), world.request(expected_version=1)
            )
            for world in two
        ),
        return_exceptions=True,
    )
    lost = [result for result in results if isinstance(result, Conflict)]
    assert [error.code for error in lost] == ["stale_version"]
    assert (await two[0].incidents.state(incident_id)).version == 2


async def test_the_same_keyed_request_in_two_processes_is_carried_out_once(two):
    incident_id = await two[0].open()
    meaning = {"unit": str(UNIT), "incident": str(incident_id)}
    outcomes = await asyncio.gather(
        *(world.assignments.assign(UNIT, incident_id, world.keyed("k", meaning)) for world in two)
    )
    assert outcomes[0].answer == outcomes[1].answer
    assert sorted(outcome.repeated for outcome in outcomes) == [False, True]
    clear = ask.ClearAssignment(assignment_id=UUID(outcomes[0].answer["assignment_id"]))
    assert (await two[1].assignments.progress(UNIT, clear, two[1].request())).changed
