"""Deadlines of orders are facts: a missed acknowledgement and an end are recorded, by how much late, once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from dispatch.handling.orders import OrderDesk, OrderDraft
from dispatch.handling.scribe import Request
from dispatch.store.memory import MemoryLog
from dispatch.workers.timers.watch import MARK_EVERY_POSITIONS
from domain.event import Actor, Event
from domain.identifiers import center_id, named
from domain.order.commands import AcknowledgeOrder, AmendOrder, ExtendOrder, LiftOrder
from domain.order.events import (
    OrderAcknowledgementMissed,
    OrderArea,
    OrderExpired,
    OrderIssued,
    OrderNumberAllocated,
)
from domain.vocabulary import ActorKind, MessageStatus, OrderKind
from tests.workers.town import CITY, HandClock, Town

WEST = center_id(CITY, "d-west")
ROOT = center_id(CITY, "city")


def asked(town: Town, what: str) -> Request:
    return Request(Actor(kind=ActorKind.SYSTEM, id="test"), town.clock.now(), named("test", what))


async def issue(town: Town, name: str = "one", *, issuer: str = "city", **changed: Any) -> UUID:
    """Acknowledged within 30 minutes, over in two hours."""
    now = town.clock.now()
    draft = OrderDraft(
        **{
            "kind": OrderKind.EVACUATION,
            "status": MessageStatus.ACTUAL,
            "text": "转移沿江居民",
            "area": OrderArea(description="沿江"),
            "expires_at": now + timedelta(hours=2),
            "acknowledge_by": now + timedelta(minutes=30),
            "addressees": [(WEST, None), (None, "flood_control")],
        }
        | changed
    )
    await town.directory.catch_up()
    center = town.directory.center(center_id(CITY, issuer))
    assert center is not None
    outcome = await desk(town).issue(center, draft, asked(town, f"issue {name}"))
    return UUID(str(outcome.answer["order_id"]))


def desk(town: Town) -> OrderDesk:
    return OrderDesk(town.scribe, town.directory)


async def acknowledge(town: Town, order_id: UUID, *centers: str, edition: int = 1) -> None:
    command = AcknowledgeOrder(
        center_ids=tuple(center_id(CITY, code) for code in centers), edition=edition, answered_at=town.clock.now()
    )
    await desk(town).decide(order_id, command, asked(town, f"acknowledge {centers} {edition} {order_id}"))


async def told(town: Town, kind: type[Event]) -> list[Any]:
    return list(await town.events(kind))


async def test_a_missed_acknowledgement_names_who_is_missing_and_tells_the_next_level() -> None:
    town = await Town().found()
    order_id = await issue(town, issuer="d-west", addressees=[(None, "flood_control"), (None, "fire")])
    await acknowledge(town, order_id, "dept-fire")
    town.clock.advance(minutes=30, seconds=7)
    assert await town.timers.step() == 1
    (missed,) = await told(town, OrderAcknowledgementMissed)
    assert [one.agency for one in missed.missing] == ["flood_control"]
    assert missed.late_s == 7
    assert [one.center_id for one in missed.told] == [WEST, ROOT]
    assert await town.timers.step() == 0


async def test_who_acknowledged_in_time_owes_nothing() -> None:
    town = await Town().found()
    order_id = await issue(town)
    await acknowledge(town, order_id, "d-west", "dept-flood-control")
    town.clock.advance(minutes=40)
    assert await town.timers.step() == 0
    assert len(town.timers.orders.dues) == 1, "its end"


async def test_an_order_ends_by_itself_and_says_how_late_that_was_noticed() -> None:
    town = await Town().found()
    order_id = await issue(town)
    await acknowledge(town, order_id, "d-west", "dept-flood-control")
    await town.timers.step()
    town.clock.advance(hours=3)
    assert await town.timers.step() == 1
    (expired,) = await told(town, OrderExpired)
    assert expired.late_s == 3_600
    assert await town.timers.step() == 0
    assert len(town.timers.orders.dues) == 0


async def test_what_was_missed_in_the_dark_is_recorded_after_a_restart_each_in_its_turn() -> None:
    town = await Town().found()
    await issue(town)
    town.clock.advance(hours=5)
    town.restart()
    assert [await town.timers.step() for _ in range(3)] == [1, 1, 0]
    (missed,) = await told(town, OrderAcknowledgementMissed)
    assert missed.late_s == timedelta(hours=4, minutes=30).total_seconds()
    assert len(await told(town, OrderExpired)) == 1


async def test_an_extension_moves_the_end_and_a_lifting_takes_it_away() -> None:
    town = await Town().found()
    extended, lifted = await issue(town, "extended"), await issue(town, "lifted")
    for order_id in (extended, lifted):
        await acknowledge(town, order_id, "d-west", "dept-flood-control")
    now = town.clock.now()
    longer = ExtendOrder(center_id=ROOT, extended_at=now, expires_at=now + timedelta(hours=4), reason="洪峰推迟")
    await desk(town).decide(extended, longer, asked(town, "extend"))
    await desk(town).decide(lifted, LiftOrder(center_id=ROOT, lifted_at=now, reason="水位回落"), asked(town, "lift"))
    assert await town.timers.step() == 0
    assert len(town.timers.orders.dues) == 3, "two acknowledgements and one end: what was lifted does not run out"
    town.clock.advance(hours=3)
    assert await town.timers.step() == 0
    town.clock.advance(hours=2)
    assert await town.timers.step() == 1
    (expired,) = await told(town, OrderExpired)
    assert expired.due_at == now + timedelta(hours=4)


async def test_an_amendment_in_time_replaces_the_deadline_and_one_too_late_leaves_it_missed() -> None:
    for minutes, expected in ((10, [2]), (45, [1, 2])):
        town = await Town().found()
        order_id = await issue(town)
        town.clock.advance(minutes=minutes)
        now = town.clock.now()
        change = AmendOrder(
            center_id=ROOT,
            amended_at=now,
            reason="扩大",
            acknowledge_by=now + timedelta(minutes=5),
            text="转移两岸居民",
        )
        await desk(town).decide(order_id, change, asked(town, "amend"))
        town.clock.advance(minutes=15)
        for _ in range(3):
            await town.timers.step()
        assert [one.edition for one in await told(town, OrderAcknowledgementMissed)] == expected


async def test_an_extension_that_is_not_folded_yet_is_not_overruled() -> None:
    """The list still says it is over; the order itself says it is not."""
    town = await Town().found()
    order_id = await issue(town)
    await acknowledge(town, order_id, "d-west", "dept-flood-control")
    await town.timers.step()
    town.clock.advance(minutes=110)
    now = town.clock.now()
    longer = ExtendOrder(center_id=ROOT, extended_at=now, expires_at=now + timedelta(hours=1), reason="洪峰推迟")
    await desk(town).decide(order_id, longer, asked(town, "extend"))
    town.clock.advance(minutes=20)
    known_up_to = (await town.log.tip()).position - 1
    assert await town.timers.orders.answer(town.clock.now(), known_up_to, 10) == 0
    assert len(town.timers.orders.dues) == 2, "neither is given up on what was looked at before"
    town.clock.advance(hours=1)
    assert await town.timers.step() == 1
    assert len(await told(town, OrderExpired)) == 1


async def test_the_mark_stays_before_an_order_that_still_runs() -> None:
    clock = HandClock()
    log = MemoryLog(clock)
    town = await Town(log, clock).found()
    order_id = await issue(town)
    (position,) = [row.position for row in await log.read_stream(order_id)]
    for number in range(MARK_EVERY_POSITIONS + 10):
        await town.record(named("filler", str(number)), OrderNumberAllocated(number="n", order_id=order_id))
    await town.timers.step()
    assert await log.mark("timers") < position
    town.restart()
    town.clock.advance(hours=3)
    assert await town.timers.step() == 1


async def test_numbers_of_two_days_begin_anew_at_the_citys_midnight() -> None:
    town = await Town().found()
    await issue(town, "one")
    await issue(town, "two")
    town.clock.advance(hours=24)
    await issue(town, "three")
    numbers = [event.order.number for event in await told(town, OrderIssued)]
    assert [number[-3:] for number in numbers] == ["001", "002", "001"]
    assert len({number[:-4] for number in numbers}) == 2
