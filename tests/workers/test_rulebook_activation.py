"""A version that was scheduled is put in force when its time has come, also when nobody was there to see it."""

from __future__ import annotations

from datetime import timedelta

from dispatch.handling.rulebook import RulebookHandler
from dispatch.handling.scribe import Request
from domain.event import Actor
from domain.identifiers import named
from domain.rulebook.commands import (
    ActivateRulebook,
    PublishRulebook,
    ScheduleRulebook,
    UnscheduleRulebook,
)
from domain.rulebook.decider import INITIAL, decide, evolve
from domain.rulebook.events import RulebookActivated, RulebookPublished, RulebookScheduled, RulebookUnscheduled
from domain.vocabulary import ActorKind
from tests.api import town
from tests.domain.deciding import Decider
from tests.workers.town import CITY, Town, sample_rulebook

rulebook = Decider(decide, evolve, INITIAL)

NOW = town.LOADED_AT
LATER = NOW + timedelta(hours=8)
FIRST = (RulebookPublished(rulebook=town.rulebook(1)), RulebookActivated(version=1, effective_at=NOW))
SECOND = RulebookPublished(rulebook=town.rulebook(2))
SCHEDULE = ScheduleRulebook(version=2, effective_at=LATER, asked_at=NOW)
SCHEDULED = RulebookScheduled(version=2, effective_at=LATER)
IN_FORCE = RulebookActivated(version=2, effective_at=LATER)


def test_a_published_version_is_scheduled_once_and_can_be_scheduled_anew():
    rulebook.given(*FIRST, SECOND).when(SCHEDULE).then(SCHEDULED)
    rulebook.given(*FIRST, SECOND, SCHEDULED).when(SCHEDULE).then_nothing()
    sooner = SCHEDULE.model_copy(update={"effective_at": NOW + timedelta(hours=1)})
    rulebook.given(*FIRST, SECOND, SCHEDULED).when(sooner).then(
        RulebookScheduled(version=2, effective_at=NOW + timedelta(hours=1))
    )


def test_what_is_not_published_or_not_ahead_is_not_scheduled():
    rulebook.given(*FIRST).when(SCHEDULE).then_refused("rulebook.not_published", version="2")
    past = SCHEDULE.model_copy(update={"effective_at": NOW})
    rulebook.given(*FIRST, SECOND).when(past).then_refused("rulebook.not_ahead")


def test_it_decides_nothing_until_its_time_and_then_it_does():
    before = rulebook.state((*FIRST, SECOND, SCHEDULED))
    assert (before.active_version, dict(before.scheduled)) == (1, {2: LATER})
    after = rulebook.state((*FIRST, SECOND, SCHEDULED, IN_FORCE))
    assert (after.active_version, dict(after.scheduled)) == (2, {})


def test_its_time_is_recorded_also_if_it_was_in_force_already():
    by_hand = RulebookActivated(version=2, effective_at=NOW + timedelta(hours=1))
    facts = (*FIRST, SECOND, SCHEDULED, by_hand)
    rulebook.given(*facts).when(ActivateRulebook(version=2, effective_at=LATER)).then(IN_FORCE)
    rulebook.given(*facts, IN_FORCE).when(ActivateRulebook(version=2, effective_at=LATER)).then_nothing()


def test_it_is_taken_back():
    unschedule = UnscheduleRulebook(version=2, reason="misroutes")
    taken_back = RulebookUnscheduled(version=2, reason="misroutes")
    rulebook.given(*FIRST, SECOND, SCHEDULED).when(unschedule).then(taken_back)
    rulebook.given(*FIRST, SECOND).when(unschedule).then_nothing()
    assert dict(rulebook.state((*FIRST, SECOND, SCHEDULED, taken_back)).scheduled) == {}


async def scheduled(town_of_workers: Town) -> None:
    handler = RulebookHandler(town_of_workers.scribe, CITY)
    rules = sample_rulebook().model_copy(update={"version": 2})

    def asked(what: str) -> Request:
        return Request(Actor(kind=ActorKind.SYSTEM, id="test"), town_of_workers.clock.now(), named("test", what))

    await handler.handle(PublishRulebook(rulebook=rules), asked("publish"))
    now = town_of_workers.clock.now()
    command = ScheduleRulebook(version=2, effective_at=now + timedelta(hours=1), asked_at=now)
    await handler.handle(command, asked("schedule"))
    await town_of_workers.directory.catch_up()


async def test_the_timers_put_it_in_force_at_its_time_and_once():
    workers = await Town().found()
    await scheduled(workers)
    assert await workers.timers.step() == 0
    assert workers.directory.active_rulebook_version == 1
    workers.clock.advance(minutes=60)
    assert await workers.timers.step() == 1
    assert workers.directory.active_rulebook_version == 2
    assert await workers.timers.step() == 0
    *_, activated = await workers.facts(RulebookActivated)
    assert activated.event.version == 2


async def test_a_time_that_passed_while_we_were_down_is_kept_as_it_was_said():
    workers = await Town().found()
    await scheduled(workers)
    effective_at = workers.clock.now() + timedelta(hours=1)
    workers.clock.advance(hours=5)
    workers.restart()
    assert await workers.timers.step() == 1
    *_, activated = await workers.facts(RulebookActivated)
    assert activated.event.effective_at == effective_at
    assert activated.occurred_at == workers.clock.now()


async def test_what_was_taken_back_is_never_put_in_force():
    workers = await Town().found()
    await scheduled(workers)
    await workers.timers.step()
    request = Request(Actor(kind=ActorKind.SYSTEM, id="test"), workers.clock.now(), named("test", "unschedule"))
    await RulebookHandler(workers.scribe, CITY).handle(UnscheduleRulebook(version=2, reason="misroutes"), request)
    workers.clock.advance(hours=5)
    assert await workers.timers.step() == 0
    await workers.directory.catch_up()
    assert workers.directory.active_rulebook_version == 1
