"""What was in force at any past instant: as it was known then, and as it was true with all that is known now."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

from dispatch.handling.scribe import Change
from dispatch.world import SystemClock
from domain.order.events import OrderLifted
from domain.vocabulary import Role
from tests.api.conftest import Edge
from tests.api.orders_desk import CHIEF, EAST, decide, in_minutes, issued
from tests.api.test_problems import is_problem


async def in_force(edge: Edge, **moment: Any) -> list[str]:
    query = "&".join(f"{name}={quote(str(value))}" for name, value in moment.items())
    found = await edge.read(f"/v1/audit/orders?{query}")
    return [one["number"][-3:] for one in found["items"]]


async def test_the_ledger_is_seen_as_it_was_known(edge: Edge) -> None:
    first = await issued(edge)
    known = (await edge.read("/v1/orders?in_force=true"))["items"]
    position = (await edge.services.log.tip()).position
    await issued(edge)
    await decide(edge, first["order_id"], "lift", {"reason": "水位回落"}, by=CHIEF)
    assert await in_force(edge, position=position) == ["001"]
    then = await edge.read(f"/v1/audit/orders?position={position}")
    assert then["items"] == known
    assert await in_force(edge) == ["002"]
    assert await in_force(edge, instant="2024-06-06T00:00:00Z") == []
    everything = await edge.read("/v1/audit/orders?in_force=false")
    assert [one["phase"] for one in everything["items"]] == ["issued", "lifted"]


async def test_a_lifting_that_was_reported_late_was_true_before_it_was_known(edge: Edge) -> None:
    order_id = UUID((await issued(edge, effective_at=in_minutes(-60)))["order_id"])
    known_position = (await edge.services.log.tip()).position
    loaded = await edge.services.orders.state(order_id)
    assert loaded.state.order is not None
    now = SystemClock().now()
    lifted_at = now - timedelta(minutes=20)
    lifted = OrderLifted(order=loaded.state.order, reason="电话解除", lifted_at=lifted_at)
    await edge.record(Change(order_id, loaded.version, (lifted,)), at=lifted_at)
    between = (now - timedelta(minutes=10)).isoformat()
    assert await in_force(edge, position=known_position, at=between) == ["001"]
    assert await in_force(edge, at=between) == []
    assert await in_force(edge, at=(now - timedelta(minutes=30)).isoformat()) == ["001"]


async def test_as_true_keeps_to_what_had_happened_by_then(edge: Edge) -> None:
    order_id = (await issued(edge))["order_id"]
    before = SystemClock().now().isoformat()
    await decide(edge, order_id, "lift", {"reason": "水位回落"}, by=CHIEF)
    assert await in_force(edge, true_at=before) == ["001"]
    assert await in_force(edge, true_at=in_minutes(1)) == []


async def test_the_ledger_is_for_those_who_look_after_the_record(edge: Edge) -> None:
    refused = await edge.client.get("/v1/audit/orders", headers=edge.as_operator(EAST))
    is_problem(refused, 403, "forbidden")
    both = "/v1/audit/orders?position=1&instant=2024-06-05T00:00:00Z"
    is_problem(await edge.client.get(both, headers=edge.as_role(Role.AUDITOR)), 422, "invalid")
    start = await edge.client.get("/v1/audit/orders?position=0", headers=edge.as_role(Role.AUDITOR))
    assert start.json()["items"] == []


async def test_a_partner_reads_an_order_as_its_feed_tells_it(edge: Edge) -> None:
    actual = (await issued(edge))["order_id"]
    exercise = (await issued(edge, status="exercise"))["order_id"]
    partner = edge.as_role(Role.PARTNER, agency="traffic_police")
    told = await edge.client.get(f"/v1/orders/{actual}", headers=partner)
    assert told.status_code == 200, told.text
    assert set(told.json()) == {
        "order_id", "number", "order_kind", "phase", "message_status", "edition", "text", "area", "effective_at",
        "expires_at", "acknowledge_by", "owner",
    }  # fmt: skip
    assert told.json()["text"] == "封闭九眼桥双向交通，联系人[…]"
    is_problem(await edge.client.get(f"/v1/orders/{exercise}", headers=partner), 404, "not_found")
    stranger = edge.as_role(Role.PARTNER, agency="police")
    is_problem(await edge.client.get(f"/v1/orders/{actual}", headers=stranger), 404, "not_found")
