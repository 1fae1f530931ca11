"""Who follows a service request sees how it stands: open until it is over, and nobody's name."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from dispatch.api.access.permissions import Caller
from dispatch.api.open311.filing import derived_key
from dispatch.api.open311.offered import services_in
from dispatch.api.open311.rendering import REQUESTS, as_xml
from dispatch.api.open311.requests import TOLD, Teller, told_to
from dispatch.directory import Directory
from dispatch.handling.scribe import Scribe
from dispatch.store.memory import MemoryLog
from dispatch.store.vault import MemorySealer
from dispatch.world import SystemClock
from domain.vocabulary import Role
from tests.api import town
from tests.api.conftest import Edge
from tests.api.test_cases import Case
from tests.api.test_open311 import SECRETS, ask, filed, ids, one, partner


@pytest.fixture
def edge(busy_edge: Edge) -> Edge:
    """Each test has a front end of its own, and sees what that filed."""
    return busy_edge


async def incident_of(edge: Edge, request_id: str) -> str:
    answer = await edge.client.get(f"/v1/reports/{request_id}", headers=edge.as_operator("city.01"))
    return str(answer.json()["incident_id"])


def key_of(edge: Edge, login: str) -> str:
    return edge.as_operator(login)["Authorization"].removeprefix("Bearer ")


async def test_a_request_is_told_as_it_was_asked_without_whoever_asked(edge: Edge):
    key = partner(edge)
    request_id = await filed(edge, key)
    answer = await ask(edge, f"requests/{request_id}.json", key)
    (document,) = answer.json()
    told = {name: value for name, value in document.items() if not name.endswith("_datetime")}
    assert told == {
        "service_request_id": request_id,
        "status": "open",
        "status_notes": None,
        "service_name": "交通事故",
        "service_code": "traffic.accident",
        "description": "路上有一堆碎石\n[道路遗撒 traffic.debris]",
        "agency_responsible": None,
        "service_notice": None,
        "address": "红星路口 […]",
        "address_id": None,
        "zipcode": None,
        "lat": 30.65,
        "long": 104.05,
        "media_url": "https://pictures.example.invalid/1.jpg",
    }
    for name in ("requested_datetime", "updated_datetime"):
        assert datetime.fromisoformat(document[name]).utcoffset() == timedelta(hours=8)
    assert document["expected_datetime"] is None
    assert not any(secret in answer.text for secret in SECRETS)
    xml = ET.fromstring((await ask(edge, f"requests/{request_id}.xml", key)).content)
    assert xml.findtext("request/address") == "红星路口 […]"
    token = await one(edge, f"tokens/{request_id}.json", key)
    assert token == {"service_request_id": request_id, "token": request_id}


async def test_a_front_end_sees_what_it_filed_and_people_what_their_center_sees(edge: Edge):
    mine, other = partner(edge), partner(edge, "police")
    request_id = await filed(edge, mine)
    assert await ids(edge, "requests.json", mine) == [request_id]
    for login in ("city.01", "east.01", "east-station.01"):
        assert request_id in await ids(edge, "requests.json", key_of(edge, login)), login
    auditor = edge.as_role(Role.AUDITOR)["Authorization"].removeprefix("Bearer ")
    assert request_id in await ids(edge, "requests.json", auditor)
    for key in (other, key_of(edge, "west.01"), key_of(edge, "traffic-hq.01")):
        assert request_id not in await ids(edge, "requests.json", key)
        assert await ids(edge, f"requests.json?service_request_id={request_id}", key) == []
        for path in (f"requests/{request_id}.json", f"tokens/{request_id}.json"):
            assert (await ask(edge, path, key)).status_code == 404


async def test_what_came_by_other_lines_is_no_service_request(edge: Edge):
    await edge.project()
    before = await ids(edge, "requests.json", key_of(edge, "city.01"))
    for channel in ("operator", "hotline_110", "hotline_12345", "partner"):
        await edge.report(channel=channel, caller="李四")
    assert await ids(edge, "requests.json", key_of(edge, "city.01")) == before
    reported = await edge.report(channel="citizen", caller="李四")
    assert await ids(edge, "requests.json", key_of(edge, "city.01")) == [reported["report_id"], *before]


async def test_it_is_closed_when_the_incident_is_over(edge: Edge):
    key = partner(edge)
    request_id, still = await filed(edge, key), await filed(edge, key, description="别处")
    incident_id = await incident_of(edge, request_id)
    done = await edge.decide(incident_id, "dismiss", {"reason": "unfounded"}, by="east-station.01", version=1)
    assert done.status_code == 200, done.text
    await edge.project()
    assert (await one(edge, f"requests/{request_id}.json", key))["status"] == "closed"
    seen = await one(edge, f"requests/{request_id}.json", key_of(edge, "east.01"))
    assert (seen["status"], seen["status_notes"]) == ("closed", "已作废；不属实")
    assert await ids(edge, "requests.json?status=closed", key) == [request_id]
    assert await ids(edge, "requests.json?status=open", key) == [still]
    assert await ids(edge, "requests.json?status=open,closed", key) == [still, request_id]
    assert await ids(edge, "requests.json?status=open&status=", key) == [still]


async def test_a_merged_one_stands_as_its_head_does(edge: Edge):
    key = partner(edge)
    request_id, head = await filed(edge, key), await filed(edge, key, description="同一处")
    into = await incident_of(edge, head)
    merged = await edge.decide(
        await incident_of(edge, request_id), "merge", {"into_incident_id": into}, by="east-station.02", version=1
    )
    assert merged.status_code == 200, merged.text
    await edge.project()
    assert await ids(edge, "requests.json?status=open", key) == [head, request_id]
    done = await edge.decide(into, "dismiss", {"reason": "unfounded"}, by="east-station.02", version=2)
    assert done.status_code == 200, done.text
    await edge.project()
    assert await ids(edge, "requests.json?status=closed", key) == [head, request_id]


async def test_as_long_as_its_case_is_open_so_is_the_request(edge: Edge):
    request_id = await filed(edge, partner(edge))
    case, chief = Case(edge, await incident_of(edge, request_id)), key_of(edge, "east-station.02")
    assert (await case.file(by="east-station.01")).status_code == 201
    await case.done("assign", {}, by="east-station.01")
    await edge.project()
    seen = await one(edge, f"requests/{request_id}.json", chief)
    assert (seen["status"], seen["status_notes"], seen["agency_responsible"]) == ("open", "处置中", "traffic_police")
    due = datetime.fromisoformat(seen["expected_datetime"]) - datetime.fromisoformat(seen["requested_datetime"])
    assert timedelta(hours=10) <= due < timedelta(hours=10, minutes=5)
    english = await ask(edge, f"requests/{request_id}.json", chief, **{"Accept-Language": "en"})
    assert english.json()[0]["status_notes"] == "assigned"
    await case.done("void", {"reason": "重复"}, by="east-station.02")
    dismissed = await edge.decide(case.incident_id, "dismiss", {"reason": "test"}, by="east-station.01", version=1)
    assert dismissed.status_code == 200, dismissed.text
    await edge.project()
    ended = await one(edge, f"requests/{request_id}.json", chief)
    assert (ended["status"], ended["status_notes"], ended["expected_datetime"]) == ("closed", "已作废；测试", None)


async def test_a_case_that_was_filed_in_the_moment_its_incident_ended_keeps_the_request_open(edge: Edge):
    """Decision 0023 lets that happen; here the row is made so, as the race itself cannot be."""
    key = partner(edge)
    request_id = await filed(edge, key)
    case = Case(edge, await incident_of(edge, request_id))
    assert (await case.file(by="east-station.01")).status_code == 201
    await case.done("void", {"reason": "重复"}, by="east-station.02")
    await edge.decide(case.incident_id, "dismiss", {"reason": "test"}, by="east-station.01", version=1)
    await edge.project()
    assert await ids(edge, "requests.json?status=closed", key) == [request_id]
    connection = await asyncpg.connect(edge.dsn)
    await connection.execute("UPDATE read.cases SET is_open = true WHERE case_id = $1", UUID(case.case_id))
    await connection.close()
    assert await ids(edge, "requests.json?status=open", key) == [request_id]


async def test_what_belongs_to_an_exercise_is_nobodys_here(edge: Edge):
    """A citizen's report can be attached to an exercise by mistake; the row is made so."""
    key = partner(edge)
    request_id, real = await filed(edge, key), await filed(edge, key, description="真的")
    incident_id = await incident_of(edge, request_id)
    connection = await asyncpg.connect(edge.dsn)
    await connection.execute("UPDATE read.board SET is_exercise = true WHERE incident_id = $1", UUID(incident_id))
    await connection.close()
    for seen_by in (key, key_of(edge, "city.01")):
        found = await ids(edge, "requests.json", seen_by)
        assert real in found
        assert request_id not in found


async def test_lists_go_on_where_they_ended_and_never_show_the_key(edge: Edge):
    key = partner(edge)
    made = [await filed(edge, key, description=f"第{number}堆") for number in range(3)]
    first = await ask(edge, "requests.json?page_size=2", key)
    link = re.fullmatch(r'<(/open311/v2/requests\.json\?\S+)>; rel="next"', first.headers["link"])
    assert link is not None
    assert key not in link[1]
    rest = await edge.client.get(link[1], headers={"Authorization": f"Bearer {key}"})
    shown = [each["service_request_id"] for each in (*first.json(), *rest.json())]
    assert shown == made[::-1]
    assert "link" not in rest.headers
    foreign = await edge.client.get(link[1], headers=edge.as_operator("city.01"))
    assert foreign.status_code == 400, "a cursor is for whom it was given"


async def test_filters(edge: Edge):
    key = partner(edge)
    accident = await filed(edge, key)
    other = await filed(edge, key, service_code="other.unclassified", **{"attribute[class]": ""})
    assert await ids(edge, "requests.json?service_code=traffic.accident", key) == [accident]
    both = "service_code=traffic.accident,other.unclassified"
    assert await ids(edge, f"requests.json?{both}", key) == [other, accident]
    unknown = "0190f6a2-c4d8-7d1e-9c0b-5a7f3e2d1c0b"
    by_id = f"requests.json?service_request_id={accident},7,{unknown}&service_code=other.unclassified&status=closed"
    assert await ids(edge, by_id, key) == [accident]
    tomorrow = quote((edge.services.clock.now() + timedelta(days=1)).isoformat())
    yesterday = quote((edge.services.clock.now() - timedelta(days=1)).isoformat())
    assert await ids(edge, f"requests.json?start_date={yesterday}", key) == [other, accident]
    assert await ids(edge, f"requests.json?start_date={yesterday}&end_date={tomorrow}", key) == [other, accident]
    assert await ids(edge, f"requests.json?end_date={yesterday}", key) == []


@pytest.fixture
async def directory() -> Directory:
    clock = SystemClock()
    log = MemoryLog(clock)
    await town.load(Scribe(log, MemorySealer(), clock))
    found = Directory(log, town.CITY)
    await found.catch_up()
    return found


def teller(directory: Directory, told: frozenset[str]) -> Teller:
    services = {each.code: each for each in services_in(directory.rulebook())}
    return Teller(directory, services, told, "en", ZoneInfo("Asia/Shanghai"))


AT = datetime(2026, 8, 1, 13, 14, tzinfo=UTC)
ROW: dict[str, Any] = {
    "report_id": UUID(int=7),
    "category": "traffic.accident",
    "is_over": True,
    "text": "debris",
    "address": None,
    "lon": None,
    "lat": None,
    "media": [{"uri": "rtsp://inside"}],
    "filed_at": AT,
    "incident_phase": "closed",
    "incident_category": "traffic.accident",
    "disposition": "handled",
    "recipients": [{"agency": "police", "role": "informed"}, {"agency": "traffic_police", "role": "responsible"}],
    "number": "CD-20260801-0001",
    "incident_updated_at": AT + timedelta(hours=3),
    "incident_ended_at": AT + timedelta(hours=2),
    "case_phase": None,
    "department_agency": None,
    "red_at": None,
    "case_updated_at": None,
    "case_ended_at": None,
}


class TestWhatIsTold:
    async def test_people_hear_how_it_ended_and_who_was_responsible(self, directory: Directory):
        told = teller(directory, TOLD).request(ROW)
        assert (told["status"], told["status_notes"]) == ("closed", "closed; handled")
        assert (told["agency_responsible"], told["service_notice"]) == (
            "traffic_police",
            "Its number is CD-20260801-0001",
        )
        assert told["updated_datetime"] == "2026-08-01T23:14:00+08:00", "of what is closed, when it was"
        assert told["media_url"] is None, "where recordings lie inside is nobody's business"

    @pytest.mark.parametrize(
        ("listed", "notes", "agency", "notice"),
        [
            (frozenset(), None, None, None),
            (frozenset({"phase"}), "closed", None, None),
            (frozenset({"disposition"}), "handled", None, None),
            (frozenset({"recipients"}), None, "traffic_police", None),
            (frozenset({"number"}), None, None, "Its number is CD-20260801-0001"),
        ],
    )
    async def test_a_partner_hears_what_its_registration_lists(
        self, directory: Directory, listed: frozenset[str], notes: str | None, agency: str | None, notice: str | None
    ):
        told = teller(directory, listed).request(ROW)
        assert (told["status_notes"], told["agency_responsible"], told["service_notice"]) == (notes, agency, notice)
        assert told["status"] == "closed"

    async def test_what_turned_out_to_be_no_service_keeps_its_status_and_says_no_more(self, directory: Directory):
        told = teller(directory, TOLD).request(ROW | {"incident_category": "crime.suspected", "red_at": AT})
        assert told["status"] == "closed"
        for name in ("status_notes", "agency_responsible", "service_notice", "expected_datetime"):
            assert told[name] is None, name

    async def test_who_may_know_what_is_the_feeds_rule(self, directory: Directory):
        def by(agency: str) -> frozenset[str]:
            return told_to(Caller("partner:x", frozenset({Role.PARTNER}), agency=agency), directory)

        assert by("police") == TOLD
        assert by("fire") == by("atlantis") == frozenset(), "no feed, nothing listed"
        assert told_to(Caller("operator:x", frozenset({Role.DISPATCHER})), directory) == TOLD


def test_the_same_words_are_another_request_on_the_citys_next_day():
    form = {"service_code": "a", "description": "x", "api_key": "secret"}
    zone, evening = "Asia/Shanghai", datetime(2026, 8, 1, 15, 59, tzinfo=UTC)
    key = derived_key("partner:fire", form, evening, zone)
    assert derived_key("partner:fire", form | {"api_key": "fresh"}, evening - timedelta(hours=12), zone) == key
    assert derived_key("partner:fire", form, evening + timedelta(minutes=1), zone) != key
    assert derived_key("partner:police", form, evening, zone) != key


def test_xml_holds_whatever_people_write():
    said = '<script>&amp;</script> ]]> \x0b\x1f "quotes" 😀 \ufffe'
    root = ET.fromstring(as_xml(REQUESTS, [{"description": said, "lat": 30.5, "metadata": False, "zipcode": None}]))
    (request,) = root
    assert request.findtext("description") == '<script>&amp;</script> ]]> \ufffd\ufffd "quotes" 😀 \ufffd'
    assert (request.findtext("lat"), request.findtext("metadata"), request.findtext("zipcode")) == ("30.5", "false", "")
