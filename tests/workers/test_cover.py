"""When a center has too few free units that is a fact, and so is who should move up: once, until it is over."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from dispatch.handling.cover import CoverDesk
from dispatch.handling.scribe import Request
from dispatch.ports import AppendCommand, NewEvent, StreamAppend
from dispatch.workers.cover import CoverKeeper, Picture
from dispatch.workers.ownership import SoleOwnership
from dispatch.workers.reactor import ReactorRunner
from dispatch.workers.repeat import Repeater
from domain.aid.events import AidCommitted, AidReleased, LentUnit
from domain.assignment import events as unit
from domain.center.events import CenterMoved
from domain.cover import events as fact
from domain.cover.decider import AcceptMove, DeclineMove
from domain.event import Actor, GeoPoint
from domain.identifiers import center_id, cover_of, named, unit_id
from domain.ownership import Ownership
from domain.refusals import Refused
from domain.rulebook.content import CoverRule, Rulebook
from domain.rulebook.events import RulebookActivated
from domain.vocabulary import ActorKind, UnitKind
from tests.workers.town import CITY, EAST, WEST, Town, north_of, sample_rulebook

CARS = (UnitKind.PATROL_CAR,)
EAST_COVER, WEST_COVER = cover_of(CITY, "cars-east"), cover_of(CITY, "cars-west")
PATHS = {
    "s-west": ("city", "d-west", "s-west"),
    "s-mid": ("city", "d-west", "s-mid"),
    "s-east": ("city", "b-east", "s-east"),
}


def owner(code: str) -> Ownership:
    path = tuple(center_id(CITY, each) for each in PATHS.get(code, (code,)))
    return Ownership(center_id=path[-1], path=path)


def rules(*, east: int = 1, west: int = 1, mid: int = 0, version: int = 1) -> Rulebook:
    cover = []
    if east:
        cover.append(CoverRule(code="cars-east", center_code="b-east", kinds=CARS, minimum=east, standby=EAST))
    if west:
        cover.append(CoverRule(code="cars-west", center_code="d-west", kinds=CARS, minimum=west))
    if mid:
        cover.append(CoverRule(code="cars-mid", center_code="s-mid", kinds=CARS, minimum=mid))
    return sample_rulebook().model_copy(update={"cover": tuple(cover), "version": version})


@dataclass
class Watchers:
    """The town, with the keeper of cover and somebody who answers it."""

    town: Town
    count: int = 0
    made: dict[UUID, unit.AssignmentMade] = field(default_factory=dict)

    async def settle(self) -> None:
        runner = ReactorRunner(
            CoverKeeper(log=self.town.log, directory=self.town.directory, clock=self.town.clock),
            log=self.town.log,
            scribe=self.town.scribe,
            ownership=SoleOwnership(),
        )
        # A keeper that has just started each time: what it knows is what the log says.
        await runner.drain()

    async def car(self, call_sign: str, base: str, home: GeoPoint) -> UUID:
        registered = unit.UnitRegistered(
            city=CITY, call_sign=call_sign, agency="police", base=owner(base), kind=CARS[0], home=home
        )
        await self.town.record(unit_id(CITY, call_sign), registered, unit.UnitWentOnDuty())
        return unit_id(CITY, call_sign)

    async def busy(self, key: UUID) -> None:
        self.count += 1
        made = unit.AssignmentMade(
            assignment_id=named("test", str(self.count)),
            incident_id=named("test", f"incident {self.count}"),
            incident_number=f"CD-{self.count}",
            incident_owner=owner("s-east"),
            unit_id=key,
            agency="police",
            call_sign="P",
        )
        self.made[key] = made
        await self.town.record(key, made)
        await self.settle()

    async def free(self, key: UUID) -> None:
        made = self.made.pop(key)
        cleared = unit.AssignmentCleared(assignment_id=made.assignment_id, incident_id=made.incident_id)
        await self.town.record(key, cleared)
        await self.settle()

    async def answer(self, command: Any) -> None:
        self.count += 1
        actor = Actor(kind=ActorKind.OPERATOR, id="chief")
        request = Request(actor, self.town.clock.now(), named("answer", str(self.count)))
        await CoverDesk(self.town.scribe).answer(EAST_COVER, command, request, "cover")
        await self.settle()

    async def accept(self) -> None:
        await self.answer(AcceptMove(suggestion_id=(await self.last(fact.MoveSuggested)).suggestion_id))

    async def decline(self) -> None:
        suggestion_id = (await self.last(fact.MoveSuggested)).suggestion_id
        await self.answer(DeclineMove(suggestion_id=suggestion_id, reason="at supper"))

    async def said(self, stream_id: UUID = EAST_COVER) -> list[str]:
        rows = await self.town.log.read_stream(stream_id)
        return [row.topic.removeprefix("cover.") for row in rows]

    async def last(self, kind: Any) -> Any:
        return (await self.town.events(kind))[-1]


async def begun(**minima: int) -> tuple[Watchers, UUID, UUID, UUID]:
    """One car in the east; two in the west, of which the second is nearer."""
    town = await Town().found(rules(**minima))
    watchers = Watchers(town)
    here = await watchers.car("E-1", "s-east", EAST)
    far = await watchers.car("W-far", "s-west", north_of(WEST, 4_000))
    near = await watchers.car("W-near", "s-west", WEST)
    await watchers.settle()
    return watchers, here, far, near


async def test_cover_falls_one_suggestion_is_made_and_withdrawn_when_cover_is_back():
    watchers, here, _, near = await begun()
    assert await watchers.said() == []
    await watchers.busy(here)
    assert await watchers.said() == ["fell", "move_suggested"]
    fell, suggested = await watchers.last(fact.CoverFell), await watchers.last(fact.MoveSuggested)
    assert (fell.required, fell.free, fell.code) == (1, 0, "cars-east")
    assert (suggested.unit_id, suggested.call_sign, suggested.giver) == (near, "W-near", owner("s-west"))
    assert suggested.place == EAST
    assert [candidate.chosen for candidate in suggested.explanation.candidates] == [True, False]
    (row, *_) = await watchers.town.facts(fact.MoveSuggested)
    assert (row.envelope.rule_version, row.envelope.actor.id) == (1, "cover")
    await watchers.settle()
    assert await watchers.said() == ["fell", "move_suggested"], "once"
    await watchers.free(here)
    assert await watchers.said() == ["fell", "move_suggested", "move_withdrawn", "restored"]


async def test_it_is_accepted_the_unit_is_posted_and_goes_home_when_the_center_has_its_own_again():
    watchers, here, _, near = await begun()
    await watchers.busy(here)
    suggested = await watchers.last(fact.MoveSuggested)
    tip = (await watchers.town.log.tip()).position
    await watchers.answer(AcceptMove(suggestion_id=suggested.suggestion_id))
    rows = await watchers.town.log.read_after(tip, limit=10)
    assert [row.topic for row in rows] == ["cover.move_accepted", "unit.posted", "cover.restored"]
    await watchers.answer(AcceptMove(suggestion_id=suggested.suggestion_id))
    assert (await watchers.town.log.tip()).position == rows[-1].position, "a repeat says nothing"
    await watchers.free(here)
    (recalled,) = await watchers.town.events(unit.UnitRecalled, near)
    assert recalled.explanation.policy == "cover"


async def test_a_declined_unit_is_not_suggested_again_before_cover_was_restored():
    watchers, here, far, near = await begun(west=0)
    await watchers.busy(here)
    await watchers.answer(
        DeclineMove(suggestion_id=(await watchers.last(fact.MoveSuggested)).suggestion_id, reason="x")
    )
    assert (await watchers.last(fact.MoveSuggested)).unit_id == far
    await watchers.answer(
        DeclineMove(suggestion_id=(await watchers.last(fact.MoveSuggested)).suggestion_id, reason="x")
    )
    assert await watchers.said() == ["fell", *["move_suggested", "move_declined"] * 2]
    await watchers.free(here)
    await watchers.busy(here)
    assert (await watchers.last(fact.MoveSuggested)).unit_id == near


async def test_the_giver_never_falls_below_its_own_minimum():
    watchers, here, far, near = await begun(west=2)
    await watchers.busy(here)
    assert await watchers.said() == ["fell"]
    third = await watchers.car("W-third", "s-mid", north_of(WEST, 9_000))
    await watchers.settle()
    assert await watchers.said() == ["fell", "move_suggested"]
    # The one that is suggested is taken: so is what there was to spare.
    await watchers.busy((await watchers.last(fact.MoveSuggested)).unit_id)
    assert await watchers.said() == ["fell", "move_suggested", "move_withdrawn"]
    assert {far, near, third} >= {(await watchers.last(fact.MoveSuggested)).unit_id}


async def test_who_is_suggested_for_one_gap_is_not_suggested_for_another():
    watchers, here, far, near = await begun(mid=1, west=0)
    await watchers.busy(here)
    suggested = await watchers.town.events(fact.MoveSuggested)
    assert sorted(event.unit_id for event in suggested) == sorted([far, near])
    assert {event.code for event in suggested} == {"cars-east", "cars-mid"}


async def test_there_is_one_suggestion_at_a_time_for_a_gap_and_the_next_after_it_was_accepted():
    watchers, here, far, near = await begun(east=2, west=0)
    assert await watchers.said() == ["fell", "move_suggested"]
    await watchers.busy(here)
    assert await watchers.said() == ["fell", "move_suggested"], "the gap is larger, and somebody is asked already"
    await watchers.accept()
    assert [event.unit_id for event in await watchers.town.events(fact.MoveSuggested)] == [near, far]
    assert [row.stream_id for row in await watchers.town.facts(unit.UnitPosted)] == [near]


@pytest.mark.parametrize("how", ["reserved", "lent", "off duty"])
async def test_reserved_lent_and_off_duty_units_are_not_counted(how: str):
    watchers, here, _, _ = await begun()
    town, now = watchers.town, watchers.town.clock.now()
    aid_id = named("test", "aid")
    away, back = {
        "reserved": (
            (here, unit.ReservationBegan(reservation_id=aid_id, due_at=now, late_s=0)),
            (here, unit.ReservationReleased(reservation_id=aid_id, reason="called off")),
        ),
        "lent": (
            (aid_id, AidCommitted(center_id=owner("s-east").center_id, units=(LentUnit(unit_id=here, call_sign="E"),))),
            (aid_id, AidReleased(center_id=owner("s-east").center_id, unit_ids=(here,))),
        ),
        "off duty": ((here, unit.UnitWentOffDuty()), (here, unit.UnitWentOnDuty())),
    }[how]
    if how == "reserved":
        span = {"begins_at": now, "ends_at": now + timedelta(hours=1)}
        await town.record(
            here, unit.UnitReserved(reservation_id=aid_id, purpose="a match", center=owner("s-east"), **span)
        )
    await town.record(*away)
    await watchers.settle()
    assert await watchers.said() == ["fell", "move_suggested"]
    await town.record(*back)
    await watchers.settle()
    assert await watchers.said() == ["fell", "move_suggested", "move_withdrawn", "restored"]


async def test_a_unit_that_was_taken_in_that_moment_is_not_posted():
    watchers, here, _, near = await begun()
    await watchers.busy(here)
    suggested = await watchers.last(fact.MoveSuggested)
    await watchers.town.record(near, await a_step(watchers, near))
    tip = (await watchers.town.log.tip()).position
    with pytest.raises(Refused) as refused:
        await watchers.answer(AcceptMove(suggestion_id=suggested.suggestion_id))
    assert refused.value.code == "unit.not_free"
    assert (await watchers.town.log.tip()).position == tip


async def a_step(watchers: Watchers, key: UUID) -> unit.AssignmentMade:
    made = unit.AssignmentMade(
        assignment_id=named("test", "taken"),
        incident_id=named("test", "taken incident"),
        incident_number="CD-9",
        incident_owner=owner("s-west"),
        unit_id=key,
        agency="police",
        call_sign="P",
    )
    watchers.made[key] = made
    return made


async def test_a_rule_that_is_no_more_leaves_nothing_open_and_a_new_one_is_looked_at_at_once():
    watchers, here, _, _ = await begun()
    await watchers.busy(here)
    await watchers.town.publish(rules(east=0, version=2))
    await watchers.settle()
    assert (await watchers.said())[-2:] == ["move_withdrawn", "restored"]
    await watchers.town.publish(rules(east=1, version=3))
    await watchers.settle()
    assert (await watchers.said())[-2:] == ["fell", "move_suggested"]


async def test_a_city_without_minima_folds_nothing_until_there_is_one():
    watchers, here, _, _ = await begun(east=0, west=0)
    town = watchers.town
    keeper = CoverKeeper(log=town.log, directory=town.directory, clock=town.clock)
    await keeper.prepare(0)
    known_up_to = keeper.picture.position
    await watchers.busy(here)
    assert await keeper.decide(await town.facts(unit.AssignmentMade)) == []
    assert keeper.picture.position == known_up_to
    await town.publish(rules(version=2))
    (change,) = await keeper.decide(await town.facts(RulebookActivated))
    assert (change.stream_id, [event.name for event in change.events]) == (
        EAST_COVER,
        ["cover.fell", "cover.move_suggested"],
    )


async def test_a_fact_of_cover_that_nobody_can_read_changes_nothing_and_what_follows_is_recorded():
    watchers, here, _, near = await begun()
    await watchers.busy(here)
    broken = StreamAppend(EAST_COVER, None, (NewEvent(fact.MoveDeclined.name, b'{"schema_version":1}'),))
    await watchers.town.log.append(AppendCommand((broken,)))
    await watchers.free(here)
    assert await watchers.said() == ["fell", "move_suggested", "move_declined", "move_withdrawn", "restored"]
    assert (await watchers.last(fact.MoveWithdrawn)).unit_id == near


async def test_a_station_that_moves_below_another_center_covers_that_one():
    watchers, here, _, _ = await begun(west=0)
    await watchers.car("M-1", "s-mid", WEST)
    await watchers.busy(here)
    path = tuple(center_id(CITY, code) for code in ("city", "b-east", "s-mid"))
    moved = CenterMoved(
        parent_id=path[-2], path=path, effective_at=watchers.town.clock.now(), change_id=named("test", "change")
    )
    await watchers.town.record(path[-1], moved)
    await watchers.settle()
    assert await watchers.said() == ["fell", "move_suggested", "move_withdrawn", "restored"]


async def test_every_decision_about_cover_comes_out_the_same_again():
    watchers, here, _, near = await begun()
    await watchers.busy(here)
    await watchers.busy(near)
    await watchers.free(near)
    await watchers.accept()
    await watchers.free(here)
    await watchers.town.directory.catch_up()
    repeater = Repeater(log=watchers.town.log, directory=watchers.town.directory, clock=watchers.town.clock)
    count, otherwise = await repeater.differing()
    assert count >= 6
    assert otherwise == []
    # And with a picture folded in one go, as a keeper that starts anew folds it.
    anew = Picture(watchers.town.log)
    await anew.catch_up()
    assert anew.decided(watchers.town.directory.rulebook(), watchers.town.directory) == {}
