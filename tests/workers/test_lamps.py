"""The timers turn the lamps of cases: at their instant, or as missed, by how much, once, whoever looks."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

from dispatch.handling.cases import CaseDesk
from dispatch.handling.scribe import Request
from dispatch.store.memory import MemoryLog
from domain.casework import commands as ask
from domain.casework.events import LampTurned
from domain.event import Actor
from domain.identifiers import center_id, named
from domain.incident.events import IncidentOpened
from domain.vocabulary import ActorKind, AlertKind, CaseStage, Lamp
from tests.workers.town import CITY, HandClock, Town, sample_rulebook

CHIEF = UUID(int=5)
HOUR = 3_600


class Desk:
    """A case of littering in the small town: four hours around the clock, two to check it."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.cases = CaseDesk(town.scribe, town.directory)
        self._count = 0

    def request(self) -> Request:
        self._count += 1
        actor = Actor(kind=ActorKind.OPERATOR, id="alice")
        return Request(actor, self.town.clock.now(), named("desk", str(self._count)))

    async def begin(self) -> Desk:
        for _ in range(3):
            await self.town.alert(AlertKind.LITTERING)
        await self.town.react()
        await self.town.directory.catch_up()
        *_, opened = await self.town.facts(IncidentOpened)
        outcome = await self.cases.file(opened.stream_id, "urban.exposed_refuse", self.request())
        self.case_id = UUID(outcome.answer["case_id"])
        await self.assign()
        self.began = self.town.clock.now()
        return self

    async def do(self, make) -> None:
        await self.cases.execute(self.case_id, lambda _, at: make(at), self.request())

    async def assign(self) -> None:
        await self.cases.execute(
            self.case_id,
            lambda case, at: ask.AssignCase(
                department=self.cases.department(case, agency=None, center_id=None), assigned_at=at
            ),
            self.request(),
        )

    async def look(self, hours: float, *, restarts: bool = False) -> list[LampTurned]:
        self.town.clock.advance(hours=hours)
        if restarts:
            self.town.restart()
        while await self.town.timers.step():
            pass
        return await self.town.events(LampTurned)


async def desk(log: MemoryLog | None = None, clock: HandClock | None = None) -> Desk:
    town = await Town(log, clock).found() if log is not None else await Town().found()
    return await Desk(town).begin()


async def test_a_lamp_turns_amber_at_eighty_percent_and_red_at_all_of_it() -> None:
    found = await desk()
    assert await found.look(3.1) == []
    (amber,) = await found.look(0.1)
    assert (amber.lamp, amber.stage, amber.late_s) == (Lamp.AMBER, CaseStage.HANDLE, 0)
    assert await found.look(0.7) == [amber]
    (_, red) = await found.look(0.2)
    assert (red.lamp, red.due_at) == (Lamp.RED, found.began + timedelta(hours=4))
    assert round(red.late_s) == 360
    assert len(await found.look(100)) == 2
    assert len(found.town.timers.lamps.dues) == 0


async def test_what_was_missed_while_nobody_looked_is_recorded_by_how_much() -> None:
    found = await desk()
    amber, red = await found.look(10, restarts=True)
    assert (round(amber.late_s), round(red.late_s)) == (round(6.8 * HOUR), 6 * HOUR)
    assert await found.look(1, restarts=True) == [amber, red]


async def test_what_was_handled_late_while_nobody_looked_was_missed() -> None:
    found = await desk()
    found.town.clock.advance(hours=3.5)
    await found.do(lambda at: ask.HandleCase(outcome="swept", handled_at=at))
    (amber,) = await found.look(0.1, restarts=True)
    assert (amber.lamp, amber.ended_at) == (Lamp.AMBER, found.began + timedelta(hours=3.5))
    told = await found.look(2)
    assert [(each.stage, each.lamp) for each in told[1:]] == [
        (CaseStage.CHECK, Lamp.AMBER),
        (CaseStage.CHECK, Lamp.RED),
    ]


async def test_what_was_handled_in_time_owes_nothing_however_late_that_is_heard() -> None:
    found = await desk()
    found.town.clock.advance(hours=3)
    await found.do(lambda at: ask.HandleCase(outcome="swept", handled_at=at))
    await found.do(lambda at: ask.CheckCase(passed=True, checked_at=at))
    assert await found.look(50, restarts=True) == []


async def test_two_who_look_at_once_record_a_lamp_once() -> None:
    clock = HandClock()
    log = MemoryLog(clock)
    found = await desk(log, clock)
    other = Town(log, clock)
    clock.advance(hours=5)
    await asyncio.gather(found.town.timers.step(), other.timers.step())
    await asyncio.gather(found.town.timers.step(), other.timers.step())
    assert [event.lamp for event in await found.look(0)] == [Lamp.AMBER, Lamp.RED]


async def test_the_mark_stays_before_a_time_that_runs(monkeypatch) -> None:
    monkeypatch.setattr("dispatch.workers.timers.watch.MARK_EVERY_POSITIONS", 1)
    found = await desk()
    await found.look(1)
    limit_set_at = found.town.timers.lamps.dues.oldest_position()
    assert limit_set_at is not None
    assert await found.town.log.mark("timers") < limit_set_at
    assert len(await found.look(10, restarts=True)) == 2


async def test_the_small_town_follows_the_sample_rules() -> None:
    found = sample_rulebook().case_class("urban.exposed_refuse")
    assert found is not None
    assert (found.handle_within_s, found.check_within_s) == (4 * HOUR, 2 * HOUR)
    town = await Town().found()
    await town.directory.catch_up()
    lateral = town.directory.functional_center(found.department)
    assert lateral is not None
    assert lateral.id == center_id(CITY, "dept-urban-management")
