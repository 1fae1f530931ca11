"""What is not understood is kept, listed, and tried again. On a real database."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta

import asyncpg
import pytest

from dispatch.handling.alerts import AlertReceipt
from dispatch.ingest.adapters import ADAPTERS
from dispatch.ingest.intake import Declined, Intake, Message, Taken
from dispatch.ingest.limits import QUARANTINE_HEAD_BYTES
from dispatch.ingest.message import Delivery, NotUnderstood, Parsed
from dispatch.ingest.quarantine import KeptMessage, Quarantine, reference_of
from dispatch.store.edge import EdgeStatements
from dispatch.store.postgres import PostgresLog
from domain.alert.events import MessageRedriven, MessageSetAside
from domain.refusals import Refused
from domain.vocabulary import CoordinateSystem
from tests.ingest.stage import (
    CAMERA,
    EAST,
    EAST_GATEWAY,
    NOW,
    OPERATOR,
    WEST,
    WEST_CAMERA,
    WEST_GATEWAY,
    Stage,
    StandingClock,
    fixture,
)

BROKEN = b"<Notify><CmdType>Alarm"


class Later:
    """The adapter of a later release, which understands what ours did not."""

    name = "gb28181"
    media_types = ADAPTERS["gb28181"].media_types

    def parse(self, body: bytes, delivery: Delivery) -> Parsed:
        return ADAPTERS["gb28181"].parse(fixture("gb28181_alarm.xml") if body == BROKEN else body, delivery)


@dataclass
class Edge:
    stage: Stage
    quarantine: Quarantine
    intake: Intake
    later: Intake

    async def send(self, adapter: str, body: bytes, *, gateway: str = EAST, **delivery: object) -> Taken:
        sender = EAST_GATEWAY if gateway == EAST else WEST_GATEWAY
        how = Delivery(**{"source": gateway, "content_type": "application/json", **delivery})  # type: ignore[arg-type]
        return await self.intake.take(Message(adapter, body, how, sender))

    async def kept(self, reference: str) -> KeptMessage:
        found = await self.quarantine.find(reference)
        assert found is not None
        return found


@pytest.fixture
async def edge(dsn: str, pg_log: PostgresLog) -> AsyncIterator[Edge]:
    pool = await asyncpg.create_pool(dsn, min_size=1, max_size=4, server_settings={"role": "dispatch_app"})
    stage = await Stage(pg_log, StandingClock()).set_up()
    quarantine = Quarantine(EdgeStatements(pool), stage.scribe, stage.ids)
    later = Intake(stage.desk, quarantine, {**ADAPTERS, "gb28181": Later()})
    try:
        yield Edge(stage, quarantine, Intake(stage.desk, quarantine), later)
    finally:
        await pool.close()


def reference(taken: Taken) -> str:
    (result,) = taken.results
    assert isinstance(result, Declined)
    assert result.kept_as is not None
    return result.kept_as


async def test_a_broken_message_is_kept_byte_for_byte_with_its_reason_and_a_fact(edge: Edge):
    taken = await edge.send("gb28181", BROKEN, crs=CoordinateSystem.GCJ02, camera=CAMERA)
    kept = await edge.kept(reference(taken))
    assert (kept.body, kept.whole, kept.reason) == (BROKEN, True, "ingest.malformed")
    assert (kept.source, kept.gateway, kept.received_at) == (EAST, EAST, NOW)
    assert kept.delivery == Delivery(EAST, "application/json", CoordinateSystem.GCJ02, CAMERA)
    (fact,) = await edge.stage.facts("message.")
    assert fact.event == MessageSetAside(
        adapter="gb28181",
        source=EAST,
        sha256=reference_of("gb28181", EAST, BROKEN),
        reason=kept.reason,
        detail=kept.detail,
        size_bytes=len(BROKEN),
    )


async def test_names_and_plates_are_masked_before_anything_is_kept(edge: Edge):
    body = b'{"type":"new", // broken\n"after":{"sub_label":["Zhang San",0.8],"recognized_license_plate":"SECRET1"'
    kept = await edge.kept(reference(await edge.send("frigate", body)))
    assert kept.body == b'{"type":"new", // broken\n"after":{"sub_label":"***","recognized_license_plate":"***"'
    xml = b"<EventNotificationAlert><ANPR><licensePlate>SECRET2</licensePlate></ANPR>"
    kept = await edge.kept(reference(await edge.send("hikvision", xml)))
    assert kept.body == b"<EventNotificationAlert><ANPR><licensePlate>***</licensePlate></ANPR>"


async def test_pictures_are_not_kept_but_their_hash_survives_a_re_drive(edge: Edge):
    picture = b"\xff\xd8\xff a face \r\n" * 5
    head = b"--b\r\nContent-Type: application/xml\r\n\r\n"
    pictured = b"\r\n--b\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(picture) + picture
    how = {"content_type": "multipart/form-data; boundary=b"}
    kept = await edge.kept(
        reference(await edge.send("hikvision", head + b"<broken" + pictured + b"\r\n--b--\r\n", **how))
    )
    assert b"face" not in kept.body
    mended = kept.body.replace(b"<broken", fixture("hikvision_field_detection.xml"))
    await edge.intake.redrive(replace(kept, body=mended), OPERATOR)
    (fact,) = await edge.stage.facts()
    assert [media.sha256 for media in fact.event.content.media] == [hashlib.sha256(picture).hexdigest()]


async def test_the_same_broken_message_again_is_counted_and_no_second_fact(edge: Edge):
    first = reference(await edge.send("gb28181", BROKEN))
    assert reference(await edge.send("gb28181", BROKEN)) == first
    assert (await edge.kept(first)).deliveries == 2
    assert len(await edge.stage.facts("message.")) == 1


async def test_the_same_bytes_of_two_sources_are_two_messages(edge: Edge):
    ours = reference(await edge.send("gb28181", BROKEN))
    assert reference(await edge.send("gb28181", BROKEN, gateway=WEST)) != ours


async def test_a_keep_alive_is_not_kept(edge: Edge):
    body = f"<Notify><CmdType>Keepalive</CmdType><DeviceID>{CAMERA}</DeviceID></Notify>"
    (result,) = (await edge.send("gb28181", body.encode())).results
    assert isinstance(result, Declined)
    assert result.kept_as is None
    assert await edge.quarantine.page(limit=10) == []


async def test_a_wrong_entry_of_a_batch_is_kept_alone(edge: Edge):
    taken = await edge.send("native", b'[{"id":"1","kind":"motion"},{"id":"2","kind":"ufo"}]')
    good, wrong = taken.results
    assert isinstance(good, AlertReceipt)
    assert isinstance(wrong, Declined)
    assert wrong.kept_as is not None
    assert json.loads((await edge.kept(wrong.kept_as)).body) == {"id": "2", "kind": "ufo"}


async def test_a_message_that_is_understood_later_becomes_alerts(edge: Edge):
    name = reference(await edge.send("gb28181", BROKEN))
    edge.stage.clock.pass_by(timedelta(hours=1))
    taken = await edge.later.redrive(await edge.kept(name), OPERATOR)
    (receipt,) = taken.receipts
    kept = await edge.kept(name)
    assert (kept.attempts, kept.redriven_at) == (1, NOW + timedelta(hours=1))
    redriven = (await edge.stage.facts("message."))[-1]
    assert redriven.event == MessageRedriven(sha256=name, alert_ids=(receipt.alert_id,))
    assert redriven.envelope.actor == OPERATOR.actor
    (alert,) = await edge.stage.facts("alert.")
    assert alert.event.content.source == EAST
    assert await edge.quarantine.page(limit=10) == []
    assert len(await edge.quarantine.page(limit=10, with_redriven=True)) == 1


async def test_a_re_drive_twice_records_the_alert_once(edge: Edge):
    name = reference(await edge.send("gb28181", BROKEN))
    first = await edge.later.redrive(await edge.kept(name), OPERATOR)
    second = await edge.later.redrive(await edge.kept(name), OPERATOR)
    assert second.receipts[0].duplicate
    assert second.receipts[0].position == first.receipts[0].position
    assert len(await edge.stage.facts("alert.")) == 1


async def test_a_re_drive_that_fails_again_stays_and_counts(edge: Edge):
    name = reference(await edge.send("gb28181", BROKEN))
    (result,) = (await edge.intake.redrive(await edge.kept(name), OPERATOR)).results
    assert isinstance(result, Declined)
    kept = await edge.kept(name)
    assert (kept.attempts, kept.redriven_at) == (1, None)


async def test_an_operator_does_not_lend_a_gateway_foreign_cameras_by_a_re_drive(edge: Edge):
    name = reference(await edge.send("native", b'{"id":"9","kind":"motion","camera":"x"'))
    foreign = json.dumps({"id": "9", "kind": "motion", "camera": WEST_CAMERA}).encode()
    (result,) = (await edge.intake.redrive(replace(await edge.kept(name), body=foreign), OPERATOR)).results
    assert isinstance(result, Declined)
    assert result.code == "ingest.foreign_camera"


async def test_of_a_message_too_large_only_the_head_is_kept_and_it_is_not_re_driven(edge: Edge):
    refusal = NotUnderstood("ingest.too_large", "More than the limit.")
    head = b"x" * (2 * QUARANTINE_HEAD_BYTES)
    name = await edge.quarantine.keep(
        head, adapter="cap", delivery=Delivery(EAST), sender=EAST_GATEWAY, refusal=refusal, size_bytes=5_000_000
    )
    kept = await edge.kept(name)
    assert (len(kept.body), kept.whole, kept.size_bytes) == (QUARANTINE_HEAD_BYTES, False, 5_000_000)
    with pytest.raises(Refused) as caught:
        await edge.intake.redrive(kept, OPERATOR)
    assert caught.value.code == "quarantine.not_whole"


async def test_pages_go_on_where_the_last_one_ended(edge: Edge):
    for number in range(5):
        await edge.send("gb28181", b"<broken%d" % number)
    first = await edge.quarantine.page(limit=2)
    rest = await edge.quarantine.page(limit=10, after=(first[-1].received_at, first[-1].sha256))
    assert len({kept.sha256 for kept in first + rest}) == 5
    assert len([kept async for kept in edge.quarantine.everything()]) == 5
    assert await edge.quarantine.page(limit=10, reason="ingest.hostile") == []


async def test_several_messages_of_several_senders_are_one_page(edge: Edge):
    alert = b'{"id":"1","kind":"motion"}'
    messages = [
        Message("native", alert, Delivery(EAST), EAST_GATEWAY),
        Message("native", b"{", Delivery(WEST), WEST_GATEWAY),
        Message("native", alert, Delivery(WEST), WEST_GATEWAY),
        Message("native", alert, Delivery(EAST), EAST_GATEWAY),
    ]
    first, broken, other, repeat = await edge.intake.take_many(messages)
    assert [taken.receipts[0].duplicate for taken in (first, other, repeat)] == [False, False, True]
    assert broken.receipts == []
    assert [fact.envelope.actor.id for fact in await edge.stage.facts()] == [EAST, WEST]


async def test_a_batch_of_nothing_but_poison_is_kept_entry_by_entry(edge: Edge):
    body = json.dumps([{"id": str(number), "kind": "ufo"} for number in range(120)]).encode()
    taken = await edge.send("native", body)
    names = {result.kept_as for result in taken.results if isinstance(result, Declined)}
    assert len(names) == 120
    assert len(await edge.stage.facts("message.")) == 120


async def test_an_unknown_adapter_is_refused(edge: Edge):
    with pytest.raises(Refused) as caught:
        await edge.send("fax", b"")
    assert caught.value.code == "ingest.unknown_adapter"
