"""Service times over HTTP: the same facts under the definition of then, and under any other."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from dispatch.handling.scribe import Change
from domain.assignment.events import AssignmentMade, UnitEnRoute, UnitOnScene
from domain.identifiers import rulebook_stream
from domain.rulebook.events import RulebookActivated, RulebookPublished
from domain.rulebook.service_times import ServiceTime
from tests.api import town
from tests.api.conftest import Edge
from tests.api.test_problems import is_problem

SUPERVISOR = "city.02"
ARRIVAL = ServiceTime(
    code="arrival",
    name_zh="到场时间",
    name_en="Arrival",
    kind="incident",
    start=("incident.opened",),
    stop=("assignment.on_scene",),
    void=("incident.dismissed",),
    target_s=300,
    goal_percent=60,
)
TRAVEL = ServiceTime(
    code="travel",
    name_zh="途中",
    name_en="Travel",
    kind="assignment",
    start=("assignment.en_route",),
    stop=("assignment.on_scene",),
    target_s=240,
)


async def rules(edge: Edge, version: int, *defined: ServiceTime, activated: bool = True) -> None:
    rulebook = town.rulebook(version).model_copy(update={"service_times": defined})
    await edge.record(Change(rulebook_stream(town.CITY), None, (RulebookPublished(rulebook=rulebook),)))
    if activated:
        effective = RulebookActivated(version=version, effective_at=edge.services.clock.now())
        await edge.record(Change(rulebook_stream(town.CITY), None, (effective,)))


async def arrived(edge: Edge, call_sign: str, *, after_s: float | None, by: str = "east-station.01") -> None:
    """An incident whose unit left after 30 s and was there after so many; None: it is still on its way."""
    at = town.IN_EAST if by.startswith("east") else town.IN_WEST
    incident_id = UUID((await edge.report(by=by, at=at))["incident_id"])
    card = await edge.client.get(f"/v1/incidents/{incident_id}", headers=edge.as_operator("city.01"))
    opened_at, unit = datetime.fromisoformat(card.json()["opened_at"]), town.unit(call_sign)
    assignment_id = edge.services.ids.new()
    made = AssignmentMade(
        assignment_id=assignment_id,
        incident_id=incident_id,
        incident_number="CD-1",
        incident_owner=town.ownership("east-station"),
        unit_id=unit,
        agency="police",
        call_sign=call_sign,
    )
    steps: list[tuple[float, Any]] = [(10, made), (30, UnitEnRoute)]
    if after_s is not None:
        steps.append((after_s, UnitOnScene))
    for seconds, step in steps:
        event = step if step is made else step(assignment_id=assignment_id, incident_id=incident_id)
        await edge.record(Change(unit, None, (event,)), at=opened_at + timedelta(seconds=seconds))
    await edge.project()


async def asked(edge: Edge, *, who: str = SUPERVISOR, **query: Any) -> httpx.Response:
    now = edge.services.clock.now()
    period = {"since": (now - timedelta(hours=1)).isoformat(), "until": (now + timedelta(hours=1)).isoformat()}
    path = "/v1/statistics/service-times"
    return await edge.client.get(path, params=period | query, headers=edge.as_operator(who))


async def items(edge: Edge, **query: Any) -> list[dict[str, Any]]:
    answer = await asked(edge, **query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


@pytest.fixture
async def measured(edge: Edge) -> Edge:
    """Three arrivals, of which two by the goal, and one unit on its way."""
    await rules(edge, 2, ARRIVAL, TRAVEL)
    await arrived(edge, "E-1", after_s=130)
    await arrived(edge, "E-2", after_s=230)
    await arrived(edge, "E-1", after_s=530)
    await arrived(edge, "W-1", after_s=None, by="west-station.01")
    return edge


async def test_what_ended_and_what_runs_is_counted_by_the_definition_in_force(measured: Edge) -> None:
    answer = (await asked(measured)).json()
    arrival, travel = answer["items"]
    assert (arrival["service_time"], arrival["service_time_zh"]) == ("arrival", "到场时间")
    assert (arrival["ended"], arrival["on_time"], arrival["running"], arrival["running_late"]) == (3, 2, 1, 0)
    assert (arrival["p50_s"], arrival["p90_s"], arrival["max_s"]) == (230, 470, 530)
    assert (arrival["on_time_percent"], arrival["is_met"]) == (66.67, True)
    assert (travel["p50_s"], travel["on_time"], travel["is_met"]) == (200, 2, False)
    assert [(each["version"], each["code"]) for each in answer["definitions"]] == [(2, "arrival"), (2, "travel")]
    first, last = "opened_at", "on_scene_at"
    period = {"since": answer["since"], "until": answer["until"], "start": first, "stop": last}
    headers = measured.as_operator(SUPERVISOR)
    plain = await measured.client.get("/v1/statistics/response-times", params=period, headers=headers)
    assert [plain.json()["items"][0][name] for name in ("p50_s", "p90_s")] == [arrival["p50_s"], arrival["p90_s"]]


async def test_any_other_version_measures_the_same_facts_anew(measured: Edge) -> None:
    stricter = ARRIVAL.model_copy(update={"target_s": 200, "start": ("assignment.made",)})
    await rules(measured, 3, stricter, activated=False)
    (then,) = await items(measured, service_time="arrival")
    (anew,) = await items(measured, service_time="arrival", version=3)
    assert (then["on_time"], anew["on_time"], anew["is_met"]) == (2, 1, False)
    assert (then["max_s"], anew["max_s"], anew["target_s"]) == (530, 520, 200)
    await rules(measured, 4, stricter)
    assert await items(measured, service_time="arrival") == [then], "what began before is measured by what held then"


async def test_each_reads_what_lies_below_it_in_groups_or_as_a_table(measured: Edge) -> None:
    centers = await items(measured, service_time="arrival", by="second_level")
    assert {each["name_en"]: each["ended"] for each in centers} == {"east centre": 3, "west centre": 0}
    (agency,) = await items(measured, service_time="travel", by="agency")
    assert (agency["group"], agency["ended"], agency["running"]) == ("police", 3, 1)
    (west,) = await items(measured, service_time="arrival", center_id=str(town.center("west")))
    assert (west["ended"], west["running"], west["on_time_percent"], west["is_met"]) == (0, 1, None, None)
    assert await items(measured, category="other.unclassified") == []
    assert await items(measured, priority=9) == []
    assert len(await items(measured, category="traffic.accident", agency="police", service_time="travel")) == 1
    table = await asked(measured, by="category", format="csv")
    assert table.headers["content-type"].startswith("text/csv")
    head, arrival, _ = table.text.removeprefix("\ufeff").splitlines()
    assert head.startswith("service_time,service_time_zh,service_time_en,group")
    assert arrival.startswith("arrival,到场时间,Arrival,traffic.accident")
    is_problem(await asked(measured, version=9), 404, "not_found")
    is_problem(await asked(measured, service_time="nothing"), 404, "not_found")
    is_problem(await asked(measured, who="east.02", center_id=str(town.center("west"))), 404, "not_found")
    is_problem(await asked(measured, who="east.01"), 403, "forbidden")
    is_problem(await asked(measured, since="2020-01-01T00:00:00Z"), 422, "invalid")
    (east,) = await items(measured, service_time="arrival", who="east.02")
    (west,) = await items(measured, service_time="arrival", who="west.02")
    assert (east["ended"], west["ended"]) == (3, 0)
