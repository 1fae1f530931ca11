"""A citizens' front end speaks GeoReport v2: it files, it follows, and it learns nothing else."""

from __future__ import annotations

from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

import httpx
import pytest

from dispatch.api.access.tokens import Identity
from dispatch.handling.scribe import as_fact
from domain.report.events import ReportFiled
from domain.vocabulary import Role
from tests.api import town
from tests.api.conftest import Edge

API = "/open311/v2"
FORM: dict[str, str] = {
    "jurisdiction_id": town.CITY,
    "service_code": "traffic.accident",
    "lat": "30.65",
    "long": "104.05",
    "address_string": "红星路口 13800000000",
    "description": "路上有一堆碎石",
    "first_name": "三",
    "last_name": "张",
    "email": "zhang@example.invalid",
    "phone": "13800000001",
    "device_id": "device-77",
    "media_url": "https://pictures.example.invalid/1.jpg",
    "attribute[class]": "traffic.debris",
}
SECRETS = ("zhang", "13800000001", "device-77", "张")


@pytest.fixture
def edge(busy_edge: Edge) -> Edge:
    """Each test has a front end of its own, and sees what that filed."""
    return busy_edge


def partner(edge: Edge, agency: str = "fire", subject: str | None = None) -> str:
    """The key of a front end; the fire brigade of this town has no feed, so nothing is listed for it."""
    named = subject or f"partner:{edge.services.ids.new()}"
    return edge.token(Identity(subject=named, roles=(Role.PARTNER,), agency=agency))


async def post(edge: Edge, form: dict[str, str], ending: str = ".json", **headers: str) -> httpx.Response:
    return await edge.client.post(f"{API}/requests{ending}", data=form, headers=headers)


async def filed(edge: Edge, key: str, **fields: str) -> str:
    answer = await post(edge, FORM | fields | {"api_key": key})
    assert answer.status_code == 201, answer.text
    await edge.project()
    return str(answer.json()[0]["service_request_id"])


async def ask(edge: Edge, path: str, key: str, **headers: str) -> httpx.Response:
    mark = "&" if "?" in path else "?"
    return await edge.client.get(f"{API}/{path}{mark}api_key={key}", headers=headers)


async def one(edge: Edge, path: str, key: str) -> dict[str, Any]:
    answer = await ask(edge, path, key)
    assert answer.status_code == 200, answer.text
    (document,) = answer.json()
    return document


async def ids(edge: Edge, path: str, key: str) -> list[str]:
    answer = await ask(edge, path, key)
    assert answer.status_code == 200, answer.text
    return [each["service_request_id"] for each in answer.json()]


async def report(edge: Edge, answered: httpx.Response | str) -> Any:
    """The fact of a request, by its id or by the answer to its form."""
    request_id = answered if isinstance(answered, str) else answered.json()[0]["service_request_id"]
    return as_fact((await edge.services.log.read_stream(UUID(request_id)))[0])


class TestServices:
    async def test_what_may_be_asked_for_is_what_the_city_has_casework_for(self, quiet_edge: Edge):
        answer = await ask(quiet_edge, "services.json", partner(quiet_edge))
        assert [each["service_code"] for each in answer.json()] == ["traffic.accident", "other.unclassified"]
        assert answer.json()[0] == {
            "service_code": "traffic.accident",
            "service_name": "交通事故",
            "description": "道路遗撒",
            "metadata": True,
            "type": "realtime",
            "keywords": "交通事故, Traffic accident, 道路遗撒",
            "group": "traffic_police",
        }

    async def test_names_are_english_for_who_asks_for_it(self, quiet_edge: Edge):
        answer = await ask(quiet_edge, "services", partner(quiet_edge), **{"Accept-Language": "en-GB,en"})
        assert [each["service_name"] for each in answer.json()] == ["Traffic accident", "Unclassified"]

    async def test_a_definition_lists_the_classes(self, quiet_edge: Edge):
        answer = await ask(quiet_edge, "services/traffic.accident.json", partner(quiet_edge))
        document = answer.json()
        assert document["service_code"] == "traffic.accident"
        (attribute,) = document["attributes"]
        assert (attribute["code"], attribute["datatype"], attribute["required"]) == ("class", "singlevaluelist", False)
        assert attribute["values"] == [{"key": "traffic.debris", "name": "道路遗撒"}]

    async def test_the_same_is_said_in_xml(self, quiet_edge: Edge):
        answer = await ask(quiet_edge, "services/traffic.accident.xml", partner(quiet_edge))
        assert answer.headers["content-type"] == "text/xml; charset=utf-8"
        assert answer.text.startswith("<?xml version='1.0' encoding='utf-8'?>")
        root = ET.fromstring(answer.content)
        assert (root.tag, root.findtext("service_code")) == ("service_definition", "traffic.accident")
        assert root.findtext("attributes/attribute/values/value/key") == "traffic.debris"
        assert root.findtext("attributes/attribute/variable") == "true"

    async def test_the_discovery_document_says_where_and_how(self, quiet_edge: Edge):
        document = (await ask(quiet_edge, "discovery.json", partner(quiet_edge))).json()
        (endpoint,) = document["endpoints"]
        assert endpoint["url"] == "http://edge/open311/v2"
        assert endpoint["formats"] == ["text/xml", "application/json"]


class TestFiling:
    async def test_a_request_is_a_citizens_report_that_opens_an_incident(self, edge: Edge):
        fact = await report(edge, await filed(edge, partner(edge), description="路上有一堆碎石，占半幅路"))
        event = fact.event
        assert isinstance(event, ReportFiled)
        assert (event.channel, event.category, event.center_id) == ("citizen", "traffic.accident", town.center("city"))
        assert event.text == "路上有一堆碎石，占半幅路\n[道路遗撒 traffic.debris]"
        assert (event.place.point.lon, event.place.point.lat) == (104.05, 30.65)
        assert [media.uri for media in event.media] == [FORM["media_url"]]
        assert (fact.envelope.actor.kind, fact.envelope.actor.agency) == ("partner", "fire")
        board = await edge.client.get("/v1/centers/east/board", headers=edge.as_operator("east.01"))
        assert [row["headline"] for row in board.json()["items"]].count("路上有一堆碎石，占半幅路") == 1

    async def test_who_asks_is_sealed_and_is_read_for_a_purpose_only(self, edge: Edge):
        request_id = await filed(edge, partner(edge))
        rows = await edge.services.log.read_stream(UUID(request_id))
        log = b"".join(row.state for row in rows).decode()
        assert not any(secret in log for secret in SECRETS)
        read = await edge.client.post(
            f"/v1/reports/{request_id}/personal-fields/read",
            json={"fields": ["caller", "caller_phone"], "purpose": "回拨"},
            headers=edge.as_operator("city.02") | edge.key(),
        )
        assert read.json()["fields"] == {
            "caller": "三 张; email zhang@example.invalid; device_id device-77",
            "caller_phone": "13800000001",
        }

    async def test_a_partner_with_a_center_files_there_and_an_operator_at_the_own(self, edge: Edge):
        theirs = await post(edge, FORM | {"api_key": partner(edge, "traffic_police")})
        ours = await post(edge, FORM | {"description": "又一堆"}, **edge.as_operator("east-station.01"))
        assert [(await report(edge, each)).event.center_id for each in (theirs, ours)] == [
            town.center("traffic-hq"),
            town.center("east-station"),
        ]

    async def test_the_same_form_sent_again_is_the_same_request(self, edge: Edge):
        key = partner(edge)
        first, again = [await post(edge, FORM | {"api_key": key}) for _ in range(2)]
        assert (first.status_code, again.status_code) == (201, 200)
        assert again.json() == first.json()
        assert again.headers["idempotent-replayed"] == "true"
        other = await post(edge, FORM | {"api_key": key, "description": "别处也有"})
        elsewhere = await post(edge, FORM | {"api_key": partner(edge)})
        assert (other.status_code, elsewhere.status_code) == (201, 201)
        await edge.project()
        assert len(await ids(edge, "requests.json", key)) == 2

    async def test_a_key_of_the_senders_own_holds_as_everywhere(self, edge: Edge):
        form, key = FORM | {"api_key": partner(edge)}, {"Idempotency-Key": "front-end-1"}
        first, again = [await post(edge, form, **key) for _ in range(2)]
        assert again.json() == first.json()
        other = await post(edge, form | {"description": "别的"}, **key)
        assert other.status_code == 400
        fresh = await post(edge, form, **{"Idempotency-Key": "front-end-2"})
        assert fresh.status_code == 201

    async def test_words_for_the_place_are_enough_and_silence_about_the_matter_is_its_name(self, edge: Edge):
        form = {"api_key": partner(edge), "service_code": "other.unclassified", "address_string": "文殊院南门"}
        fact = await report(edge, await post(edge, form))
        assert (fact.event.text, fact.event.place.address, fact.event.caller) == ("未分类", "文殊院南门", None)

    async def test_fields_that_the_standard_does_not_know_are_passed_over(self, edge: Edge):
        form = FORM | {"api_key": partner(edge), "utf8": "✓", "title": "x"}
        assert (await post(edge, form)).status_code == 201

    async def test_the_answer_in_xml(self, edge: Edge):
        answer = await post(edge, FORM | {"api_key": partner(edge)}, ".xml")
        root = ET.fromstring(answer.content)
        (request,) = root.findall("request")
        assert root.tag == "service_requests"
        assert [child.tag for child in request] == ["service_request_id", "service_notice", "account_id"]


WRONG: list[tuple[dict[str, str], int, str]] = [
    ({"service_code": ""}, 400, "service_code"),
    ({"service_code": "crime.suspected"}, 404, "crime.suspected"),
    ({"jurisdiction_id": "atlantis"}, 404, "atlantis"),
    ({"lat": ""}, 400, "lat"),
    ({"long": ""}, 400, "long"),
    ({"lat": "", "long": "", "address_string": ""}, 400, "address_string"),
    ({"lat": "", "long": "", "address_string": "", "address_id": "7"}, 400, "register"),
    ({"lat": "104.05", "long": "30.65"}, 400, "lat"),
    ({"lat": "nan"}, 400, "lat"),
    ({"lat": "1e1"}, 400, "lat"),
    ({"media_url": "javascript:alert(1)"}, 400, "media_url"),
    ({"media_url": "rtsp://nvr-1/ch/1"}, 400, "media_url"),
    ({"description": "x" * 4_001}, 400, "description"),
    ({"description": "a\x00b"}, 400, "NUL"),
    ({"phone": "1" * 101}, 400, "phone"),
    ({"attribute[class]": "other.stall"}, 400, "attribute"),
    ({"attribute[colour]": "red"}, 400, "attribute"),
]


class TestRefusals:
    @pytest.mark.parametrize(("change", "status", "word"), WRONG)
    async def test_what_is_wrong_is_named_and_nothing_is_recorded(
        self, quiet_edge: Edge, change: dict[str, str], status: int, word: str
    ):
        before = await quiet_edge.services.log.tip()
        answer = await post(quiet_edge, FORM | change | {"api_key": partner(quiet_edge)})
        assert answer.status_code == status, answer.text
        assert [error["code"] for error in answer.json()] == [status]
        assert word in answer.json()[0]["description"]
        assert await quiet_edge.services.log.tip() == before

    @pytest.mark.parametrize(
        ("body", "media"),
        [
            (b"service_code=a&service_code=b", "application/x-www-form-urlencoded"),
            (b"service_code=%ff%fe", "application/x-www-form-urlencoded"),
            (b"\xff\xfe=1", "application/x-www-form-urlencoded"),
            (b"&".join(b"a%d=1" % n for n in range(101)), "application/x-www-form-urlencoded"),
            (b'{"service_code":"traffic.accident"}', "application/json"),
            (b"<request/>", "text/xml"),
            (b"", ""),
            (b" " * 1_048_577, "application/x-www-form-urlencoded"),
        ],
        ids=["twice", "not utf-8", "raw bytes", "too many", "json", "xml", "nothing", "too large"],
    )
    async def test_a_body_that_is_no_form_is_400(self, quiet_edge: Edge, body: bytes, media: str):
        headers = {"Authorization": f"Bearer {partner(quiet_edge)}", "Content-Type": media}
        answer = await quiet_edge.client.post(f"{API}/requests.json", content=body, headers=headers)
        assert answer.status_code == 400, answer.text
        assert answer.json()[0]["code"] == 400

    @pytest.mark.parametrize("key", ["", "xyz", "a.b.c"])
    async def test_a_missing_or_wrong_key_is_403_in_either_format(self, quiet_edge: Edge, key: str):
        for path in ("services", "requests", "discovery"):
            answer = await ask(quiet_edge, f"{path}.xml", key)
            assert (answer.status_code, answer.headers["content-type"]) == (403, "text/xml; charset=utf-8")
            root = ET.fromstring(answer.content)
            assert (root.tag, root.findtext("error/code")) == ("errors", "403")
        refused = await post(quiet_edge, FORM | {"api_key": key})
        assert (refused.status_code, refused.json()[0]["code"]) == (403, 403)

    async def test_a_gateway_and_an_auditor_may_not_file(self, quiet_edge: Edge):
        for role in (Role.GATEWAY, Role.AUDITOR):
            headers = quiet_edge.as_role(role, gateway=town.GATEWAY if role is Role.GATEWAY else None)
            assert (await post(quiet_edge, FORM, **headers)).status_code == 403

    @pytest.mark.parametrize(
        ("path", "status"),
        [
            ("nothing.json", 404),
            ("services/tea.json", 404),
            ("services.json?jurisdiction_id=atlantis", 404),
            ("requests/7.json", 404),
            ("requests/0190f6a2-c4d8-7d1e-9c0b-5a7f3e2d1c0b.json", 404),
            ("tokens/0190f6a2-c4d8-7d1e-9c0b-5a7f3e2d1c0b.json", 404),
            ("requests.json?service_code=tea", 404),
            ("requests.json?status=lost", 400),
            ("requests.json?start_date=yesterday", 400),
            ("requests.json?start_date=2026-01-01T00:00:00", 400),
            ("requests.json?start_date=2026-01-01T00:00:00Z&end_date=2026-06-01T00:00:00Z", 400),
            ("requests.json?start_date=2026-01-02T00:00:00Z&end_date=2026-01-01T00:00:00Z", 400),
            ("requests.json?page_size=1001", 400),
            ("requests.json?cursor=x", 400),
            ("requests.json?service_code=%00", 400),
            ("requests.json?service_request_id=" + ",".join(["1"] * 201), 400),
        ],
    )
    async def test_a_question_that_cannot_be_answered(self, quiet_edge: Edge, path: str, status: int):
        answer = await ask(quiet_edge, path, partner(quiet_edge))
        assert (answer.status_code, answer.json()[0]["code"]) == (status, status)

    async def test_another_method_and_our_own_mistake_are_in_its_words_too(
        self, quiet_edge: Edge, monkeypatch: pytest.MonkeyPatch
    ):
        wrong = await quiet_edge.client.delete(f"{API}/requests.json")
        assert (wrong.status_code, wrong.json()[0]["code"], wrong.headers["allow"]) == (405, 405, "POST")

        async def broken(*_: object, **__: object) -> None:
            raise KeyError("a secret detail")

        monkeypatch.setattr(quiet_edge.services.reports, "file_report", broken)
        answer = await post(quiet_edge, FORM | {"api_key": partner(quiet_edge)})
        assert (answer.status_code, answer.json()[0]["code"]) == (500, 500)
        assert "secret" not in answer.text

    async def test_too_many_requests_keep_their_status_and_say_when_to_come_again(
        self, quiet_edge: Edge, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(quiet_edge.app.state.rates, "_per_s", 1)
        key = partner(quiet_edge, subject="partner:hasty")
        answers = [await ask(quiet_edge, "services.json", key) for _ in range(4)]
        assert answers[-1].status_code == 429
        assert answers[-1].json()[0]["code"] == 429
        assert int(answers[-1].headers["retry-after"]) >= 1
