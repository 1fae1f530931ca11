"""Casework over HTTP: who may do what, in which order, and what the lists and the rates say of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from dispatch.directory import Directory
from dispatch.workers.ownership import SoleOwnership
from dispatch.workers.timers.watch import Timers
from projections import case_tables
from tests.api import town
from tests.api.conftest import Edge
from tests.api.test_problems import is_problem
from tests.api.test_reading import every_page

OWNER, CHIEF = "east-station.01", "east-station.02"
TRAFFIC, POLICE, CITY_CHIEF = "traffic-hq.01", "police-hq.01", "city.02"
SINCE = "since=2020-01-01T00:00:00Z&until=2020-12-31T00:00:00Z"


class Case:
    """One case as a client drives it: it remembers the ETag it was answered."""

    def __init__(self, edge: Edge, incident_id: str) -> None:
        self.edge = edge
        self.incident_id = incident_id
        self.case_id = ""
        self.etag = ""

    async def file(self, *, by: str = OWNER, version: int = 1, **body: Any) -> httpx.Response:
        answer = await self.edge.client.post(
            f"/v1/incidents/{self.incident_id}/cases",
            json={"class_code": "traffic.debris"} | body,
            headers=self.edge.as_operator(by) | self.edge.key() | {"If-Match": f'"{version}"'},
        )
        if answer.status_code == 201:
            self.case_id, self.etag = answer.json()["case_id"], answer.headers["etag"]
        return answer

    async def do(self, what: str, body: Any = None, *, by: str, **headers: str) -> httpx.Response:
        answer = await self.edge.client.post(
            f"/v1/cases/{self.case_id}/{what}",
            json=body,
            headers=self.edge.as_operator(by) | self.edge.key() | {"If-Match": self.etag} | headers,
        )
        if answer.is_success:
            self.etag = answer.headers["etag"]
        return answer

    async def done(self, what: str, body: Any = None, *, by: str) -> None:
        answer = await self.do(what, body, by=by)
        assert answer.status_code == 200, answer.text

    async def seen(self, *, by: str = OWNER) -> dict[str, Any]:
        await self.edge.project()
        answer = await self.edge.client.get(f"/v1/cases/{self.case_id}", headers=self.edge.as_operator(by))
        assert answer.status_code == 200, answer.text
        assert answer.headers["etag"] == self.etag
        found: dict[str, Any] = answer.json()
        return found


async def filed(edge: Edge) -> Case:
    case = Case(edge, (await edge.report(by=OWNER))["incident_id"])
    assert (await case.file()).status_code == 201
    return case


async def handled(edge: Edge) -> Case:
    case = await filed(edge)
    await case.done("assign", {}, by=OWNER)
    await case.done("handle", {"outcome": "已清扫"}, by=TRAFFIC)
    return case


async def closed(edge: Edge) -> Case:
    case = await handled(edge)
    await case.done("check", {"passed": True}, by=OWNER)
    await case.done("close", {}, by=OWNER)
    return case


async def test_a_case_goes_its_way_from_filing_to_closing(edge: Edge) -> None:
    case = await filed(edge)
    await case.done("assign", {"note": "请今日处置"}, by=OWNER)
    shown = await case.seen(by=TRAFFIC)
    assert (shown["phase"], shown["department_agency"], shown["lamp"]) == ("assigned", "traffic_police", "green")
    await case.done("handle", {"outcome": "已清扫", "evidence": [{"uri": "x", "sha256": "0" * 64}]}, by=TRAFFIC)
    await case.done("check", {"passed": False, "note": "还有"}, by=OWNER)
    await case.done("handle", {"outcome": "再清扫"}, by=TRAFFIC)
    await case.done("check", {"passed": True}, by=OWNER)
    await case.done("close", {}, by=OWNER)

    shown = await case.seen()
    assert (shown["phase"], shown["is_open"], shown["reworks"]) == ("closed", False, 1)
    assert [entry["event"] for entry in shown["history"]] == [
        "case.filed",
        "case.assigned",
        "case.handled",
        "case.checked",
        "case.handled",
        "case.checked",
        "case.closed",
    ]
    assert shown["history"][1]["text"].startswith("案件派遣至traffic_police")
    assert shown["history"][2]["values"]["evidence"] == [{"uri": "x", "sha256": "0" * 64}]


async def test_an_incident_shows_its_case_and_is_not_closed_while_it_is_open(edge: Edge) -> None:
    case = await handled(edge)
    await edge.decide(case.incident_id, "accept", by=OWNER, version=1)
    await edge.decide(case.incident_id, "resolve", {"disposition": "handled"}, by=OWNER, version=2)
    refused = await edge.decide(case.incident_id, "close", {}, by=OWNER, version=3)
    is_problem(refused, 409, "incident.case_open")
    assert refused.json()["values"]["case_id"] == case.case_id

    await case.done("check", {"passed": True}, by=OWNER)
    await case.done("close", {}, by=OWNER)
    await edge.project()
    card = (await edge.client.get(f"/v1/incidents/{case.incident_id}", headers=edge.as_operator(OWNER))).json()
    assert card["phase"] == "resolved"
    assert [(each["case_id"], each["phase"]) for each in card["cases"]] == [(case.case_id, "closed")]
    assert (await edge.decide(case.incident_id, "close", {}, by=OWNER, version=3)).status_code == 200
    timeline = await edge.client.get(
        f"/v1/incidents/{case.incident_id}/timeline?language=en", headers=edge.as_operator(OWNER)
    )
    assert "Case checked: passed" in [entry["text"] for entry in timeline.json()["items"]]


async def test_the_record_shows_the_card_with_its_case_as_the_screen_does(edge: Edge) -> None:
    case = await handled(edge)
    await edge.project()
    live = await edge.client.get(f"/v1/incidents/{case.incident_id}", headers=edge.as_operator(OWNER))
    from domain.vocabulary import Role

    replayed = await edge.client.get(f"/v1/audit/incidents/{case.incident_id}", headers=edge.as_role(Role.AUDITOR))
    assert replayed.json()["card"]["cases"] == live.json()["cases"] != []


async def test_each_decides_its_own_part_and_nobody_the_departments(edge: Edge) -> None:
    case = await filed(edge)
    for what, body, by in (("assign", {}, TRAFFIC), ("arbitrate", {"reason": "x"}, TRAFFIC)):
        # The department has nothing to do with it yet: it is not there.
        is_problem(await case.do(what, body, by=by), 404, "not_found")
    await case.done("assign", {}, by=OWNER)
    for by in (OWNER, CHIEF, "east.01", "city.01"):
        is_problem(await case.do("handle", {"outcome": "x"}, by=by), 403, "case.not_yours")
    is_problem(await case.do("check", {"passed": True}, by=TRAFFIC), 403, "case.not_yours")
    is_problem(await case.do("handle", {"outcome": "x"}, by=POLICE), 404, "not_found")
    is_problem(await case.do("handle", {"outcome": "x"}, by="west.01"), 404, "not_found")
    for what, body in (("pause", {"reason": "x"}), ("supervise", {"demand": "x"}), ("void", {"reason": "x"})):
        is_problem(await case.do(what, body, by=OWNER), 403, "forbidden")
    await case.done("supervise", {"demand": "今日18时前"}, by=CHIEF)
    assert (await case.seen())["supervisions"] == 1


async def test_a_center_above_may_decide_as_the_supervision_center(edge: Edge) -> None:
    case = await filed(edge)
    await case.done("assign", {"agency": "police"}, by="east.01")
    assert (await case.seen())["department_center_id"] == str(town.center("police-hq"))


async def test_what_bounces_goes_to_the_arbiter_whose_word_is_binding(edge: Edge) -> None:
    case = await filed(edge)
    await case.done("assign", {}, by=OWNER)
    await case.done("return", {"reason": "不属本部门"}, by=TRAFFIC)
    await case.done("assign", {"agency": "police"}, by=OWNER)
    await case.done("return", {"reason": "也不属本部门"}, by=POLICE)
    is_problem(await case.do("assign", {}, by=OWNER), 409, "case.in_arbitration")
    is_problem(await case.do("arbitrate", {"agency": "police", "reason": "x"}, by=OWNER), 403, "case.not_yours")
    await case.done("arbitrate", {"agency": "traffic_police", "reason": "路面归交警"}, by="city.01")
    is_problem(await case.do("return", {"reason": "不要"}, by=TRAFFIC), 409, "case.binding")
    shown = await case.seen()
    assert (shown["returns"], shown["is_binding"], shown["phase"]) == (2, True, "assigned")
    assert [part["outcome"] for part in shown["parts"]] == ["returned", "returned", None]


async def test_a_supervisor_pauses_and_gives_time(edge: Edge) -> None:
    case = await filed(edge)
    await case.done("assign", {}, by=OWNER)
    before = await case.seen()
    await case.done("pause", {"reason": "暴雨"}, by=CHIEF)
    paused = await case.seen()
    assert (paused["phase"], paused["red_at"]) == ("paused", None)
    assert 35_900 < paused["left_s"] <= 36_000
    is_problem(await case.do("handle", {"outcome": "x"}, by=TRAFFIC), 409, "case.paused")
    await case.done("resume", by=CHIEF)
    resumed = await case.seen()
    assert resumed["paused_s"] > 0
    assert resumed["red_at"] > before["red_at"]

    is_problem(
        await case.do("extension", {"extra_s": 9_000, "reason": "x"}, by=TRAFFIC), 409, "case.extension_too_long"
    )
    await case.done("extension", {"extra_s": 3_600, "reason": "需吊车"}, by=TRAFFIC)
    assert (await case.seen())["extension_asked"]["extra_s"] == 3_600
    await case.done("extension/refuse", {"reason": "不必"}, by=CHIEF)
    await case.done("extension", {"extra_s": 3_600, "reason": "确需吊车"}, by=TRAFFIC)
    await case.done("extension/grant", by=CHIEF)
    extended = await case.seen()
    assert (extended["extension_s"], extended["extension_asked"]) == (3_600, None)
    assert extended["red_at"] > resumed["red_at"]


async def test_filing_says_why_it_cannot_be(edge: Edge) -> None:
    case = Case(edge, (await edge.report(by=OWNER))["incident_id"])
    is_problem(await case.file(class_code="no.such"), 422, "case.unknown_class")
    is_problem(await case.file(class_code="other.stall"), 409, "case.other_category")
    is_problem(await case.file(version=9), 412, "stale_version")
    is_problem(await case.file(by="west.01"), 404, "not_found")
    is_problem(await case.file(class_code="\x00"), 422, "invalid")
    assert (await case.file()).status_code == 201
    is_problem(await Case(edge, case.incident_id).file(), 409, "case.already_open")
    is_problem(await case.do("assign", {"agency": "fire"}, by=OWNER), 422, "case.unknown_department")
    is_problem(await case.do("assign", {"center_id": case.case_id}, by=OWNER), 422, "case.unknown_department")


async def test_another_case_follows_a_voided_one_at_once_and_a_closed_one_after_a_reopening(edge: Edge) -> None:
    case = await filed(edge)
    await case.done("void", {"reason": "重复"}, by=CHIEF)
    again = Case(edge, case.incident_id)
    assert (await again.file()).status_code == 201
    assert again.case_id != case.case_id
    await again.done("assign", {}, by=OWNER)
    await again.done("handle", {"outcome": "x"}, by=TRAFFIC)
    await again.done("check", {"passed": True}, by=OWNER)
    await again.done("close", {}, by=OWNER)
    third = Case(edge, case.incident_id)
    is_problem(await third.file(), 409, "case.not_reopened")
    await edge.decide(case.incident_id, "accept", by=OWNER, version=1)
    await edge.decide(case.incident_id, "resolve", {"disposition": "handled"}, by=OWNER, version=2)
    await edge.decide(case.incident_id, "reopen", {"reason": "又来了"}, by=CHIEF, version=3)
    assert (await third.file(version=4)).status_code == 201
    assert (await third.seen())["occasion"] == 2


async def test_a_decision_needs_a_version_and_a_key_and_a_repeat_changes_nothing(edge: Edge) -> None:
    case = await filed(edge)
    path, headers = f"/v1/cases/{case.case_id}/assign", edge.as_operator(OWNER)
    is_problem(await edge.client.post(path, json={}, headers=headers | edge.key()), 428, "precondition_required")
    is_problem(
        await edge.client.post(path, json={}, headers=headers | {"If-Match": case.etag}),
        400,
        "idempotency_key_missing",
    )
    key = edge.key()
    first = await edge.client.post(path, json={}, headers=headers | key | {"If-Match": case.etag})
    again = await edge.client.post(path, json={}, headers=headers | key | {"If-Match": case.etag})
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.headers["idempotent-replayed"] == "true"
    stale = await edge.client.post(path, json={}, headers=headers | edge.key() | {"If-Match": case.etag})
    is_problem(stale, 412, "stale_version")
    assert [each["event"] for each in stale.json()["events"]] == ["case.assigned"]


async def test_lists_are_filtered_and_walked_and_show_what_the_caller_sees(edge: Edge) -> None:
    cases = [await filed(edge) for _ in range(3)]
    await cases[0].done("assign", {}, by=OWNER)
    await edge.project()

    async def found(query: str, by: str) -> list[str]:
        pages = await every_page(edge, f"/v1/cases?limit=2&{query}", edge.as_operator(by))
        return [row["case_id"] for page in pages for row in page]

    newest_first = [case.case_id for case in reversed(cases)]
    assert await found("", OWNER) == await found("", "east.01") == await found("", "city.01") == newest_first
    assert await found("", "west.01") == []
    assert await found("", TRAFFIC) == [cases[0].case_id]
    assert await found("phase=assigned", OWNER) == [cases[0].case_id]
    assert await found("phase=filed&phase=assigned&class_code=traffic.debris", OWNER) == newest_first
    assert await found("lamp=red", OWNER) == []
    assert await found("department=traffic_police", OWNER) == [cases[0].case_id]
    assert await found(f"center_id={town.center('east')}", "city.01") == newest_first
    assert await found(f"center_id={town.center('west')}", "city.01") == []


async def test_a_case_is_seen_by_whoever_works_on_it_or_sees_its_incident(edge: Edge) -> None:
    case = await filed(edge)
    await edge.project()
    path = f"/v1/cases/{case.case_id}"
    for by, status in ((OWNER, 200), ("east.01", 200), ("west.01", 404), (TRAFFIC, 404)):
        assert (await edge.client.get(path, headers=edge.as_operator(by))).status_code == status, by


async def test_a_lamp_that_turned_shows_on_the_case_and_on_the_incidents_card(edge: Edge) -> None:
    case = await filed(edge)
    await case.done("assign", {}, by=OWNER)
    services = edge.services

    class Later:
        def now(self) -> Any:
            from datetime import timedelta

            return services.clock.now() + timedelta(seconds=28_800)

    directory = Directory(services.log, town.CITY)
    timers = Timers(
        log=services.log, scribe=services.scribe, directory=directory, clock=Later(), ownership=SoleOwnership()
    )
    assert await timers.step() >= 1
    case.etag = '"3"'
    assert (await case.seen())["lamp"] == "amber"
    card = (await edge.client.get(f"/v1/incidents/{case.incident_id}", headers=edge.as_operator(OWNER))).json()
    assert card["cases"][0]["lamp"] == "amber"


def rates(rows: list[Mapping[str, Any]]) -> dict[str, Any]:
    """The same by hand."""
    parts = [part for row in rows for part in row["parts"]]

    def share(part: int, whole: int) -> float | None:
        return round(part / whole, 4) if whole else None

    on_time = sum(part["outcome"] == "handled" and not part["is_late"] for part in parts)
    late = sum(part["is_late"] for part in parts)
    done = sum(part["outcome"] == "handled" or part["reworks"] > 0 for part in parts)
    return {
        "cases": len(rows),
        "assigned": len(parts),
        "on_time_rate": share(on_time, on_time + late),
        "rework_rate": share(sum(part["reworks"] > 0 for part in parts), done),
        "return_rate": share(sum(part["outcome"] == "returned" for part in parts), len(parts)),
        "extension_rate": share(sum(part["extensions"] > 0 for part in parts), len(parts)),
        "void_rate": share(sum(row["phase"] == "voided" for row in rows), len(rows)),
    }


@pytest.fixture
async def busy(edge: Edge) -> Edge:
    """A day's work: one closed, one returned and passed on, one voided, one extended."""
    await closed(edge)
    bounced = await filed(edge)
    await bounced.done("assign", {}, by=OWNER)
    await bounced.done("return", {"reason": "x"}, by=TRAFFIC)
    await bounced.done("assign", {"agency": "police"}, by=OWNER)
    await bounced.done("handle", {"outcome": "x"}, by=POLICE)
    await bounced.done("check", {"passed": False}, by=OWNER)
    voided = await filed(edge)
    await voided.done("void", {"reason": "x"}, by=CHIEF)
    extended = await filed(edge)
    await extended.done("assign", {}, by=OWNER)
    await extended.done("extension", {"extra_s": 60, "reason": "x"}, by=TRAFFIC)
    await extended.done("extension/grant", by=CHIEF)
    await edge.project()
    return edge


async def test_rates_are_those_of_the_rows(busy: Edge) -> None:
    rows = await busy.services.database.rows(case_tables.cases.select())
    year = busy.services.clock.now().year
    period = f"since={year}-01-01T00:00:00Z&until={year + 1}-01-01T00:00:00Z"
    headers = busy.as_operator(CHIEF)
    (whole,) = (await busy.client.get(f"/v1/statistics/cases?{period}", headers=headers)).json()["items"]
    wanted = rates(rows)
    assert {name: whole[name] for name in wanted} == wanted
    assert (whole["on_time_rate"], whole["return_rate"], whole["void_rate"]) == (1.0, 0.25, 0.25)

    grouped = (await busy.client.get(f"/v1/statistics/cases?{period}&by=department", headers=headers)).json()["items"]
    by_department = {each["group"]: each for each in grouped}
    assert by_department["traffic_police"]["assigned"] == 3
    assert by_department["traffic_police"]["returned"] == 1
    assert by_department["police"]["returned"] == 0
    assert by_department["police"]["rework_rate"] == 1.0
    assert by_department[None]["cases"] == 1
    for by, group in (("center", str(town.center("east-station"))), ("class", "traffic.debris")):
        (one,) = (await busy.client.get(f"/v1/statistics/cases?{period}&by={by}", headers=headers)).json()["items"]
        assert (one["group"], one["cases"]) == (group, 4)


async def test_rates_of_nothing_are_null_and_a_foreign_center_is_not_there(edge: Edge) -> None:
    headers = edge.as_operator(CHIEF)
    (nothing,) = (await edge.client.get(f"/v1/statistics/cases?{SINCE}", headers=headers)).json()["items"]
    assert (nothing["cases"], nothing["on_time_rate"]) == (0, None)
    foreign = f"/v1/statistics/cases?{SINCE}&center_id={town.center('west')}"
    is_problem(await edge.client.get(foreign, headers=headers), 404, "not_found")
    backwards = "/v1/statistics/cases?since=2021-01-01T00:00:00Z&until=2020-01-01T00:00:00Z"
    is_problem(await edge.client.get(backwards, headers=headers), 422, "invalid")
