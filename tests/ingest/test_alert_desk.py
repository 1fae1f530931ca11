"""An alert is recorded once, whatever its sender repeats."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from dispatch.handling.alerts import AlertDesk, AlertReceipt, Arrival
from dispatch.handling.scribe import Scribe
from dispatch.ingest.message import Draft
from dispatch.store.postgres import PostgresLog
from dispatch.store.vault import MemorySealer
from domain.alert.decider import REVISIONS_MAX
from domain.alert.events import AlertReceived, AlertRevised
from domain.event import GeoPoint
from domain.identifiers import camera_id
from domain.refusals import Refusal
from domain.vocabulary import ClockQuality, Severity
from tests.ingest.stage import (
    CAMERA,
    CITY,
    EAST,
    EAST_GATEWAY,
    NOW,
    OPERATOR,
    SPOT,
    WEST_CAMERA,
    WEST_GATEWAY,
    Stage,
    StandingClock,
    draft_of,
    fixture,
)

FLOOD = fixture("cap_flood.xml").decode()
RING = "30.62,104.02 30.62,104.08 30.68,104.08 30.68,104.02 30.62,104.02"
SEVERITIES = [severity.name.lower() for severity in Severity]


def alert(event_id: str = "a1", **fields: Any) -> Draft:
    said = {"id": event_id, "kind": "waterlogging", "occurred_at": "2026-08-01T21:14:05+08:00", **fields}
    return draft_of("native", json.dumps(said))


async def test_a_new_alert_is_recorded_with_its_camera_and_place(stage: Stage):
    receipt = await stage.receipt(alert(camera="cam_00042"))
    (fact,) = await stage.facts()
    assert isinstance(fact.event, AlertReceived)
    assert fact.stream_id == receipt.alert_id
    assert fact.position == receipt.position
    assert fact.event.content.camera_id == receipt.camera_id == camera_id(CITY, CAMERA)
    assert fact.event.content.camera_code == CAMERA
    assert fact.event.content.place.point == SPOT
    assert fact.envelope.actor == EAST_GATEWAY.actor
    assert (receipt.duplicate, receipt.revised, receipt.outside_city) == (False, False, False)


@pytest.mark.parametrize("elsewhere", ["<circle>25,110 1</circle>", "<polygon>25,110 25,111 26,111 25,110</polygon>"])
@pytest.mark.parametrize("here", ["<circle>30.65,104.05 2.5</circle>", None])
async def test_a_warning_of_many_places_is_where_it_concerns_the_city(stage: Stage, elsewhere: str, here: str | None):
    circle, ring = "<circle>30.65,104.05 2.5</circle>", f"<polygon>{RING}</polygon>"
    said = FLOOD.replace(circle, "").replace(ring, elsewhere)
    lost = await stage.receipt(draft_of("cap", said))
    assert lost.outside_city
    said = said.replace("CD-FLOOD", "CD-FLOOD-2").replace(elsewhere, f"{elsewhere}{here or ring}")
    assert not (await stage.receipt(draft_of("cap", said))).outside_city
    content = (await stage.facts())[-1].event.content
    assert (round(content.place.point.lon, 6), round(content.place.point.lat, 6)) == (104.05, 30.65)


async def test_a_repeat_changes_nothing_and_answers_with_the_first_position(stage: Stage):
    first = await stage.receipt(alert())
    stage.clock.pass_by(timedelta(days=3))
    second = await stage.receipt(alert())
    assert second.duplicate
    assert (second.alert_id, second.position) == (first.alert_id, first.position)
    assert len(await stage.facts()) == 1


async def test_the_same_identity_with_other_content_is_a_new_fact(stage: Stage):
    first = await stage.receipt(alert(severity="minor"))
    second = await stage.receipt(alert(severity="extreme"))
    assert (second.duplicate, second.revised) == (False, True)
    received, revised = await stage.facts()
    assert received.stream_id == revised.stream_id == first.alert_id
    assert isinstance(revised.event, AlertRevised)
    assert revised.event.content.severity is Severity.EXTREME
    third = await stage.receipt(alert(severity="minor"))
    assert (third.duplicate, third.position) == (True, first.position)


async def test_repeats_and_revisions_within_one_page_are_told_apart(stage: Stage):
    page = [alert("a"), alert("b"), alert("a"), alert("a", severity="severe"), alert("a", severity="severe")]
    receipts = await stage.receive(*page)
    assert [(r.duplicate, r.revised) for r in receipts if isinstance(r, AlertReceipt)] == [
        (False, False),
        (False, False),
        (True, False),
        (False, True),
        (True, False),
    ]
    assert [fact.event.name for fact in await stage.facts()] == ["alert.received", "alert.revised", "alert.received"]
    assert receipts[0].position == receipts[2].position
    assert receipts[3].position == receipts[4].position


async def test_a_page_over_known_and_new_identities_records_only_what_is_new(stage: Stage):
    await stage.receive(alert("a"), alert("b"))
    receipts = await stage.receive(alert("b"), alert("c"), alert("a", text="deeper"))
    assert [(r.duplicate, r.revised) for r in receipts if isinstance(r, AlertReceipt)] == [
        (True, False),
        (False, False),
        (False, True),
    ]
    assert len(await stage.facts()) == 4


async def test_many_senders_at_once_record_each_identity_once(stage: Stage):
    pages = [[alert(f"e{(shift + n) % 20}") for n in range(20)] for shift in range(8)]
    answers = await asyncio.gather(*(stage.receive(*page) for page in pages))
    facts = await stage.facts()
    assert len(facts) == 20
    new = [r for page in answers for r in page if isinstance(r, AlertReceipt) and not r.duplicate]
    assert len(new) == 20
    where = {fact.stream_id: fact.position for fact in facts}
    assert all(r.position == where[r.alert_id] for page in answers for r in page if isinstance(r, AlertReceipt))


async def test_an_unknown_camera_is_recorded_with_the_name_it_gave(stage: Stage):
    receipt = await stage.receipt(alert(camera="51019900001320009999", location=point(104.02, 30.62)))
    (fact,) = await stage.facts()
    assert receipt.camera_id is None
    assert fact.event.content.camera_code == "51019900001320009999"
    assert fact.event.content.place.point == GeoPoint(lon=104.02, lat=30.62)


async def test_what_the_message_says_of_its_place_wins_over_the_camera(stage: Stage):
    await stage.receipt(alert(camera=CAMERA, location=point(104.06, 30.66)))
    (fact,) = await stage.facts()
    assert fact.event.content.place.point == GeoPoint(lon=104.06, lat=30.66)


async def test_a_place_outside_the_city_is_recorded_and_said(stage: Stage):
    receipt = await stage.receipt(alert(location=point(116.4, 39.9)))
    (fact,) = await stage.facts()
    assert receipt.outside_city
    assert fact.event.content.place.outside_city


async def test_a_gateway_cannot_speak_for_a_camera_of_another(stage: Stage):
    refused, accepted = await stage.receive(alert("a", camera=WEST_CAMERA), alert("b", camera=CAMERA))
    assert isinstance(refused, Refusal)
    assert refused.code == "ingest.foreign_camera"
    assert isinstance(accepted, AlertReceipt)
    assert len(await stage.facts()) == 1


async def test_a_gateway_speaks_for_its_own_camera_and_an_operator_for_any(stage: Stage):
    assert (await stage.receipt(alert("a", camera=WEST_CAMERA), WEST_GATEWAY)).camera_id is not None
    assert (await stage.receipt(alert("b", camera=WEST_CAMERA), OPERATOR)).camera_id is not None


async def test_an_alias_is_known_to_its_own_gateway_only(stage: Stage):
    assert (await stage.receipt(alert("a", camera="cam_00042"), WEST_GATEWAY)).camera_id is None
    assert (await stage.receipt(alert("b", camera="cam_00042"), EAST_GATEWAY)).camera_id is not None


async def test_a_time_without_zone_is_the_citys_and_marked(stage: Stage):
    await stage.receipt(alert(occurred_at="2026-08-01T21:14:05"))
    (fact,) = await stage.facts()
    assert fact.event.content.clock is ClockQuality.ZONE_ASSUMED
    assert fact.envelope.occurred_at.isoformat() == "2026-08-01T13:14:05+00:00"


async def test_a_time_in_the_future_is_kept_as_said_and_ordered_by_receipt(stage: Stage):
    await stage.receipt(alert(occurred_at="2026-08-01T21:30:00+08:00"))
    (fact,) = await stage.facts()
    assert fact.event.content.clock is ClockQuality.IN_FUTURE
    assert fact.event.content.said_time == "2026-08-01T21:30:00+08:00"
    assert fact.envelope.occurred_at == NOW


async def test_a_clock_a_little_ahead_is_believed(stage: Stage):
    await stage.receipt(alert(occurred_at="2026-08-01T21:19:00+08:00"))
    (fact,) = await stage.facts()
    assert fact.event.content.clock is ClockQuality.ZONED


async def test_an_alert_of_the_day_before_yesterday_is_late_and_keeps_its_time(stage: Stage):
    await stage.receipt(alert(occurred_at="2026-07-30T21:14:05+08:00"))
    (fact,) = await stage.facts()
    assert fact.event.content.clock is ClockQuality.LATE
    assert fact.envelope.occurred_at.isoformat() == "2026-07-30T13:14:05+00:00"


async def test_an_alert_without_time_is_known_again(stage: Stage):
    first = await stage.receipt(alert(occurred_at=None))
    stage.clock.pass_by(timedelta(minutes=7))
    second = await stage.receipt(alert(occurred_at=None))
    (fact,) = await stage.facts()
    assert (second.alert_id, second.duplicate) == (first.alert_id, True)
    assert fact.event.content.clock is ClockQuality.MISSING
    assert fact.envelope.occurred_at == NOW


async def test_a_device_in_a_loop_is_stopped_but_a_rise_in_severity_is_not(stage: Stage):
    drafts = [alert("loop", text=str(n), severity="minor") for n in range(REVISIONS_MAX + 5)]
    receipts = await stage.receive(*drafts)
    refused = [r for r in receipts if isinstance(r, Refusal)]
    assert [r.code for r in refused] == ["ingest.too_many_revisions"] * 5
    assert len(await stage.facts()) == REVISIONS_MAX
    assert (await stage.receipt(alert("loop", text="worse", severity="severe"))).revised


async def test_the_same_id_of_two_sources_are_two_alerts(stage: Stage):
    ours, theirs = alert(), draft_of("native", json.dumps({"id": "a1", "kind": "motion"}), source="gw-west")
    receipts = await stage.desk.receive([Arrival(ours, EAST_GATEWAY), Arrival(theirs, WEST_GATEWAY)])
    assert len({r.alert_id for r in receipts if isinstance(r, AlertReceipt)}) == 2
    assert ours.content.source == EAST


def point(lon: float, lat: float) -> dict[str, object]:
    return {"type": "Point", "coordinates": [lon, lat]}


async def test_two_processes_on_one_database_record_each_identity_once(dsn: str, pg_log: PostgresLog):
    other_log = await PostgresLog.open(dsn)
    try:
        one = await Stage(pg_log, StandingClock()).set_up()
        two = Stage(other_log, StandingClock())
        two.ids, two.scribe = one.ids, Scribe(other_log, MemorySealer(), two.clock)
        two.desk = AlertDesk(two.scribe, one.directory, two.ids)
        pages = [[alert(f"e{(shift * 7 + n) % 50}") for n in range(40)] for shift in range(12)]
        answers = await asyncio.gather(*((one, two)[turn % 2].receive(*page) for turn, page in enumerate(pages)))
    finally:
        await other_log.close()
    facts = await one.facts()
    where = {fact.stream_id: fact.position for fact in facts}
    receipts = [receipt for page in answers for receipt in page if isinstance(receipt, AlertReceipt)]
    assert len(facts) == len(where) == 50
    assert len(receipts) == 480
    assert sum(not receipt.duplicate for receipt in receipts) == 50
    assert all(receipt.position == where[receipt.alert_id] for receipt in receipts)


async def test_whoever_repeats_at_once_with_other_content_is_recorded_as_a_revision(dsn: str, pg_log: PostgresLog):
    stage = await Stage(pg_log, StandingClock()).set_up()
    pages = [[alert("same", text=str(n % 5), severity=SEVERITIES[n % 5])] for n in range(30)]
    answers = await asyncio.gather(*(stage.receive(*page) for page in pages))
    facts = await stage.facts()
    assert [fact.event.name for fact in facts] == ["alert.received"] + ["alert.revised"] * 4
    assert {fact.event.content.severity for fact in facts} == set(Severity)
    assert sum(r.revised for page in answers for r in page if isinstance(r, AlertReceipt)) == 4
