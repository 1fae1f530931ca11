"""Alerts that would wait too long for the board are refused by HTTP; people are not, and nothing taken is lost."""

from __future__ import annotations

import json

import httpx
import pytest

from dispatch.ingest.admission import Admission, Stand, look
from dispatch.ports import AppendCommand, Mark
from dispatch.workers.correlator import Correlator
from domain.vocabulary import Role
from tests.api import town
from tests.api.conftest import Edge
from tests.api.test_problems import is_problem

WAITING = 3_333


def admission_of(edge: Edge) -> Admission:
    found = edge.services.alerts.admission
    assert isinstance(found, Admission)
    return found


@pytest.fixture
def behind(edge: Edge) -> Edge:
    """A city whose board is far behind, with workers that go on."""
    admission_of(edge).observe(Stand(0, 0, 0))
    admission_of(edge).observe(Stand(WAITING, 0, 0, range(1, WAITING + 1)))
    return edge


async def send(edge: Edge, name: str, severity: str = "moderate", path: str = "/v1/alerts") -> httpx.Response:
    headers = edge.as_role(Role.GATEWAY, gateway=town.GATEWAY) | {"Content-Type": "application/json"}
    body = json.dumps({"id": name, "kind": "motion", "severity": severity})
    return await edge.client.post(path, content=body, headers=headers)


async def test_an_alert_that_would_come_too_late_has_to_come_again(behind: Edge) -> None:
    answer = await send(behind, "a1")
    is_problem(answer, 503, "ingest.behind")
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.json()["values"]["retry_after_s"] == answer.headers["retry-after"]
    is_problem(await send(behind, "a1", path="/v1/ingest/native"), 503, "ingest.behind")
    numbers = (await behind.client.get("/metrics")).text
    assert 'dispatch_alerts_refused_total{reason="behind"}' in numbers
    assert "dispatch_alerts_lag_seconds" in numbers
    admission_of(behind).observe(Stand(WAITING, WAITING, WAITING))
    assert (await send(behind, "a1")).status_code == 201


async def test_a_severe_one_is_taken(behind: Edge) -> None:
    assert (await send(behind, "a1", severity="severe")).status_code == 201


async def test_people_are_never_refused_because_machines_flood(behind: Edge) -> None:
    assert (await send(behind, "a1")).status_code == 503
    incident = (await behind.report())["incident_id"]
    card = await behind.client.get(f"/v1/incidents/{incident}", headers=behind.as_operator("east-station.01"))
    assert card.status_code == 200
    assert (await behind.decide(incident, "accept", by="east-station.01", version=1)).status_code == 200


async def test_a_look_counts_what_is_in_the_log_and_not_on_the_board(edge: Edge) -> None:
    admission, store = admission_of(edge), edge.services.alerts.quarantine.store
    await edge.project()
    await look(store, admission, judge=Correlator.name)
    assert admission.waiting == 0
    for number in range(3):
        assert (await send(edge, f"a{number}")).status_code == 201
    await look(store, admission, judge=Correlator.name)
    assert admission.waiting == 3
    last = (await edge.services.log.tip()).position
    await edge.services.log.append(AppendCommand((), marks=(Mark(Correlator.name, 0, last),)))
    await look(store, admission, judge=Correlator.name)
    assert admission.waiting == 3, "judged, but not on the board"
    await edge.project()
    await look(store, admission, judge=Correlator.name)
    assert admission.waiting == 0
