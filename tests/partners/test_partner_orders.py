"""An order to an agency goes out on its feed, and the agency answers it over NATS: no more, no less, and once."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from dispatch.partners.contracts import FEED_FIELDS
from dispatch.partners.feed import Feed
from dispatch.store.postgres import PostgresLog
from dispatch.world import SystemClock
from domain.event import Event
from domain.identifiers import named
from domain.order.events import (
    Addressee,
    OrderArea,
    OrderContent,
    OrderExpired,
    OrderExtended,
    OrderIssued,
    OrderLifted,
)
from domain.order.events import OrderAmended as Amended
from domain.ownership import Ownership
from domain.vocabulary import AgencyRole, MessageStatus, OrderKind, OrderPhase
from tests.partners.conftest import CITY
from tests.partners.house import House, house
from tests.partners.story import ROOT, STATION, WUHOU, Story, feed_of
from tests.partners.test_partner_commands import ask

__all__ = ["house"]
ORDER = named("order", "one")
FIELDS = (
    "number", "order_kind", "phase", "message_status", "edition", "text", "area", "effective_at", "expires_at",
    "acknowledge_by", "owner", "note",
)  # fmt: skip
ADDRESS = {"order_id"}
POLICE = Addressee(center_id=STATION, path=(ROOT, WUHOU, STATION), agency="police")
NOBODYS = Addressee(center_id=WUHOU, path=(ROOT, WUHOU))


def content(**changed: Any) -> OrderContent:
    now = SystemClock().now()
    return OrderContent(
        **{
            "number": "CD-ORDER-20260703-001",
            "city": CITY,
            "kind": OrderKind.BRIDGE_CLOSURE,
            "status": MessageStatus.ACTUAL,
            "edition": 1,
            "issuer": Ownership(center_id=WUHOU, path=(ROOT, WUHOU)),
            "basis": "应急预案",
            "text": "封闭大桥，联系人13800000000",
            "area": OrderArea(description="大桥"),
            "effective_at": now,
            "expires_at": now + timedelta(hours=6),
            "acknowledge_by": now + timedelta(minutes=30),
            "addressees": (POLICE, NOBODYS),
        }
        | changed
    )


def issued(**changed: Any) -> OrderIssued:
    return OrderIssued(order=content(**changed), issued_at=SystemClock().now())


@pytest.fixture
async def story(pg_log: PostgresLog) -> Story:
    return Story(pg_log)


async def bodies(pool: asyncpg.Pool, agency: str) -> list[dict[str, Any]]:
    return [{"type": row["type"], **json.loads(row["body"])} for row in await feed_of(pool, agency)]


async def test_an_agency_hears_of_its_order_from_its_issuing_to_its_end(story: Story, pool: asyncpg.Pool) -> None:
    await story.city(fields=FIELDS)
    at = SystemClock().now()
    second = content(edition=2, text="封闭两桥")
    longer = content(edition=2, text="封闭两桥", expires_at=at + timedelta(hours=9))
    facts: list[Event] = [
        issued(),
        Amended(order=second, reason="水位上涨", amended_at=at),
        OrderExtended(order=longer, expired_before_at=second.expires_at, reason="洪峰推迟", extended_at=at),
        OrderLifted(order=longer, reason="水位回落", lifted_at=at),
        OrderExpired(order=longer, due_at=at, late_s=0),
    ]
    await story.tell(ORDER, *facts)
    await Feed(story.log, pool, CITY).catch_up()
    told = await bodies(pool, "police")
    assert [one["type"] for one in told] == [
        f"dispatch.order.{what}.v1" for what in ("issued", "amended", "extended", "lifted", "expired")
    ]
    assert [(one["edition"], one["phase"]) for one in told] == [
        (1, "issued"), (2, "issued"), (2, "issued"), (2, "lifted"), (2, "expired"),
    ]  # fmt: skip
    assert [one.get("note") for one in told] == [None, "水位上涨", "洪峰推迟", "水位回落", None]
    assert told[0]["owner"]["code"] == "wuhou"
    assert told[0]["text"] == "封闭大桥，联系人[…]"
    assert "basis" not in told[0]
    assert await bodies(pool, "flood_control") == []


async def test_headers_and_subject_name_the_order_and_its_issuer(story: Story, pool: asyncpg.Pool) -> None:
    await story.city(fields=FIELDS)
    await story.tell(ORDER, issued())
    await Feed(story.log, pool, CITY).catch_up()
    (row,) = await feed_of(pool, "police")
    headers = json.loads(row["headers"])
    assert (headers["ce-subject"], headers["ce-correlationid"]) == (f"order/{ORDER}", str(ORDER))
    assert row["subject"] == f"city.{CITY}.police.wuhou.-.order-issued"
    assert UUID(headers["ce-causationid"])


@pytest.mark.parametrize("status", [MessageStatus.EXERCISE, MessageStatus.TEST])
async def test_exercises_and_tests_never_reach_a_feed(story: Story, pool: asyncpg.Pool, status: MessageStatus) -> None:
    await story.city(fields=FIELDS)
    await story.tell(ORDER, issued(status=status))
    assert await Feed(story.log, pool, CITY).catch_up() == 0


async def test_what_is_not_listed_does_not_leave(story: Story, pool: asyncpg.Pool) -> None:
    await story.city(fields=("number",))
    await story.tell(ORDER, issued())
    await Feed(story.log, pool, CITY).catch_up()
    (told,) = await bodies(pool, "police")
    assert told == {"type": "dispatch.order.issued.v1", "order_id": str(ORDER), "number": "CD-ORDER-20260703-001"}


async def test_an_order_too_large_goes_out_by_reference(story: Story, pool: asyncpg.Pool) -> None:
    await story.city(fields=FIELDS)
    ring = tuple((104 + number / 10_000, 30.5) for number in range(5_000))
    await story.tell(ORDER, issued(area=OrderArea(polygons=((*ring, ring[0]),))))
    await Feed(story.log, pool, CITY).catch_up()
    (row,) = await feed_of(pool, "police")
    reference = f"/v1/orders/{ORDER}?min_position={row['position']}"
    assert json.loads(row["body"]) == {"order_id": str(ORDER), "reference": reference}


async def test_orders_and_incidents_share_one_numbering_at_any_page_size(story: Story, pool: asyncpg.Pool) -> None:
    await story.city()
    for number in range(4):
        incident_id = await story.incident(str(number))
        await story.routed(incident_id, police=AgencyRole.RESPONSIBLE)
        await story.tell(named("order", str(number)), issued())
    while await Feed(story.log, pool, CITY, page_events=3).advance() is not None:
        pass
    piecewise = [(row["sequence"], row["type"], row["message_id"]) for row in await feed_of(pool, "police")]
    assert [sequence for sequence, _, _ in piecewise] == list(range(1, 9))
    for table in ("entries", "incidents", "checkpoints"):
        await pool.execute(f"DELETE FROM feed.{table}")
    await Feed(story.log, pool, CITY).catch_up()
    assert [(row["sequence"], row["type"], row["message_id"]) for row in await feed_of(pool, "police")] == piecewise


async def test_a_page_with_orders_alone_reads_and_stores_no_incident(story: Story, pool: asyncpg.Pool) -> None:
    await story.city(fields=FIELDS)
    await story.tell(ORDER, issued())
    await Feed(story.log, pool, CITY).catch_up()
    assert await pool.fetchval("SELECT count(*) FROM feed.incidents") == 0


async def test_an_agency_acknowledges_over_nats_and_a_repeat_gets_the_same_answer(house: House) -> None:
    await house.story.city(fields=FIELDS)
    await house.story.tell(ORDER, issued())
    body = {"order_id": ORDER, "edition": 1, "reference": "成公 77"}
    async with house.served():
        (told,) = await house.until_read(1)
        assert (told.type, told.body["edition"]) == ("dispatch.order.issued.v1", 1)
        first = await house.until_answered("acknowledge-order", "o1", body)
        second = await house.until_answered("acknowledge-order", "o1", body)
    assert first.recorded
    assert (first.position, second.position) == (first.position, first.position)
    assert second.headers["Idempotent-Replayed"] == "true"
    rows = await house.story.log.read_stream(ORDER)
    assert [row.topic for row in rows] == ["order.issued", "order.acknowledged"]


async def test_an_agency_declines_with_a_reason_and_not_without(house: House) -> None:
    await house.story.tell(ORDER, issued())
    bare = await ask(house, "decline-order", {"order_id": ORDER, "edition": 1})
    assert bare["code"] == "partner.invalid"
    answer = await ask(house, "decline-order", {"order_id": ORDER, "edition": 1, "reason": "警力不足"})
    assert answer["changed"]
    again = await ask(house, "decline-order", {"order_id": ORDER, "edition": 1, "reason": "仍不足"})
    assert not again["changed"]


async def test_an_old_edition_is_answered_with_the_present_one(house: House) -> None:
    await house.story.tell(ORDER, issued())
    amended = Amended(order=content(edition=2, text="封闭两桥"), reason="水位上涨", amended_at=SystemClock().now())
    await house.story.tell(ORDER, amended)
    answer = await ask(house, "acknowledge-order", {"order_id": ORDER, "edition": 1})
    assert (answer["code"], answer["values"]["edition"]) == ("order.superseded", "2")


@pytest.mark.parametrize(
    "changed",
    [
        {"addressees": (NOBODYS,)},
        {"addressees": (POLICE.model_copy(update={"agency": "flood_control"}),)},
        {"status": MessageStatus.EXERCISE},
    ],
    ids=["of a center", "of another agency", "an exercise"],
)
async def test_an_order_that_is_not_the_agencys_is_answered_like_a_missing_one(
    house: House, changed: dict[str, Any]
) -> None:
    await house.story.tell(ORDER, issued(**changed))
    body = {"edition": 1}
    foreign = await ask(house, "acknowledge-order", body | {"order_id": ORDER}, id=str(named("m", "1")))
    missing = await ask(house, "acknowledge-order", body | {"order_id": STATION}, id=str(named("m", "2")))
    assert foreign["code"] == "order.unknown"
    assert foreign == missing


async def test_what_an_agency_says_of_an_order_does_not_come_back_to_it(house: House, pool: asyncpg.Pool) -> None:
    """Nothing that a partner says about an order comes back to it, so no loop can begin with one."""
    await house.story.tell(ORDER, issued())
    await ask(house, "acknowledge-order", {"order_id": ORDER, "edition": 1})
    await Feed(house.story.log, pool, CITY).catch_up()
    assert [row["type"] for row in await feed_of(pool, "police")] == ["dispatch.order.issued.v1"]


def test_every_listed_field_is_one_we_know() -> None:
    assert set(FIELDS) <= FEED_FIELDS
    assert not ADDRESS & FEED_FIELDS
    assert {phase.value for phase in OrderPhase} == {"issued", "lifted", "expired"}
