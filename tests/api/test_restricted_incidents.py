"""An incident of a restricted operation does not exist for whoever does not know of the operation: on no route."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import httpx
from fastapi.routing import APIRoute

from dispatch.api.access.matrix import MATRIX
from domain.vocabulary import Role
from tests.api import guarded, town
from tests.api.conftest import Edge
from tests.api.guarded import (
    ABOVE,
    BESIDE,
    CHIEF,
    OUTSIDERS,
    OWNER,
    OWNER_CHIEF,
    POLICE,
    TRAFFIC,
    Guarded,
    minutes,
)
from tests.api.test_access import ANY_ID, PROTECTED, is_stream
from tests.api.test_headquarters_routes import CODE as HEADQUARTERS
from tests.api.test_headquarters_routes import formed
from tests.api.test_problems import is_problem

CATEGORY = "other.unclassified"
OF_THE_DIRECTORY = {
    "cameras_list",
    "cameras_get",
    "cameras_history",
    "sites_list",
    "coverage_area",
    "coverage_route",
    "coverage_growth",
    "statistics_outages",
}
"""Where a camera stands is no secret; that one saw the incident is."""
OF_THE_RULES = {"rulebook_get", "rulebook_version_get", "open311_services", "open311_service"}
QUERIES: Mapping[str, list[dict[str, Any]]] = {
    "incidents_list": [{}, {"state": "ended"}, {"number": "$number"}, {"camera_id": "$camera"}, {"limit": 1}],
    "cameras_list": [{"near": f"{guarded.SPOT[0]},{guarded.SPOT[1]}", "radius_m": 2_000}],
    "search": [{"q": guarded.TEXT}, {"q": "$number"}, {"q": town.EAST_CAMERA}, {"q": guarded.NOTE}],
    "external_cases_incidents": [{"system": "police", "number": guarded.CASE_NUMBER}],
    "evidence_list": [{}, {"incident_id": "$incident"}],
    "watches_list": [{}, {"incident_id": "$incident"}, {"in_force": False}],
    "statistics_counters": [{"by": by} for by in ("category", "agency", "center", "day", "disposition")] + [{}],
    "statistics_response_times": [{}, {"by": "category"}],
    "statistics_service_times": [{}] + [{"by": by} for by in ("category", "agency", "center", "day")],
    "statistics_cases": [{}, {"by": "class"}],
    "audit_board": [{"center": "east-station", "at": "$now"}],
    "audit_incident": [{"at": "$now"}],
    "audit_orders": [{"at": "$now"}],
    "audit_warnings": [{"at": "$now"}],
    "coverage_growth": [{"as_of": "2026-01-01"}],
    "incidents_cameras": [{"radius_m": 2_000}],
}
SAYING = {
    "centers_board",
    "centers_inbox",
    "incidents_list",
    "incidents_get",
    "incidents_timeline",
    "incidents_cameras",
    "search",
    "outcomes_list",
    "external_cases_incidents",
    "checklists_get",
    "reports_get",
    "alerts_get",
    "units_list",
    "units_get",
    "city_operations_incidents",
    "city_operations_points",
    "watches_list",
    "watches_get",
    "evidence_list",
    "evidence_get",
    "orders_list",
    "orders_get",
    "orders_history",
    "orders_cap",
    "cases_list",
    "cases_get",
    "centers_open_items",
    "handovers_get",
    "handovers_history",
    "aid_list",
    "aid_get",
    "aid_history",
    "statistics_cameras",
    "open311_requests",
    "open311_request",
    "open311_token",
}
"""Reads that show something of it to who may know. A new one that does must be walked by outsiders before it stands."""


def reads() -> list[APIRoute]:
    return [route for route in PROTECTED if "GET" in route.methods and not is_stream(route)]


def addresses(found: Guarded, route: APIRoute) -> list[tuple[str, dict[str, Any]]]:
    """Every way in which a route could be asked for it."""
    values = {
        "incident_id": [found.incident_id, found.guest_id],
        "report_id": [found.ids["report of incident_id"], found.ids["report of guest_id"]],
        "center": ["east-station", "east", "west", "police-hq", "city"],
        "agency": ["police", "traffic_police"],
        "unit_id": [str(town.unit("E-1"))],
        "camera_id": [str(town.camera(town.EAST_CAMERA))],
        "code": [found.code, "relay", HEADQUARTERS],
        "service_request_id": [found.ids["report of guest_id"]],
        "token": [found.ids["report of guest_id"]],
        "service_code": [CATEGORY],
        "version": ["1"],
        "position": ["1"],
        "sha256": ["0" * 64],
        "handover_id": [found.handover_id],
        **{name: [value] for name, value in found.ids.items() if name.endswith("_id")},
    }
    if route.operation_id != "coverage_area":  # a headquarters has no ground of its own
        values["center"].append(HEADQUARTERS)
    if route.operation_id == "operations_get":
        values["operation_id"] = [ANY_ID]
    paths = [route.path]
    for name in route.param_convertors:
        given = values.get(name, [ANY_ID])
        paths = [path.replace("{" + name + "}", value) for path in paths for value in given]
    now = found.edge.services.clock.now().isoformat()
    said = {"$number": found.numbers[0], "$incident": found.incident_id, "$camera": values["camera_id"][0], "$now": now}
    period = {"since": minutes(-600), "until": minutes(600)}
    dated = period if str(route.operation_id).startswith("statistics") else {}
    asked = QUERIES.get(str(route.operation_id), [{}])
    return [
        (path, dated | {name: said.get(str(value), value) for name, value in query.items()})
        for path in paths
        for query in asked
    ]


async def told(found: Guarded, route: APIRoute, headers: dict[str, str]) -> list[httpx.Response]:
    return [await found.edge.client.get(path, params=query, headers=headers) for path, query in addresses(found, route)]


def leaks(found: Guarded, route: APIRoute, answer: httpx.Response) -> list[str]:
    """Secrets that an answer holds, leaving out what the question itself said."""
    text = answer.text + json.dumps(dict(answer.headers))
    secrets = [*found.secrets]
    if route.operation_id not in OF_THE_DIRECTORY:
        secrets += [str(town.camera(town.EAST_CAMERA)), town.EAST_CAMERA]
    if route.operation_id not in OF_THE_RULES:
        secrets.append(CATEGORY)
    return [secret for secret in secrets if secret in text]


def entitled(route: APIRoute, role: Role) -> bool:
    return role in MATRIX[str(route.operation_id)].roles


async def test_every_read_says_something_of_it_to_who_may_know_and_nothing_to_anybody_else(edge: Edge) -> None:
    found = await guarded.surrounded(edge)
    await formed(edge, centers=[str(town.center("east-station"))], agencies=[])
    await no_read_says_anything_to_outsiders(edge, found)
    await every_read_says_what_it_should(edge, found)
    await it_is_answered_like_one_that_is_missing(edge, found)


async def no_read_says_anything_to_outsiders(edge: Edge, found: Guarded) -> None:
    people = {login: edge.as_operator(login) for login in OUTSIDERS}
    people["a partner"] = edge.as_role(Role.PARTNER, agency="traffic_police")
    misunderstood = {}
    for who, headers in people.items():
        for route in reads():
            for answer in await told(found, route, headers):
                if answer.status_code in {400, 422}:
                    misunderstood[str(route.operation_id)] = answer.text
                assert leaks(found, route, answer) == [], (who, route.operation_id, str(answer.url), answer.text)
    assert misunderstood == {}, "a question that is refused proves nothing"


async def every_read_says_what_it_should(edge: Edge, found: Guarded) -> None:
    saying: dict[str, set[str]] = {}
    for login in (OWNER_CHIEF, CHIEF):
        headers = edge.as_operator(login)
        for route in reads():
            answers = await told(found, route, headers)
            if any(set(leaks(found, route, answer)) - {CATEGORY, found.code} for answer in answers):
                saying.setdefault(str(route.operation_id), set()).add(login)
    assert set(saying) == SAYING
    assert {login for who in saying.values() for login in who} == {OWNER_CHIEF, CHIEF}
    auditor = edge.as_role(Role.AUDITOR)
    for path in (f"/v1/incidents/{found.incident_id}", f"/v1/audit/incidents/{found.incident_id}"):
        answer = await edge.client.get(path, params={"at": minutes(0)}, headers=auditor)
        assert found.numbers[0] in answer.text


async def it_is_answered_like_one_that_is_missing(edge: Edge, found: Guarded) -> None:
    for route in reads():
        for path, query in addresses(found, route):
            known = [one for one in found.secrets if one in path]
            if not known or not entitled(route, Role.SUPERVISOR):
                continue
            headers = edge.as_operator(ABOVE)
            hidden = await edge.client.get(path, params=query, headers=headers)
            missing = await edge.client.get(path.replace(known[0], ANY_ID), params=query, headers=headers)
            assert hidden.status_code == missing.status_code == 404, (path, hidden.text)
            assert plain(hidden) == plain(missing)


def plain(answer: httpx.Response) -> Any:
    said = answer.json()
    return said if isinstance(said, list) else {name: value for name, value in said.items() if name != "trace_id"}


async def test_figures_units_and_what_stands_beside_it_are_for_those_only_who_may_know(edge: Edge) -> None:
    found = await guarded.surrounded(edge)
    await a_busy_unit_is_busy_to_all_and_with_what_to_its_own_side(edge, found)
    for who in (ABOVE, BESIDE):
        await what_stands_beside_it_is_not_to_be_decided_by_outsiders(edge, found, who)
    await figures_count_it_for_those_only_who_may_know(edge, found)


async def figures_count_it_for_those_only_who_may_know(edge: Edge, found: Guarded) -> None:
    asked = {"since": minutes(-600), "until": minutes(600)}
    counted = {}
    for login in (OWNER_CHIEF, CHIEF, ABOVE, POLICE):
        answer = await edge.client.get("/v1/statistics/counters", params=asked, headers=edge.as_operator(login))
        counted[login] = [(one["incidents"], one["reports"], one["people"]) for one in answer.json()["items"]]
        table = await edge.client.get(
            "/v1/statistics/counters", params=asked | {"format": "csv"}, headers=edge.as_operator(login)
        )
        assert len(table.text.splitlines()) == 1 + len(counted[login])
    assert counted[CHIEF] == [(2, 2, {"found": 7})]
    assert counted[ABOVE] == [(1, 1, {})], "another one, of the same district"
    assert counted[OWNER_CHIEF] == [(2, 2, {"found": 7})], "both are its own"
    assert counted[POLICE] == []
    await found.detach()
    answer = await edge.client.get("/v1/statistics/counters", params=asked, headers=edge.as_operator(ABOVE))
    assert [one["incidents"] for one in answer.json()["items"]] == [2]


async def test_who_joins_the_operation_learns_of_it_and_who_leaves_forgets(edge: Edge) -> None:
    found = await guarded.planned(edge)
    path, queue = f"/v1/incidents/{found.incident_id}", "/v1/agencies/police/queue"
    police, partner = edge.as_operator(POLICE), edge.as_role(Role.PARTNER, agency="police")
    for headers in (police, partner):
        assert (await edge.client.get(path, headers=headers)).status_code == 200
    await found.attach(by=OWNER_CHIEF)
    for headers in (police, partner):
        is_problem(await edge.client.get(path, headers=headers), 404, "not_found")
        assert (await edge.client.get(queue, headers=headers)).json()["items"] == []
    await found.member("police-hq")
    for headers in (police, partner):
        assert (await edge.client.get(path, headers=headers)).status_code == 200
        assert len((await edge.client.get(queue, headers=headers)).json()["items"]) == 1
    board = await edge.client.get("/v1/centers/police-hq/board", headers=police)
    assert [one["incident_id"] for one in board.json()["items"]] == [found.incident_id]
    is_problem(await edge.client.get(path, headers=edge.as_operator(TRAFFIC)), 404, "not_found")
    await found.member("police-hq", remove=True)
    for headers in (police, partner):
        is_problem(await edge.client.get(path, headers=headers), 404, "not_found")


async def test_who_put_it_there_and_why_stands_in_its_timeline(edge: Edge) -> None:
    found = await guarded.planned(edge)
    attached = await found.attach()
    assert (await found.attach()).json()["changed"] is False
    headers = edge.as_operator(OWNER)
    card = (await edge.client.get(f"/v1/incidents/{found.incident_id}", headers=headers)).json()
    assert card["restricted_by"] == attached.json()["operation_id"]
    await found.detach()
    path = f"/v1/incidents/{found.incident_id}/timeline"
    items = (await edge.client.get(path, params={"language": "en"}, headers=headers)).json()["items"]
    texts = [(one["text"], one["actor"]["id"]) for one in items if "estricted" in one["text"]]
    chief = str(town.operator(CHIEF))
    assert texts == [("Restricted to 2 centers: 属本次行动", chief), ("No longer restricted: 已公开", chief)]
    assert (await edge.client.get(path, headers=edge.as_operator(ABOVE))).status_code == 200


async def test_what_a_unit_was_diverted_to_is_told_to_those_only_who_may_know(edge: Edge) -> None:
    found = await guarded.planned(edge)
    lost = (await edge.report(by="east-station.01", category="traffic.accident", at=town.IN_EAST))["incident_id"]
    sent = await found.post(f"/incidents/{lost}/assignments", {"unit_id": str(town.unit("E-1"))}, by=OWNER)
    await found.attach()
    versions = [(await edge.services.incidents.state(UUID(one))).version for one in (lost, found.incident_id)]
    unit = await edge.client.get(f"/v1/units/{town.unit('E-1')}", headers=edge.as_operator(OWNER_CHIEF))
    body = {"to_incident_id": found.incident_id, "reason": "那边更急", "override": "此处可等待"}
    await found.post(
        f"/assignments/{sent.json()['assignment_id']}/divert",
        body | {"from_version": versions[0], "to_version": versions[1]},
        by=OWNER_CHIEF,
        **{"If-Match": unit.headers["etag"]},
    )
    board, number = "/v1/centers/east-station/board", found.numbers[0]
    for path in (f"/v1/incidents/{lost}", f"/v1/incidents/{lost}/timeline", board, "/v1/centers/east-station/inbox"):
        own = await edge.client.get(path, headers=edge.as_operator(OWNER))
        above = await edge.client.get(path, headers=edge.as_operator(ABOVE))
        assert own.status_code == above.status_code == 200
        assert lost in above.text
        assert number in own.text, path
        assert number not in above.text, path
        assert found.incident_id not in above.text, path


async def test_only_the_operation_decides_what_belongs_to_it(edge: Edge) -> None:
    found = await guarded.planned(edge)
    path, why = f"/v1/city-operations/{found.code}/incidents/{found.incident_id}", {"reason": "x"}

    async def said(to: str, by: str) -> httpx.Response:
        return await edge.client.post(to, json=why, headers=edge.as_operator(by) | edge.key())

    is_problem(await said(path, ABOVE), 404, "not_found")
    is_problem(await said(path, OWNER), 403, "forbidden")
    await found.attach(by=OWNER_CHIEF)
    is_problem(await said(f"{path}/detach", OWNER_CHIEF), 403, "not_the_owner")
    await found.detach()
    elsewhere = await edge.report(by="west-station.01", at=town.IN_WEST, category=CATEGORY)
    foreign = path.replace(found.incident_id, elsewhere["incident_id"])
    is_problem(await said(foreign, CHIEF), 409, "incident.owner_not_cleared")
    is_problem(await said(foreign, OWNER_CHIEF), 404, "not_found")


async def test_a_center_that_owns_one_of_its_incidents_cannot_leave(edge: Edge) -> None:
    found = await guarded.planned(edge)
    await found.attach()
    answer = await edge.client.post(
        f"/v1/city-operations/{found.code}/members/remove",
        json={"center_id": str(town.center("east-station"))},
        headers=edge.as_operator(CHIEF) | edge.key(),
    )
    is_problem(answer, 409, "incident.owner_not_cleared")


async def a_busy_unit_is_busy_to_all_and_with_what_to_its_own_side(edge: Edge, found: Guarded) -> None:
    unit = f"/v1/units/{town.unit('E-1')}"
    above = (await edge.client.get(unit, headers=edge.as_operator(ABOVE))).json()
    assert above["status"] == "assigned"
    assert [one["incident_id"] for one in above["assignments"]] == [None]
    assert above["position"] is None
    own = (await edge.client.get(unit, headers=edge.as_operator(POLICE))).json()["assignments"][0]
    assert (own["incident_id"], own["incident_number"]) == (found.incident_id, found.numbers[0])
    other = await edge.report(by="east-station.01", category="traffic.accident", at=town.IN_EAST)
    refused = await edge.client.post(
        f"/v1/incidents/{other['incident_id']}/assignments",
        json={"unit_id": str(town.unit("E-1"))},
        headers=edge.as_operator(ABOVE) | edge.key(),
    )
    is_problem(refused, 409, "unit.already_assigned")
    assert not any(secret in refused.text for secret in found.secrets)


async def test_whose_crew_is_on_it_sees_where_and_how_bad_until_the_crew_is_done(edge: Edge) -> None:
    found = await guarded.surrounded(edge)
    partner = edge.as_role(Role.PARTNER, agency="police")
    card = await edge.client.get(f"/v1/incidents/{found.incident_id}", headers=partner)
    assert (card.json()["severity"], card.json()["place"]["address"]) == ("severe", guarded.ADDRESS)
    unit = (await edge.client.get(f"/v1/units/{town.unit('E-1')}", headers=partner)).json()
    assignment_id = unit["assignments"][0]["assignment_id"]
    for step, body in (("acknowledge", None), ("en-route", None), ("on-scene", None), ("clear", {})):
        answer = await edge.client.post(
            f"/v1/assignments/{assignment_id}/{step}", json=body, headers=partner | edge.key()
        )
        assert answer.status_code == 200, answer.text
    await edge.project()
    is_problem(await edge.client.get(f"/v1/incidents/{found.incident_id}", headers=partner), 404, "not_found")


async def what_stands_beside_it_is_not_to_be_decided_by_outsiders(edge: Edge, found: Guarded, who: str) -> None:
    ids = found.ids
    for path, body in (
        (f"/evidence/requests/{ids['request_id']}/read", {"purpose": "x"}),
        (f"/watches/{ids['watch_id']}/acknowledge", None),
        (f"/watches/{ids['watch_id']}/read", {"purpose": "x"}),
        (f"/aid/{ids['aid_id']}/withdraw", {"reason": "x"}),
        (f"/orders/{ids['order_id']}/lift", {"reason": "x"}),
        (f"/cases/{ids['case_id']}/assign", {}),
        (f"/reports/{ids['report of incident_id']}/personal-fields/read", {"fields": ["caller"], "purpose": "x"}),
        (f"/agencies/police/incidents/{found.incident_id}/accept", {}),
    ):
        headers = edge.as_operator(who) | edge.key() | {"If-Match": '"1"'}
        answer = await edge.client.post(f"/v1{path}", json=body, headers=headers)
        is_problem(answer, 404, "not_found")
        assert not any(secret in answer.text for secret in found.secrets)


def test_what_was_is_replayed_for_those_only_from_whom_nothing_is_hidden() -> None:
    """A replay shows a board as it was, labels of that day and all: nobody may ask for one who may not know all."""
    replays = {operation for operation in MATRIX if operation.startswith("audit_")}
    assert len(replays) >= 6
    for operation in replays:
        assert MATRIX[operation].roles <= {Role.AUDITOR, Role.ADMINISTRATOR}, operation
