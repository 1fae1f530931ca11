"""That a reservation begins, and that it is over, are facts of the timers; said once, however late they look."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from domain.assignment.events import ReservationBegan, ReservationExpired, ReservationReleased, UnitReserved
from domain.identifiers import center_id, named
from domain.ownership import Ownership
from tests.workers.town import CITY, WEST, Town

CENTER = center_id(CITY, "s-west")


async def kept(town: Town, *, begins_h: float, ends_h: float, name: str = "1") -> tuple[UUID, UUID]:
    unit_id, key, now = await town.unit(f"P-{name}", WEST), named("test", name), town.clock.now()
    reserved = UnitReserved(
        reservation_id=key,
        purpose="a match",
        center=Ownership(center_id=CENTER, path=(CENTER,)),
        begins_at=now + timedelta(hours=begins_h),
        ends_at=now + timedelta(hours=ends_h),
    )
    await town.record(unit_id, reserved)
    return unit_id, key


async def test_it_begins_and_it_is_over_each_once_and_how_late_that_was_seen_is_said():
    town = await Town().found()
    _, key = await kept(town, begins_h=1, ends_h=2)
    await town.timers.step()
    assert await town.events(ReservationBegan) == []
    for minutes in (61, 2, 58, 3):
        town.clock.advance(minutes=minutes)
        await town.timers.step()
        await town.timers.step()
    (began,) = await town.events(ReservationBegan)
    (expired,) = await town.events(ReservationExpired)
    assert (began.reservation_id, began.late_s) == (key, 60)
    assert (expired.reservation_id, expired.late_s) == (key, 60)


async def test_one_that_passed_while_nobody_looked_is_only_over_and_a_restart_forgets_none():
    town = await Town().found()
    await kept(town, begins_h=1, ends_h=2)
    _, other = await kept(town, begins_h=1, ends_h=9, name="2")
    town.clock.advance(hours=5)
    town.restart()
    await town.timers.step()
    assert [event.reservation_id for event in await town.events(ReservationBegan)] == [other]
    assert len(await town.events(ReservationExpired)) == 1
    await town.timers.step()
    (part,) = [each for each in town.timers.parts if UnitReserved.name in each.topics]
    assert len(part.dues) == 1


async def test_one_that_was_released_is_never_over_and_never_begins():
    town = await Town().found()
    unit_id, key = await kept(town, begins_h=1, ends_h=2)
    await town.record(unit_id, ReservationReleased(reservation_id=key, reason="called off"))
    town.clock.advance(hours=5)
    await town.timers.step()
    assert await town.events(ReservationBegan) == []
    assert await town.events(ReservationExpired) == []
