"""Headquarters' orders over HTTP: issued, acknowledged by each addressee, amended, extended, lifted, and listed."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from dispatch.api.access.matrix import MATRIX
from domain.vocabulary import Role
from tests.api import town
from tests.api.conftest import Edge
from tests.api.orders_desk import AREA, CHIEF, EAST, TRAFFIC, a_draft, decide, in_minutes, issued, numbers, post
from tests.api.test_access import ANY_ID, PROTECTED
from tests.api.test_problems import is_problem
from tests.api.test_reading import every_page

YES = {"edition": 1}


async def test_an_order_has_a_number_people_can_say_and_waits_for_each_addressee(edge: Edge) -> None:
    made = await issued(edge)
    assert re.fullmatch(r"CD-ORDER-\d{8}-001", made["number"])
    answer = await edge.client.get(f"/v1/orders/{made['order_id']}", headers=edge.as_operator(CHIEF))
    order = answer.json()
    assert answer.headers["etag"] == '"1"'
    assert (order["phase"], order["is_in_force"], order["edition"]) == ("issued", True, 1)
    assert [one["agency"] for one in order["addressees"]] == ["traffic_police", None]
    assert order["waiting_center_ids"] == [str(town.center("traffic-hq")), str(town.center("east"))]
    assert order["area"]["geometry"] == {"type": "MultiPolygon", "coordinates": [AREA["geometry"]["coordinates"]]}
    assert order["issuer"]["center_id"] == str(town.center("city"))
    assert order["issued_by"] == str(town.operator(CHIEF))


async def test_numbers_of_a_day_have_no_gaps_whoever_issues_at_once(edge: Edge) -> None:
    drafts = [post(edge, "/v1/orders", a_draft(), by=by) for by in (CHIEF, "east.02", "traffic-hq.02") * 3]
    answers = await asyncio.gather(
        *drafts, post(edge, "/v1/orders", a_draft(addressees=[{"agency": "fire"}]), by=CHIEF)
    )
    is_problem(answers.pop(), 422, "order.nobody_addressed")
    assert sorted(answer.json()["number"][-3:] for answer in answers) == [f"{nth:03d}" for nth in range(1, 10)]


async def test_each_addressee_acknowledges_for_itself_and_nobody_makes_the_others_answer_stale(edge: Edge) -> None:
    order_id = (await issued(edge))["order_id"]
    first = await decide(edge, order_id, "acknowledge", YES | {"reference": "JJ-17"}, by=TRAFFIC)
    assert (first.status_code, first.headers["etag"]) == (200, '"1"')
    order = await edge.read(f"/v1/orders/{order_id}")
    assert order["waiting_center_ids"] == [str(town.center("east"))]
    assert (order["addressees"][0]["answer"], order["addressees"][0]["reference"]) == ("acknowledged", "JJ-17")
    second = await decide(edge, order_id, "acknowledge", YES, by=EAST)
    assert second.status_code == 200, second.text
    assert (await edge.read(f"/v1/orders/{order_id}"))["waiting_center_ids"] == []
    lifted = await decide(edge, order_id, "lift", {"reason": "水位回落"}, by=CHIEF)
    assert lifted.status_code == 200, lifted.text


async def test_the_issuer_does_not_acknowledge_its_own_order(edge: Edge) -> None:
    order_id = (await issued(edge))["order_id"]
    is_problem(await decide(edge, order_id, "acknowledge", YES, by=CHIEF), 409, "order.not_addressed")


async def test_a_refusal_is_shown_with_its_reason_and_the_order_stays_in_force(edge: Edge) -> None:
    order_id = (await issued(edge))["order_id"]
    said = await decide(edge, order_id, "decline", {"edition": 1, "reason": "警力不足"}, by=EAST)
    assert said.status_code == 200, said.text
    order = await edge.read(f"/v1/orders/{order_id}", by=CHIEF)
    assert (order["addressees"][1]["answer"], order["addressees"][1]["reason"]) == ("declined", "警力不足")
    assert order["is_in_force"]
    assert str(town.center("east")) in order["waiting_center_ids"]


async def test_an_amendment_is_acknowledged_anew_and_makes_older_decisions_stale(edge: Edge) -> None:
    order_id = (await issued(edge))["order_id"]
    await decide(edge, order_id, "acknowledge", YES, by=EAST)
    change = {"text": "封闭九眼桥和安顺桥", "acknowledge_by": in_minutes(20), "reason": "水位上涨"}
    amended = await decide(edge, order_id, "amend", change, by=CHIEF)
    assert (amended.status_code, amended.headers["etag"], amended.json()["edition"]) == (200, '"3"', 2)
    order = await edge.read(f"/v1/orders/{order_id}")
    assert (order["edition"], order["text"], len(order["waiting_center_ids"])) == (2, "封闭九眼桥和安顺桥", 2)
    stale = await decide(edge, order_id, "acknowledge", YES, by=EAST)
    is_problem(stale, 412, "stale_version")
    assert [event["event"] for event in stale.json()["events"]] == ["order.acknowledged", "order.amended"]
    old = await decide(edge, order_id, "acknowledge", YES, by=EAST, version=3)
    is_problem(old, 409, "order.superseded")
    assert (await decide(edge, order_id, "acknowledge", {"edition": 2}, by=EAST, version=3)).status_code == 200


async def test_an_extension_moves_the_end_and_asks_nobody_anew(edge: Edge) -> None:
    order_id = (await issued(edge))["order_id"]
    await decide(edge, order_id, "acknowledge", YES, by=EAST)
    until = in_minutes(720)
    extended = await decide(edge, order_id, "extend", {"expires_at": until, "reason": "洪峰推迟"}, by=CHIEF)
    assert extended.status_code == 200, extended.text
    order = await edge.read(f"/v1/orders/{order_id}")
    assert order["ends_at"].replace("Z", "+00:00") == until
    assert order["waiting_center_ids"] == [str(town.center("traffic-hq"))]


async def test_two_commanders_decide_on_what_they_saw(edge: Edge) -> None:
    order_id = (await issued(edge))["order_id"]
    longer = {"expires_at": in_minutes(720), "reason": "洪峰推迟"}
    bodies: dict[str, Any] = {"extend": longer, "lift": {"reason": "x"}}
    headers = {"If-Match": '"1"'}
    asked = [post(edge, f"/v1/orders/{order_id}/{what}", body, by=CHIEF, **headers) for what, body in bodies.items()]
    answers = await asyncio.gather(*asked)
    assert sorted(answer.status_code for answer in answers) == [200, 412]


async def test_a_decision_states_a_version_and_a_new_order_a_key(edge: Edge) -> None:
    order_id = (await issued(edge))["order_id"]
    without = await post(edge, f"/v1/orders/{order_id}/lift", {"reason": "x"}, by=CHIEF)
    is_problem(without, 428, "precondition_required")
    keyless = await edge.client.post("/v1/orders", json=a_draft(), headers=edge.as_operator(CHIEF))
    is_problem(keyless, 400, "idempotency_key_missing")


async def test_a_repeat_gets_the_first_answer_and_makes_no_second_order(edge: Edge) -> None:
    headers, body = edge.as_operator(CHIEF) | edge.key(), a_draft()
    first = await edge.client.post("/v1/orders", json=body, headers=headers)
    second = await edge.client.post("/v1/orders", json=body, headers=headers)
    assert second.headers["idempotent-replayed"] == "true"
    assert {name: first.json()[name] for name in ("order_id", "number")} == {
        name: second.json()[name] for name in ("order_id", "number")
    }
    assert second.headers["etag"] == first.headers["etag"] == '"1"'
    order_id = first.json()["order_id"]
    lifting = headers | edge.key() | {"If-Match": '"1"'}
    answers = [
        await edge.client.post(f"/v1/orders/{order_id}/lift", json={"reason": "x"}, headers=lifting) for _ in range(2)
    ]
    assert [answer.headers["etag"] for answer in answers] == ['"2"', '"2"']
    await edge.project()
    assert await numbers(edge) == ["001"]


async def test_lists_say_what_is_in_force_now_and_at_an_instant(edge: Edge) -> None:
    now = await issued(edge)
    later = await issued(edge, effective_at=in_minutes(60))
    lifted = await issued(edge)
    await decide(edge, lifted["order_id"], "lift", {"reason": "x"}, by=CHIEF)
    assert await numbers(edge) == ["003", "002", "001"]
    assert await numbers(edge, "?in_force=true") == ["001"]
    in_two_hours = in_minutes(120).replace("+", "%2B")
    assert await numbers(edge, f"?at={in_two_hours}") == ["002", "001"]
    yesterday = in_minutes(-1440).replace("+", "%2B")
    assert await numbers(edge, f"?at={yesterday}") == []
    assert {now["number"][-3:], later["number"][-3:]} == {"001", "002"}


async def test_lists_are_filtered_by_center_agency_kind_and_status(edge: Edge) -> None:
    await issued(edge)
    await issued(edge, kind="evacuation", addressees=[{"center_id": str(town.center("west"))}], status="exercise")
    assert await numbers(edge, f"?center_id={town.center('west')}") == ["002"]
    assert await numbers(edge, f"?center_id={town.center('city')}") == ["002", "001"]
    assert await numbers(edge, "?agency=traffic_police") == ["001"]
    assert await numbers(edge, "?kind=evacuation") == ["002"]
    assert await numbers(edge, "?status=actual") == ["001"]
    assert await numbers(edge, "?overdue=true") == []
    (exercise, _) = (await edge.read("/v1/orders"))["items"]
    assert (exercise["status"], exercise["is_exercise"]) == ("exercise", True)


async def test_each_sees_what_it_issued_or_was_commanded_and_what_lies_below_it(edge: Edge) -> None:
    await issued(edge, addressees=[{"center_id": str(town.center("east-station"))}])
    await issued(edge, addressees=[{"agency": "traffic_police"}])
    seen = {by: await numbers(edge, by=by) for by in (CHIEF, EAST, "east-station.01", "west.01", TRAFFIC)}
    assert seen == {CHIEF: ["002", "001"], EAST: ["001"], "east-station.01": ["001"], "west.01": [], TRAFFIC: ["002"]}


async def test_a_list_is_walked_by_its_links(edge: Edge) -> None:
    for _ in range(5):
        await issued(edge)
    pages = await every_page(edge, "/v1/orders?limit=2", edge.as_operator(CHIEF))
    assert [[one["number"][-3:] for one in page] for page in pages] == [["005", "004"], ["003", "002"], ["001"]]
    bad = await edge.client.get("/v1/orders?cursor=x", headers=edge.as_operator(CHIEF))
    is_problem(bad, 400, "bad_cursor")


async def test_a_reader_waits_for_what_it_has_just_written(edge: Edge) -> None:
    answer = await post(edge, "/v1/orders", a_draft(), by=CHIEF)
    path = f"/v1/orders?min_position={answer.json()['position']}"
    is_problem(await edge.client.get(path, headers=edge.as_operator(EAST)), 503, "projection_behind")
    await edge.project()
    assert len((await edge.read(path, by=EAST))["items"]) == 1


async def test_an_etag_answers_304_while_the_order_stays_as_it_is(edge: Edge) -> None:
    order_id = (await issued(edge))["order_id"]
    headers = edge.as_operator(EAST) | {"If-None-Match": '"1"'}
    assert (await edge.client.get(f"/v1/orders/{order_id}", headers=headers)).status_code == 304
    await decide(edge, order_id, "lift", {"reason": "x"}, by=CHIEF)
    assert (await edge.client.get(f"/v1/orders/{order_id}", headers=headers)).status_code == 200


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_its_history_is_told_in_sentences(edge: Edge, language: str) -> None:
    order_id = (await issued(edge))["order_id"]
    await decide(edge, order_id, "acknowledge", YES, by=EAST)
    await decide(edge, order_id, "lift", {"reason": "水位回落"}, by=CHIEF)
    pages = await every_page(edge, f"/v1/orders/{order_id}/history?limit=2&language={language}", edge.as_operator(EAST))
    told = [one for page in pages for one in page]
    assert [one["event"] for one in told] == ["order.issued", "order.acknowledged", "order.lifted"]
    kind = {"zh": "桥梁封闭", "en": "bridge closure"}[language]
    assert kind in told[0]["text"]
    assert "—" not in "".join(one["text"] for one in told)


async def test_a_foreign_order_is_answered_like_a_missing_one_on_every_route(edge: Edge) -> None:
    order_id = (await issued(edge))["order_id"]
    routes = [route for route in PROTECTED if "{order_id}" in route.path]
    assert len(routes) == 8
    for route in routes:
        method = next(iter(route.methods - {"HEAD"}))
        headers = edge.as_operator("west.02") | edge.key() | {"If-Match": '"1"'}
        body = {"reason": "x", "edition": 1, "expires_at": in_minutes(9), "acknowledge_by": in_minutes(9)}
        wanted = {name: value for name, value in body.items() if name in FIELDS.get(str(route.operation_id), ())}
        path = route.path.replace("{order_id}", order_id)
        foreign = await edge.client.request(method, path, headers=headers, json=wanted)
        missing = await edge.client.request(method, path.replace(order_id, ANY_ID), headers=headers, json=wanted)
        assert Role.SUPERVISOR in MATRIX[str(route.operation_id)].roles
        told = [{name: value for name, value in one.json().items() if name != "trace_id"} for one in (foreign, missing)]
        assert told[0] == told[1], route.operation_id
        assert told[0]["status"] == 404


FIELDS = {
    "orders_amend": ("reason", "acknowledge_by"),
    "orders_extend": ("reason", "expires_at"),
    "orders_lift": ("reason",),
    "orders_acknowledge": ("edition",),
    "orders_decline": ("edition", "reason"),
}


async def test_only_the_issuer_and_those_above_change_it(edge: Edge) -> None:
    order_id = (await issued(edge, by="east.02", addressees=[{"agency": "traffic_police"}]))["order_id"]
    foreign = await decide(edge, order_id, "lift", {"reason": "x"}, by="traffic-hq.02")
    is_problem(foreign, 409, "order.not_the_issuer")
    assert (await decide(edge, order_id, "lift", {"reason": "x"}, by=CHIEF)).status_code == 200


async def test_who_may_issue(edge: Edge) -> None:
    is_problem(await post(edge, "/v1/orders", a_draft(), by="east-station.02"), 422, "order.issuer_not_entitled")
    is_problem(await post(edge, "/v1/orders", a_draft(), by="city.01"), 403, "forbidden")
    in_its_name = a_draft(center_id=str(town.center("city")))
    is_problem(await post(edge, "/v1/orders", in_its_name, by="east.02"), 404, "not_found")
    below = await post(edge, "/v1/orders", a_draft(center_id=str(town.center("east"))), by=CHIEF)
    assert below.status_code == 201


async def test_an_order_about_an_incident_has_its_status_and_its_issuer_sees_it(edge: Edge) -> None:
    incident_id = (await edge.report())["incident_id"]
    assert (await issued(edge, incident_id=incident_id))["order_id"]
    mixed = await post(edge, "/v1/orders", a_draft(incident_id=incident_id, status="exercise"), by=CHIEF)
    is_problem(mixed, 409, "order.incident_of_another_status")
    foreign = a_draft(incident_id=incident_id, addressees=[{"agency": "police"}])
    is_problem(await post(edge, "/v1/orders", foreign, by="west.02"), 404, "not_found")


BAD: dict[str, dict[str, Any]] = {
    "/kind": {"kind": "picnic"},
    "/status": {"status": "draft"},
    "/text": {"text": ""},
    "/addressees": {"addressees": []},
    "/addressees/0": {"addressees": [{}]},
    "/area": {"area": {}},
    "/expires_at": {"expires_at": "2024-06-05T20:00:00"},
    "/area/geometry/Polygon": {"area": {"geometry": {"type": "Polygon", "coordinates": [[*[[1, 2]] * 3, [3, 4]]]}}},
    "/area/geometry/Polygon/coordinates": {
        "area": {"geometry": {"type": "Polygon", "coordinates": [[[1, 2]] * 4] * 2}}
    },
    "/area/circles/0/radius_m": {
        "area": {"circles": [{"center": {"type": "Point", "coordinates": [1, 2]}, "radius_m": 0}]}
    },
}


@pytest.mark.parametrize("pointer", BAD)
async def test_a_bad_order_is_told_where_it_is_bad(edge: Edge, pointer: str) -> None:
    answer = await post(edge, "/v1/orders", a_draft(**BAD[pointer]), by=CHIEF)
    is_problem(answer, 422, "invalid")
    assert pointer in {error["pointer"] for error in answer.json()["errors"]}


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"expires_at": "2024-06-05T20:00:00+08:00"}, "order.expires_too_early"),
        ({"acknowledge_by": "2024-06-05T20:00:00+08:00"}, "order.acknowledge_by_out_of_range"),
        ({"addressees": [{"center_id": ANY_ID}]}, "order.nobody_addressed"),
        ({"addressees": [{"agency": "nobody"}]}, "order.nobody_addressed"),
        (
            {
                "addressees": [
                    {"agency": agency, "center_id": str(town.center("city"))} for agency in ("fire", "police")
                ]
            },
            "order.addressed_twice",
        ),
    ],
)
async def test_an_impossible_order_is_refused(edge: Edge, changed: dict[str, Any], code: str) -> None:
    is_problem(await post(edge, "/v1/orders", a_draft(**changed), by=CHIEF), 422, code)
