"""Versions, repeats, positions: what a dispatcher's program may rely on when two people act at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dispatch.handling.scribe import Outcome
from dispatch.ports import AppendCommand, Mark
from tests.api import town
from tests.api.conftest import Edge
from tests.api.test_problems import is_problem

REPORT: dict[str, Any] = {
    "channel": "operator",
    "category": "traffic.accident",
    "severity": 2,
    "text": "两车追尾",
    "place": {"point": {"type": "Point", "coordinates": list(town.IN_EAST)}},
}


async def test_an_incident_goes_from_report_to_closed(edge: Edge) -> None:
    opened = await edge.report()
    incident_id, by = opened["incident_id"], "east-station.01"
    headers = edge.as_operator(by)
    steps: list[tuple[str, Any]] = [
        ("verify", {"note": "视频确认"}),
        ("classify", {"category": "traffic.accident", "severity": 3, "priority": 1}),
        ("accept", None),
        ("claim", None),
        ("release-claim", None),
        ("resolve", {"disposition": "handled"}),
        ("close", {}),
    ]
    for what, body in steps:
        card = await edge.client.get(f"/v1/incidents/{incident_id}", headers=headers)
        answer = await edge.client.post(
            f"/v1/incidents/{incident_id}/{what}", json=body, headers=headers | {"If-Match": card.headers["etag"]}
        )
        assert answer.status_code == 200, (what, answer.text)
        assert int(answer.headers["dispatch-position"]) == answer.json()["position"]
        await edge.project()
        shown = await edge.client.get(f"/v1/incidents/{incident_id}", headers=headers)
        assert shown.headers["etag"] == answer.headers["etag"], what
    card = await edge.client.get(f"/v1/incidents/{incident_id}", headers=headers)
    assert card.json()["phase"] == "closed"
    board = await edge.client.get("/v1/centers/east-station/board", headers=headers)
    assert board.json()["items"] == []
    ended = await edge.client.get("/v1/incidents?state=ended", headers=headers)
    assert [row["incident_id"] for row in ended.json()["items"]] == [incident_id]
    reopened = await edge.decide(
        incident_id, "reopen", {"reason": "又堵了"}, by="east-station.02", version=int(card.headers["etag"].strip('"'))
    )
    assert reopened.status_code == 200


async def test_a_decision_without_a_version_is_428(edge: Edge) -> None:
    opened = await edge.report()
    path = f"/v1/incidents/{opened['incident_id']}/verify"
    answer = await edge.client.post(path, json={}, headers=edge.as_operator("east.01"))
    is_problem(answer, 428, "precondition_required")


async def test_a_stale_decision_is_told_what_happened_since(edge: Edge) -> None:
    opened = await edge.report()
    first = await edge.decide(opened["incident_id"], "verify", {"note": "真的"}, by="east.01", version=1)
    assert first.status_code == 200
    answer = await edge.decide(opened["incident_id"], "dismiss", {"reason": "false_alarm"}, by="city.01", version=1)
    is_problem(answer, 412, "stale_version")
    since = answer.json()["events"]
    assert [event["event"] for event in since] == ["incident.verified"]
    assert since[0]["version"] == 2
    assert since[0]["actor"]["id"] == str(town.operator("east.01"))
    assert since[0]["values"]["note"] == "真的"


async def test_of_two_decisions_on_one_version_one_wins(edge: Edge) -> None:
    opened = await edge.report()
    answers = await asyncio.gather(
        *(
            edge.decide(opened["incident_id"], "dismiss", {"reason": "false_alarm"}, by=by, version=1)
            for by in ("east.01", "city.01", "east-station.01")
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412]


async def test_a_card_not_decided_on_since_is_304(edge: Edge) -> None:
    opened = await edge.report()
    path, headers = f"/v1/incidents/{opened['incident_id']}", edge.as_operator("east.01")
    card = await edge.client.get(path, headers=headers)
    again = await edge.client.get(path, headers=headers | {"If-None-Match": card.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == card.headers["etag"]
    await edge.decide(opened["incident_id"], "verify", {}, by="east.01", version=1)
    await edge.project()
    changed = await edge.client.get(path, headers=headers | {"If-None-Match": card.headers["etag"]})
    assert changed.status_code == 200


async def test_notes_and_evidence_make_nobodys_decision_stale(edge: Edge) -> None:
    opened = await edge.report()
    path, headers = f"/v1/incidents/{opened['incident_id']}", edge.as_operator("east.01")
    note = await edge.client.post(f"{path}/notes", json={"text": "已通知"}, headers=headers | edge.key())
    assert note.status_code == 201
    evidence = {"media": {"uri": "rtsp://nvr.invalid/1"}, "description": "前后两分钟"}
    assert (await edge.client.post(f"{path}/evidence", json=evidence, headers=headers | edge.key())).status_code == 201
    struck = await edge.client.post(
        f"{path}/notes/{note.json()['note_id']}/strike", json={"reason": "写错了"}, headers=headers
    )
    assert struck.status_code == 200
    assert (await edge.decide(opened["incident_id"], "verify", {}, by="east.01", version=1)).status_code == 200


async def test_a_repeat_gets_the_first_answer_and_records_nothing(edge: Edge) -> None:
    headers = edge.as_operator("east.01") | edge.key()
    first = await edge.client.post("/v1/reports", json=REPORT, headers=headers)
    tip = await edge.services.log.tip()
    again = await edge.client.post("/v1/reports", json=REPORT, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == first.json()
    assert again.headers["dispatch-position"] == first.headers["dispatch-position"]
    assert await edge.services.log.tip() == tip


async def test_a_key_with_another_body_is_422(edge: Edge) -> None:
    headers = edge.as_operator("east.01") | edge.key()
    await edge.client.post("/v1/reports", json=REPORT, headers=headers)
    answer = await edge.client.post("/v1/reports", json=REPORT | {"text": "三车追尾"}, headers=headers)
    is_problem(answer, 422, "key_reused")


async def test_a_key_belongs_to_its_caller(edge: Edge) -> None:
    key = edge.key()
    first = await edge.client.post("/v1/reports", json=REPORT, headers=edge.as_operator("east.01") | key)
    other = await edge.client.post("/v1/reports", json=REPORT, headers=edge.as_operator("city.01") | key)
    assert other.status_code == 201
    assert other.json()["report_id"] != first.json()["report_id"]


async def test_a_repeat_while_the_first_still_runs_is_409(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()
    file_report = edge.services.reports.file_report

    async def slow(*arguments: Any, **named: Any) -> Outcome:
        entered.set()
        await go_on.wait()
        return await file_report(*arguments, **named)

    monkeypatch.setattr(edge.services.reports, "file_report", slow)
    headers = edge.as_operator("east.01") | edge.key()
    first = asyncio.create_task(edge.client.post("/v1/reports", json=REPORT, headers=headers))
    await entered.wait()
    answer = await edge.client.post("/v1/reports", json=REPORT, headers=headers)
    is_problem(answer, 409, "request_running")
    assert answer.headers["retry-after"] == "1"
    go_on.set()
    assert (await first).status_code == 201
    assert (await edge.client.post("/v1/reports", json=REPORT, headers=headers)).status_code == 201


async def test_of_two_dispatchers_who_take_one_unit_the_second_is_told_who_has_it(edge: Edge) -> None:
    first, second = await edge.report(), await edge.report()
    body = {"unit_id": str(town.unit("E-1"))}
    answers = await asyncio.gather(
        *(
            edge.client.post(
                f"/v1/incidents/{opened['incident_id']}/assignments",
                json=body,
                headers=edge.as_operator(by) | edge.key(),
            )
            for opened, by in ((first, "east.01"), (second, "east-station.01"))
        )
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    refused = next(answer for answer in answers if answer.status_code == 409)
    is_problem(refused, 409, "unit.already_assigned")
    assert "E-1" in refused.json()["detail"]


async def test_a_crew_goes_its_way_and_the_card_shows_it(edge: Edge) -> None:
    opened = await edge.report()
    headers = edge.as_operator("east-station.01")
    assigned = await edge.client.post(
        f"/v1/incidents/{opened['incident_id']}/assignments",
        json={"unit_id": str(town.unit("E-1"))},
        headers=headers | edge.key(),
    )
    assignment_id = assigned.json()["assignment_id"]
    for step, status in (("acknowledge", "acknowledged"), ("en-route", "en_route"), ("on-scene", "on_scene")):
        answer = await edge.client.post(f"/v1/assignments/{assignment_id}/{step}", headers=headers)
        assert answer.status_code == 200, answer.text
        again = await edge.client.post(f"/v1/assignments/{assignment_id}/{step}", headers=headers)
        assert (again.status_code, again.json()["changed"]) == (200, False)
        await edge.project()
        card = await edge.client.get(f"/v1/incidents/{opened['incident_id']}", headers=headers)
        assert card.json()["response_status"] == status
    unit = await edge.client.get(f"/v1/units/{town.unit('E-1')}", headers=headers)
    assert unit.json()["status"] == "on_scene"
    cleared = await edge.client.post(f"/v1/assignments/{assignment_id}/clear", json={"outcome": "好"}, headers=headers)
    assert cleared.status_code == 200
    late = await edge.client.post(
        f"/v1/assignments/{assignment_id}/cancel", json={"reason": "不用了"}, headers=edge.as_operator("east.02")
    )
    is_problem(late, 409, "assignment.ended")


async def test_a_step_of_an_assignment_made_elsewhere_is_found_by_its_row(edge: Edge) -> None:
    opened = await edge.report()
    headers = edge.as_operator("east-station.01")
    assigned = await edge.client.post(
        f"/v1/incidents/{opened['incident_id']}/assignments",
        json={"unit_id": str(town.unit("E-1"))},
        headers=headers | edge.key(),
    )
    await edge.project()
    edge.app.state.assignments.forget()
    path = f"/v1/assignments/{assigned.json()['assignment_id']}"
    assert (await edge.client.post(f"{path}/acknowledge", headers=headers)).status_code == 200
    foreign = await edge.client.post(f"{path}/en-route", headers=edge.as_operator("west-station.01"))
    is_problem(foreign, 404, "not_found")


async def test_a_transfer_changes_hands_only_when_it_is_accepted(edge: Edge) -> None:
    opened = await edge.report()
    incident_id = opened["incident_id"]
    offer = {"to_center_id": str(town.center("west-station")), "reason": "事发地在贵辖区"}
    offered = await edge.decide(incident_id, "transfers", offer, by="east-station.01", version=1)
    assert offered.status_code == 201, offered.text
    transfer = f"transfers/{offered.json()['transfer_id']}"
    mine = await edge.decide(incident_id, f"{transfer}/accept", by="east-station.01", version=2)
    is_problem(mine, 403, "not_the_owner")
    taken = await edge.decide(incident_id, f"{transfer}/accept", by="west-station.01", version=2)
    assert taken.status_code == 200, taken.text
    await edge.project()
    west = await edge.client.get("/v1/centers/west-station/board", headers=edge.as_operator("west-station.01"))
    assert [row["incident_id"] for row in west.json()["items"]] == [incident_id]
    gone = await edge.client.get(f"/v1/incidents/{incident_id}", headers=edge.as_operator("east-station.01"))
    assert gone.status_code == 404


async def test_a_merge_and_its_undoing(edge: Edge) -> None:
    first, second = await edge.report(), await edge.report()
    body = {"into_incident_id": second["incident_id"]}
    merged = await edge.decide(first["incident_id"], "merge", body, by="east-station.02", version=1)
    assert merged.status_code == 200, merged.text
    decided = await edge.decide(first["incident_id"], "verify", {}, by="east-station.01", version=2)
    is_problem(decided, 409, "incident.merged")
    undone = await edge.decide(first["incident_id"], "unmerge", {}, by="east-station.02", version=2)
    assert undone.status_code == 200, undone.text


async def test_a_read_waits_for_a_position_and_says_what_lags(edge: Edge) -> None:
    headers = edge.as_operator("east-station.01")
    filed = await edge.client.post("/v1/reports", json=REPORT, headers=headers | edge.key())
    position = filed.headers["dispatch-position"]
    path = f"/v1/centers/east-station/board?min_position={position}"
    behind = await edge.client.get(path, headers=headers)
    is_problem(behind, 503, "projection_behind")
    assert set(behind.json()["lagging"]) == {"board"}
    assert behind.headers["retry-after"]
    waiting = asyncio.create_task(edge.client.get(path, headers=headers))
    await edge.project()
    answer = await waiting
    assert answer.status_code == 200
    assert len(answer.json()["items"]) == 1
    assert answer.json()["position"] >= int(position)


async def test_nobody_is_told_that_rows_lag_without_a_look_at_them(edge: Edge) -> None:
    headers = edge.as_operator("east-station.01")
    edge.services.freshness.wait_s_max = 0.0  # a machine at its limit: time is up before any look ended
    filed = await edge.client.post("/v1/reports", json=REPORT, headers=headers | edge.key())
    path = f"/v1/centers/east-station/board?min_position={filed.headers['dispatch-position']}"
    is_problem(await edge.client.get(path, headers=headers), 503, "projection_behind")
    await edge.project()
    answer = await edge.client.get(path, headers=headers)
    assert (answer.status_code, len(answer.json()["items"])) == (200, 1)


async def test_a_write_may_wait_until_it_shows(edge: Edge) -> None:
    headers = edge.as_operator("east-station.01") | edge.key() | {"Prefer": "wait=1"}
    late = await edge.client.post("/v1/reports", json=REPORT, headers=headers)
    assert (late.status_code, late.json()["visible"]) == (201, False)
    assert late.headers["preference-applied"] == "wait=1"
    assert late.json()["routed"] is False
    tip = await edge.services.log.tip()
    await edge.services.log.append(AppendCommand((), marks=(Mark("router", 0, tip.position),)))
    await edge.project()
    again = await edge.client.post("/v1/reports", json=REPORT, headers=headers)
    assert (again.json()["routed"], again.json()["visible"]) == (True, True)
