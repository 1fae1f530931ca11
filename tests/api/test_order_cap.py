"""Orders go out as CAP 1.2: the standard's elements in its order, and a chain that no receiver can misread."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest

from dispatch.ingest.adapters.cap import CapAdapter
from dispatch.ingest.message import Draft
from domain.vocabulary import AlertPhase, MessageStatus
from tests.api.conftest import Edge
from tests.api.orders_desk import CHIEF, EAST, RING, decide, in_minutes, issued
from tests.api.test_problems import is_problem
from tests.ingest.stage import parse

SPACE = "{urn:oasis:names:tc:emergency:cap:1.2}"
ALERT = [
    "identifier", "sender", "sent", "status", "msgType", "source", "scope", "restriction", "addresses", "code",
    "note", "references", "incidents", "info",
]  # fmt: skip
INFO = [
    "language", "category", "event", "responseType", "urgency", "severity", "certainty", "audience", "eventCode",
    "effective", "onset", "expires", "senderName", "headline", "description", "instruction", "web", "contact",
    "parameter", "resource", "area",
]  # fmt: skip
AREA = ["areaDesc", "polygon", "circle", "geocode", "altitude", "ceiling"]
NEEDED = {
    "alert": {"identifier", "sender", "sent", "status", "msgType", "scope"},
    "info": {"category", "event", "urgency", "severity", "certainty"},
    "area": {"areaDesc"},
}
VALUES = {
    "status": {"Actual", "Exercise", "System", "Test", "Draft"},
    "msgType": {"Alert", "Update", "Cancel", "Ack", "Error"},
    "scope": {"Public", "Restricted", "Private"},
    "category": {"Geo", "Met", "Safety", "Security", "Rescue", "Fire", "Health", "Env", "Transport", "Infra", "CBRNE",
                 "Other"},
    "responseType": {"Shelter", "Evacuate", "Prepare", "Execute", "Avoid", "Monitor", "Assess", "AllClear", "None"},
    "urgency": {"Immediate", "Expected", "Future", "Past", "Unknown"},
    "severity": {"Extreme", "Severe", "Moderate", "Minor", "Unknown"},
    "certainty": {"Observed", "Likely", "Possible", "Unlikely", "Unknown"},
}  # fmt: skip
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[-+]\d\d:\d\d")
PLAIN = re.compile(r"[^\s,<&]+")
NUMBER = r"-?\d+(\.\d+)?"
PAIR = re.compile(f"{NUMBER},{NUMBER}")


def check(element: Element, order: list[str], kind: str) -> None:
    """Known elements only, in the standard's order, none that is needed lacking, none empty."""
    names = [child.tag.removeprefix(SPACE) for child in element]
    assert names == sorted(names, key=order.index), names
    assert NEEDED[kind] <= set(names), names
    for child in element:
        name = child.tag.removeprefix(SPACE)
        assert len(child) or (child.text or "").strip(), name
        if name in VALUES:
            assert child.text in VALUES[name]
        if name in ("sent", "effective", "onset", "expires"):
            assert TIME.fullmatch(child.text or ""), child.text
        if name in ("identifier", "sender"):
            assert PLAIN.fullmatch(child.text or "")


def valid(xml: bytes) -> Element:
    """The message, checked as far as the standard's schema would."""
    root = fromstring(xml)  # our own bytes
    assert root.tag == f"{SPACE}alert"
    check(root, ALERT, "alert")
    for info in root.iter(f"{SPACE}info"):
        check(info, INFO, "info")
        for area in info.iter(f"{SPACE}area"):
            check(area, AREA, "area")
            for polygon in area.iter(f"{SPACE}polygon"):
                corners = (polygon.text or "").split(" ")
                assert all(PAIR.fullmatch(corner) for corner in corners)
                assert len(corners) >= 4
                assert corners[0] == corners[-1]
            for circle in area.iter(f"{SPACE}circle"):
                middle, radius = (circle.text or "").split(" ")
                assert PAIR.fullmatch(middle)
                assert re.fullmatch(NUMBER, radius)
    return root


def said(root: Element, name: str) -> str | None:
    return root.findtext(f"{SPACE}{name}")


async def message(edge: Edge, order_id: str, number: int | None = None, *, by: str = EAST) -> Element:
    query = f"?message={number}" if number else ""
    answer = await edge.client.get(f"/v1/orders/{order_id}/cap{query}", headers=edge.as_operator(by))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/cap+xml"
    return valid(answer.content)


async def test_an_order_is_an_alert_then_updates_then_a_cancel_that_name_all_before_them(edge: Edge) -> None:
    made = await issued(edge)
    order_id = made["order_id"]
    change = {"text": "封闭两桥", "acknowledge_by": in_minutes(20), "reason": "水位上涨"}
    await decide(edge, order_id, "amend", change, by=CHIEF)
    await decide(edge, order_id, "acknowledge", {"edition": 2}, by=EAST, version=2)
    longer = {"expires_at": in_minutes(720), "reason": "洪峰推迟"}
    await decide(edge, order_id, "extend", longer, by=CHIEF, version=2)
    await decide(edge, order_id, "lift", {"reason": "水位回落"}, by=CHIEF, version=4)
    chain = [await message(edge, order_id, number) for number in (1, 2, 3, 4)]
    assert [said(one, "msgType") for one in chain] == ["Alert", "Update", "Update", "Cancel"]
    assert [said(one, "identifier") for one in chain] == [f"{made['number']}.{number}" for number in (1, 2, 3, 4)]
    assert said(chain[0], "references") is None
    triples = [",".join(str(said(one, name)) for name in ("sender", "identifier", "sent")) for one in chain]
    for number in (1, 2, 3):
        assert said(chain[number], "references") == " ".join(triples[:number])
    assert [said(one, "note") for one in chain] == [None, "水位上涨", "洪峰推迟", "水位回落"]
    last = await message(edge, order_id)
    assert said(last, "identifier") == f"{made['number']}.4"
    is_problem(
        await edge.client.get(f"/v1/orders/{order_id}/cap?message=5", headers=edge.as_operator(EAST)), 404, "not_found"
    )


async def test_a_polygon_is_latitude_first_and_closed_and_a_circle_in_kilometres(edge: Edge) -> None:
    circle = {"center": {"type": "Point", "coordinates": [104.05, 30.65]}, "radius_m": 2500}
    geometry = {"type": "MultiPolygon", "coordinates": [[RING], [RING]]}
    order_id = (await issued(edge, area={"geometry": geometry, "circles": [circle]}))["order_id"]
    root = await message(edge, order_id)
    area = next(root.iter(f"{SPACE}area"))
    assert [polygon.text for polygon in area.iter(f"{SPACE}polygon")] == ["30.6,104 30.6,104.1 30.7,104.1 30.6,104"] * 2
    assert said(area, "circle") == "30.65,104.05 2.5"
    assert said(area, "areaDesc") == said(root, "identifier").removesuffix(".1")  # type: ignore[union-attr]


@pytest.mark.parametrize(("status", "cap"), [("actual", "Actual"), ("exercise", "Exercise"), ("test", "Test")])
async def test_an_exercise_is_an_exercise_to_every_machine(edge: Edge, status: str, cap: str) -> None:
    order_id = (await issued(edge, status=status))["order_id"]
    assert said(await message(edge, order_id), "status") == cap


@pytest.mark.parametrize(
    "kind",
    ["traffic_control", "bridge_closure", "road_closure", "evacuation", "shelter_opening", "suspension", "other"],
)
async def test_every_kind_of_order_is_a_valid_message_in_both_languages(edge: Edge, kind: str) -> None:
    order_id = (await issued(edge, kind=kind, effective_at=in_minutes(30)))["order_id"]
    infos = list((await message(edge, order_id)).iter(f"{SPACE}info"))
    assert [said(info, "language") for info in infos] == ["zh-CN", "en-US"]
    assert {said(info, "urgency") for info in infos} == {"Expected"}


async def test_what_xml_cannot_hold_does_not_spoil_the_message(edge: Edge) -> None:
    order_id = (await issued(edge, text="a<b>&\u0001\ufffe 水"))["order_id"]
    info = next((await message(edge, order_id)).iter(f"{SPACE}info"))
    assert said(info, "description") == "a<b>&�� 水"


async def test_our_own_intake_reads_what_we_send(edge: Edge) -> None:
    order_id = (await issued(edge, status="exercise"))["order_id"]
    await decide(edge, order_id, "lift", {"reason": "演练结束"}, by=CHIEF)
    read: list[Any] = []
    for number in (1, 2):
        path = f"/v1/orders/{order_id}/cap?message={number}"
        answer = await edge.client.get(path, headers=edge.as_operator(EAST))
        (draft,) = parse(CapAdapter.name, answer.text).entries
        assert isinstance(draft, Draft)
        read.append(draft.content)
    assert [content.phase for content in read] == [AlertPhase.START, AlertPhase.END]
    assert {content.status for content in read} == {MessageStatus.EXERCISE}
    first, last = (content.warning for content in read)
    assert first.polygons == (tuple((lon, lat) for lon, lat in RING),)
    assert last.references[0].split(",")[:2] == [first.sender, read[0].source_event_id.split(",")[1]]
    assert isinstance(first.expires_at, datetime)
