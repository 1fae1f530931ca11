"""The ledger of public warnings: chains of updates and cancellations, in force or not at any instant."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote

from dispatch.world import SystemClock
from domain.vocabulary import Role
from tests.api import town
from tests.api.conftest import Edge
from tests.api.test_problems import is_problem
from tests.api.test_reading import every_page
from tests.ingest.stage import fixture

FLOOD = fixture("cap_flood.xml").decode()
SENDER = "duty@water.example.cn"
READER = "east.01"


def at(minutes: float) -> str:
    return (SystemClock().now() + timedelta(minutes=minutes)).isoformat(timespec="seconds")


def text(
    name: str,
    *,
    sent: float,
    kind: str = "Alert",
    refers_to: tuple[str, ...] = (),
    status: str = "Actual",
    expires: float | None = 300,
) -> str:
    """A warning sent some minutes ago."""
    references = " ".join(f"{SENDER},{one},{at(sent)}" for one in refers_to)
    said = FLOOD.replace("CD-FLOOD-2026-0801-7", name).replace("2026-08-01T21:00:00+08:00", at(sent))
    said = said.replace(">Actual<", f">{status}<").replace(">Alert<", f">{kind}<")
    said = said.replace("    <onset>2026-08-01T23:00:00+08:00</onset>\n", "")
    until = f"<expires>{at(expires)}</expires>" if expires is not None else ""
    said = said.replace("<expires>2026-08-02T06:00:00+08:00</expires>", until)
    return said.replace("<scope>", f"<references>{references}</references><scope>") if refers_to else said


async def come(edge: Edge, name: str, **said: Any) -> None:
    """A warning comes in by its adapter, and the views see it."""
    headers = edge.as_role(Role.GATEWAY, gateway=town.GATEWAY) | {"Content-Type": "application/cap+xml"}
    answer = await edge.client.post("/v1/ingest/cap", content=text(name, **said).encode(), headers=headers)
    assert answer.status_code in {200, 201}, answer.text
    await edge.project()


async def listed(edge: Edge, query: str = "") -> dict[str, str]:
    """Identifier → state."""
    found = await edge.read(f"/v1/warnings{query}", by=READER)
    return {one["identifier"]: one["state"] for one in found["items"]}


async def test_a_warning_is_in_the_ledger_before_any_incident(edge: Edge) -> None:
    await come(edge, "w1", sent=-10)
    (warning,) = (await edge.read("/v1/warnings?in_force=true", by=READER))["items"]
    assert (warning["event"], warning["severity"], warning["urgency"]) == ("山洪", "severe", "Immediate")
    assert (warning["sender"], warning["identifier"], warning["state"]) == (SENDER, "w1", "in_force")
    assert warning["area"]["description"] == "Jinjiang; 锦江区"
    assert warning["area"]["geometry"]["coordinates"][0][0][0] == [104.02, 30.62]
    assert warning["area"]["circles"] == [{"lon": 104.05, "lat": 30.65, "radius_m": 2500.0}]
    assert warning["text"] == "锦江水位将漫堤。"


async def test_the_same_warning_again_is_one_line(edge: Edge) -> None:
    said = text("w1", sent=-10).encode()
    headers = edge.as_role(Role.GATEWAY, gateway=town.GATEWAY) | {"Content-Type": "application/cap+xml"}
    for _ in range(2):
        await edge.client.post("/v1/ingest/cap", content=said, headers=headers)
    await edge.project()
    assert await listed(edge) == {"w1": "in_force"}


async def test_the_same_warning_through_two_gateways_is_one_line(edge: Edge) -> None:
    said = text("w1", sent=-10).encode()
    for gateway in (town.GATEWAY, "gw-west"):
        headers = edge.as_role(Role.GATEWAY, gateway=gateway) | {"Content-Type": "application/cap+xml"}
        await edge.client.post("/v1/ingest/cap", content=said, headers=headers)
    await edge.project()
    assert len((await edge.read("/v1/warnings", by=READER))["items"]) == 1


async def test_a_warning_sent_again_under_its_own_name_takes_its_own_place(edge: Edge) -> None:
    await come(edge, "w1", sent=-30)
    await come(edge, "w1", sent=-20, kind="Cancel")
    assert await listed(edge, "?in_force=true") == {}
    assert await listed(edge) == {"w1": "cancellation"}


async def test_an_update_takes_the_place_of_what_it_names(edge: Edge) -> None:
    await come(edge, "w1", sent=-30)
    await come(edge, "w2", sent=-20, kind="Update", refers_to=("w1",))
    assert await listed(edge) == {"w2": "in_force"}
    assert await listed(edge, f"?at={quote(at(-25))}") == {"w1": "in_force"}


async def test_a_cancelled_warning_is_not_in_force(edge: Edge) -> None:
    await come(edge, "w1", sent=-30)
    await come(edge, "w2", sent=-20, kind="Update", refers_to=("w1",))
    await come(edge, "w3", sent=-10, kind="Cancel", refers_to=("w1", "w2"))
    assert await listed(edge, "?in_force=true") == {}
    assert await listed(edge) == {"w3": "cancellation"}
    assert await listed(edge, f"?at={quote(at(-15))}") == {"w2": "in_force"}


async def test_an_update_that_comes_before_what_it_names_counts_all_the_same(edge: Edge) -> None:
    await come(edge, "w2", sent=-20, kind="Update", refers_to=("w1",))
    await come(edge, "w1", sent=-30)
    assert await listed(edge, "?in_force=true") == {"w2": "in_force"}


async def test_an_expired_warning_and_one_of_tomorrow_are_not_in_force(edge: Edge) -> None:
    await come(edge, "w1", sent=-60, expires=-5)
    await come(edge, "w2", sent=-60, expires=None)
    assert await listed(edge) == {"w1": "expired", "w2": "in_force"}
    assert await listed(edge, "?in_force=true") == {"w2": "in_force"}
    assert await listed(edge, f"?at={quote(at(-10))}") == {"w1": "in_force", "w2": "in_force"}


async def test_an_exercise_is_marked_and_ends_no_warning(edge: Edge) -> None:
    await come(edge, "w1", sent=-30)
    await come(edge, "x1", sent=-20, kind="Cancel", refers_to=("w1",), status="Exercise")
    await come(edge, "x2", sent=-20, status="Test")
    assert await listed(edge, "?in_force=true") == {"w1": "in_force", "x2": "in_force"}
    found = (await edge.read("/v1/warnings?in_force=true", by=READER))["items"]
    assert {one["identifier"]: (one["status"], one["is_exercise"]) for one in found} == {
        "w1": ("actual", False),
        "x2": ("test", True),
    }
    assert await listed(edge, "?in_force=true&status=actual") == {"w1": "in_force"}


async def test_one_warning_shows_its_whole_chain_from_any_message(edge: Edge) -> None:
    await come(edge, "w1", sent=-40)
    await come(edge, "w2", sent=-30, kind="Update", refers_to=("w1",))
    await come(edge, "w3", sent=-20, kind="Update", refers_to=("w2",))
    await come(edge, "w4", sent=-10, kind="Cancel", refers_to=("w3",))
    await come(edge, "other", sent=-10)
    items = (await edge.read("/v1/warnings", by=READER))["items"]
    last = next(one for one in items if one["identifier"] == "w4")
    chain = (await edge.read(f"/v1/warnings/{last['warning_id']}", by=READER))["chain"]
    states = {"w1": "replaced", "w2": "replaced", "w3": "cancelled", "w4": "cancellation"}
    assert {one["identifier"]: one["state"] for one in chain} == states
    assert [one["identifier"] for one in chain] == list(states)
    first = await edge.read(f"/v1/warnings/{chain[0]['warning_id']}", by=READER)
    assert first["chain"] == chain
    assert first["infos"] == chain[:1]
    assert first["infos"][0]["ended_by"]["warning_id"] == chain[1]["warning_id"]
    then = await edge.read(f"/v1/warnings/{chain[2]['warning_id']}?at={quote(at(-15))}", by=READER)
    assert [one["state"] for one in then["chain"]] == ["replaced", "replaced", "in_force"]


async def test_infos_that_say_something_else_are_lines_of_one_message(edge: Edge) -> None:
    said = text("w1", sent=-10).replace("<severity>Severe</severity>", "<severity>Extreme</severity>", 1).encode()
    headers = edge.as_role(Role.GATEWAY, gateway=town.GATEWAY) | {"Content-Type": "application/cap+xml"}
    await edge.client.post("/v1/ingest/cap", content=said, headers=headers)
    await edge.project()
    items = (await edge.read("/v1/warnings", by=READER))["items"]
    assert sorted(one["severity"] for one in items) == ["extreme", "severe"]
    (warning_id,) = {one["warning_id"] for one in items}
    assert len((await edge.read(f"/v1/warnings/{warning_id}", by=READER))["infos"]) == 2


async def test_a_list_is_walked_by_its_links_and_a_missing_warning_is_404(edge: Edge) -> None:
    for number in range(5):
        await come(edge, f"w{number}", sent=-10)
    pages = await every_page(edge, "/v1/warnings?limit=2", edge.as_operator(READER))
    assert [one["identifier"] for page in pages for one in page] == ["w4", "w3", "w2", "w1", "w0"]
    missing = "/v1/warnings/0190f6a2-c4d8-7d1e-9c0b-5a7f3e2d1c0b"
    is_problem(await edge.client.get(missing, headers=edge.as_operator(READER)), 404, "not_found")
    is_problem(
        await edge.client.get("/v1/warnings", headers=edge.as_role(Role.PARTNER, agency="police")), 403, "forbidden"
    )


async def test_the_record_shows_warnings_as_they_were_known(edge: Edge) -> None:
    await come(edge, "w1", sent=-30)
    position = (await edge.services.log.tip()).position
    await come(edge, "w2", sent=-20, kind="Cancel", refers_to=("w1",))
    then = await edge.read(f"/v1/audit/warnings?position={position}")
    assert [(one["identifier"], one["state"]) for one in then["items"]] == [("w1", "in_force")]
    assert (await edge.read("/v1/audit/warnings"))["items"] == []
    true_then = await edge.read(f"/v1/audit/warnings?true_at={quote(at(-25))}")
    assert [one["identifier"] for one in true_then["items"]] == ["w1"]
    assert [one["state"] for one in (await edge.read("/v1/audit/warnings?in_force=false"))["items"]] == ["cancellation"]
