"""The end of a shift where the rules ask for a hand-over, what a hand-over lists, and its story and that of aid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import httpx
import pytest

from dispatch.handling.scribe import as_fact
from dispatch.simulation.chance import Chance
from domain.aid import decider as aid
from domain.casework import decider as casework
from domain.casework.state import INITIAL as CASE
from domain.incident import decider as incident
from domain.order import state as order
from domain.vocabulary import CasePhase, CenterKind, IncidentPhase, OrderAnswer, OrderPhase, Role
from tests.api import orders_desk, town
from tests.api.conftest import Edge
from tests.api.test_cases import Case
from tests.api.test_handovers import GIVER, TAKER, answer_it, offered, on_shift
from tests.api.test_mutual_aid import made, step
from tests.api.test_problems import is_problem

SUPERVISOR, DISTRICT = "east-station.02", "east.02"
STEPS = 16
ENDED = {IncidentPhase.CLOSED, IncidentPhase.RESOLVED, IncidentPhase.DISMISSED, IncidentPhase.MERGED}


async def demand(edge: Edge) -> None:
    """Rules under which a shift at a station or a district ends with a hand-over."""
    kinds = (CenterKind.STATION, CenterKind.DISTRICT)
    rules = town.rulebook(2).model_copy(update={"handover_demanded_at": kinds})
    headers = edge.as_role(Role.ADMINISTRATOR)
    made = await edge.client.post(
        "/v1/rulebook/versions", json=rules.model_dump(mode="json"), headers=headers | edge.key()
    )
    assert made.status_code == 201, made.text
    put = await edge.client.post("/v1/rulebook/versions/2/activate", headers=headers | edge.key())
    assert put.status_code == 200, put.text
    await edge.project()


async def end(edge: Edge, *, by: str, of: str | None = None, **body: Any) -> httpx.Response:
    path = "/v1/me/shift/end" if of is None else f"/v1/operators/{town.operator(of)}/shift/end"
    answer = await edge.client.post(path, json=body, headers=edge.as_operator(by))
    await edge.project()
    return answer


async def ending(edge: Edge, login: str) -> Mapping[str, Any]:
    fact = as_fact((await edge.services.log.read_stream(town.operator(login)))[-1])
    assert fact.name == "operator.shift_ended"
    return fact.plain()


async def test_a_shift_with_open_items_ends_once_somebody_signed_for_them(edge: Edge) -> None:
    await demand(edge)
    await on_shift(edge, GIVER, TAKER)
    await edge.report(category="other.unclassified")
    refused = await end(edge, by=GIVER)
    is_problem(refused, 409, "operator.shift_not_handed_over")
    handover_id = await offered(edge)
    is_problem(await end(edge, by=GIVER), 409, "operator.shift_not_handed_over")
    assert (await answer_it(edge, handover_id, "sign", {}, by=TAKER)).status_code == 200
    ended = await end(edge, by=GIVER, note="交班")
    assert ended.status_code == 200, ended.text
    said = await ending(edge, GIVER)
    assert (said["handover_id"], said["open_items"], said.get("without_handover")) == (handover_id, 1, None)
    # The signature was for that shift, not for the next one.
    await on_shift(edge, GIVER)
    is_problem(await end(edge, by=GIVER), 409, "operator.shift_not_handed_over")


async def test_a_supervisor_ends_it_without_one_and_the_reason_stays(edge: Edge) -> None:
    await demand(edge)
    await on_shift(edge, GIVER, SUPERVISOR)
    await edge.report(category="other.unclassified")
    is_problem(await end(edge, by=GIVER, without_handover="急事"), 403, "forbidden")
    is_problem(await end(edge, by="west-station.02", of=GIVER, without_handover="x"), 404, "not_found")
    is_problem(await end(edge, by=GIVER, of=TAKER, without_handover="x"), 403, "forbidden")
    is_problem(await end(edge, by=SUPERVISOR, of=GIVER), 422, "invalid")
    ended = await end(edge, by=SUPERVISOR, of=GIVER, without_handover="突发疾病送医")
    assert ended.status_code == 200, ended.text
    assert (await ending(edge, GIVER))["without_handover"] == "突发疾病送医"
    own = await end(edge, by=SUPERVISOR, without_handover="值班长统一接管")
    assert own.status_code == 200, own.text


async def test_without_that_rule_or_with_nothing_open_a_shift_just_ends(edge: Edge) -> None:
    await on_shift(edge, GIVER)
    await edge.report(category="other.unclassified")
    # No view is waited for where nothing is demanded: whoever must go, goes.
    await edge.client.post("/v1/me/shift/start", json={}, headers=edge.as_operator(TAKER))
    assert (await end(edge, by=GIVER)).status_code == 200
    assert (await ending(edge, GIVER)).get("open_items") is None
    await demand(edge)
    await on_shift(edge, "west-station.01")
    assert (await end(edge, by="west-station.01")).status_code == 200


# --- Completeness -----------------------------------------------------------------------------------------------------


async def lived(edge: Edge, chance: Chance) -> None:
    """Some of everything that makes orders, cases and promises open, answered, ended or another center's."""
    orders: list[str] = []
    cases: list[Case] = []
    promises: dict[str, int] = {}
    some = ["order", "answer", "end", "case", "case_step", "case_step", "aid", "aid_step", "answer"]
    first = ["order", "case", "aid"]
    for what in (*first, *first, *(chance.one_of(some) for _ in range(STEPS)), *first):
        if what == "order":
            to = [
                {"center_id": str(town.center(one))} for one in chance.one_of([("east",), ("east", "west"), ("west",)])
            ]
            orders.append((await orders_desk.issued(edge, addressees=to))["order_id"])
        elif what == "answer" and orders:
            by = chance.one_of(["east.01", "west.01"])
            how = chance.one_of([("acknowledge", {"edition": 1}), ("decline", {"edition": 1, "reason": "x"})])
            await orders_desk.decide(edge, chance.one_of(orders), *how, by=by)
        elif what == "end" and orders:
            await orders_desk.decide(edge, chance.one_of(orders), "lift", {"reason": "x"}, by="city.02")
        elif what == "case":
            place, by = chance.one_of([(town.IN_EAST, "east.01"), (town.IN_WEST, "west.01")])
            case = Case(edge, (await edge.report(by=by, at=place))["incident_id"])
            if (await case.file(by=by)).status_code == 201:
                cases.append(case)
        elif what == "case_step" and cases:
            case = chance.one_of(cases)
            step_, body, by = chance.one_of(
                [
                    ("assign", {}, "city.02"),
                    ("return", {"reason": "x"}, "traffic-hq.01"),
                    ("handle", {"outcome": "x"}, "traffic-hq.01"),
                    ("void", {"reason": "x"}, "city.02"),
                ]
            )
            await case.do(step_, body, by=by)
        elif what == "aid":
            by, to = chance.one_of([("east.01", "west"), ("west.01", "east"), ("west.01", "traffic-hq")])
            promises[await made(edge, by=by, to=to)] = 1
        elif what == "aid_step" and promises:
            aid_id = chance.one_of(list(promises))
            step_, body = chance.one_of([("acknowledge", None), ("accept", {}), ("decline", {"reason": "x"})])
            done = await step(edge, aid_id, step_, body, by="city.02", version=promises[aid_id])
            promises[aid_id] += int(done.status_code == 200 and done.json()["changed"])
        await edge.project()


async def states(edge: Edge, up_to: int) -> dict[UUID, tuple[str, Any]]:
    """Every stream's state, folded by the deciders' own rules from the log: no row is read."""
    folds = {
        "incident": (incident.INITIAL, incident.evolve),
        "order": (order.INITIAL, order.evolve),
        "case": (CASE, casework.evolve),
        "aid": (aid.INITIAL, aid.evolve),
    }
    found: dict[UUID, tuple[str, Any]] = {}
    for row in await edge.services.log.read_after(0, limit=100_000, up_to_position=up_to):
        kind = row.topic.split(".")[0]
        if kind in folds:
            state = found[row.stream_id][1] if row.stream_id in found else folds[kind][0]
            found[row.stream_id] = kind, folds[kind][1](state, as_fact(row).event)
    return found


@pytest.mark.parametrize("seed", range(2))
async def test_orders_cases_and_promises_are_all_on_the_list_and_nothing_else(edge: Edge, seed: int) -> None:
    await lived(edge, Chance(seed, "promises"))
    tip = (await edge.services.log.tip()).position
    found = await states(edge, tip)
    sizes: dict[str, int] = {}
    for code in ("east", "west", "traffic-hq", "east-station"):
        listed = await edge.read(f"/v1/centers/{code}/open-items?min_position={tip}", by=f"{code}.01")
        for name, key in KEYS.items():
            told = [one[key] for one in listed[name]]
            wanted = {str(one) for one, (kind, state) in found.items() if OPEN[name](kind, state, town.center(code))}
            assert len(told) == len(set(told))
            assert set(told) == wanted, f"seed {seed}, {name} of {code}"
            sizes[name] = sizes.get(name, 0) + len(wanted)
    assert all(sizes.values()), f"seed {seed}: a story in which nothing of a kind is open proves nothing: {sizes}"


def _order_waits(kind: str, state: Any, center_id: UUID) -> bool:
    if kind != "order" or state.phase is not OrderPhase.ISSUED:
        return False
    answer = state.answer_of(center_id, state.order.edition)
    is_addressed = center_id in {one.center_id for one in state.order.addressees}
    return is_addressed and (answer is None or answer.answer is not OrderAnswer.ACKNOWLEDGED)


def _incident_is_open(kind: str, state: Any, center_id: UUID) -> bool:
    return kind == "incident" and state.owner and state.owner.center_id == center_id and state.phase not in ENDED


def _case_is_open(kind: str, state: Any, center_id: UUID) -> bool:
    if kind != "case" or not state.is_open:
        return False
    owners = [state.supervision]
    if state.phase is CasePhase.ARBITRATION:
        owners.append(state.arbiter)
    return center_id in {one.center_id for one in owners if one} or (
        state.department is not None and state.department.center.center_id == center_id
    )


def _promise_is_open(kind: str, state: Any, center_id: UUID) -> bool:
    if kind != "aid" or state.phase.value in {"declined", "withdrawn", "released"}:
        return False
    return center_id in {state.requested.asker.center_id, state.requested.asked.center_id}


KEYS = {"incidents": "incident_id", "orders": "order_id", "cases": "case_id", "aid": "aid_id"}
OPEN = {
    "incidents": _incident_is_open,
    "orders": _order_waits,
    "cases": _case_is_open,
    "aid": _promise_is_open,
}


# --- Stories ----------------------------------------------------------------------------------------------------------


async def test_the_story_of_a_hand_over_and_of_aid_is_read_by_those_it_concerns(edge: Edge) -> None:
    await on_shift(edge, GIVER, TAKER)
    aid_id = await made(edge, by="east-station.01", to="west")
    handover_id = await offered(edge, notes={aid_id: "等西区回话"})
    (promise,) = (await edge.read(f"/v1/handovers/{handover_id}", by=GIVER))["aid"]
    assert (promise["aid_id"], promise["side"], promise["note"]) == (aid_id, "asker", "等西区回话")
    assert (await answer_it(edge, handover_id, "sign", {}, by=TAKER)).status_code == 200
    told = await edge.read(f"/v1/handovers/{handover_id}/history?language=en", by=DISTRICT)
    assert [one["event"] for one in told["items"]] == ["handover.offered", "handover.signed"]
    assert "aid 1" in told["items"][0]["text"]
    first = await edge.client.get(f"/v1/handovers/{handover_id}/history?limit=1", headers=edge.as_operator(GIVER))
    assert [one["version"] for one in first.json()["items"]] == [1]
    assert 'rel="next"' in first.headers["link"]
    assert (await step(edge, aid_id, "accept", {}, by="west.01", version=1)).status_code == 200
    for login in ("east-station.01", "west.01", "city.02"):
        story = await edge.read(f"/v1/aid/{aid_id}/history", by=login)
        assert [one["event"] for one in story["items"]] == ["aid.requested", "aid.accepted"]
    stranger = edge.as_operator("traffic-hq.01")
    is_problem(await edge.client.get(f"/v1/aid/{aid_id}/history", headers=stranger), 404, "not_found")
    is_problem(await edge.client.get(f"/v1/handovers/{handover_id}/history", headers=stranger), 404, "not_found")
