"""What a partner or a gateway may do on NATS, tried against a real server from outside."""

from __future__ import annotations

import json

import pytest
from nats.aio.client import Client

from dispatch.partners.accounts import accounts_config
from dispatch.partners.connection import join, settled
from dispatch.partners.credentials import Credentials
from domain.refusals import Refused, Unavailable
from tests.partners.conftest import AGENCIES, CITY, GATEWAYS, Bus

POLICE_SUBJECT = f"city.{CITY}.police.wuhou.wuhou-01.incident-routed"
FLOOD_SUBJECT = f"city.{CITY}.flood_control.wuhou.wuhou-01.incident-routed"


async def given_streams(ours: Client) -> None:
    for agency in AGENCIES:
        config = {
            "name": f"FEED_{agency}",
            "subjects": [f"city.{CITY}.{agency}.*.*.*"],
            "storage": "file",
            "allow_direct": True,
        }
        created = await ours.request(f"$JS.API.STREAM.CREATE.FEED_{agency}", json.dumps(config).encode())
        answer = json.loads(created.data)
        assert "error" not in answer, answer
        subject = f"city.{CITY}.{agency}.wuhou.wuhou-01.incident-routed"
        acknowledged = json.loads((await ours.request(subject, f"for {agency}".encode())).data)
        assert acknowledged["seq"] == 1


async def refused(bus: Bus, client: Client, subject: str) -> bool:
    """Does the server refuse this publish, and say so?"""
    before = len(bus.errors)
    await client.publish(subject, b"{}")
    await settled(client, 5)
    return any("permissions violation for publish" in error for error in bus.errors[before:])


async def refused_to_hear(bus: Bus, client: Client, subject: str) -> bool:
    before = len(bus.errors)
    await client.subscribe(subject)
    await settled(client, 5)
    return any("permissions violation for subscription" in error for error in bus.errors[before:])


async def test_a_partner_reads_its_own_stream_by_direct_get(bus: Bus) -> None:
    await given_streams(await bus.ours())
    police = await bus.agency("police")
    message = await police.request("$JS.API.DIRECT.GET.FEED_police", json.dumps({"seq": 1}).encode(), timeout=5)
    assert message.data == b"for police"
    assert message.headers is not None
    assert message.headers["Nats-Subject"] == POLICE_SUBJECT


async def test_a_partner_hears_its_own_feed_live_and_no_other(bus: Bus) -> None:
    ours, police = await bus.ours(), await bus.agency("police")
    heard = await police.subscribe(f"city.{CITY}.police.*.*.*")
    await settled(police, 5)
    await ours.publish(FLOOD_SUBJECT, b"for flood control")
    await ours.publish(POLICE_SUBJECT, b"for police")
    await settled(ours, 5)
    assert (await heard.next_msg(timeout=5)).data == b"for police"
    assert heard.pending_msgs == 0


@pytest.mark.parametrize(
    "subject",
    [
        "$JS.API.DIRECT.GET.FEED_flood_control",
        f"$JS.API.DIRECT.GET.FEED_flood_control.{FLOOD_SUBJECT}",
        "$JS.API.STREAM.MSG.GET.FEED_police",
        "$JS.API.STREAM.MSG.GET.FEED_flood_control",
        "$JS.API.STREAM.INFO.FEED_police",
        "$JS.API.STREAM.LIST",
        "$JS.API.STREAM.PURGE.FEED_police",
        "$JS.API.STREAM.DELETE.FEED_police",
        "$JS.API.STREAM.MSG.DELETE.FEED_police",
        "$JS.API.STREAM.UPDATE.FEED_police",
        "$JS.API.STREAM.CREATE.MINE",
        "$JS.API.CONSUMER.CREATE.FEED_police",
        f"$JS.API.CONSUMER.CREATE.FEED_police.mine.{POLICE_SUBJECT}",
        "$JS.API.CONSUMER.DURABLE.CREATE.FEED_police.mine",
        "$JS.API.CONSUMER.MSG.NEXT.FEED_police.mine",
        "$JS.API.INFO",
        "$JS.ACK.FEED_police.mine.1.1.1.1.1",
        "$SYS.REQ.SERVER.PING",
        POLICE_SUBJECT,
        FLOOD_SUBJECT,
        f"city.{CITY}.flood_control.command.accept",
        f"city.{CITY}.police.command.accept.more",
        f"city.{CITY}.gateway.frigate-east.alerts",
        "_INBOX.of.somebody",
        "anything.else",
    ],
)
async def test_a_partner_may_not_publish_to(bus: Bus, subject: str) -> None:
    await given_streams(await bus.ours())
    assert await refused(bus, await bus.agency("police"), subject)


@pytest.mark.parametrize(
    "subject",
    [
        ">",
        "city.>",
        f"city.{CITY}.>",
        f"city.{CITY}.*.*.*.*",
        f"city.{CITY}.police.>",
        f"city.{CITY}.flood_control.*.*.*",
        f"city.{CITY}.police.command.*",
        f"city.{CITY}.gateway.*.alerts",
        "$JS.>",
        "$SYS.>",
        "_INBOX_OTHER.>",
    ],
)
async def test_a_partner_may_not_listen_to(bus: Bus, subject: str) -> None:
    assert await refused_to_hear(bus, await bus.agency("police"), subject)


async def test_inboxes_of_two_partners_are_different_subjects_even_with_the_same_name(bus: Bus) -> None:
    ours, police, flood = await bus.ours(), await bus.agency("police"), await bus.agency("flood_control")
    spied = await flood.subscribe("_INBOX.>")
    await settled(flood, 5)
    commands = await ours.subscribe(f"city.{CITY}.*.command.*")
    await settled(ours, 5)
    inbox = police.new_inbox()
    answers = await police.subscribe(inbox)
    await police.publish(f"city.{CITY}.police.command.accept", b"{}", reply=inbox)
    await (await commands.next_msg(timeout=5)).respond(b"recorded")
    assert (await answers.next_msg(timeout=5)).data == b"recorded"
    await settled(flood, 5)
    assert spied.pending_msgs == 0


async def test_a_purge_and_a_delete_are_refused_although_the_stream_is_there(bus: Bus) -> None:
    ours = await bus.ours()
    await given_streams(ours)
    police = await bus.agency("police")
    for request in ("PURGE", "DELETE"):
        assert await refused(bus, police, f"$JS.API.STREAM.{request}.FEED_police")
    found = json.loads((await ours.request("$JS.API.STREAM.INFO.FEED_police", b"")).data)
    assert found["state"]["messages"] == 1
    assert found["state"]["consumer_count"] == 0


async def test_a_gateway_publishes_under_its_own_name_and_hears_our_answer(bus: Bus) -> None:
    ours, gateway = await bus.ours(), await bus.gateway("frigate-east")
    alerts = await ours.subscribe(f"city.{CITY}.gateway.*.alerts.*")
    await settled(ours, 5)
    inbox = gateway.new_inbox()
    answers = await gateway.subscribe(inbox)
    await gateway.publish(f"city.{CITY}.gateway.frigate-east.alerts.frigate", b"{}", reply=inbox)
    received = await alerts.next_msg(timeout=5)
    assert received.subject == f"city.{CITY}.gateway.frigate-east.alerts.frigate"
    await received.respond(b"kept")
    assert (await answers.next_msg(timeout=5)).data == b"kept"


@pytest.mark.parametrize(
    "subject",
    [
        f"city.{CITY}.gateway.hikvision-west.alerts",
        f"city.{CITY}.gateway.hikvision-west.alerts.frigate",
        f"city.{CITY}.police.command.accept",
        POLICE_SUBJECT,
        "$JS.API.DIRECT.GET.FEED_police",
        "$JS.API.INFO",
    ],
)
async def test_a_gateway_may_not_publish_to(bus: Bus, subject: str) -> None:
    assert await refused(bus, await bus.gateway("frigate-east"), subject)


@pytest.mark.parametrize("subject", [">", f"city.{CITY}.>", f"city.{CITY}.gateway.frigate-east.alerts"])
async def test_a_gateway_may_not_listen_to(bus: Bus, subject: str) -> None:
    assert await refused_to_hear(bus, await bus.gateway("frigate-east"), subject)


async def test_nobody_joins_without_a_key_of_the_city(bus: Bus) -> None:
    stranger = Credentials(bus.credentials.ours().seed_file.parent.parent / "strangers").agency("police")
    for seed in (stranger.seed, None):
        with pytest.raises(Unavailable, match="Authorization Violation"):
            await join(bus.server.url, seed=seed, name="stranger", timeout_s=5)


async def test_a_renewed_key_shuts_the_old_one_out_after_a_reload(bus: Bus) -> None:
    old = bus.credentials.agency("police")
    old_seed = old.seed
    renewed = bus.credentials.renew(old)
    await bus.server.reload(accounts_config(CITY, AGENCIES, GATEWAYS, bus.credentials))
    with pytest.raises(Unavailable, match="Authorization Violation"):
        await join(bus.server.url, seed=old_seed, name="police", timeout_s=5)
    assert (await bus.join(renewed)).is_connected


def test_a_name_that_could_widen_a_subject_is_refused(bus: Bus) -> None:
    for name in ("police.*", "*", ">", "police control", "Police", "", "x" * 80, "police\n"):
        with pytest.raises(Refused):
            accounts_config(CITY, [name], [], bus.credentials)
        with pytest.raises(Refused):
            accounts_config(CITY, [], [name], bus.credentials)


def test_seeds_lie_in_files_that_only_their_owner_reads_and_stay_out_of_the_configuration(bus: Bus) -> None:
    parties = [bus.credentials.ours(), *map(bus.credentials.agency, AGENCIES), *map(bus.credentials.gateway, GATEWAYS)]
    config = accounts_config(CITY, AGENCIES, GATEWAYS, bus.credentials)
    for party in parties:
        assert party.seed_file.stat().st_mode & 0o077 == 0
        assert party.seed_file.parent.stat().st_mode & 0o077 == 0
        assert party.public_key in config
        assert party.seed not in config
    assert len({party.public_key for party in parties}) == len(parties)


def test_a_seed_file_others_can_read_is_refused(bus: Bus) -> None:
    bus.credentials.agency("police").seed_file.chmod(0o644)
    with pytest.raises(Refused, match="chmod 600"):
        bus.credentials.agency("police")
