"""The description of what partners send and receive, compared with what is really on the wire."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from dispatch.partners import asyncapi
from dispatch.partners.contracts import CONTRACTS, INCIDENT_CONTRACTS, Withdrawn
from dispatch.partners.order_contracts import ORDER_CONTRACTS
from dispatch.partners.order_sharing import ORDER_MESSAGES
from dispatch.partners.sharing import MESSAGES
from dispatch.partners.subjects import command_subject, feed_subject, gateway_subject
from dispatch.partners.verbs import VERBS
from domain.catalogue import EVENTS
from tests.partners.conftest import CITY
from tests.partners.test_partner_relay import Desk, desk, whole

__all__ = ["desk"]
DOCUMENT = asyncapi.document()


def resolved(value: dict[str, Any]) -> dict[str, Any]:
    """Follow a `$ref`; it must lead somewhere."""
    while "$ref" in value:
        target: Any = DOCUMENT
        for part in value["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        value = target
    return value


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        here = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return here + [each for item in value.values() for each in references(item)]
    if isinstance(value, list):
        return [each for item in value for each in references(item)]
    return []


def pattern(address: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{\w+\\\}", r"[^.]+", re.escape(address)))


def test_the_file_is_what_the_contracts_say() -> None:
    written = Path(__file__).parents[2] / asyncapi.PATH
    assert written.read_text(encoding="utf-8") == asyncapi.text(), "run: python -m dispatch.partners.asyncapi"


def test_every_reference_leads_somewhere() -> None:
    for reference in references(DOCUMENT):
        assert resolved({"$ref": reference})


def test_every_fact_that_is_sent_has_a_contract_and_every_contract_is_described() -> None:
    assert {*MESSAGES, *ORDER_MESSAGES} <= set(EVENTS)
    # That it is withdrawn follows from who may know after a fact, and from no fact by itself.
    assert {*MESSAGES.values(), Withdrawn} == set(INCIDENT_CONTRACTS)
    assert set(ORDER_MESSAGES.values()) == set(ORDER_CONTRACTS)
    described = {resolved(each)["name"] for each in DOCUMENT["channels"]["feed"]["messages"].values()}
    assert described == set(CONTRACTS)


def test_public_names_are_not_those_of_domain_events() -> None:
    assert not set(CONTRACTS) & set(EVENTS)
    assert all(re.fullmatch(r"dispatch\.[a-z]+\.[a-z_]+\.v\d+", name) for name in CONTRACTS)


def test_the_subjects_we_use_are_the_addresses_described() -> None:
    channels = DOCUMENT["channels"]
    feed = feed_subject(CITY, "police", center="wuhou", station=None, message="incident-routed")
    assert pattern(channels["feed"]["address"]).fullmatch(feed)
    for verb in VERBS:
        channel = channels[f"command_{verb.replace('-', '_')}"]
        assert pattern(channel["address"]).fullmatch(command_subject(CITY, "police", verb))
    assert pattern(channels["alerts"]["address"]).fullmatch(gateway_subject(CITY, "east"))


@pytest.mark.parametrize("agency", ["police", "flood_control"])
async def test_what_is_on_the_wire_is_what_is_described(desk: Desk, agency: str) -> None:
    await desk.happens("1")
    await (await desk.relay()).drain()
    messages = await whole(await desk.partner(agency))
    assert messages
    channel = DOCUMENT["channels"]["feed"]
    for message in messages:
        described = resolved(channel["messages"][asyncapi.name_of(message.type)])
        assert {f"ce-{name}" for name in message.attributes} == set(asyncapi.FEED_HEADERS)
        assert described["name"] == message.type
        assert pattern(channel["address"]).fullmatch(message.subject)
        assert message.subject.split(".")[-1] in channel["parameters"]["message"]["enum"]
        payload = resolved(described["payload"])
        assert set(payload["required"]) <= set(message.body) <= set(payload["properties"])
