"""Mutual aid over HTTP: two centers, three words, no unit moved."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx

from dispatch.directory import Directory
from dispatch.ports import Clock
from dispatch.workers.ownership import SoleOwnership
from dispatch.workers.timers.watch import Timers
from tests.api import town
from tests.api.conftest import Edge
from tests.api.test_problems import is_problem
from tests.api.test_reading import every_page

ASKER, ASKED, STRANGER = "east.01", "west.01", "traffic-hq.01"


async def asked_for(edge: Edge, *, by: str = ASKER, to: str = "west", **changed: Any) -> httpx.Response:
    now = edge.services.clock.now()
    body = {
        "to_center_id": str(town.center(to)),
        "wanted": [{"kind": "patrol_car", "count": 2}],
        "reason": "下穿隧道积水",
        "answer_by": (now + timedelta(minutes=15)).isoformat(),
        "ends_at": (now + timedelta(hours=6)).isoformat(),
    } | changed
    answer = await edge.client.post("/v1/aid", json=body, headers=edge.as_operator(by) | edge.key())
    await edge.project()
    return answer


async def made(edge: Edge, **how: Any) -> str:
    answer = await asked_for(edge, **how)
    assert answer.status_code == 201, answer.text
    aid_id: str = answer.json()["aid_id"]
    return aid_id


async def step(edge: Edge, aid_id: str, what: str, body: Any, *, by: str, version: int) -> httpx.Response:
    headers = edge.as_operator(by) | {"If-Match": f'"{version}"'} | edge.key()
    answer = await edge.client.post(f"/v1/aid/{aid_id}/{what}", json=body, headers=headers)
    await edge.project()
    return answer


async def test_it_is_acknowledged_accepted_committed_and_released_and_no_unit_moves(edge: Edge) -> None:
    before = await edge.read(f"/v1/units/{town.unit('W-1')}", by="west.01")
    aid_id = await made(edge)
    units = {"unit_ids": [str(town.unit("W-1"))]}
    is_problem(await step(edge, aid_id, "commit", units, by=ASKED, version=1), 409, "aid.not_possible")
    phases = []
    for version, (what, body, by) in enumerate(
        [
            ("acknowledge", None, ASKED),
            ("accept", {"note": "十分钟内"}, ASKED),
            ("commit", units, ASKED),
            ("release", {}, ASKER),
        ],
        start=1,
    ):
        answer = await step(edge, aid_id, what, body, by=by, version=version)
        assert answer.status_code == 200, answer.text
        assert answer.headers["etag"] == f'"{version + 1}"'
        for login in (ASKER, ASKED, "city.02"):
            told = await edge.read(f"/v1/aid/{aid_id}", by=login)
        phases.append(told["phase"])
    assert phases == ["acknowledged", "accepted", "committed", "released"]
    (lent,) = told["units"]
    assert (lent["call_sign"], lent["released_at"] is None) == ("W-1", False)
    after = await edge.read(f"/v1/units/{town.unit('W-1')}", by="west.01")
    assert (after["status"], after["version"]) == (before["status"], before["version"])


async def test_each_step_is_its_own_centers(edge: Edge) -> None:
    aid_id = await made(edge)
    for what, body in (("acknowledge", None), ("accept", {}), ("decline", {"reason": "x"})):
        is_problem(await step(edge, aid_id, what, body, by=ASKER, version=1), 403, "not_the_owner")
        is_problem(await step(edge, aid_id, what, body, by=STRANGER, version=1), 404, "not_found")
    is_problem(await step(edge, aid_id, "withdraw", {"reason": "x"}, by=ASKED, version=1), 403, "not_the_owner")
    is_problem(await step(edge, aid_id, "release", {}, by=ASKER, version=1), 409, "aid.not_possible")
    is_problem(await step(edge, aid_id, "accept", {}, by=ASKED, version=7), 412, "stale_version")
    foreign = await edge.client.get(f"/v1/aid/{aid_id}", headers=edge.as_operator(STRANGER))
    is_problem(foreign, 404, "not_found")
    assert (await step(edge, aid_id, "withdraw", {"reason": "已退水"}, by=ASKER, version=1)).status_code == 200
    is_problem(await step(edge, aid_id, "accept", {}, by=ASKED, version=2), 409, "aid.not_possible")


async def test_only_units_of_the_asked_center_are_committed(edge: Edge) -> None:
    aid_id = await made(edge)
    assert (await step(edge, aid_id, "accept", {}, by=ASKED, version=1)).status_code == 200
    for unit_id in (town.unit("E-1"), town.center("west")):
        wrong = await step(edge, aid_id, "commit", {"unit_ids": [str(unit_id)]}, by=ASKED, version=2)
        is_problem(wrong, 422, "invalid")
        assert wrong.json()["errors"][0]["pointer"] == "/unit_ids/0"
    is_problem(await step(edge, aid_id, "commit", {"unit_ids": []}, by=ASKED, version=2), 422, "invalid")


async def test_both_screens_list_it_and_no_third(edge: Edge) -> None:
    first, second = await made(edge), await made(edge)
    assert (await step(edge, first, "decline", {"reason": "警力不足"}, by=ASKED, version=1)).status_code == 200
    for center, by in (("east", ASKER), ("west", ASKED), ("city", "city.01")):
        found = await edge.read(f"/v1/centers/{center}/aid", by=by)
        assert [one["aid_id"] for one in found["items"]] == [second, first]
        waiting = await edge.read(f"/v1/centers/{center}/aid?phase=requested", by=by)
        assert [one["aid_id"] for one in waiting["items"]] == [second]
    assert (await edge.read("/v1/centers/traffic-hq/aid", by=STRANGER))["items"] == []
    is_problem(await edge.client.get("/v1/centers/west/aid", headers=edge.as_operator(ASKER)), 404, "not_found")
    pages = await every_page(edge, "/v1/centers/east/aid?limit=1", edge.as_operator(ASKER))
    assert [one["aid_id"] for page in pages for one in page] == [second, first]


async def test_what_cannot_be_asked_for(edge: Edge) -> None:
    past = (edge.services.clock.now() - timedelta(minutes=1)).isoformat()
    is_problem(await asked_for(edge, to="east"), 422, "aid.to_self")
    is_problem(await asked_for(edge, answer_by=past), 422, "aid.no_time")
    is_problem(await asked_for(edge, to_center_id=str(town.unit("W-1"))), 422, "invalid")
    is_problem(await asked_for(edge, wanted=[]), 422, "invalid")
    is_problem(await asked_for(edge, wanted=[{"kind": "patrol_car", "count": 0}]), 422, "invalid")
    is_problem(await asked_for(edge, incident_id=str(town.center("east"))), 404, "not_found")
    incident_id = (await edge.report())["incident_id"]
    is_problem(await asked_for(edge, by="west.01", to="east", incident_id=incident_id), 404, "not_found")
    assert (await asked_for(edge, incident_id=incident_id)).status_code == 201


class Later(Clock):
    """A clock that is ahead."""

    def __init__(self, clock: Clock, ahead: timedelta) -> None:
        self._clock, self._ahead = clock, ahead

    def now(self) -> Any:
        return self._clock.now() + self._ahead


async def test_a_missed_answer_is_recorded_once_and_shows_until_it_comes(edge: Edge) -> None:
    late, answered = await made(edge), await made(edge)
    assert (await step(edge, answered, "accept", {}, by=ASKED, version=1)).status_code == 200
    services = edge.services
    directory = Directory(services.log, town.CITY)
    await directory.catch_up()
    for _ in range(2):
        timers = Timers(
            log=services.log,
            scribe=services.scribe,
            directory=directory,
            clock=Later(services.clock, timedelta(minutes=16)),
            ownership=SoleOwnership(),
        )
        await timers.step()
        await timers.step()
    await edge.project()
    found = await edge.read("/v1/centers/east/aid?overdue=true", by=ASKER)
    assert [(one["aid_id"], one["version"]) for one in found["items"]] == [(late, 2)]
    assert (await step(edge, late, "accept", {}, by=ASKED, version=2)).status_code == 200
    assert (await edge.read("/v1/centers/east/aid?overdue=true", by=ASKER))["items"] == []
