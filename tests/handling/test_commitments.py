"""An incident ends when nobody is on it any more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from dispatch.handling.commitments import Commitments
from dispatch.ports import Assigned
from dispatch.store.postgres import PostgresLog
from dispatch.store.roster import PostgresRoster
from dispatch.workers.projector import Projector
from domain.assignment import commands as unit_ask
from domain.event import Actor
from domain.incident import commands as ask
from domain.refusals import Refused
from domain.vocabulary import ActorKind, DismissReason, Disposition, IncidentPhase
from tests.handling.world import OTHER_UNIT, STATION, UNIT, Watch, World

ACCEPT = ask.AcceptIncident(center_id=STATION)
RESOLVE = ask.ResolveIncident(disposition=Disposition.HANDLED)
DISMISS = ask.DismissIncident(reason=DismissReason.FALSE_ALARM)


async def sent(world: World, unit_id: UUID, incident_id: UUID, **how: Any) -> UUID:
    outcome = await world.assignments.assign(unit_id, incident_id, world.request(), **how)
    return UUID(outcome.answer["assignment_id"])


async def refused(world: World, incident_id: UUID, command: ask.IncidentCommand, **request: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        await world.incidents.execute(incident_id, command, world.request(**request))
    return caught.value


async def accepted(world: World) -> UUID:
    incident_id = await world.open()
    await world.incidents.execute(incident_id, ACCEPT, world.request())
    return incident_id


@pytest.mark.parametrize("command", [RESOLVE, DISMISS])
async def test_an_incident_does_not_end_while_units_are_on_it(world: World, command: ask.IncidentCommand):
    incident_id = await accepted(world)
    first, second = await sent(world, UNIT, incident_id), await sent(world, OTHER_UNIT, incident_id)
    await world.assignments.progress(UNIT, unit_ask.ReportOnScene(assignment_id=first), world.request())
    error = await refused(world, incident_id, command)
    assert error.code == "incident.units_committed"
    assert error.values == {"number": "CD-20260701-0001", "call_signs": "JJ-101, JJ-102", "unit_count": "2"}
    assert "JJ-101 (on_scene), JJ-102 (made)" in error.detail

    await world.assignments.progress(UNIT, unit_ask.ClearAssignment(assignment_id=first), world.request())
    assert (await refused(world, incident_id, command)).values["call_signs"] == "JJ-102"
    call_back = unit_ask.CancelAssignment(assignment_id=second, reason="not needed")
    await world.assignments.progress(OTHER_UNIT, call_back, world.request())
    assert (await world.incidents.execute(incident_id, command, world.request())).changed


async def test_units_on_another_incident_do_not_hold_this_one_up(world: World):
    here, elsewhere = await accepted(world), await accepted(world)
    await sent(world, UNIT, elsewhere)
    assert (await world.incidents.execute(here, RESOLVE, world.request())).changed


async def test_a_stacked_unit_holds_up_both(world: World):
    here, next_one = await accepted(world), await accepted(world)
    await sent(world, UNIT, here)
    await sent(world, UNIT, next_one, stacked=True)
    for incident_id in (here, next_one):
        assert (await refused(world, incident_id, RESOLVE)).code == "incident.units_committed"


async def test_units_of_a_merged_incident_hold_its_head_up(world: World):
    guest, middle, head = await accepted(world), await accepted(world), await accepted(world)
    assignment_id = await sent(world, UNIT, guest)
    await world.incidents.merge(guest, middle, world.request())
    await world.incidents.merge(middle, head, world.request())
    assert (await refused(world, head, RESOLVE)).values["call_signs"] == "JJ-101"
    await world.assignments.progress(UNIT, unit_ask.ClearAssignment(assignment_id=assignment_id), world.request())
    assert (await world.incidents.execute(head, RESOLVE, world.request())).changed


async def test_a_no_of_the_phase_comes_first(world: World):
    incident_id = await world.open()
    await sent(world, UNIT, incident_id)
    assert (await refused(world, incident_id, RESOLVE)).code == "incident.not_accepted"


async def test_a_partner_hears_of_its_own_units_by_name_and_of_others_by_number(world: World):
    incident_id = await accepted(world)
    await sent(world, UNIT, incident_id)
    own = await refused(world, incident_id, RESOLVE, actor=Actor(kind=ActorKind.PARTNER, id="traffic_police"))
    assert "JJ-101" in own.detail
    other = await refused(world, incident_id, RESOLVE, actor=Actor(kind=ActorKind.PARTNER, id="urban_management"))
    assert other.code == "incident.units_committed"
    assert "JJ-101" not in f"{other.detail}{other.values}"
    assert "1 of other agencies" in other.detail


@pytest.fixture
async def pool(dsn: str) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(dsn, min_size=1, max_size=2, server_settings={"role": "dispatch_app"}) as pool:
        yield pool


async def test_a_roster_that_is_behind_hides_nobody(pg_log: PostgresLog, dsn: str, pool: asyncpg.Pool):
    world = await World(pg_log, Watch()).settle()
    incident_id = await accepted(world)
    roster = PostgresRoster(pool)
    commitments = Commitments(pg_log, roster)
    assert await roster.assigned_to([incident_id]) == Assigned(0, frozenset())
    first = await sent(world, UNIT, incident_id)
    assert [each.unit_id for each in await commitments.of({incident_id})] == [UNIT]

    projector = Projector(pg_log, dsn)
    await projector.claim()
    await projector.catch_up()
    await projector.close()
    folded = await roster.assigned_to([incident_id])
    assert folded == Assigned((await pg_log.tip()).position, frozenset({UNIT}))
    await sent(world, OTHER_UNIT, incident_id)
    await world.assignments.progress(UNIT, unit_ask.ClearAssignment(assignment_id=first), world.request())

    assert await roster.assigned_to([incident_id]) == folded
    assert [each.unit_id for each in await commitments.of({incident_id})] == [OTHER_UNIT]
    assert (await world.incidents.state(incident_id)).state.phase is IncidentPhase.ACCEPTED
