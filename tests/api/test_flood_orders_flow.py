"""Flow F17 from end to end: a warning, an order, who acknowledged and who did not, its end, and the record of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from dispatch.partners.commands import PartnerDesk
from dispatch.partners.feed import Feed
from dispatch.workers.ownership import SoleOwnership
from dispatch.workers.timers.watch import Timers
from dispatch.world import SystemClock
from tests.api import town
from tests.api.conftest import Edge
from tests.api.orders_desk import CHIEF, EAST, decide, in_minutes, issued, numbers
from tests.api.test_problems import is_problem
from tests.api.test_warnings import come
from tests.partners.story import feed_of


@dataclass
class Ahead:
    """A clock some time ahead: deadlines pass without waiting."""

    by: timedelta

    def now(self) -> datetime:
        return SystemClock().now() + self.by


async def timers_look(edge: Edge, *, minutes: float) -> int:
    """What the timers record when they look that much later."""
    services = edge.services
    timers = Timers(
        log=services.log,
        scribe=services.scribe,
        directory=services.directory,
        clock=Ahead(timedelta(minutes=minutes)),
        ownership=SoleOwnership(),
    )
    recorded = await timers.step()
    await edge.project()
    return recorded


async def partner_says(edge: Edge, pool: asyncpg.Pool, verb: str, **body: Any) -> dict[str, Any]:
    """The traffic police's command as it comes off NATS."""
    services = edge.services
    desk = PartnerDesk(
        incidents=services.incidents,
        assignments=services.assignments,
        orders=services.orders,
        directory=services.directory,
        positions=services.positions,
        pool=pool,
        clock=services.clock,
    )
    subject = f"city.{town.CITY}.traffic_police.command.{verb}"
    reply = await desk.answer(subject, {"ce-id": str(services.ids.new())}, json.dumps(body).encode())
    await edge.project()
    answer: dict[str, Any] = json.loads(reply.body)
    return answer


async def test_a_bridge_is_closed_on_a_flood_night(edge: Edge) -> None:
    async with asyncpg.create_pool(edge.dsn, min_size=1, max_size=2) as pool:
        feed = Feed(edge.services.log, pool, town.CITY)
        await come(edge, "w1", sent=-30)
        assert [one["state"] for one in (await edge.read("/v1/warnings?in_force=true"))["items"]] == ["in_force"]

        order_id = (await issued(edge))["order_id"]
        exercise_id = (await issued(edge, status="exercise"))["order_id"]
        await feed.catch_up()
        (told,) = await feed_of(pool, "traffic_police")
        assert json.loads(told["body"])["order_id"] == order_id

        said = await partner_says(edge, pool, "acknowledge-order", order_id=order_id, edition=1, reference="JJ-17")
        assert said["changed"]
        foreign = await partner_says(edge, pool, "acknowledge-order", order_id=exercise_id, edition=1)
        assert foreign["code"] == "order.unknown"

        # East says nothing within half an hour: issuer and record both know, and by how much.
        assert await timers_look(edge, minutes=31) == 2
        assert await numbers(edge, "?overdue=true&status=actual", by=CHIEF) == ["001"]
        order = await edge.read(f"/v1/orders/{order_id}", by=CHIEF)
        assert order["waiting_center_ids"] == [str(town.center("east"))]
        assert 55 < order["addressees"][1]["missed"]["late_s"] < 120
        assert order["is_in_force"], "an order holds whoever is silent"
        assert await timers_look(edge, minutes=31) == 0

        known_position = (await edge.services.log.tip()).position
        late = await decide(edge, order_id, "acknowledge", {"edition": 1}, by=EAST)
        assert late.status_code == 200
        assert await numbers(edge, "?overdue=true&status=actual") == []

        change = {"text": "封闭九眼桥和安顺桥", "acknowledge_by": in_minutes(20), "reason": "水位上涨"}
        amended = await decide(edge, order_id, "amend", change, by=CHIEF)
        assert amended.status_code == 200, amended.text
        old = await partner_says(edge, pool, "acknowledge-order", order_id=order_id, edition=1)
        assert old["code"] == "order.superseded"
        assert (await partner_says(edge, pool, "acknowledge-order", order_id=order_id, edition=2))["changed"]
        version = int(amended.headers["etag"].strip('"'))
        lifted = await decide(edge, order_id, "lift", {"reason": "水位回落"}, by=CHIEF, version=version)
        assert lifted.status_code == 200, lifted.text
        is_problem(
            await decide(edge, order_id, "acknowledge", {"edition": 2}, by=EAST, version=version + 2),
            409,
            "order.already_lifted",
        )

        await feed.catch_up()
        types = [row["type"] for row in await feed_of(pool, "traffic_police")]
        assert types == [f"dispatch.order.{what}.v1" for what in ("issued", "amended", "lifted")]
        assert await numbers(edge, "?in_force=true&status=actual") == []
        then = (await edge.read(f"/v1/audit/orders?position={known_position}"))["items"]
        assert [(one["number"][-3:], one["is_overdue"]) for one in then] == [("002", True), ("001", True)]

        assert await timers_look(edge, minutes=400) == 1, "the exercise runs out by itself"
        assert [one["phase"] for one in (await edge.read("/v1/orders"))["items"]] == ["expired", "lifted"]
