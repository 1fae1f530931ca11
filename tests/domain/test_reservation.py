"""A unit is kept for something, for a time; and stands by for another center."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.assignment import commands as ask
from domain.assignment import events as fact
from domain.event import GeoPoint
from tests.domain.test_assignment import ASSIGN, MADE, OFF_DUTY, ON_DUTY, OWNER, READY, REGISTERED, unit

NOW = datetime(2026, 7, 1, 4, 0, tzinfo=UTC)
MATCH, PARADE = UUID(int=51), UUID(int=52)


def hours(count: float) -> datetime:
    return NOW + timedelta(hours=count)


def reserved(key: UUID, begins: float, ends: float) -> fact.UnitReserved:
    return fact.UnitReserved(
        reservation_id=key, purpose="a match", center=OWNER, begins_at=hours(begins), ends_at=hours(ends)
    )


def reserve(key: UUID, begins: float, ends: float, at: float = 0) -> ask.ReserveUnit:
    return ask.ReserveUnit(reservation=reserved(key, begins, ends), at=hours(at))


def turn(at: float, key: UUID = MATCH) -> ask.TurnReservation:
    return ask.TurnReservation(reservation_id=key, noticed_at=hours(at))


LATER = reserved(MATCH, 2, 4)
BEGAN = fact.ReservationBegan(reservation_id=MATCH, due_at=hours(2), late_s=0)


def test_a_reservation_for_later_is_planned_and_one_for_now_begins_at_once():
    unit.given(*READY).when(reserve(MATCH, 2, 4)).then(LATER)
    unit.given(*READY).when(reserve(MATCH, -1, 4)).then(
        reserved(MATCH, -1, 4), fact.ReservationBegan(reservation_id=MATCH, due_at=hours(-1), late_s=0)
    )
    unit.given(*READY, LATER).when(reserve(MATCH, 2, 4)).then_nothing()


@pytest.mark.parametrize(("begins", "ends"), [(4, 4), (4, 2), (-3, -1), (-3, 0)])
def test_a_reservation_ends_after_it_begins_and_after_now(begins, ends):
    unit.given(*READY).when(reserve(MATCH, begins, ends)).then_refused("reservation.no_period")


@pytest.mark.parametrize(
    ("begins", "ends", "meet"), [(1, 2, False), (4, 5, False), (1, 3, True), (3, 5, True), (1, 5, True), (2.5, 3, True)]
)
def test_two_reservations_do_not_overlap(begins, ends, meet):
    wanted = unit.given(*READY, LATER).when(reserve(PARADE, begins, ends))
    if meet:
        wanted.then_refused("reservation.overlaps", reservation_id=str(MATCH), purpose="a match")
    else:
        wanted.then(reserved(PARADE, begins, ends))


@pytest.mark.parametrize(("at", "held"), [(1.9, False), (2, True), (3.9, True), (4, False)])
@pytest.mark.parametrize("history", [(LATER,), (LATER, BEGAN)])
def test_while_it_holds_the_unit_is_assigned_only_with_a_reason(at, held, history):
    command = ASSIGN.model_copy(update={"at": hours(at)})
    wanted = unit.given(*READY, *history).when(command)
    if held:
        wanted.then_refused("unit.reserved", purpose="a match", call_sign="JJ-101")
    else:
        wanted.then(MADE)
    although = command.model_copy(update={"override": "nobody else is near"})
    unit.given(*READY, *history).when(although).then(MADE.model_copy(update={"override": "nobody else is near"}))


def test_a_reserved_unit_is_not_diverted_or_stacked_without_a_reason_either():
    to = ASSIGN.model_copy(update={"assignment_id": UUID(int=12), "incident_id": UUID(int=22), "at": hours(3)})
    divert = ask.DivertUnit(assignment_id=MADE.assignment_id, reason="nearer", to=to)
    unit.given(*READY, LATER, MADE).when(divert).then_refused("unit.reserved")
    unit.given(*READY, LATER, MADE).when(to.model_copy(update={"stacked": True})).then_refused("unit.reserved")


def test_the_timers_say_that_it_begins_and_that_it_is_over_once_each():
    unit.given(*READY, LATER).when(turn(1)).then_nothing()
    unit.given(*READY, LATER).when(turn(2.5)).then(BEGAN.model_copy(update={"late_s": 1_800}))
    unit.given(*READY, LATER, BEGAN).when(turn(3)).then_nothing()
    over = fact.ReservationExpired(reservation_id=MATCH, due_at=hours(4), late_s=3_600)
    for history in ((LATER,), (LATER, BEGAN)):
        unit.given(*READY, *history).when(turn(5)).then(over)
        unit.given(*READY, *history, over).when(turn(5)).then_nothing()


def test_it_is_released_early_and_a_repeat_says_nothing():
    command = ask.ReleaseReservation(reservation_id=MATCH, reason="called off")
    released = fact.ReservationReleased(reservation_id=MATCH, reason="called off")
    unit.given(*READY, LATER, BEGAN).when(command).then(released)
    unit.given(*READY, LATER, BEGAN, released).when(command).then_nothing()
    unit.given(*READY, LATER, BEGAN, released).when(ASSIGN.model_copy(update={"at": hours(3)})).then(MADE)
    unit.given(*READY).when(command).then_refused("reservation.unknown")


POSTED = fact.UnitPosted(center=OWNER, place=GeoPoint(lon=104.1, lat=30.7), reason="cover")
POST = ask.PostUnit(posting=POSTED)
RECALLED = fact.UnitRecalled(reason="enough of their own")


def test_a_free_unit_stands_by_elsewhere_and_goes_home_again():
    recall = ask.RecallUnit(reason="enough of their own")
    unit.given(*READY).when(POST).then(POSTED)
    unit.given(*READY, POSTED).when(POST).then_nothing()
    unit.given(*READY, POSTED).when(recall).then(RECALLED)
    unit.given(*READY, POSTED, RECALLED).when(recall).then_nothing()
    unit.given(*READY, MADE).when(POST).then_refused("unit.not_free")
    unit.given(REGISTERED, ON_DUTY, OFF_DUTY).when(POST).then_refused("unit.not_free")
    unit.given(*READY, LATER).when(POST).then(POSTED)
    unit.given(*READY, LATER, BEGAN).when(POST).then_refused("unit.not_free")
    elsewhere = POSTED.model_copy(update={"center": OWNER.model_copy(update={"center_id": UUID(int=77)})})
    unit.given(*READY, POSTED).when(ask.PostUnit(posting=elsewhere)).then_refused("unit.posted_already")
    assert [event.name for event in unit.decide(ask.GoOffDuty(), (*READY, POSTED))] == [
        "unit.recalled",
        "unit.went_off_duty",
    ]
