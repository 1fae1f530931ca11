"""A shift is handed over: nothing that is open is dropped, somebody signs for all of it, claims go with it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
import pytest

from dispatch.handling.scribe import as_fact
from dispatch.simulation.chance import Chance
from projections import fold
from projections.board import Board
from projections.fold import MemoryRows
from tests.api import orders_desk, town
from tests.api.conftest import Edge
from tests.api.test_cases import Case
from tests.api.test_problems import is_problem
from tests.api.test_reading import every_page

GIVER, TAKER = "east-station.01", "east-station.02"
DISTRICT_CHIEF, NEIGHBOUR = "east.02", "west-station.02"
STEPS = 12


async def on_shift(edge: Edge, *logins: str) -> None:
    for login in logins:
        answer = await edge.client.post("/v1/me/shift/start", json={}, headers=edge.as_operator(login))
        assert answer.status_code == 200, answer.text
    await edge.project()


async def offer(
    edge: Edge, *, by: str = GIVER, to: str = TAKER, center: str = "east-station", **body: Any
) -> httpx.Response:
    content = {"taker_id": str(town.operator(to))} | body
    answer = await edge.client.post(
        f"/v1/centers/{center}/handovers", json=content, headers=edge.as_operator(by) | edge.key()
    )
    await edge.project()
    return answer


async def offered(edge: Edge, **how: Any) -> str:
    answer = await offer(edge, **how)
    assert answer.status_code == 201, answer.text
    handover_id: str = answer.json()["handover_id"]
    assert answer.headers["location"] == f"/v1/handovers/{handover_id}"
    return handover_id


async def answer_it(edge: Edge, handover_id: str, what: str, body: Any, *, by: str, version: int = 1) -> httpx.Response:
    headers = edge.as_operator(by) | {"If-Match": f'"{version}"'} | edge.key()
    answer = await edge.client.post(f"/v1/handovers/{handover_id}/{what}", json=body, headers=headers)
    await edge.project()
    return answer


async def claim(edge: Edge, incident_id: str, *, by: str, version: int) -> None:
    answer = await edge.decide(incident_id, "claim", by=by, version=version)
    assert answer.status_code == 200, answer.text
    await edge.project()


async def claimed_by(edge: Edge, incident_id: str) -> str | None:
    card = await edge.read(f"/v1/incidents/{incident_id}", by=GIVER)
    found: str | None = card["claimed_by"]
    return found


async def board_at(edge: Edge, position: int) -> list[dict[str, Any]]:
    """The board folded anew from the log up to a position, by nobody's rows."""
    rows = MemoryRows(Board())
    recorded = await edge.services.log.read_after(0, limit=100_000, up_to_position=position)
    rows.take(fold.read(recorded, position))
    return [dict(row) for row in rows.rows.values()]


async def lived(edge: Edge, chance: Chance) -> None:
    """Some of everything that makes an incident open, ended or another center's."""
    incidents: list[str] = []
    for _ in range(STEPS):
        if len(incidents) < 3 or chance.happens(0.3):
            place = chance.one_of([town.IN_EAST, town.IN_WEST])
            incidents.append((await edge.report(at=place, category="other.unclassified"))["incident_id"])
            continue
        incident_id, other = chance.one_of(incidents), chance.one_of(incidents)
        what, body = chance.one_of(
            [
                ("verify", {}),
                ("accept", None),
                ("claim", None),
                ("dismiss", {"reason": "unfounded"}),
                ("resolve", {"disposition": "handled"}),
                ("close", {}),
                ("merge", {"into_incident_id": other}),
                ("transfers", {"to_center_id": str(town.center("east-station")), "reason": "x"}),
            ]
        )
        (head,) = (await edge.services.log.heads([UUID(incident_id)])).values()
        await edge.decide(incident_id, what, body, by="city.02", version=head.version)
        await edge.project()


@pytest.mark.parametrize("seed", range(6))
async def test_no_open_item_is_dropped(edge: Edge, seed: int) -> None:
    await on_shift(edge, GIVER)
    await lived(edge, Chance(seed, "handover"))
    told = await edge.read(f"/v1/handovers/{await offered(edge)}", by=GIVER)
    board = await board_at(edge, told["positions"]["incidents"])
    mine = {
        str(row["incident_id"]): (row["number"], row["phase"], row["priority"], row["claimed_by"])
        for row in board
        if row["owner_center_id"] == town.center("east-station") and row["is_on_board"]
    }
    listed = {
        one["incident_id"]: (
            one["number"],
            one["phase"],
            one["priority"],
            None if one["claimed_by"] is None else town.operator("city.02"),
        )
        for one in told["incidents"]
    }
    assert listed == mine, f"seed {seed}"
    assert 0 < len(mine) < len(board), "a story in which nothing ended or was elsewhere proves nothing"
    assert told["counts"]["incidents"] == len(mine)


async def test_an_ended_incident_and_a_neighbours_are_not_listed(edge: Edge) -> None:
    await on_shift(edge, GIVER)
    mine = (await edge.report(category="other.unclassified"))["incident_id"]
    over = (await edge.report(category="other.unclassified", text="别处"))["incident_id"]
    await edge.report(by="west-station.01", at=town.IN_WEST, category="other.unclassified")
    ended = await edge.decide(over, "dismiss", {"reason": "unfounded"}, by=GIVER, version=1)
    assert ended.status_code == 200, ended.text
    told = await edge.read(f"/v1/handovers/{await settled_offer(edge)}", by=GIVER)
    assert [one["incident_id"] for one in told["incidents"]] == [mine]


async def settled_offer(edge: Edge) -> str:
    """An offer right after a decision that no view shows yet waits for the views, and is offered once they do."""
    is_problem(await offer(edge), 503, "projection_behind")
    return await offered(edge)


async def test_waiting_orders_and_open_cases_are_handed_over_too(edge: Edge) -> None:
    await on_shift(edge, "east.01", GIVER)
    order_id = (await orders_desk.issued(edge))["order_id"]
    case = Case(edge, (await edge.report())["incident_id"])
    assert (await case.file()).status_code == 201
    await edge.project()
    district = await edge.read("/v1/centers/east/open-items", by="east.01")
    assert [(one["order_id"], one["kind"]) for one in district["orders"]] == [(order_id, "bridge_closure")]
    station = await edge.read(
        f"/v1/handovers/{await offered(edge, notes={case.case_id: '等城管到场'})}", by=DISTRICT_CHIEF
    )
    assert [(one["case_id"], one["part"], one["note"]) for one in station["cases"]] == [
        (case.case_id, "supervision", "等城管到场")
    ]
    assert station["orders"] == []
    done = await orders_desk.decide(edge, order_id, "acknowledge", {"edition": 1}, by="east.01")
    assert done.status_code == 200, done.text
    assert (await edge.read("/v1/centers/east/open-items", by="east.01"))["orders"] == []


async def test_the_departments_part_of_a_case_is_its_own(edge: Edge) -> None:
    case = Case(edge, (await edge.report())["incident_id"])
    assert (await case.file()).status_code == 201
    await case.done("assign", {}, by=GIVER)
    await edge.project()
    theirs = await edge.read("/v1/centers/traffic-hq/open-items", by="traffic-hq.01")
    assert [(one["case_id"], one["part"], one["phase"]) for one in theirs["cases"]] == [
        (case.case_id, "department", "assigned")
    ]


@pytest.mark.parametrize("claims", ["release", "take"])
async def test_signing_moves_the_givers_claims_and_no_others(edge: Edge, claims: str) -> None:
    await on_shift(edge, GIVER, TAKER)
    before = (await edge.report(category="other.unclassified"))["incident_id"]
    after = (await edge.report(category="other.unclassified"))["incident_id"]
    others = (await edge.report(category="other.unclassified"))["incident_id"]
    await claim(edge, before, by=GIVER, version=1)
    await claim(edge, others, by="east.01", version=1)
    handover_id = await offered(edge)
    await claim(edge, after, by=GIVER, version=1)
    signed = await answer_it(edge, handover_id, "sign", {"claims": claims}, by=TAKER)
    assert signed.status_code == 200, signed.text
    assert signed.headers["etag"] == '"2"'
    wanted = None if claims == "release" else str(town.operator(TAKER))
    assert [await claimed_by(edge, one) for one in (before, after)] == [wanted, wanted]
    assert await claimed_by(edge, others) == str(town.operator("east.01"))
    facts = [as_fact(row).name for row in await edge.services.log.read_stream(before)]
    assert facts[-2:] == (
        ["incident.claimed", "incident.claim_released"]
        if wanted is None
        else ["incident.claim_released", "incident.claimed"]
    )
    told = await edge.read(f"/v1/handovers/{handover_id}", by=GIVER)
    assert (told["state"], told["claims"], sorted(told["claims_moved"])) == ("signed", claims, sorted([before, after]))


async def test_a_claim_that_went_to_somebody_else_meanwhile_stays_theirs(edge: Edge) -> None:
    await on_shift(edge, GIVER, TAKER)
    incident_id = (await edge.report(category="other.unclassified"))["incident_id"]
    await claim(edge, incident_id, by=GIVER, version=1)
    handover_id = await offered(edge)
    await claim(edge, incident_id, by="east.01", version=2)
    assert (await answer_it(edge, handover_id, "sign", {"claims": "take"}, by=TAKER)).status_code == 200
    assert await claimed_by(edge, incident_id) == str(town.operator("east.01"))
    assert (await edge.read(f"/v1/handovers/{handover_id}", by=GIVER))["claims_moved"] == []


async def test_until_it_is_signed_the_center_and_its_supervisor_see_it_and_no_neighbour_does(edge: Edge) -> None:
    await on_shift(edge, GIVER, TAKER)
    handover_id = await offered(edge)
    for by, center in ((GIVER, "east-station"), (DISTRICT_CHIEF, "east"), ("city.02", "city")):
        found = await edge.read(f"/v1/centers/{center}/handovers?unsigned=true", by=by)
        assert [one["handover_id"] for one in found["items"]] == [handover_id], by
        assert "incidents" not in found["items"][0]
    headers = edge.as_operator(NEIGHBOUR)
    is_problem(await edge.client.get("/v1/centers/east-station/handovers", headers=headers), 404, "not_found")
    is_problem(await edge.client.get("/v1/centers/east-station/open-items", headers=headers), 404, "not_found")
    is_problem(await edge.client.get(f"/v1/handovers/{handover_id}", headers=headers), 404, "not_found")
    is_problem(await answer_it(edge, handover_id, "sign", {}, by=NEIGHBOUR), 404, "not_found")
    is_problem(await answer_it(edge, handover_id, "decline", {"reason": "x"}, by=NEIGHBOUR), 404, "not_found")
    assert (await answer_it(edge, handover_id, "sign", {}, by=TAKER)).status_code == 200
    assert (await edge.read("/v1/centers/east/handovers?unsigned=true", by=DISTRICT_CHIEF))["items"] == []
    signed = await edge.read("/v1/centers/east/handovers?unsigned=false", by=DISTRICT_CHIEF)
    assert [one["state"] for one in signed["items"]] == ["signed"]


async def test_only_the_one_who_is_named_signs_and_on_duty(edge: Edge) -> None:
    await on_shift(edge, GIVER)
    handover_id = await offered(edge)
    is_problem(await answer_it(edge, handover_id, "sign", {}, by=DISTRICT_CHIEF), 403, "handover.not_the_taker")
    is_problem(await answer_it(edge, handover_id, "sign", {}, by=TAKER), 409, "handover.not_on_shift")
    await on_shift(edge, TAKER)
    is_problem(await answer_it(edge, handover_id, "sign", {}, by=TAKER, version=2), 412, "stale_version")
    assert (await answer_it(edge, handover_id, "sign", {}, by=TAKER)).status_code == 200
    again = await answer_it(edge, handover_id, "sign", {}, by=TAKER, version=2)
    assert (again.status_code, again.json()["changed"]) == (200, False)
    late = await answer_it(edge, handover_id, "decline", {"reason": "x"}, by=TAKER, version=2)
    is_problem(late, 409, "handover.already_signed")


async def test_it_is_declined_or_called_off_and_offered_anew(edge: Edge) -> None:
    await on_shift(edge, GIVER, TAKER)
    first = await offered(edge)
    assert (await answer_it(edge, first, "decline", {"reason": "清单不符"}, by=TAKER)).status_code == 200
    told = await edge.read(f"/v1/handovers/{first}", by=GIVER)
    assert (told["state"], told["reason"], told["answered_by"]) == ("declined", "清单不符", str(town.operator(TAKER)))
    is_problem(await answer_it(edge, first, "sign", {}, by=TAKER, version=2), 409, "handover.already_declined")
    second = await offered(edge)
    assert (await answer_it(edge, second, "decline", {"reason": "换人"}, by=DISTRICT_CHIEF)).status_code == 200
    third = await offered(edge)
    is_problem(await answer_it(edge, third, "decline", {"reason": "x"}, by=GIVER), 403, "handover.not_the_taker")
    pages = await every_page(edge, "/v1/centers/east-station/handovers?limit=1", edge.as_operator(GIVER))
    assert [one["handover_id"] for page in pages for one in page] == [third, second, first]


async def test_what_cannot_be_handed_over(edge: Edge) -> None:
    is_problem(await offer(edge), 409, "handover.not_on_shift")
    await on_shift(edge, GIVER)
    is_problem(await offer(edge, to=GIVER), 422, "handover.to_self")
    is_problem(await offer(edge, to="west-station.01"), 422, "handover.taker_elsewhere")
    is_problem(await offer(edge, taker_id=str(town.center("east"))), 422, "handover.taker_elsewhere")
    is_problem(await offer(edge, notes={str(town.center("east")): "x"}), 409, "handover.item_unknown")
    is_problem(await offer(edge, notes={"A1": "x"}), 422, "invalid")
    is_problem(await offer(edge, center="west-station"), 404, "not_found")
    is_problem(await offer(edge, by="east.01"), 409, "handover.not_on_shift")
    body = {"taker_id": str(town.operator(TAKER))}
    path = "/v1/centers/east-station/handovers"
    keyless = await edge.client.post(path, json=body, headers=edge.as_operator(GIVER))
    is_problem(keyless, 400, "idempotency_key_missing")


async def test_a_repeat_is_one_hand_over_whatever_happened_since(edge: Edge) -> None:
    await on_shift(edge, GIVER)
    headers = edge.as_operator(GIVER) | edge.key()
    path, body = "/v1/centers/east-station/handovers", {"taker_id": str(town.operator(TAKER))}
    first = await edge.client.post(path, json=body, headers=headers)
    assert first.status_code == 201, first.text
    await edge.client.post("/v1/me/shift/end", json={}, headers=edge.as_operator(GIVER))
    again = await edge.client.post(path, json=body, headers=headers)
    assert (again.status_code, again.json()["handover_id"]) == (201, first.json()["handover_id"])
    assert again.headers["idempotent-replayed"] == "true"
