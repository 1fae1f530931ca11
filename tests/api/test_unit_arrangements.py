"""Units over HTTP: diverted, stacked, reserved; and what the screens show of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from dispatch.api.access.permissions import Caller
from dispatch.api.access.visibility import hidden_among
from dispatch.api.wiring import Services
from tests.api import town
from tests.api.conftest import Edge
from tests.api.test_problems import is_problem

BY, CHIEF, STRANGER = "east.01", "east.02", "west.01"


async def send(edge: Edge, incident_id: str, call_sign: str = "E-1", **more: Any) -> httpx.Response:
    answer = await edge.client.post(
        f"/v1/incidents/{incident_id}/assignments",
        json={"unit_id": str(town.unit(call_sign)), **more},
        headers=edge.as_operator(BY) | edge.key(),
    )
    await edge.project()
    return answer


async def sent(edge: Edge, incident_id: str, call_sign: str = "E-1", **more: Any) -> str:
    answer = await send(edge, incident_id, call_sign, **more)
    assert answer.status_code == 201, answer.text
    assignment_id: str = answer.json()["assignment_id"]
    return assignment_id


async def version_of(edge: Edge, path: str) -> int:
    answer = await edge.client.get(path, headers=edge.as_operator(BY))
    return int(answer.headers["etag"].strip('"'))


async def divert(
    edge: Edge, assignment_id: str, from_id: str, to_id: str, *, by: str = BY, key: Any = None, **changed: Any
) -> httpx.Response:
    body = {
        "to_incident_id": to_id,
        "reason": "那边有人被困",
        "from_version": await version_of(edge, f"/v1/incidents/{from_id}"),
        "to_version": await version_of(edge, f"/v1/incidents/{to_id}"),
        **changed,
    }
    unit_version = await version_of(edge, f"/v1/units/{town.unit('E-1')}")
    headers = edge.as_operator(by) | {"If-Match": f'"{unit_version}"'} | (key or edge.key())
    answer = await edge.client.post(f"/v1/assignments/{assignment_id}/divert", json=body, headers=headers)
    await edge.project()
    return answer


async def two(edge: Edge, **second: Any) -> tuple[str, str]:
    first = (await edge.report(category="other.unclassified"))["incident_id"]
    other = (await edge.report(by="east.01", text="另一处", **second))["incident_id"]
    return first, other


async def test_a_diverted_unit_rings_at_the_incident_that_lost_it(edge: Edge) -> None:
    first, second = await two(edge)
    key = await sent(edge, first)
    answer = await divert(edge, key, first, second)
    assert answer.status_code == 201, answer.text
    done = answer.json()
    assert (done["incident_id"], done["from_incident_id"], done["from_assignment_id"]) == (second, first, key)

    lost = await edge.read(f"/v1/incidents/{first}", by=BY)
    (entry,) = lost["assignments"]
    assert (entry["phase"], entry["diverted_to"], entry["reason"]) == (
        "cancelled",
        (await edge.read(f"/v1/incidents/{second}", by=BY))["number"],
        "那边有人被困",
    )
    inbox = await edge.read("/v1/centers/east-station/inbox", by="east-station.01")
    (row,) = [one for one in inbox["items"] if one["incident_id"] == first]
    (ring,) = [one for one in row["waiting_for"] if one["kind"] == "unit_lost"]
    assert (ring["call_sign"], ring["reason"]) == ("E-1", "那边有人被困")
    story = await edge.read(f"/v1/incidents/{first}/timeline", by=BY)
    assert "incident.unit_diverted" in [one["event"] for one in story["items"]]
    (open_one,) = (await edge.read(f"/v1/units/{town.unit('E-1')}", by=BY))["assignments"]
    assert open_one["incident_id"] == second

    await sent(edge, first, "E-2")
    inbox = await edge.read("/v1/centers/east-station/inbox", by="east-station.01")
    assert not any(one["kind"] == "unit_lost" for row in inbox["items"] for one in row["waiting_for"])


async def test_the_same_request_is_answered_again_and_a_stale_one_is_not_decided(edge: Edge) -> None:
    first, second = await two(edge)
    key = await sent(edge, first)
    is_problem(await divert(edge, key, first, second, from_version=99), 412, "stale_version")
    is_problem(await divert(edge, key, first, second, to_version=99), 412, "stale_version")
    is_problem(await divert(edge, key, first, second, by=STRANGER), 404, "not_found")
    once, versions = edge.key(), {"from_version": 1, "to_version": 1}
    versions["from_version"] = await version_of(edge, f"/v1/incidents/{first}")
    versions["to_version"] = await version_of(edge, f"/v1/incidents/{second}")
    done = await divert(edge, key, first, second, key=once, **versions)
    again = await divert(edge, key, first, second, key=once, **versions)
    assert done.json()["assignment_id"] == again.json()["assignment_id"]
    assert again.headers["idempotent-replayed"] == "true"
    is_problem(await divert(edge, key, first, second), 409, "assignment.ended")


async def test_off_the_more_urgent_incident_only_by_a_supervisor(edge: Edge) -> None:
    second, first = await two(edge)
    key = await sent(edge, first)
    is_problem(await divert(edge, key, first, second), 409, "unit.needed_more")
    is_problem(await divert(edge, key, first, second, override="此处可等待"), 403, "forbidden")
    assert (await divert(edge, key, first, second, by=CHIEF, override="此处可等待")).status_code == 201
    (entry,) = (await edge.read(f"/v1/incidents/{first}", by=BY))["assignments"]
    assert entry["diverted_although"] == "此处可等待"


async def test_a_stack_is_shown_put_in_order_and_taken_from(edge: Edge) -> None:
    first, second = await two(edge)
    third = (await edge.report(text="第三处", category="other.unclassified"))["incident_id"]
    await sent(edge, first)
    is_problem(await send(edge, second), 409, "unit.already_assigned")
    waiting = [await sent(edge, second, stacked=True), await sent(edge, third, stacked=True)]
    path = f"/v1/units/{town.unit('E-1')}"

    async def places() -> list[int | None]:
        on_cards = []
        for incident_id in (first, second, third):
            (entry,) = (await edge.read(f"/v1/incidents/{incident_id}", by=BY))["assignments"]
            on_cards.append(entry["waits"])
        on_unit = {one["incident_id"]: one["waits"] for one in (await edge.read(path, by=BY))["assignments"]}
        assert on_cards == [on_unit[incident_id] for incident_id in (first, second, third)]
        return on_cards

    assert await places() == [None, 1, 2]
    headers = edge.as_operator(BY) | {"If-Match": f'"{await version_of(edge, path)}"'}
    turned = {"assignment_ids": [waiting[1], waiting[0]]}
    assert (await edge.client.put(f"{path}/stack", json=turned, headers=headers)).status_code == 200
    is_problem(await edge.client.put(f"{path}/stack", json=turned, headers=headers), 412, "stale_version")
    headers["If-Match"] = f'"{await version_of(edge, path)}"'
    await edge.project()
    assert await places() == [None, 2, 1]
    taken = await edge.client.post(
        f"/v1/assignments/{waiting[0]}/take", json={"reason": "顺路"}, headers=edge.as_operator(BY)
    )
    assert taken.status_code == 200, taken.text
    await edge.project()
    assert await places() == [1, None, 2]
    headers["If-Match"] = f'"{await version_of(edge, path)}"'
    is_problem(
        await edge.client.put(f"{path}/stack", json={"assignment_ids": []}, headers=headers), 409, "stack.changed"
    )
    cleared = await edge.client.post(f"/v1/assignments/{waiting[0]}/clear", json={}, headers=edge.as_operator(BY))
    assert cleared.status_code == 200
    await edge.project()
    story = await edge.read(f"/v1/incidents/{first}/timeline", by=BY)
    assert "assignment.promoted" in [one["event"] for one in story["items"]]
    left = (await edge.read(path, by=BY))["assignments"]
    assert [(one["incident_id"], one["waits"]) for one in left] == [(first, None), (third, 1)]


async def test_an_operation_shows_its_units_and_a_restricted_one_is_not_told_on_the_roster(edge: Edge) -> None:
    now = edge.services.clock.now()
    span = {"begins_at": (now + timedelta(hours=1)).isoformat(), "ends_at": (now + timedelta(hours=2)).isoformat()}
    chief = edge.as_operator(CHIEF)
    for code, restricted, call_sign in (("relay", False, "E-1"), ("quiet", True, "E-2")):
        plan = {"code": code, "name_zh": "行动", "name_en": code, "purpose": "x", "restricted": restricted, **span}
        planned = await edge.client.post("/v1/city-operations", json=plan, headers=chief | edge.key())
        assert planned.status_code == 201, planned.text
        await edge.project()
        known_as = planned.json()["code"]
        wanted = {"purpose": f"for {code}", "operation": known_as, **span}
        path = f"/v1/units/{town.unit(call_sign)}/reservations"
        done = await edge.client.post(path, json=wanted, headers=chief | edge.key())
        assert done.status_code == 201, done.text
        await edge.project()
        (unit,) = (await edge.read(f"/v1/city-operations/{known_as}", by=CHIEF))["units"]
        assert (unit["call_sign"], unit["purpose"], unit["has_begun"]) == (call_sign, f"for {code}", False)
        (shown,) = (await edge.read(f"/v1/units/{town.unit(call_sign)}", by=BY))["reservations"]
        told = (None, None) if restricted else (f"for {code}", planned.json()["operation_id"])
        assert (shown["purpose"], shown["operation_id"]) == told
    hidden = {"purpose": "x", "operation": known_as, **span}
    path = f"/v1/units/{town.unit('W-1')}/reservations"
    by_others = await edge.client.post(path, json=hidden, headers=edge.as_operator("west.02") | edge.key())
    is_problem(by_others, 404, "not_found")


async def test_a_reserved_unit_is_on_the_roster_and_assigned_only_with_a_reason(edge: Edge) -> None:
    now, unit_id = edge.services.clock.now(), town.unit("E-1")
    path = f"/v1/units/{unit_id}/reservations"
    wanted = {
        "purpose": "火炬传递沿线备勤",
        "begins_at": (now - timedelta(minutes=1)).isoformat(),
        "ends_at": (now + timedelta(hours=2)).isoformat(),
        "place": {"address": "天府广场东侧"},
    }
    is_problem(await edge.client.post(path, json=wanted, headers=edge.as_operator(BY) | edge.key()), 403, "forbidden")
    is_problem(
        await edge.client.post(path, json=wanted, headers=edge.as_operator("west.02") | edge.key()), 404, "not_found"
    )
    done = await edge.client.post(path, json=wanted, headers=edge.as_operator(CHIEF) | edge.key())
    assert done.status_code == 201, done.text
    await edge.project()
    (shown,) = (await edge.read(f"/v1/units/{unit_id}", by=BY))["reservations"]
    assert shown["reservation_id"] == done.json()["reservation_id"]
    assert (shown["purpose"], shown["has_begun"]) == ("火炬传递沿线备勤", True)
    is_problem(
        await edge.client.post(path, json=wanted, headers=edge.as_operator(CHIEF) | edge.key()),
        409,
        "reservation.overlaps",
    )

    incident_id = (await edge.report())["incident_id"]
    is_problem(await send(edge, incident_id), 409, "unit.reserved")
    key = await sent(edge, incident_id, override="附近没有其他车")
    (entry,) = (await edge.read(f"/v1/incidents/{incident_id}", by=BY))["assignments"]
    assert (entry["assignment_id"], entry["override"]) == (key, "附近没有其他车")

    release = f"{path}/{shown['reservation_id']}/release"
    for _ in range(2):
        answer = await edge.client.post(release, json={"reason": "活动取消"}, headers=edge.as_operator(CHIEF))
        assert answer.status_code == 200, answer.text
    await edge.project()
    assert (await edge.read(f"/v1/units/{unit_id}", by=BY))["reservations"] == []
    unknown = f"{path}/{UUID(int=1)}/release"
    is_problem(
        await edge.client.post(unknown, json={"reason": "x"}, headers=edge.as_operator(CHIEF)),
        404,
        "reservation.unknown",
    )


async def test_a_units_page_asks_once_what_is_hidden(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    await sent(edge, (await edge.report(category="other.unclassified"))["incident_id"])
    asked = []

    async def counted(services: Services, caller: Caller, incident_ids: Iterable[UUID | None]) -> frozenset[UUID]:
        asked.append(set(incident_ids))
        return await hidden_among(services, caller, asked[-1])

    monkeypatch.setattr("dispatch.api.incidents.discretion.hidden_among", counted)
    shown = await edge.read(f"/v1/units/{town.unit('E-1')}")
    assert asked == [{UUID(one["incident_id"]) for one in shown["assignments"]}]
