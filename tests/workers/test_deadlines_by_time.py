"""A deadline is missed by when things happened, whoever looked when; and a merge changes who is told, not whether."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.handling.commitments import Commitments
from dispatch.handling.incidents import IncidentDesk
from dispatch.handling.scribe import Request
from dispatch.store.memory import MemoryRoster
from dispatch.workers.repeat import Repeater
from domain.assignment.events import (
    AssignmentAcknowledged,
    AssignmentCancelled,
    AssignmentDeclined,
    AssignmentMade,
    UnitEnRoute,
)
from domain.event import Actor, Event, Fact, GeoPoint
from domain.identifiers import center_id, named
from domain.incident.commands import AcceptIncident, CloseIncident, DismissIncident, ReopenIncident, ResolveIncident
from domain.incident.events import IncidentEscalated, IncidentOpened
from domain.policies.escalation import answered_late_at
from domain.vocabulary import ActorKind, DismissReason, Disposition
from tests.workers.town import CITY, EAST, NOON, WEST, AlertKind, Town

OWNER, DISTRICT, ROOT = (center_id(CITY, code) for code in ("s-west", "d-west", "city"))
HEADS, ABOVE_IT = (center_id(CITY, code) for code in ("s-east", "b-east"))
ASSIGNMENT = named("test", "assignment")


async def opened(town: Town, point: GeoPoint = WEST) -> Fact[IncidentOpened]:
    await town.alert(AlertKind.INTRUSION, point=point)
    await town.react()
    *_, fact = await town.facts(IncidentOpened)
    return fact


async def sent(town: Town, fact: Fact[IncidentOpened], within_s: float = 60) -> UUID:
    """A crew that must acknowledge."""
    car = await town.unit("P-1", WEST)
    made = AssignmentMade(
        assignment_id=ASSIGNMENT,
        incident_id=fact.stream_id,
        incident_number=fact.event.number,
        incident_owner=fact.event.owner,
        unit_id=car,
        agency="police",
        call_sign="P-1",
        acknowledge_by=town.clock.now() + timedelta(seconds=within_s),
    )
    await town.record(car, made)
    return car


def said(kind: type[Event], incident_id: UUID) -> Event:
    reason = {"reason": "a flat tyre"} if kind in {AssignmentDeclined, AssignmentCancelled} else {}
    return kind(assignment_id=ASSIGNMENT, incident_id=incident_id, **reason)


async def missed(town: Town, deadline: str = "acknowledge") -> list[IncidentEscalated]:
    return [event for event in await town.events(IncidentEscalated) if event.deadline == deadline]


async def every_decision_repeats(town: Town) -> bool:
    repeater = Repeater(log=town.log, directory=town.directory, clock=town.clock)
    return (await repeater.differing())[1] == []


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("kind", [AssignmentAcknowledged, AssignmentDeclined, UnitEnRoute, AssignmentCancelled])
async def test_what_a_crew_said_too_late_was_missed_though_nobody_looked_in_between(
    kind: type[Event], restarts: bool
) -> None:
    town = await Town().found()
    fact = await opened(town)
    await town.decide(fact.stream_id, AcceptIncident(center_id=OWNER))
    car = await sent(town, fact)
    await town.timers.step()
    due_at = town.clock.now() + timedelta(seconds=60)
    town.clock.advance(seconds=75)
    await town.record(car, said(kind, fact.stream_id))
    town.clock.advance(seconds=25)
    if restarts:
        town.restart()
    for _ in range(3):
        await town.timers.step()

    (told,) = await missed(town)
    assert (told.level, told.due_at, told.late_s, told.next_due_at) == (1, due_at, 40, None)
    assert answered_late_at(told.explanation) == due_at + timedelta(seconds=15)
    assert told.to.center_id == DISTRICT
    assert (len(town.timers.incidents.dues), town.timers.incidents.dues.oldest_position()) == (0, None)
    assert await every_decision_repeats(town)


async def test_what_a_crew_said_in_time_and_was_heard_late_was_not_missed() -> None:
    town = await Town().found()
    fact = await opened(town)
    await town.decide(fact.stream_id, AcceptIncident(center_id=OWNER))
    car = await sent(town, fact)
    in_time = town.clock.now() + timedelta(seconds=59)
    town.clock.advance(seconds=90)
    await town.record(car, said(AssignmentAcknowledged, fact.stream_id), at=in_time)
    assert await town.timers.step() == 0
    assert await missed(town) == []


@pytest.mark.parametrize("closes", [False, True])
async def test_an_acceptance_that_came_too_late_was_missed_whatever_became_of_the_incident(closes: bool) -> None:
    town = await Town().found()
    fact = await opened(town)
    await town.timers.step()
    town.clock.advance(seconds=200)
    await town.decide(fact.stream_id, AcceptIncident(center_id=OWNER))
    await town.react()
    if closes:
        await town.decide(fact.stream_id, ResolveIncident(disposition=Disposition.SETTLED))
        await town.decide(fact.stream_id, CloseIncident())
    town.clock.advance(seconds=100)
    await town.timers.step()
    (told,) = await missed(town, "accept")
    assert (told.late_s, told.next_due_at) == (120, None)
    assert answered_late_at(told.explanation) == NOON + timedelta(seconds=200)
    assert await every_decision_repeats(town)


@settings(max_examples=40)
@given(
    st.integers(1, 160),
    st.lists(st.integers(1, 200), max_size=4),
    st.sampled_from([AssignmentAcknowledged, UnitEnRoute]),
)
async def test_the_first_miss_is_recorded_whenever_the_timers_look(
    answered_s: int, looks_s: Sequence[int], kind: type[Event]
) -> None:
    """One record if the crew answered after its 60 seconds, none if not; the last look is late enough for anything."""
    town = await Town().found()
    fact = await opened(town)
    await town.decide(fact.stream_id, AcceptIncident(center_id=OWNER))
    car = await sent(town, fact)
    began, done = town.clock.now(), False
    for at_s in sorted({*looks_s, answered_s, 500}):
        town.clock.advance(seconds=at_s - (town.clock.now() - began).total_seconds())
        if at_s >= answered_s and not done:
            await town.record(car, said(kind, fact.stream_id))
            done = True
        if at_s in looks_s or at_s == 500:
            await town.timers.step()
    assert await town.timers.step() == 0
    first = [told for told in await missed(town) if told.due_at == began + timedelta(seconds=60)]
    assert len(first) == (answered_s > 60)
    assert len(town.timers.incidents.dues) == 0


# --- Merged -----------------------------------------------------------------------------------------------------------


class Pair:
    """A crew that was sent to an incident, which is merged into another center's."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.desk = IncidentDesk(town.scribe, town.directory, Commitments(town.log, MemoryRoster()))

    async def begin(self) -> Pair:
        self.guest = await opened(self.town)
        self.head = (await opened(self.town, EAST)).stream_id
        await self.town.decide(self.guest.stream_id, AcceptIncident(center_id=OWNER))
        await self.town.decide(self.head, AcceptIncident(center_id=HEADS))
        self.car = await sent(self.town, self.guest)
        self.due_at = self.town.clock.now() + timedelta(seconds=60)
        return self

    def asked(self, what: str) -> Request:
        return Request(Actor(kind=ActorKind.SYSTEM, id="test"), self.town.clock.now(), named("test", what))

    async def merge(self) -> None:
        await self.desk.merge(self.guest.stream_id, self.head, self.asked(f"merge {self.town.clock.now()}"))

    async def unmerge(self) -> None:
        await self.desk.unmerge(self.guest.stream_id, self.asked(f"unmerge {self.town.clock.now()}"))

    async def look(self, seconds: float, *, restarts: bool = False) -> list[tuple[int, UUID]]:
        """Level and center of everybody who was told."""
        self.town.clock.advance(seconds=seconds)
        if restarts:
            self.town.restart()
        await self.town.timers.step()
        return [(told.level, told.to.center_id) for told in await missed(self.town)]


@pytest.mark.parametrize("restarts", [False, True])
async def test_a_crew_of_a_merged_incident_is_the_heads_business(restarts: bool) -> None:
    pair = await Pair(await Town().found()).begin()
    await pair.merge()
    assert await pair.look(61, restarts=restarts) == [(1, HEADS)]
    assert await pair.look(180, restarts=restarts) == [(1, HEADS), (2, ABOVE_IT)]
    assert await pair.look(180, restarts=restarts) == [(1, HEADS), (2, ABOVE_IT), (3, ROOT)]
    assert await pair.look(900, restarts=restarts) == [(1, HEADS), (2, ABOVE_IT), (3, ROOT)]
    told = [fact for fact in await pair.town.facts(IncidentEscalated) if fact.event.assignment_id]
    assert {fact.stream_id for fact in told} == {pair.guest.stream_id}, "it keeps the incident it was addressed to"
    assert await every_decision_repeats(pair.town)


@pytest.mark.parametrize("restarts", [False, True])
async def test_after_an_unmerge_its_own_centers_are_told_from_where_they_were(restarts: bool) -> None:
    pair = await Pair(await Town().found()).begin()
    await pair.merge()
    assert await pair.look(61) == [(1, HEADS)]
    await pair.unmerge()
    assert await pair.look(179, restarts=restarts) == [(1, HEADS)], "the time that runs is what they have"
    assert await pair.look(1, restarts=restarts) == [(1, HEADS), (1, DISTRICT)]
    await pair.merge()
    assert await pair.look(180, restarts=restarts) == [(1, HEADS), (1, DISTRICT), (1, HEADS)]
    await pair.unmerge()
    assert (await pair.look(180, restarts=restarts))[3:] == [(2, ROOT)]
    assert await every_decision_repeats(pair.town)


@pytest.mark.parametrize("restarts", [False, True])
async def test_after_an_unmerge_its_own_centers_are_told_though_the_heads_were_all_told(restarts: bool) -> None:
    pair = await Pair(await Town().found()).begin()
    await pair.merge()
    for seconds in (61, 180, 180):
        await pair.look(seconds)
    await pair.unmerge()
    assert (await pair.look(1, restarts=restarts))[3:] == [(1, DISTRICT)]
    assert (await pair.look(180, restarts=restarts))[4:] == [(2, ROOT)]
    assert (await pair.look(900, restarts=restarts))[5:] == []


@pytest.mark.parametrize("restarts", [False, True])
async def test_an_unmerge_after_a_step_that_nobody_looked_at_owes_its_own_centers_at_once(restarts: bool) -> None:
    pair = await Pair(await Town().found()).begin()
    await pair.merge()
    assert await pair.look(61) == [(1, HEADS)]
    pair.town.clock.advance(seconds=200)
    await pair.unmerge()
    assert await pair.look(1, restarts=restarts) == [(1, HEADS), (1, DISTRICT)]


async def test_a_merge_and_its_undoing_before_the_deadline_change_nothing() -> None:
    pair = await Pair(await Town().found()).begin()
    await pair.merge()
    await pair.unmerge()
    assert await pair.look(61) == [(1, DISTRICT)]
    (told,) = await missed(pair.town)
    assert (told.due_at, told.late_s) == (pair.due_at, 1)
    assert [reason.code for reason in told.explanation.reasons] == ["escalation.acknowledge_missed"]


async def test_a_crew_of_a_merged_incident_that_answers_owes_nothing() -> None:
    pair = await Pair(await Town().found()).begin()
    await pair.merge()
    await pair.town.record(pair.car, said(AssignmentAcknowledged, pair.guest.stream_id))
    assert await pair.look(61) == []


async def test_a_crew_of_a_merged_incident_that_answers_too_late_is_on_record_with_the_head() -> None:
    pair = await Pair(await Town().found()).begin()
    await pair.merge()
    pair.town.clock.advance(seconds=70)
    await pair.town.record(pair.car, said(AssignmentAcknowledged, pair.guest.stream_id))
    assert await pair.look(10) == [(1, HEADS)]
    assert await pair.look(900) == [(1, HEADS)]
    assert await every_decision_repeats(pair.town)


@pytest.mark.parametrize("restarts", [False, True])
async def test_while_the_head_has_ended_it_rests_and_is_owed_when_the_head_comes_back(restarts: bool) -> None:
    pair = await Pair(await Town().found()).begin()
    await pair.merge()
    await pair.town.decide(pair.head, DismissIncident(reason=DismissReason.UNFOUNDED))
    assert await pair.look(61, restarts=restarts) == []
    await pair.town.decide(pair.head, ReopenIncident(reason="It was real."))
    assert await pair.look(60, restarts=restarts) == [(1, HEADS)]
    (told,) = await missed(pair.town)
    assert (told.due_at, told.late_s) == (pair.due_at, 61)


async def test_over_several_merges_the_last_head_is_told() -> None:
    pair = await Pair(await Town().found()).begin()
    await pair.merge()
    other = await opened(pair.town, GeoPoint(lon=104.07, lat=30.65))
    assert other.stream_id not in {pair.guest.stream_id, pair.head}
    await pair.desk.merge(pair.head, other.stream_id, pair.asked("once more"))
    assert await pair.look(61) == [(1, other.event.owner.center_id)]
    assert await every_decision_repeats(pair.town)
