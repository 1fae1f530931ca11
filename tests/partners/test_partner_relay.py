"""From the feed to the stream, and back after every kind of loss, with a real nats-server and a real database."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

import asyncpg
import pytest
from nats.aio.client import Client

from dispatch.partners.client import FeedReset, PartnerClient, Received
from dispatch.partners.cloudevents import attributes_of
from dispatch.partners.connection import put
from dispatch.partners.contracts import CONTRACTS
from dispatch.partners.feed import Feed
from dispatch.partners.relay import Relay
from dispatch.partners.streams import BatchRefused, Outgoing, Streams
from dispatch.store.postgres import PostgresLog
from dispatch.world import FreshIds, SystemClock
from domain.incident.events import SeverityRaised
from domain.refusals import Unavailable
from domain.vocabulary import AgencyRole, Severity
from tests.partners.conftest import CITY, Bus
from tests.partners.story import Story

RAISED = SeverityRaised(from_severity=Severity.MODERATE, to_severity=Severity.SEVERE, priority=1, alert_position=1)
KEPT = 10_000
TIMEOUT_S = 1.0


@dataclass
class Desk:
    """One story, its feed, and ways to relay it and to read it as a partner."""

    bus: Bus
    story: Story
    pool: asyncpg.Pool
    feed: Feed
    kept: int = KEPT

    async def relay(self, *, batch_messages: int = 1_000) -> Relay:
        """A relay over a new connection, as after a restart."""
        return await self.relay_on(await self.bus.ours(), batch_messages=batch_messages)

    async def relay_on(self, client: Client, *, batch_messages: int = 1_000) -> Relay:
        return Relay(
            Streams(client, CITY, timeout_s=TIMEOUT_S, messages_max=self.kept),
            self.pool,
            FreshIds(),
            lambda: self.feed.tree.fields,
            (await self.story.log.tip()).epoch,
            batch_messages=batch_messages,
            stream_messages_max=self.kept,
        )

    async def partner(self, agency: str = "police") -> PartnerClient:
        return PartnerClient(await self.bus.agency(agency), CITY, agency, timeout_s=TIMEOUT_S)

    async def happens(self, name: str, *, rises: int = 3) -> UUID:
        """An incident for both agencies, with `rises` more facts; the feed is written."""
        incident_id = await self.story.incident(name)
        await self.story.routed(incident_id, police=AgencyRole.RESPONSIBLE, flood_control=AgencyRole.INFORMED)
        if rises:
            await self.story.tell(incident_id, *[RAISED] * rises)
        await self.feed.catch_up()
        return incident_id

    async def written(self, agency: str = "police") -> list[tuple[int, str]]:
        """What the feed says: sequence and message id."""
        rows = await self.pool.fetch(
            "SELECT sequence, message_id FROM feed.entries WHERE agency = $1 ORDER BY sequence", agency
        )
        return [(row["sequence"], str(row["message_id"])) for row in rows]


@pytest.fixture
async def desk(bus: Bus, pg_log: PostgresLog, pool: asyncpg.Pool) -> Desk:
    story = Story(pg_log)
    await story.city()
    return Desk(bus, story, pool, Feed(pg_log, pool, CITY))


async def whole(partner: PartnerClient, after: int = 0) -> list[Received]:
    found: list[Received] = []
    while page := await partner.read(found[-1].sequence if found else after, limit=7):
        found += page
    return found


def ids(messages: list[Received]) -> list[tuple[int, str]]:
    return [(message.sequence, message.attributes["id"]) for message in messages]


async def test_the_partner_reads_exactly_its_feed_under_the_same_numbers(desk: Desk) -> None:
    await desk.happens("1")
    await desk.happens("2")
    await (await desk.relay(batch_messages=3)).drain()
    for agency in ("police", "flood_control"):
        messages = await whole(await desk.partner(agency))
        assert ids(messages) == await desk.written(agency)
        assert [message.attributes["sequence"] for message in messages] == [str(each.sequence) for each in messages]
        assert {message.subject.split(".")[2] for message in messages} == {agency}
        for message in messages:
            CONTRACTS[message.type].model_validate(message.body)


async def test_headers_arrive_as_they_were_written(desk: Desk) -> None:
    await desk.happens("1", rises=0)
    await (await desk.relay()).drain()
    (message,) = await whole(await desk.partner())
    stored = json.loads(await desk.pool.fetchval("SELECT headers FROM feed.entries WHERE agency = 'police'"))
    assert {f"ce-{name}" for name in message.attributes} == {*stored, "ce-epoch"}
    assert message.attributes["epoch"] == str((await desk.story.log.tip()).epoch)
    assert datetime.fromisoformat(message.attributes["time"]).tzinfo is not None


async def test_in_a_batch_every_message_arrives_as_it_was_written(desk: Desk) -> None:
    await desk.happens("1", rises=9)
    await (await desk.relay()).drain()
    messages = await whole(await desk.partner())
    rows = await desk.pool.fetch("SELECT * FROM feed.entries WHERE agency = 'police' ORDER BY sequence")
    epoch = str((await desk.story.log.tip()).epoch)
    assert [(message.subject, message.body) for message in messages] == [
        (row["subject"], json.loads(row["body"])) for row in rows
    ]
    assert [message.attributes for message in messages] == [
        {**attributes_of(json.loads(row["headers"])), "epoch": epoch} for row in rows
    ]


async def test_a_header_with_a_line_break_does_not_leave(desk: Desk) -> None:
    client = await desk.bus.ours()
    with pytest.raises(AssertionError, match="line break"):
        await put(client, "city.chengdu.police.-.-.x", b"{}", {"ce-id": "1\r\nce-type: other"})


async def test_a_second_relay_goes_on_where_the_stream_is(desk: Desk) -> None:
    await desk.happens("1")
    await (await desk.relay()).drain()
    await desk.happens("2")
    await (await desk.relay()).drain()
    assert ids(await whole(await desk.partner())) == await desk.written()


async def test_two_relays_at_once_put_nothing_twice(desk: Desk) -> None:
    for number in range(10):
        await desk.happens(str(number))
    relays = [await desk.relay(batch_messages=2) for _ in range(3)]
    for relay in relays:
        await relay.reconcile()
    await asyncio.gather(*(relay.drain() for relay in relays), return_exceptions=True)
    await relays[0].drain()
    assert ids(await whole(await desk.partner())) == await desk.written()


async def test_a_batch_is_all_or_nothing(desk: Desk) -> None:
    relay = await desk.relay()
    await desk.happens("1")
    await relay.drain()
    ours = await desk.bus.ours()
    streams = Streams(ours, CITY, timeout_s=TIMEOUT_S, messages_max=KEPT)
    last = (await desk.written())[-1][0]
    subject = f"city.{CITY}.police.-.-.incident-routed"
    batch = [Outgoing(subject, {"ce-id": str(number)}, b"{}") for number in range(5)]
    with pytest.raises(BatchRefused, match="wrong last sequence"):
        await streams.publish(batch, batch_id=FreshIds().new(), after=last - 1)
    for number, message in enumerate(batch[:3], start=1):
        headers = {**message.headers, "Nats-Batch-Id": "abandoned", "Nats-Batch-Sequence": str(number)}
        await ours.publish(message.subject, message.body, headers=headers)
    state = await streams.state("police")
    assert state is not None
    assert (state.last, state.messages) == (last, last)


async def test_nats_killed_and_emptied_is_filled_again_under_the_same_numbers(desk: Desk) -> None:
    await desk.happens("1")
    await (await desk.relay()).drain()
    before = ids(await whole(await desk.partner()))
    await kill(desk.bus, lose_store=True)
    await desk.happens("2")
    await desk.bus.server.start()
    await (await desk.relay()).drain()
    messages = await whole(await desk.partner())
    assert ids(messages)[: len(before)] == before
    assert ids(messages) == await desk.written()


async def test_nats_killed_and_started_again_misses_nothing(desk: Desk) -> None:
    await desk.happens("1")
    relay = await desk.relay()
    await relay.drain()
    await kill(desk.bus, lose_store=False)
    await desk.happens("2")
    with pytest.raises(Unavailable):
        await relay.drain()
    await desk.bus.server.start()
    await (await desk.relay()).drain()
    assert ids(await whole(await desk.partner())) == await desk.written()


async def test_a_frozen_server_blocks_the_relay_no_longer_than_its_limit(desk: Desk) -> None:
    await desk.happens("1")
    relay = await desk.relay()
    await relay.drain()
    await desk.happens("2", rises=50)
    os.kill(desk.bus.server.child.pid, signal.SIGSTOP)
    began = asyncio.get_running_loop().time()
    with pytest.raises(Unavailable):
        await relay.drain()
    assert asyncio.get_running_loop().time() - began < TIMEOUT_S * 3
    os.kill(desk.bus.server.child.pid, signal.SIGCONT)
    await (await desk.relay()).drain()
    assert ids(await whole(await desk.partner())) == await desk.written()


async def test_after_a_loss_only_so_much_is_put_back_and_the_numbers_go_on(desk: Desk) -> None:
    desk.kept = 5
    for number in range(4):
        await desk.happens(str(number))
    await (await desk.relay()).drain()
    last = (await desk.written())[-1][0]
    partner = await desk.partner()
    assert [each.sequence for each in await partner.read(last - 5)] == list(range(last - 4, last + 1))
    await kill(desk.bus, lose_store=True)
    await desk.bus.server.start()
    await (await desk.relay()).drain()
    partner = await desk.partner()
    assert [each.sequence for each in await partner.read(last - 5)] == list(range(last - 4, last + 1))
    with pytest.raises(FeedReset, match="expected 1"):
        await partner.read(0)
    rebuilt = await desk.relay()
    created = (await state_of(desk)).config
    await rebuilt.reconcile()
    assert (await state_of(desk)).config == created


async def test_a_stream_that_is_ahead_of_the_feed_is_made_anew(desk: Desk) -> None:
    await desk.happens("1")
    await (await desk.relay()).drain()
    ours = await desk.bus.ours()
    await ours.request(f"city.{CITY}.police.-.-.incident-routed", b"{}", timeout=TIMEOUT_S)
    await (await desk.relay()).drain()
    assert ids(await whole(await desk.partner())) == await desk.written()


async def test_a_stream_with_other_messages_or_another_epoch_is_made_anew(desk: Desk) -> None:
    await desk.happens("1")
    await (await desk.relay()).drain()
    partner = await desk.partner()
    seen: list[Received] = []
    async for message in partner.follow(0):
        seen.append(message)
        if message.sequence == (await desk.written())[-1][0]:
            break
    restored = uuid5(UUID(int=0), "after a restore")
    relay = Relay(
        Streams(await desk.bus.ours(), CITY, timeout_s=TIMEOUT_S, messages_max=KEPT),
        desk.pool,
        FreshIds(),
        lambda: desk.feed.tree.fields,
        restored,
        stream_messages_max=KEPT,
    )
    await relay.drain()
    messages = await whole(await desk.partner())
    assert ids(messages) == await desk.written()
    assert {message.attributes["epoch"] for message in messages} == {str(restored)}
    with pytest.raises(FeedReset, match="epoch"):
        await anext(partner.follow(seen[-1].sequence, epoch=seen[-1].attributes["epoch"]))


async def test_a_stream_deleted_under_the_relay_is_made_anew_by_the_next_batch(desk: Desk) -> None:
    relay = await desk.relay()
    await desk.happens("1")
    await relay.drain()
    await (await desk.bus.ours()).request("$JS.API.STREAM.DELETE.FEED_police", b"", timeout=TIMEOUT_S)
    await desk.happens("2")
    await relay.drain()
    assert ids(await whole(await desk.partner())) == await desk.written()


async def test_a_stream_configured_by_somebody_else_is_made_anew(desk: Desk) -> None:
    ours = await desk.bus.ours()
    config = {"name": "FEED_police", "subjects": [f"city.{CITY}.police.>"], "storage": "memory"}
    await ours.request("$JS.API.STREAM.CREATE.FEED_police", json.dumps(config).encode(), timeout=TIMEOUT_S)
    await desk.happens("1")
    await (await desk.relay()).drain()
    assert ids(await whole(await desk.partner())) == await desk.written()
    assert (await state_of(desk)).config["storage"] == "file"


async def test_the_gate_replaces_what_is_not_listed_by_a_tombstone(desk: Desk) -> None:
    await desk.happens("1", rises=1)
    await desk.pool.execute(
        "UPDATE feed.entries SET body = $1 WHERE agency = 'police' AND sequence = 1",
        json.dumps({"incident_id": "1", "caller": "Li"}).encode(),
    )
    await (await desk.relay()).drain()
    first, second = await whole(await desk.partner())
    assert (first.sequence, first.type, first.body) == (1, "dispatch.feed.withheld.v1", {})
    assert second.type == "dispatch.incident.severity_raised.v1"
    (untouched, _) = await whole(await desk.partner("flood_control"))
    assert untouched.type == "dispatch.incident.routed.v1"


async def test_a_partner_follows_live_and_reads_on_from_its_one_integer(desk: Desk) -> None:
    relay = await desk.relay()
    await desk.happens("1")
    await relay.drain()
    partner = await desk.partner()
    seen: list[Received] = []

    async def follow() -> None:
        async for message in partner.follow(2):
            seen.append(message)
            if message.sequence == 8:
                return

    async with asyncio.timeout(20):
        following = asyncio.create_task(follow())
        await desk.happens("2")
        await relay.drain()
        await following
    assert ids(seen) == (await desk.written())[2:8]


async def test_a_partner_replays_from_a_date_even_after_the_store_was_lost(desk: Desk) -> None:
    await desk.happens("1")
    middle = (await desk.story.log.tip()).recorded_at
    await desk.happens("2")
    await (await desk.relay()).drain()
    for _ in range(2):
        found = await (await desk.partner()).read_since(middle)
        kept = [each for each in await whole(await desk.partner()) if recorded_at(each) >= middle]
        assert ids(found) == ids(kept)
        assert 0 < len(found) < len(await desk.written())
        await kill(desk.bus, lose_store=True)
        await desk.bus.server.start()
        await (await desk.relay()).drain()


async def test_an_empty_feed_has_a_stream_to_read(desk: Desk) -> None:
    await desk.feed.catch_up()
    await (await desk.relay()).reconcile()
    partner = await desk.partner()
    assert await partner.read(0) == []
    assert await partner.last() is None


async def test_how_far_each_stream_is_is_told_to_the_database(desk: Desk) -> None:
    await desk.happens("1")
    relay = await desk.relay()
    await relay.reconcile()
    (behind,) = [each for each in await relay.report(SystemClock().now()) if each.agency == "police"]
    await relay.drain()
    (level,) = [each for each in await relay.report(SystemClock().now()) if each.agency == "police"]
    assert (behind.lag, level.lag) == (4, 0)
    row = await desk.pool.fetchrow("SELECT sequence, trouble FROM feed.relays WHERE agency = 'police'")
    assert tuple(row) == (4, None)


def recorded_at(message: Received) -> datetime:
    return datetime.fromisoformat(message.attributes["recordedtime"])


async def state_of(desk: Desk) -> object:
    found = await Streams(await desk.bus.ours(), CITY, timeout_s=TIMEOUT_S, messages_max=desk.kept).state("police")
    assert found is not None
    return found


async def kill(bus: Bus, *, lose_store: bool) -> None:
    """kill -9; with `lose_store` everything JetStream ever stored is gone too."""
    os.kill(bus.server.child.pid, signal.SIGKILL)
    await bus.server.child.wait()
    if lose_store:
        shutil.rmtree(bus.store / "jetstream")
