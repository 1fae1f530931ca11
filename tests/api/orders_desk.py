"""An order from its issuing to its end, over HTTP, for the tests of orders."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx

from dispatch.world import SystemClock
from tests.api import town
from tests.api.conftest import Edge

RING = [[104.0, 30.6], [104.1, 30.6], [104.1, 30.7], [104.0, 30.6]]
AREA = {"geometry": {"type": "Polygon", "coordinates": [RING]}, "description": "九眼桥至合江亭"}
CHIEF, TRAFFIC, EAST = "city.02", "traffic-hq.01", "east.01"
"""Who commands, and who answers for the two that are commanded."""


def in_minutes(minutes: float) -> str:
    return (SystemClock().now() + timedelta(minutes=minutes)).isoformat()


def a_draft(**changed: Any) -> dict[str, Any]:
    return {
        "kind": "bridge_closure",
        "text": "封闭九眼桥双向交通，联系人13800000000",
        "basis": "防汛应急预案",
        "area": AREA,
        "expires_at": in_minutes(360),
        "acknowledge_by": in_minutes(30),
        "addressees": [{"agency": "traffic_police"}, {"center_id": str(town.center("east"))}],
    } | changed


async def issued(edge: Edge, *, by: str = CHIEF, **changed: Any) -> dict[str, Any]:
    """Issue an order and let the views see it."""
    answer = await post(edge, "/v1/orders", a_draft(**changed), by=by)
    assert answer.status_code == 201, answer.text
    await edge.project()
    made: dict[str, Any] = answer.json()
    return made


async def post(edge: Edge, path: str, body: Any, *, by: str, **headers: str) -> httpx.Response:
    return await edge.client.post(path, json=body, headers=edge.as_operator(by) | edge.key() | headers)


async def decide(edge: Edge, order_id: str, what: str, body: Any, *, by: str, version: int = 1) -> httpx.Response:
    """A decision at a version, seen by the views afterwards."""
    answer = await post(edge, f"/v1/orders/{order_id}/{what}", body, by=by, **{"If-Match": f'"{version}"'})
    await edge.project()
    return answer


async def numbers(edge: Edge, query: str = "", *, by: str | None = None) -> list[str]:
    """The numbers of a list, shortened to their count of the day."""
    found = await edge.read(f"/v1/orders{query}", by=by)
    return [one["number"][-3:] for one in found["items"]]
