"""/readyz does not take rows that stand still for rows that are up to date."""

from __future__ import annotations

from datetime import timedelta

from dispatch.api.health import STALLED_AFTER
from tests.api.conftest import Edge
from tests.api.test_problems import is_problem
from tests.ingest.stage import StandingClock


async def test_rows_that_stand_still_are_not_ready_however_few_events_they_miss(edge: Edge) -> None:
    body = {"channel": "operator", "category": "traffic.accident", "text": "x", "place": {"address": "x"}}
    filed = await edge.client.post("/v1/reports", json=body, headers=edge.as_operator("east.01") | edge.key())
    assert filed.status_code == 201
    assert (await edge.client.get("/readyz")).status_code == 200
    edge.services.clock = StandingClock(edge.services.clock.now() + STALLED_AFTER + timedelta(seconds=1))
    answer = await edge.client.get("/readyz")
    is_problem(answer, 503, "unavailable")
    assert "dispatch work" in answer.json()["checks"]["projections"]["reason"]
    await edge.project()
    assert (await edge.client.get("/readyz")).status_code == 200
