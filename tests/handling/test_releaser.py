"""No unit stays booked on an incident that has ended, whatever happened at the same moment."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.handling.commitments import Commitments
from dispatch.store.memory import MemoryLog, MemoryRoster
from dispatch.workers.ownership import SoleOwnership
from dispatch.workers.reactor import ReactorRunner
from dispatch.workers.releaser import Releaser
from dispatch.workers.repeat import Repeater
from domain.assignment.decider import INITIAL as NEW_UNIT
from domain.assignment.decider import evolve as evolve_unit
from domain.assignment.events import AssignmentCancelled, AssignmentMade
from domain.event import Actor, Event, Fact
from domain.incident import commands as ask
from domain.incident.decider import INITIAL, IncidentState, evolve
from domain.incident.events import (
    IncidentAccepted,
    IncidentClosed,
    IncidentDismissed,
    IncidentReopened,
    IncidentResolved,
)
from domain.policies.commitment import ENDED
from domain.refusals import DispatchError
from domain.vocabulary import ActorKind, DismissReason, Disposition
from tests.handling.test_interleavings import Dispatcher, schedules, units
from tests.handling.world import OTHER_UNIT, STATION, UNIT, Interleaved, Watch, World

RESOLVED = IncidentResolved(disposition=Disposition.HANDLED)
OUTCOMES = (AssignmentMade, AssignmentCancelled, IncidentDismissed)
DISMISSED = IncidentDismissed(reason=DismissReason.FALSE_ALARM)


def releaser_of(world: World) -> ReactorRunner:
    reactor = Releaser(
        log=world.log, scribe=world.scribe, clock=world.watch, commitments=Commitments(world.log, MemoryRoster())
    )
    return ReactorRunner(reactor, log=world.log, scribe=world.scribe, ownership=SoleOwnership())


async def made(world: World, unit_id: UUID, incident_id: UUID) -> AssignmentMade:
    """An assignment that another process made without having seen the end."""
    other = await World(MemoryLog(world.watch), world.watch).settle()
    known = await other.open(incident_id=incident_id)
    await other.assignments.assign(unit_id, known, other.request())
    event = (await other.facts(unit_id))[-1]
    assert isinstance(event, AssignmentMade)
    return event


async def called_back(world: World, unit_id: UUID = UNIT) -> list[Fact[Event]]:
    return [fact for fact in await world.rows(unit_id) if isinstance(fact.event, AssignmentCancelled)]


async def is_repeatable(world: World) -> bool:
    repeater = Repeater(log=world.log, directory=world.directory, clock=world.watch)
    count, otherwise = await repeater.differing()
    return count > 0 and otherwise == []


@pytest.mark.parametrize("end", [RESOLVED, DISMISSED])
async def test_a_unit_that_was_sent_a_moment_before_the_end_is_called_back(world: World, end: Event):
    incident_id = await world.open()
    await world.assignments.assign(UNIT, incident_id, world.request())
    await world.tell(incident_id, IncidentAccepted(center_id=STATION), end)
    await releaser_of(world).drain()
    (fact,) = await called_back(world)
    assert fact.envelope.actor == Actor(kind=ActorKind.REACTOR, id="releaser")
    assert fact.envelope.correlation_id == incident_id
    assert fact.event.explanation.input_positions == ((await world.rows(incident_id))[-1].position,)
    assert "CD-20260701-0001" in fact.event.reason
    assert await is_repeatable(world)


async def test_a_unit_that_was_sent_a_moment_after_the_end_is_called_back(world: World):
    incident_id = await world.open()
    await world.tell(incident_id, IncidentAccepted(center_id=STATION), RESOLVED, IncidentClosed())
    releaser = releaser_of(world)
    await releaser.drain()
    await world.tell(UNIT, await made(world, UNIT, incident_id))
    await releaser.drain()
    assert len(await called_back(world)) == 1
    assert await is_repeatable(world)


async def test_a_unit_on_a_guest_is_called_back_when_the_head_has_ended(world: World):
    guest, head = await world.open(), await world.open()
    sending = await made(world, UNIT, guest)
    await world.incidents.merge(guest, head, world.request())
    await world.tell(head, IncidentAccepted(center_id=STATION), RESOLVED)
    await world.tell(UNIT, sending)
    await releaser_of(world).drain()
    assert len(await called_back(world)) == 1
    assert await is_repeatable(world)


async def test_a_unit_stacked_on_two_ended_incidents_is_called_back_from_both(world: World):
    here, there = await world.open(), await world.open()
    await world.assignments.assign(UNIT, here, world.request())
    await world.assignments.assign(UNIT, there, world.request(), stacked=True)
    for incident_id in (here, there):
        await world.tell(incident_id, DISMISSED)
    await releaser_of(world).drain()
    assert {fact.event.incident_id for fact in await called_back(world)} == {here, there}
    assert await is_repeatable(world)


async def test_it_stays_quiet_about_live_and_reopened_incidents(world: World):
    live, reopened = await world.open(), await world.open()
    await world.assignments.assign(UNIT, live, world.request())
    await world.assignments.assign(OTHER_UNIT, reopened, world.request())
    await world.tell(reopened, DISMISSED, IncidentReopened(reason="it came back"))
    before = (await world.log.tip()).position
    await releaser_of(world).drain()
    assert (await world.log.tip()).position == before


class Ender(Dispatcher):
    """A dispatcher who also ends incidents."""

    async def end(self, number: int, how: str) -> None:
        commands: dict[str, ask.IncidentCommand] = {
            "accept": ask.AcceptIncident(center_id=STATION),
            "resolve": ask.ResolveIncident(disposition=Disposition.HANDLED),
            "close": ask.CloseIncident(),
            "dismiss": ask.DismissIncident(reason=DismissReason.UNFOUNDED),
            "reopen": ask.ReopenIncident(reason="it came back"),
        }
        await self._world.incidents.execute(self._incidents[number], commands[how], self._world.request())


numbers = st.integers(0, 1)
assigning = st.tuples(st.just("assign"), units, numbers, st.booleans())
ending = st.tuples(st.just("end"), numbers, st.sampled_from(["accept", "resolve", "close", "dismiss", "reopen"]))
moving = st.tuples(st.just("progress"), units, st.sampled_from(["go", "clear"]))
merging = st.one_of(st.tuples(st.just("merge"), numbers, numbers), st.tuples(st.just("unmerge"), numbers))
senders = st.lists(st.one_of(assigning, moving), min_size=1, max_size=6)
enders = st.lists(ending, min_size=1, max_size=6)
mixers = st.lists(st.one_of(assigning, ending, moving, merging), max_size=6)


async def played(stories: list[list[tuple[Any, ...]]], schedule: list[int]) -> tuple[list[UUID], list[Fact[Event]]]:
    """All dispatchers and the releaser at once; the releaser has the last word, as it has when it has caught up."""
    watch = Watch()
    log = MemoryLog(watch)
    quiet = await World(log, watch).settle()
    incidents = [await quiet.open() for _ in range(2)]
    racing = Interleaved(log, schedule)
    people = []
    for number in range(len(stories)):
        world = World(racing, watch, asked=100_000 * (1 + number))
        await world.directory.catch_up()
        people.append(Ender(world, incidents))
    releaser = releaser_of(World(racing, watch))
    await asyncio.gather(
        *(each.follow(story) for each, story in zip(people, stories, strict=True)), _some_steps(releaser)
    )
    await releaser.drain()
    return incidents, await quiet.everything()


async def _some_steps(releaser: ReactorRunner) -> None:
    for _ in range(3):
        with contextlib.suppress(DispatchError):
            await releaser.step()


@settings(max_examples=200)
@given(senders, enders, mixers, schedules)
def test_no_unit_stays_on_an_incident_that_has_ended(first, second, third, schedule):
    incidents, facts = play([first, second, third], schedule)
    assert booked_on_ended(incidents, facts) == []


def test_one_who_sends_and_one_who_dismisses_do_meet_and_are_mended():
    outcomes = set()
    for schedule in itertools.product(range(3), repeat=5):
        incidents, facts = play([[("assign", UNIT, 0, False)], [("end", 0, "dismiss")]], list(schedule))
        assert booked_on_ended(incidents, facts) == []
        outcomes.add(tuple(sorted(fact.event.name for fact in facts if isinstance(fact.event, OUTCOMES))))
    assert outcomes == {
        ("assignment.made",),  # the dismissal was refused
        ("incident.dismissed",),  # the assignment was refused
        ("assignment.cancelled", "assignment.made", "incident.dismissed"),  # neither saw the other
    }


def play(stories: list[list[tuple[Any, ...]]], schedule: list[int]) -> tuple[list[UUID], list[Fact[Event]]]:
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(played(stories, schedule))
    finally:
        loop.close()


def booked_on_ended(incidents: list[UUID], facts: list[Fact[Event]]) -> list[str]:
    """Incidents that have ended and still have a unit, as the whole log says."""
    states, crews = dict.fromkeys(incidents, INITIAL), dict.fromkeys((UNIT, OTHER_UNIT), NEW_UNIT)
    for fact in facts:
        if fact.stream_id in states:
            states[fact.stream_id] = evolve(states[fact.stream_id], fact.event)
        if fact.stream_id in crews:
            crews[fact.stream_id] = evolve_unit(crews[fact.stream_id], fact.event)
    return [
        assignment.incident_number
        for crew in crews.values()
        for assignment in crew.open_assignments
        if head(assignment.incident_id, states).phase in ENDED
    ]


def head(incident_id: UUID, states: dict[UUID, IncidentState]) -> IncidentState:
    state = states[incident_id]
    return head(state.merge.into_incident_id, states) if state.merge is not None else state
