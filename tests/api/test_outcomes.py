"""What came of incidents, and what is counted of them."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import httpx

from tests.api import town
from tests.api.conftest import Edge
from tests.api.test_problems import is_problem

CASE = {"system": "police-cases", "number": "A5101042026070001"}


async def say(edge: Edge, incident_id: str, what: str, body: Any, *, by: str = "east.01") -> httpx.Response:
    answer = await edge.client.post(
        f"/v1/incidents/{incident_id}/{what}", json=body, headers=edge.as_operator(by) | edge.key()
    )
    await edge.project()
    return answer


async def entries(edge: Edge, incident_id: str) -> list[dict[str, Any]]:
    answer = await edge.client.get(f"/v1/incidents/{incident_id}/outcomes", headers=edge.as_operator("east.01"))
    assert answer.status_code == 200, answer.text
    listed: list[dict[str, Any]] = answer.json()["items"]
    return listed


async def counted(edge: Edge, *, login: str = "city.02", **asked: Any) -> list[dict[str, Any]]:
    now = edge.services.clock.now()
    period = {"since": (now - timedelta(days=1)).isoformat(), "until": (now + timedelta(days=1)).isoformat()}
    answer = await edge.client.get("/v1/statistics/counters", params=period | asked, headers=edge.as_operator(login))
    assert answer.status_code == 200, answer.text
    listed: list[dict[str, Any]] = answer.json()["items"]
    return listed


async def test_many_incidents_lead_to_one_case_and_the_case_is_counted_once(edge: Edge) -> None:
    first, second = await edge.report(), await edge.report(at=(104.09, 30.69))
    for opened in (first, second):
        answer = await say(edge, opened["incident_id"], "outcomes/external-cases", CASE | {"kind": "criminal"})
        assert answer.status_code == 201, answer.text
    people = {"outcome": "caught", "people": 3, "case": CASE}
    assert (await say(edge, first["incident_id"], "outcomes/people", people)).status_code == 201
    assert (await say(edge, second["incident_id"], "outcomes/people", people | {"people": 2})).status_code == 201
    (all_of_it,) = await counted(edge)
    assert (all_of_it["incidents"], all_of_it["cases"], all_of_it["people"]) == (2, {"criminal": 1}, {"caught": 5})
    of_case = await edge.client.get("/v1/external-cases", params=CASE, headers=edge.as_operator("east.01"))
    numbers = [row["number"] for row in of_case.json()["items"]]
    assert numbers == [second["number"], first["number"]]
    elsewhere = await edge.client.get("/v1/external-cases", params=CASE, headers=edge.as_operator("west-station.01"))
    assert elsewhere.json()["items"] == []


async def test_a_count_is_struck_and_stays_in_the_story(edge: Edge) -> None:
    opened = await edge.report()
    incident_id = opened["incident_id"]
    count = await say(edge, incident_id, "outcomes/people", {"outcome": "found", "people": 1, "note": "家属接回"})
    count_id = count.json()["count_id"]
    assert [(entry["outcome"], entry["people"]) for entry in await entries(edge, incident_id)] == [("found", 1)]
    struck = await say(edge, incident_id, f"outcomes/people/{count_id}/strike", {"reason": "重复"})
    assert struck.status_code == 200, struck.text
    assert await entries(edge, incident_id) == []
    again = await say(edge, incident_id, f"outcomes/people/{count_id}/strike", {"reason": "重复"})
    is_problem(again, 409, "outcome.count_already_struck")
    timeline = await edge.client.get(
        f"/v1/incidents/{incident_id}/timeline", headers=edge.as_operator("east.01"), params={"language": "en"}
    )
    told = [entry["text"] for entry in timeline.json()["items"]]
    assert "1 people found: 家属接回" in told
    assert "A count of people was struck: 重复" in told


async def test_an_outcome_is_welcome_after_the_end_and_makes_no_decision_stale(edge: Edge) -> None:
    opened = await edge.report()
    incident_id = opened["incident_id"]
    dismissed = await edge.decide(incident_id, "dismiss", {"reason": "unfounded"}, by="east.01", version=1)
    assert dismissed.status_code == 200
    answer = await say(edge, incident_id, "outcomes/external-cases", CASE | {"kind": "dispute"})
    assert answer.status_code == 201, answer.text
    card = await edge.client.get(f"/v1/incidents/{incident_id}", headers=edge.as_operator("east.01"))
    assert card.headers["etag"] == dismissed.headers["etag"]


async def test_a_link_that_a_count_rests_on_stays(edge: Edge) -> None:
    incident_id = (await edge.report())["incident_id"]
    await say(edge, incident_id, "outcomes/external-cases", CASE | {"kind": "traffic"})
    await say(edge, incident_id, "outcomes/people", {"outcome": "injured", "people": 2, "case": CASE})
    unlink = await say(edge, incident_id, "outcomes/external-cases/unlink", CASE | {"reason": "录错"})
    is_problem(unlink, 409, "outcome.external_case_in_use")


async def test_a_foreign_incident_has_no_outcomes_to_tell_or_to_hear(edge: Edge) -> None:
    incident_id = (await edge.report())["incident_id"]
    answer = await say(edge, incident_id, "outcomes/external-cases", CASE | {"kind": "criminal"}, by="west-station.01")
    is_problem(answer, 404, "not_found")
    looked = await edge.client.get(f"/v1/incidents/{incident_id}/outcomes", headers=edge.as_operator("west-station.01"))
    is_problem(looked, 404, "not_found")


async def test_people_are_a_number_and_a_case_has_a_number(edge: Edge) -> None:
    incident_id = (await edge.report())["incident_id"]
    for body in (
        {"outcome": "found", "people": 0},
        {"outcome": "found", "people": 1.5},
        {"outcome": "vanished", "people": 1},
        {"outcome": "found", "people": 1, "case": {"system": "police cases", "number": "1"}},
        {"outcome": "found", "people": 1, "case": {"system": "police", "number": " "}},
    ):
        is_problem(await say(edge, incident_id, "outcomes/people", body), 422, "invalid")
    assert await entries(edge, incident_id) == []


async def test_a_campaign_counts_by_its_rule_and_by_what_people_say(edge: Edge) -> None:
    by_rule, taken_out, added = (
        await edge.report(),
        await edge.report(at=(104.09, 30.69)),
        await edge.report(at=(104.02, 30.61), category="other.unclassified"),
    )
    await edge.report(at=town.IN_WEST, by="west-station.01")
    now = edge.services.clock.now()
    campaign = {
        "code": "summer-2026",
        "name_zh": "夏季整治",
        "name_en": "Summer",
        "purpose": "统计",
        "categories": ["traffic.accident"],
        "center_ids": [str(town.center("east"))],
        "begins_at": (now - timedelta(hours=1)).isoformat(),
        "ends_at": (now + timedelta(hours=1)).isoformat(),
    }
    headers = edge.as_operator("city.02")
    opened = await edge.client.post("/v1/campaigns", json=campaign, headers=headers | edge.key())
    assert opened.status_code == 201, opened.text
    await edge.project()
    assert opened.headers["location"] == "/v1/campaigns/summer-2026"
    found = await edge.client.get("/v1/campaigns/summer-2026", headers=headers)
    assert found.json()["categories"] == ["traffic.accident"]
    (first,) = await counted(edge, campaign="summer-2026")
    assert first["incidents"] == 2
    joined = await say(edge, added["incident_id"], "campaigns", {"campaign": "summer-2026"})
    assert joined.status_code == 201, joined.text
    left = await say(edge, taken_out["incident_id"], "campaigns/summer-2026/leave", {"reason": "无关"})
    assert left.status_code == 200, left.text
    groups = await counted(edge, campaign="summer-2026", by="category")
    assert {item["group"]: item["incidents"] for item in groups} == {"traffic.accident": 1, "other.unclassified": 1}
    assert by_rule["incident_id"] != taken_out["incident_id"]


async def test_a_campaign_of_what_the_city_does_not_have_is_refused(edge: Edge) -> None:
    now = edge.services.clock.now()
    body = {
        "code": "summer",
        "name_zh": "夏季",
        "name_en": "Summer",
        "purpose": "统计",
        "begins_at": now.isoformat(),
        "ends_at": (now + timedelta(days=1)).isoformat(),
    }
    headers = edge.as_operator("city.02")
    for wrong, pointer in (
        ({"categories": ["no.such"]}, "/categories/0"),
        ({"center_ids": ["9a0c1f3e-7b2d-5c11-8e4a-2f6b0d9c3e55"]}, "/center_ids/0"),
    ):
        answer = await edge.client.post("/v1/campaigns", json=body | wrong, headers=headers | edge.key())
        is_problem(answer, 422, "invalid")
        assert answer.json()["errors"][0]["pointer"] == pointer
    backwards = body | {"ends_at": body["begins_at"]}
    answer = await edge.client.post("/v1/campaigns", json=backwards, headers=headers | edge.key())
    is_problem(answer, 422, "campaign.no_period")
    unknown = await edge.client.get("/v1/campaigns/autumn", headers=headers)
    is_problem(unknown, 404, "not_found")


async def test_a_campaign_is_prolonged_by_a_supervisor_only(edge: Edge) -> None:
    now = edge.services.clock.now()
    body = {
        "code": "night",
        "name_zh": "夜查",
        "name_en": "Night checks",
        "purpose": "统计",
        "begins_at": now.isoformat(),
        "ends_at": (now + timedelta(days=1)).isoformat(),
    }
    dispatcher, supervisor = edge.as_operator("east-station.01"), edge.as_operator("city.02")
    refused = await edge.client.post("/v1/campaigns", json=body, headers=dispatcher | edge.key())
    is_problem(refused, 403, "forbidden")
    await edge.client.post("/v1/campaigns", json=body, headers=supervisor | edge.key())
    later = (now + timedelta(days=9)).isoformat()
    answer = await edge.client.post(
        "/v1/campaigns/night/prolong", json={"ends_at": later, "reason": "延长"}, headers=supervisor
    )
    assert answer.status_code == 200, answer.text
    await edge.project()
    listed = await edge.client.get("/v1/campaigns", headers=dispatcher)
    (night,) = listed.json()["items"]
    assert night["ends_at"][:16] == later[:16]


async def test_what_is_counted_is_what_the_question_defines(edge: Edge) -> None:
    first, guest = await edge.report(), await edge.report(at=(104.0501, 30.6501), severity=1)
    await say(edge, guest["incident_id"], "outcomes/people", {"outcome": "helped", "people": 2})
    merged = await edge.decide(
        guest["incident_id"], "merge", {"into_incident_id": first["incident_id"]}, by="east-station.02", version=1
    )
    assert merged.status_code == 200, merged.text
    await edge.project()
    (once,) = await counted(edge)
    assert (once["incidents"], once["people"]) == (1, {"helped": 2}), "what came of a guest came of its head"
    (twice,) = await counted(edge, with_merged=True)
    assert (twice["incidents"], twice["people"]) == (2, {"helped": 2})
    assert await counted(edge, dated_by="closed_at") == []
    assert await counted(edge, category="other.unclassified") == []


async def test_reports_count_for_the_center_that_took_them(edge: Edge) -> None:
    """Whoever owns the incident. What two reported counts for each, what a guest was reported for its head."""
    east, west = (str(town.center(f"{side}-station")) for side in ("east", "west"))
    first, second = await edge.report(by="east-station.01"), await edge.report(by="west-station.01")
    await edge.report(by="west-station.01", category="other.unclassified", at=town.IN_WEST)
    merged = await edge.decide(
        second["incident_id"], "merge", {"into_incident_id": first["incident_id"]}, by="city.02", version=1
    )
    assert merged.status_code == 200, merged.text
    again = {"channel": "operator", "category": "traffic.accident", "text": "又一次", "severity": 1}
    place = {"place": {"address": "路口"}, "duplicate_of": first["incident_id"]}
    answer = await edge.client.post(
        "/v1/reports", json=again | place, headers=edge.as_operator("east-station.01") | edge.key()
    )
    assert answer.status_code == 201, answer.text
    await edge.project()
    taken = {one["group"]: (one["incidents"], one["reports"]) for one in await counted(edge, by="reporter_center")}
    assert taken == {east: (1, 2), west: (2, 2)}
    owned = {one["group"]: (one["incidents"], one["reports"]) for one in await counted(edge, by="center")}
    assert sum(incidents for incidents, _ in owned.values()) == 2
    (of_west,) = await counted(edge, login="west.02", reporter_center_id=str(town.center("west")))
    assert (of_west["incidents"], of_west["reports"]) == (2, 2), "one of them is the east's"
    by_category = await counted(edge, login="west-station.02", reporter_center_id=west, by="category")
    assert {one["group"]: one["reports"] for one in by_category} == {"traffic.accident": 1, "other.unclassified": 1}
    now = edge.services.clock.now()
    asked = {"since": (now - timedelta(days=1)).isoformat(), "until": (now + timedelta(days=1)).isoformat()}
    headers = edge.as_operator("west.02")
    foreign = await edge.client.get(
        "/v1/statistics/counters", params=asked | {"reporter_center_id": east}, headers=headers
    )
    is_problem(foreign, 404, "not_found")
    table = await edge.client.get(
        "/v1/statistics/counters",
        params=asked | {"by": "reporter_center", "format": "csv"},
        headers=edge.as_operator("city.02"),
    )
    rows = list(csv.DictReader(io.StringIO(table.content.decode("utf-8-sig"))))
    assert {(row["name_en"], row["reports"]) for row in rows} == {
        ("east-station centre", "2"),
        ("west-station centre", "2"),
    }


async def test_groups_have_names_and_a_table_opens_in_a_spreadsheet(edge: Edge) -> None:
    opened = await edge.report()
    await say(edge, opened["incident_id"], "outcomes/people", {"outcome": "rescued", "people": 4})
    now = edge.services.clock.now()
    asked = {
        "since": (now - timedelta(days=1)).isoformat(),
        "until": (now + timedelta(days=1)).isoformat(),
        "by": "category",
        "format": "csv",
    }
    answer = await edge.client.get("/v1/statistics/counters", params=asked, headers=edge.as_operator("city.02"))
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.content.startswith(b"\xef\xbb\xbf")
    (row,) = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert row["group"] == "traffic.accident"
    assert row["name_zh"] == "交通事故"
    assert (row["incidents"], row["people.rescued"]) == ("1", "4")


async def test_every_grouping_answers(edge: Edge) -> None:
    await edge.report()
    for by in ("category", "center", "second_level", "severity", "disposition", "day", "month"):
        assert [item["incidents"] for item in await counted(edge, by=by)] == [1], by
    agencies = [(item["group"], item["incidents"]) for item in await counted(edge, by="agency")]
    assert agencies == []
    assert await counted(edge, by="campaign") == []


async def test_a_question_that_makes_no_sense_is_told_so(edge: Edge) -> None:
    headers = edge.as_operator("city.02")
    good = {"since": "2026-06-01T00:00:00Z", "until": "2026-07-01T00:00:00Z"}
    for wrong in (
        {"until": "2026-05-01T00:00:00Z"},
        {"until": "2028-05-01T00:00:00Z"},
        {"dated_by": "wednesday"},
        {"by": "moon"},
        {"format": "pdf"},
    ):
        answer = await edge.client.get("/v1/statistics/counters", params=good | wrong, headers=headers)
        is_problem(answer, 422, "invalid")
    unknown = await edge.client.get("/v1/statistics/counters", params=good | {"campaign": "none"}, headers=headers)
    is_problem(unknown, 404, "not_found")


async def test_a_camera_that_is_often_wrong_comes_first(edge: Edge) -> None:
    east, west = str(town.camera(town.EAST_CAMERA)), str(town.camera(town.WEST_CAMERA))

    async def dismissed(camera_id: str, reason: str, by: str) -> None:
        opened = await edge.report(by=f"{by}-station.01", camera_id=camera_id, place=None)
        answer = await edge.decide(opened["incident_id"], "dismiss", {"reason": reason}, by=f"{by}.01", version=1)
        assert answer.status_code == 200, answer.text

    for reason in ("false_alarm", "false_alarm", "gone_on_arrival"):
        await dismissed(west, reason, "west")
    await dismissed(east, "false_alarm", "east")
    real = (await edge.report(camera_id=east, place=None))["incident_id"]
    for what, body in (("accept", None), ("resolve", {"disposition": "handled"})):
        card = await edge.client.get(f"/v1/incidents/{real}", headers=edge.as_operator("east.01"))
        version = int(card.headers["etag"].strip('"'))
        assert (await edge.decide(real, what, body, by="east.01", version=version)).status_code == 200
        await edge.project()
    await edge.report(camera_id=east, place=None)
    now = edge.services.clock.now()
    period = {"since": (now - timedelta(days=1)).isoformat(), "until": (now + timedelta(days=1)).isoformat()}
    headers = edge.as_operator("city.02")
    first = await edge.client.get("/v1/statistics/cameras", params=period | {"limit": 1}, headers=headers)
    (worst,) = first.json()["items"]
    counts = (worst["camera_id"], worst["incidents"], worst["false_alarms"], worst["real"], worst["precision"])
    assert counts == (west, 3, 2, 0, 0.0)
    rest = await edge.client.get(first.links["next"]["url"], headers=headers)
    (other,) = rest.json()["items"]
    assert (other["camera_id"], other["false_alarms"], other["real"], other["undecided"]) == (east, 1, 1, 1)
    assert (other["precision"], other["code"]) == (0.5, town.EAST_CAMERA)
    own = await edge.client.get("/v1/statistics/cameras", params=period, headers=edge.as_operator("east.02"))
    assert [item["camera_id"] for item in own.json()["items"]] == [east]
