"""Overload, rates, health: what stays up when not everything can."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dispatch.api.http.gate import SHARE, Gate, Urgency, urgency_of
from dispatch.api.http.rates import CALLERS_MAX, Rates
from dispatch.api.wiring import Health
from dispatch.reading.database import Database
from domain.vocabulary import Role
from tests.api import town
from tests.api.conftest import Edge
from tests.api.test_problems import is_problem


@pytest.mark.parametrize(
    ("method", "path", "urgency"),
    [
        ("GET", "/livez", Urgency.HEALTH),
        ("GET", "/readyz", Urgency.HEALTH),
        ("POST", "/v1/alerts", Urgency.LIFE_SAFETY),
        ("POST", "/v1/incidents/x/accept", Urgency.LIFE_SAFETY),
        ("PUT", "/v1/units/x/position", Urgency.LIFE_SAFETY),
        ("GET", "/v1/centers/x/board", Urgency.WORK),
        ("GET", "/v1/agencies/police/queue", Urgency.PARTNER),
        ("POST", "/open311/v2/requests.xml", Urgency.PARTNER),
        ("GET", "/open311/v2/requests.xml", Urgency.PARTNER),
        ("GET", "/v1/audit/board", Urgency.HISTORY),
        ("GET", "/v1/statistics/response-times", Urgency.HISTORY),
    ],
)
def test_urgency_follows_from_the_first_line(method: str, path: str, urgency: Urgency) -> None:
    assert urgency_of(method, path) is urgency


def test_the_less_urgent_gives_way_first() -> None:
    shares = [SHARE[urgency] for urgency in sorted(SHARE)]
    assert shares == sorted(shares, reverse=True)
    assert len(set(shares)) == len(shares)


REQUESTS = {
    Urgency.HEALTH: ("GET", "/livez"),
    Urgency.LIFE_SAFETY: ("POST", "/v1/reports"),
    Urgency.WORK: ("GET", "/v1/centers"),
    Urgency.PARTNER: ("GET", "/v1/agencies/police/queue"),
    Urgency.HISTORY: ("GET", "/v1/audit/board"),
}


async def asked(gate: Gate, method: str, path: str) -> int:
    statuses: list[int] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {"type": "http", "method": method, "path": path, "headers": [], "query_string": b""}
    await gate(scope, receive, send)
    return statuses[0]


async def receive() -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}


async def answering(scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.mark.parametrize("in_flight", [0, 5, 7, 9, 10])
async def test_each_class_fills_its_share_and_no_more(in_flight: int) -> None:
    gate = Gate(answering, in_flight_max=10)
    gate.in_flight = in_flight
    for urgency, (method, path) in REQUESTS.items():
        allowed = urgency is Urgency.HEALTH or in_flight < 10 * SHARE[urgency]
        assert await asked(gate, method, path) == (200 if allowed else 503), urgency
    assert gate.in_flight == in_flight


async def test_what_was_let_in_is_finished_however_full_it_gets() -> None:
    go_on, full = asyncio.Event(), asyncio.Barrier(5)

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await full.wait()
        await go_on.wait()
        await answering(scope, receive, send)

    gate = Gate(slow, in_flight_max=4)
    running = [asyncio.create_task(asked(gate, "POST", "/v1/reports")) for _ in range(4)]
    await full.wait()
    assert await asked(gate, "POST", "/v1/reports") == 503
    go_on.set()
    assert await asyncio.gather(*running) == [200] * 4
    assert gate.in_flight == 0


@pytest.mark.parametrize("path", ["/v1/alerts", "/v1/ingest/hikvision"])
async def test_a_flood_of_alerts_leaves_room_for_people(path: str) -> None:
    go_on, full = asyncio.Event(), asyncio.Barrier(6)

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == path:
            await full.wait()
            await go_on.wait()
        await answering(scope, receive, send)

    gate = Gate(slow, in_flight_max=10)
    running = [asyncio.create_task(asked(gate, "POST", path)) for _ in range(5)]
    await full.wait()
    assert await asked(gate, "POST", path) == 503
    assert await asked(gate, "POST", "/v1/incidents/x/accept") == 200
    assert await asked(gate, "GET", "/v1/centers") == 200
    go_on.set()
    assert await asyncio.gather(*running) == [200] * 5
    assert await asked(gate, "POST", "/v1/quarantine/x/redrive") == 200
    assert gate.alerts_in_flight == gate.in_flight == 0


async def test_a_failure_gives_its_place_back() -> None:
    async def failing(scope: Any, receive: Any, send: Any) -> None:
        raise KeyError

    gate = Gate(failing, in_flight_max=4)
    with pytest.raises(KeyError):
        await asked(gate, "POST", "/v1/alerts")
    assert gate.in_flight == 0


async def test_the_shed_are_told_when_to_come_back(edge: Edge) -> None:
    await edge.client.get("/livez")
    middleware = edge.app.middleware_stack
    while not isinstance(middleware, Gate):
        middleware = getattr(middleware, "_app", None) or middleware.app
    middleware.in_flight = edge.services.settings.requests_in_flight_max
    answer = await edge.client.get("/v1/centers", headers=edge.as_operator("east.01"))
    is_problem(answer, 503, "overloaded")
    assert int(answer.headers["retry-after"]) >= 1
    assert (await edge.client.get("/livez")).status_code == 200


async def test_a_caller_who_calls_too_often_is_429_and_others_are_not(edge: Edge) -> None:
    edge.app.state.rates = Rates(2)
    headers = edge.as_operator("east.01")
    answers = [await edge.client.get("/v1/me", headers=headers) for _ in range(12)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    is_problem(refused[0], 429, "too_many_requests")
    assert int(refused[0].headers["retry-after"]) >= 1
    assert refused[0].headers["ratelimit"].startswith('"caller";r=0')
    assert answers[0].headers["ratelimit-policy"] == '"caller";q=4;w=2'
    assert (await edge.client.get("/v1/me", headers=edge.as_operator("west.01"))).status_code == 200
    gateway = edge.as_role(Role.GATEWAY, gateway=town.GATEWAY)
    assert all([(await edge.client.get("/v1/me", headers=gateway)).status_code == 200 for _ in range(12)])


def test_a_bucket_refills_with_time() -> None:
    now = 0.0
    rates = Rates(10, monotonic=lambda: now)
    bucket = rates._refilled("a", 10)
    bucket.left = 0
    now = 0.5
    assert rates._refilled("a", 10).left == 5
    now = 100
    assert rates._refilled("a", 10).left == 20


def test_remembered_callers_are_bounded() -> None:
    rates = Rates(1)
    for number in range(CALLERS_MAX + 50):
        rates._refilled(str(number), 1)
    assert len(rates._buckets) == CALLERS_MAX


async def test_ready_when_all_is_well_and_says_of_each_why(edge: Edge) -> None:
    answer = await edge.client.get("/readyz")
    assert answer.status_code == 200, answer.text
    checks = answer.json()["checks"]
    assert set(checks) == {"postgresql", "projections", "disk"}
    assert all(check["reason"] for check in checks.values())


async def test_not_ready_names_what_lacks(edge: Edge) -> None:
    async def away() -> Health:
        return Health(False, "no server answers")

    async def broken() -> Health:
        raise RuntimeError

    edge.services.checks = {"nats": away, "other": broken}
    edge.services.settings = edge.services.settings.model_copy(update={"projection_lag_max": 0})
    await edge.client.post(
        "/v1/reports",
        json={"channel": "operator", "category": "traffic.accident", "text": "x", "place": {"address": "x"}},
        headers=edge.as_operator("east.01") | edge.key(),
    )
    answer = await edge.client.get("/readyz")
    is_problem(answer, 503, "unavailable")
    failing = {name for name, check in answer.json()["checks"].items() if not check["ok"]}
    assert failing == {"nats", "other", "projections"}
    assert answer.json()["checks"]["nats"]["reason"] == "no server answers"
    assert (await edge.client.get("/livez")).status_code == 200


async def test_the_numbers_are_for_prometheus(edge: Edge) -> None:
    await edge.client.get("/v1/me", headers=edge.as_operator("east.01"))
    answer = await edge.client.get("/metrics")
    assert answer.status_code == 200
    assert 'dispatch_http_requests_total{operation="me_get",status="200"}' in answer.text


async def test_a_database_that_is_away_is_503_not_500(edge: Edge) -> None:
    headers = edge.as_operator("east.01")
    await edge.services.database.close()
    edge.services.database = Database.connect("postgresql://nobody@127.0.0.1:1/none")
    answer = await edge.client.get("/v1/centers/east/board", headers=headers)
    is_problem(answer, 503, "unavailable")
    assert answer.headers["retry-after"]


async def test_a_trace_id_is_taken_over_and_given_back(edge: Edge) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    answer = await edge.client.get("/nowhere", headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
    assert answer.json()["trace_id"] == answer.headers["dispatch-trace-id"] == trace
    forged = await edge.client.get("/nowhere", headers={"traceparent": "00-" + "0" * 32 + "-00f067aa0ba902b7-01"})
    assert forged.json()["trace_id"] not in {"0" * 32, ""}
