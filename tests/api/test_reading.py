"""Lists, cards, timelines, search, cameras, statistics: what people look at."""

from __future__ import annotations

from typing import Any

from domain.vocabulary import Role
from tests.api import town
from tests.api.conftest import Edge
from tests.api.test_problems import is_problem


async def every_page(edge: Edge, path: str, headers: dict[str, str]) -> list[Any]:
    pages = []
    following: str | None = path
    while following:
        answer = await edge.client.get(following, headers=headers)
        assert answer.status_code == 200, answer.text
        pages.append(answer.json()["items"] if isinstance(answer.json(), dict) else answer.json())
        link = answer.headers.get("link")
        following = link[1 : link.index(">")] if link else None
        if link:
            assert link.endswith('rel="next"')
    return pages


async def test_a_list_is_walked_by_its_links_without_gap_or_repeat(edge: Edge) -> None:
    opened = [(await edge.report())["incident_id"] for _ in range(5)]
    headers = edge.as_operator("east-station.01")
    for path in ("/v1/centers/east-station/board?limit=2", "/v1/incidents?limit=2"):
        pages = await every_page(edge, path, headers)
        assert [len(page) for page in pages] == [2, 2, 1]
        assert [row["incident_id"] for page in pages for row in page] == opened


async def test_centers_are_walked_the_same_way(edge: Edge) -> None:
    pages = await every_page(edge, "/v1/centers?limit=3", edge.as_operator("east.01"))
    assert [row["code"] for page in pages for row in page] == sorted(town.CENTERS)


async def test_inboxes_rosters_sites_timelines_and_findings_are_walked_the_same_way(edge: Edge) -> None:
    opened = [await edge.report(text="蜀都大道两车追尾") for _ in range(3)]
    incident_id = opened[0]["incident_id"]
    await edge.decide(incident_id, "accept", by="east-station.01", version=1)
    await edge.project()
    headers = edge.as_operator("city.01")
    walked = {
        "/v1/units?limit=1": ("call_sign", sorted(town.UNITS)),
        "/v1/sites?limit=1": ("code", ["site-east-station", "site-west-station"]),
        "/v1/search?q=追尾&limit=1": ("incident_id", [one["incident_id"] for one in reversed(opened)]),
        "/v1/centers/east-station/inbox?limit=1": ("incident_id", [one["incident_id"] for one in opened[1:]]),
    }
    for path, (column, expected) in walked.items():
        pages = await every_page(edge, path, headers)
        assert [row[column] for page in pages for row in page] == expected, path
    path = f"/v1/incidents/{incident_id}/timeline?view=full&limit="
    (whole,) = await every_page(edge, path + "200", headers)
    told = await every_page(edge, path + "1", headers)
    assert [row for page in told for row in page] == whole
    assert len(told) == len(whole) > 1


async def test_a_cursor_of_another_list_is_400(edge: Edge) -> None:
    for _ in range(3):
        await edge.report()
    headers = edge.as_operator("city.01")
    first = await edge.client.get("/v1/centers/east-station/board?limit=1", headers=headers)
    cursor = first.headers["link"].split("cursor=")[1].split(">")[0]
    answer = await edge.client.get(f"/v1/centers/east/board?cursor={cursor}", headers=headers)
    is_problem(answer, 400, "bad_cursor")


async def test_what_waits_for_a_center_is_in_its_inbox(edge: Edge) -> None:
    opened = await edge.report()
    inbox = await edge.client.get("/v1/centers/east-station/inbox", headers=edge.as_operator("east-station.01"))
    assert [row["incident_id"] for row in inbox.json()["items"]] == [opened["incident_id"]]


async def test_an_incident_is_found_by_number_words_and_place(edge: Edge) -> None:
    opened = await edge.report(text="蜀都大道两车追尾", place={"address": "红星路口", **point(town.IN_EAST)})
    headers = edge.as_operator("east.01")
    for q in (opened["number"], "追尾", "红星路口"):
        found = await edge.client.get("/v1/search", params={"q": q}, headers=headers)
        assert [row["incident_id"] for row in found.json()["items"]] == [opened["incident_id"]], q
    listed = await edge.client.get("/v1/incidents", params={"number": opened["number"]}, headers=headers)
    assert [row["incident_id"] for row in listed.json()["items"]] == [opened["incident_id"]]
    foreign = await edge.client.get("/v1/search", params={"q": "追尾"}, headers=edge.as_operator("west.01"))
    assert foreign.json()["items"] == []


def point(at: tuple[float, float]) -> dict[str, Any]:
    return {"point": {"type": "Point", "coordinates": list(at)}}


async def test_a_place_outside_the_city_is_recorded_and_owned(edge: Edge) -> None:
    opened = await edge.report(by="city.01", place=point((116.39, 39.9)))
    card = await edge.client.get(f"/v1/incidents/{opened['incident_id']}", headers=edge.as_operator("city.01"))
    assert card.json()["owner_center_id"] == str(town.center("city"))


async def test_displaced_coordinates_are_converted_when_they_say_so(edge: Edge) -> None:
    plain, displaced = await edge.report(), await edge.report(place=point(town.IN_EAST) | {"crs": "gcj02"})
    headers = edge.as_operator("east.01")
    cards = [
        (await edge.client.get(f"/v1/incidents/{opened['incident_id']}", headers=headers)).json()["place"]["point"]
        for opened in (plain, displaced)
    ]
    assert cards[0] == {"type": "Point", "coordinates": list(town.IN_EAST)}
    assert 0.001 < abs(cards[0]["coordinates"][0] - cards[1]["coordinates"][0]) < 0.01


async def test_persons_are_named_but_not_shown_until_a_purpose_is_given(edge: Edge) -> None:
    opened = await edge.report(caller="张先生", caller_phone="13800000000", persons=["李老太"])
    path, headers = f"/v1/reports/{opened['report_id']}", edge.as_operator("east-station.02")
    report = await edge.client.get(path, headers=headers)
    assert report.json()["personal_fields"] == ["caller", "caller_phone", "persons"]
    assert "张先生" not in report.text
    assert "sealed" not in report.json()
    reading = {"fields": ["caller", "persons"], "purpose": "回拨核实"}
    dispatcher = edge.as_operator("east-station.01") | edge.key()
    refused = await edge.client.post(f"{path}/personal-fields/read", json=reading, headers=dispatcher)
    is_problem(refused, 403, "forbidden")
    opened_fields = await edge.client.post(f"{path}/personal-fields/read", json=reading, headers=headers | edge.key())
    assert opened_fields.json() == {"fields": {"caller": "张先生", "persons": ["李老太"]}}
    log = await edge.services.log.read_after(0, limit=10_000, topics=["report.personal_fields_read"])
    assert len(log) == 1
    assert "回拨核实" in log[0].state.decode()
    assert "张先生" not in b"".join(row.state for row in await edge.services.log.read_after(0, limit=10_000)).decode()


async def test_cameras_are_found_by_place_reference_and_incident(edge: Edge) -> None:
    headers = edge.as_operator("east.01")
    lon, lat = town.IN_EAST
    for query in (f"bbox={lon - 0.01},{lat - 0.01},{lon + 0.01},{lat + 0.01}", f"near={lon},{lat}", "reference=cam_1"):
        found = await edge.client.get(f"/v1/cameras?{query}", headers=headers)
        assert town.EAST_CAMERA in [row["code"] for row in found.json()["items"]], query
    opened = await edge.report()
    near = await edge.client.get(f"/v1/incidents/{opened['incident_id']}/cameras", headers=headers)
    assert [row["code"] for row in near.json()["items"]] == [town.EAST_CAMERA]
    sites = await edge.client.get("/v1/sites", headers=headers)
    assert [row["code"] for row in sites.json()["items"]] == ["site-east-station", "site-west-station"]


async def test_a_unit_says_where_it_is_and_the_latest_counts(edge: Edge) -> None:
    headers = edge.as_operator("east-station.01")
    path = f"/v1/units/{town.unit('E-1')}"
    for minute, lon in ((10, 104.01), (12, 104.02), (11, 104.03)):
        body = {"reported_at": f"2024-06-05T20:{minute}:00+08:00", **point((lon, 30.65))}
        assert (await edge.client.put(f"{path}/position", json=body, headers=headers)).status_code == 204
    unit = await edge.client.get(path, headers=headers)
    assert unit.json()["position"]["point"]["coordinates"] == [104.02, 30.65]
    roster = await edge.client.get("/v1/units", headers=headers)
    assert [row["call_sign"] for row in roster.json()["items"]] == ["E-1", "E-2"]
    foreign = await edge.client.get(f"/v1/units/{town.unit('W-1')}", headers=headers)
    is_problem(foreign, 404, "not_found")
    future = {"reported_at": "2999-01-01T00:00:00Z", **point((104.0, 30.65))}
    is_problem(await edge.client.put(f"{path}/position", json=future, headers=headers), 422, "invalid")
    naive = {"reported_at": "2024-06-05T20:10:00", **point((104.0, 30.65))}
    is_problem(await edge.client.put(f"{path}/position", json=naive, headers=headers), 422, "invalid")


async def test_response_times_are_percentiles_of_the_callers_center(edge: Edge) -> None:
    opened = await edge.report()
    await edge.decide(opened["incident_id"], "accept", by="east-station.01", version=1)
    await edge.project()
    query = {"since": "2020-01-01T00:00:00Z", "until": "2021-01-01T00:00:00Z"}
    headers = edge.as_operator("east.02")
    path = "/v1/statistics/response-times"
    assert (await edge.client.get(path, params=query, headers=headers)).json()["items"][0]["incidents"] == 0
    now = edge.services.clock.now()
    query = {"since": f"{now.year}-01-01T00:00:00Z", "until": f"{now.year + 1}-01-01T00:00:00Z", "by": "category"}
    found = await edge.client.get(path, params=query | {"start": "opened_at", "stop": "accepted_at"}, headers=headers)
    assert found.json()["items"][0]["group"] == "traffic.accident"
    assert found.json()["items"][0]["measured"] == 1
    wrong = await edge.client.get(path, params=query | {"start": "tea_at", "stop": "x"}, headers=headers)
    is_problem(wrong, 422, "invalid")


async def test_the_rules_in_force_can_be_read(edge: Edge) -> None:
    headers = edge.as_operator("east.01")
    assert (await edge.client.get("/v1/rulebook", headers=headers)).json()["version"] == 1
    versions = await edge.client.get("/v1/rulebook/versions", headers=headers)
    assert versions.json() == {"active": 1, "items": [{"version": 1, "active": True, "effective_at": None}]}
    is_problem(await edge.client.get("/v1/rulebook/versions/9", headers=headers), 404, "not_found")


async def test_a_partner_answers_for_its_agency(edge: Edge) -> None:
    headers = edge.as_role(Role.PARTNER, agency="fire")
    opened = await edge.report()
    path = f"/v1/agencies/fire/incidents/{opened['incident_id']}/accept"
    is_problem(await edge.client.post(path, json={}, headers=headers | edge.key()), 404, "not_found")
