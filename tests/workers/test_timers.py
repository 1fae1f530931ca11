"""Deadlines are facts: what is missed is recorded, by how much, once, level by level."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from uuid import UUID

from dispatch.handling.scribe import Request
from dispatch.ports import RecordedEvent
from dispatch.store.memory import MemoryLog
from domain.assignment.events import AssignmentAcknowledged, AssignmentMade
from domain.event import Actor, GeoPoint
from domain.identifiers import center_id, named
from domain.incident.commands import AcceptIncident, DismissIncident, OfferTransfer, ReopenIncident
from domain.incident.events import IncidentEscalated, IncidentOpened, IncidentRouted, TransferTimedOut
from domain.ownership import Ownership
from domain.vocabulary import ActorKind, DismissReason
from tests.workers.town import CITY, WEST, AlertKind, HandClock, RacingLog, Town, sample_rulebook, with_rule


async def opened(town: Town, point: GeoPoint = WEST):
    await town.alert(AlertKind.INTRUSION, point=point)
    await town.react()
    *_, fact = await town.facts(IncidentOpened)
    return fact


def asked(town: Town, what: str) -> Request:
    return Request(Actor(kind=ActorKind.SYSTEM, id="test"), town.clock.now(), named("test", what))


async def test_a_missed_acceptance_climbs_to_the_city_and_stops_there():
    town = await Town().found()
    await opened(town)
    await town.timers.step()
    for _ in range(10):
        town.clock.advance(seconds=180)
        await town.timers.step()

    told = await town.events(IncidentEscalated)
    assert [(event.level, event.to.center_id) for event in told] == [
        (1, center_id(CITY, "d-west")),
        (2, center_id(CITY, "city")),
    ]
    assert told[-1].next_due_at is None
    assert len(town.timers.incidents.dues) == 0


async def test_an_accepted_incident_owes_nothing():
    town = await Town().found()
    fact = await opened(town)
    await town.decide(fact.stream_id, AcceptIncident(center_id=center_id(CITY, "s-west")))
    town.clock.advance(hours=1)
    assert await town.timers.step() == 0
    assert await town.events(IncidentEscalated) == []


async def test_a_deadline_missed_while_we_were_down_is_recorded_by_how_much():
    town = await Town().found()
    await opened(town)
    (routed,) = await town.events(IncidentRouted)
    town.clock.advance(hours=2)
    town.restart()
    await town.timers.step()

    (escalated,) = await town.events(IncidentEscalated)
    assert escalated.due_at == routed.accept_by
    assert escalated.late_s == 7_200 - 180
    assert escalated.next_due_at == town.clock.now() + timedelta(seconds=180)


async def test_a_restart_goes_on_at_the_level_that_was_reached():
    town = await Town().found()
    await opened(town)
    town.clock.advance(seconds=180)
    await town.timers.step()
    town.restart()
    assert await town.timers.step() == 0
    town.clock.advance(seconds=180)
    town.restart()
    await town.timers.step()

    assert [event.level for event in await town.events(IncidentEscalated)] == [1, 2]


async def test_an_acceptance_in_the_last_moment_wins_the_race():
    clock = HandClock()
    log = AcceptingLog(clock)
    town = await Town(log, clock).found()
    fact = await opened(town)
    await town.timers.step()
    town.clock.advance(seconds=180)

    async def accept() -> None:
        await town.decide(fact.stream_id, AcceptIncident(center_id=center_id(CITY, "s-west")))

    log.before_many = accept
    assert await town.timers.step() == 0
    assert await town.timers.step() == 0
    assert await town.events(IncidentEscalated) == []


class AcceptingLog(RacingLog):
    """Somebody acts right before a call of several commands."""

    before_many = None

    async def append_many(self, commands):
        act, self.before_many = self.before_many, None
        if act is not None:
            await act()
        return await super().append_many(commands)


async def test_an_offer_that_nobody_answers_times_out_and_the_giver_keeps_it():
    town = await Town().found()
    fact = await opened(town)
    giver = center_id(CITY, "s-west")
    await town.decide(fact.stream_id, AcceptIncident(center_id=giver))
    taker = center_id(CITY, "s-mid")
    offer = OfferTransfer(
        transfer_id=named("test", "offer"),
        from_center_id=giver,
        to=Ownership(center_id=taker, path=(taker,)),
        reason="It moved.",
        offered_at=town.clock.now(),
        expires_at=town.clock.now() + timedelta(seconds=300),
    )
    await town.decide(fact.stream_id, offer)
    await town.timers.step()
    town.clock.advance(seconds=310)
    await town.timers.step()
    await town.timers.step()

    (timed_out,) = await town.events(TransferTimedOut)
    assert timed_out.late_s == 10


async def test_an_assignment_that_nobody_acknowledges_is_escalated_and_an_acknowledged_one_is_not():
    town = await Town().found()
    fact = await opened(town)
    await town.decide(fact.stream_id, AcceptIncident(center_id=center_id(CITY, "s-west")))
    units = [await town.unit(f"P-{number}", WEST) for number in range(2)]
    for number, unit in enumerate(units):
        await town.record(
            unit,
            AssignmentMade(
                assignment_id=named("test", str(number)),
                incident_id=fact.stream_id,
                incident_number=fact.event.number,
                incident_owner=fact.event.owner,
                unit_id=unit,
                agency="police",
                call_sign=f"P-{number}",
                acknowledge_by=town.clock.now() + timedelta(seconds=60),
            ),
        )
    await town.record(units[0], AssignmentAcknowledged(assignment_id=named("test", "0"), incident_id=fact.stream_id))
    town.clock.advance(seconds=61)
    await town.timers.step()

    (escalated,) = await town.events(IncidentEscalated)
    assert (escalated.deadline, escalated.assignment_id, escalated.late_s) == ("acknowledge", named("test", "1"), 1)


class Meanwhile(MemoryLog):
    """Somebody acts between what was folded and what is read next."""

    def __init__(self, clock: HandClock) -> None:
        super().__init__(clock)
        self.act: Callable[[], Awaitable[object]] | None = None

    async def read_streams(
        self, stream_ids: Sequence[UUID], *, up_to_position: int | None = None
    ) -> dict[UUID, list[RecordedEvent]]:
        act, self.act = self.act, None
        if act is not None:
            await act()
        return await super().read_streams(stream_ids, up_to_position=up_to_position)


async def test_a_deadline_that_another_owner_answered_while_we_looked_goes_on_to_its_next_level():
    clock = HandClock()
    log = Meanwhile(clock)
    town = await Town(log, clock).found()
    other = Town(log, clock)
    await opened(town)
    await town.timers.step()
    clock.advance(seconds=180)
    log.act = other.timers.step
    assert await town.timers.step() == 0
    assert [event.level for event in await town.events(IncidentEscalated)] == [1]

    clock.advance(seconds=180)
    await town.timers.step()
    assert [event.level for event in await town.events(IncidentEscalated)] == [1, 2]


async def test_the_time_in_which_an_incident_was_dismissed_is_nobodys():
    town = await Town().found()
    fact = await opened(town)
    await town.decide(fact.stream_id, DismissIncident(reason=DismissReason.UNFOUNDED))
    town.clock.advance(hours=1)
    await town.timers.step()
    await town.decide(fact.stream_id, ReopenIncident(reason="It was real."))
    await town.react()
    await town.timers.step()
    assert await town.events(IncidentEscalated) == []
    town.clock.advance(seconds=181)
    await town.timers.step()
    (escalated,) = await town.events(IncidentEscalated)
    assert escalated.late_s == 1


async def test_a_changed_rule_changes_the_deadline_with_no_code():
    town = await Town().found(with_rule(sample_rulebook(), "security.intrusion", deadlines__accept_within_s=20))
    await opened(town)
    town.clock.advance(seconds=21)
    await town.timers.step()
    (escalated,) = await town.events(IncidentEscalated)
    assert escalated.late_s == 1
