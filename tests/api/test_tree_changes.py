"""Borders and parents over HTTP: shown before, applied at their instant, and what is open is nobody's surprise."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from dispatch.api.access.tokens import Identity
from dispatch.api.server import Server
from dispatch.cli.main import main
from dispatch.directory import Directory
from dispatch.open_work import counting
from dispatch.workers.ownership import SoleOwnership
from dispatch.workers.timers.watch import Timers
from domain.vocabulary import Role
from tests.api import town
from tests.api.conftest import Edge
from tests.api.test_problems import is_problem

CITY, EAST = "city.02", "east.02"
SPOT = (104.01, 30.65)
"""On east's ground, which west is to have."""


def ground(west: float, east: float) -> dict[str, Any]:
    ring = [[west, 30.6], [east, 30.6], [east, 30.7], [west, 30.7], [west, 30.6]]
    return {"type": "Polygon", "coordinates": [ring]}


BORDER = [
    {"center": "east", "ground": ground(104.02, 104.1)},
    {"center": "east-station", "ground": ground(104.02, 104.1)},
    {"center": "west", "ground": ground(103.9, 104.02)},
    {"center": "west-station", "ground": ground(103.9, 104.02)},
]


async def ask(edge: Edge, path: str, body: Any, *, by: str = CITY) -> httpx.Response:
    answer = await edge.client.post(path, json=body, headers=edge.as_operator(by) | edge.key())
    await edge.project()
    return answer


async def changed(edge: Edge, changes: list[Any], **fields: Any) -> Any:
    answer = await ask(edge, "/v1/tree/changes", {"changes": changes, "reason": "区划调整"} | fields)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def opened(edge: Edge) -> str:
    found: str = (await edge.report(at=SPOT, category="other.unclassified"))["incident_id"]
    return found


async def owner(edge: Edge, incident_id: str) -> str:
    return str((await edge.read(f"/v1/incidents/{incident_id}", by=CITY))["owner_center_id"])


async def test_a_change_is_shown_with_all_it_would_do_and_records_nothing(edge: Edge) -> None:
    await opened(edge)
    position = (await edge.services.log.tip()).position
    shown = (await ask(edge, "/v1/tree/plan", {"changes": BORDER})).json()
    assert (shown["is_possible"], shown["refused"], shown["warned"]) == (True, [], [])
    assert shown["moved"] == [{"from": "east-station", "to": "west-station", "cameras": 0, "open_incidents": 1}]
    east = next(one for one in shown["centers"] if one["center"] == "east")
    assert east["ground_m2_after"] == pytest.approx(0.8 * east["ground_m2_before"], rel=0.001)
    shown = (await ask(edge, "/v1/tree/plan", {"changes": BORDER[2:3]})).json()
    assert (shown["is_possible"], [one["code"] for one in shown["refused"]]) == (False, ["tree.overlap"])
    shown = (await ask(edge, "/v1/tree/plan", {"changes": BORDER[1:2]})).json()
    assert [(one["code"], one["center"]) for one in shown["warned"]] == [("tree.gap", "east")]
    assert (await edge.services.log.tip()).position == position
    is_problem(await ask(edge, "/v1/tree/plan", {"changes": BORDER}, by=EAST), 403, "forbidden")
    is_problem(await ask(edge, "/v1/tree/changes", {"changes": BORDER, "reason": "x"}, by=EAST), 403, "forbidden")
    refused = await ask(edge, "/v1/tree/changes", {"changes": BORDER[2:3], "reason": "x"})
    is_problem(refused, 409, "tree.overlap")


async def test_what_is_open_stays_is_listed_and_is_transferred_in_one_decision(edge: Edge) -> None:
    first, second, home = await opened(edge), await opened(edge), (await edge.report())["incident_id"]
    assert (await edge.read("/v1/centers/city/misplaced", by=CITY))["items"] == []
    done = await changed(edge, BORDER)
    assert done["state"] == "applied"
    new = (await edge.report(by="west-station.01", at=SPOT, category="other.unclassified"))["incident_id"]
    assert await owner(edge, new) == str(town.center("west-station")), "routing knows the border of now"
    assert await owner(edge, first) == str(town.center("east-station"))
    listed = await edge.read("/v1/centers/east/misplaced", by=EAST)
    assert [(one["incident"]["incident_id"], one["center"]) for one in listed["items"]] == [
        (first, "west-station"),
        (second, "west-station"),
    ]
    assert (await edge.read("/v1/centers/west/misplaced", by=CITY))["items"] == []
    path = "/v1/centers/east/misplaced/transfer"
    body = {"reason": "辖区边界调整"}
    # Who is not above the taker offers; who is above both moves.
    offered = await ask(edge, path, body | {"incident_ids": [first]}, by=EAST)
    assert (offered.json()["offered"], offered.json()["moved"]) == ("1", "0"), offered.text
    assert await owner(edge, first) == str(town.center("east-station"))
    is_problem(await ask(edge, path, body | {"incident_ids": [home]}), 422, "invalid")
    is_problem(await ask(edge, path, body, by="west.02"), 404, "not_found")
    moved = await ask(edge, path, body)
    assert (moved.json()["offered"], moved.json()["moved"]) == ("0", "2"), moved.text
    for one in (first, second):
        assert await owner(edge, one) == str(town.center("west-station"))
    assert (await edge.read("/v1/centers/city/misplaced", by=CITY))["items"] == []


async def test_what_is_misplaced_is_found_however_much_is_open_before_it(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatch.api.centers.misplaced.PAGE_ROWS", 1)
    for _ in range(2):
        await edge.report(category="other.unclassified")
    first, second = await opened(edge), await opened(edge)
    await changed(edge, BORDER)
    listed = await edge.read("/v1/centers/city/misplaced")
    assert [one["incident"]["incident_id"] for one in listed["items"]] == [first, second]
    path = "/v1/centers/city/misplaced/transfer"
    moved = await ask(edge, path, {"reason": "辖区边界调整", "incident_ids": [second]})
    assert moved.json()["moved"] == "1", moved.text
    left = await edge.read("/v1/centers/city/misplaced")
    assert [one["incident"]["incident_id"] for one in left["items"]] == [first]


async def test_a_change_ahead_is_listed_called_off_or_applied_by_the_timers(edge: Edge) -> None:
    clock = edge.services.clock
    # No machine is so slow that it is over before it is asked for; the timers are told that it is.
    soon = clock.now() + timedelta(minutes=30)
    later = (clock.now() + timedelta(days=1)).isoformat()
    dropped = await changed(edge, BORDER, effective_at=later)
    assert dropped["state"] == "scheduled"
    path = f"/v1/tree/changes/{dropped['change_id']}/call-off"
    assert (await ask(edge, path, {"reason": "推迟"})).status_code == 200
    ahead = await changed(edge, BORDER, effective_at=soon.isoformat())
    before = await edge.read("/v1/tree?area=true", by=CITY)
    directory = Directory(edge.services.log, town.CITY)

    class Later:
        def now(self) -> Any:
            return soon + timedelta(seconds=3)

    watch = Timers(
        log=edge.services.log,
        scribe=edge.services.scribe,
        directory=directory,
        clock=Later(),
        ownership=SoleOwnership(),
    )
    assert await watch.step() == 1
    await edge.services.directory.catch_up()
    states = {one["change_id"]: one["state"] for one in (await edge.read("/v1/tree/changes", by=CITY))["items"]}
    assert states == {dropped["change_id"]: "called_off", ahead["change_id"]: "applied"}
    then = await edge.read(f"/v1/tree?area=true&position={before['as_of']['position']}", by=CITY)
    assert then == before
    now = {one["code"]: one["area"] for one in (await edge.read("/v1/tree?area=true", by=CITY))["items"]}
    was = {one["code"]: one["area"] for one in before["items"]}
    assert {code for code in now if now[code] != was[code]} == {"east", "east-station", "west", "west-station"}
    late = await ask(
        edge, "/v1/tree/changes", {"changes": BORDER, "reason": "x", "effective_at": "2020-01-01T00:00:00Z"}
    )
    is_problem(late, 422, "tree.in_the_past")


async def test_a_center_that_still_has_work_does_not_close_and_says_how_much(edge: Edge) -> None:
    incident_id = (await edge.report(category="other.unclassified"))["incident_id"]
    await edge.client.post("/v1/me/shift/start", json={}, headers=edge.as_operator("east-station.01"))
    await edge.project()
    closing = {"changes": [{"center": "east-station", "closes": True}], "reason": "撤并"}
    refused = await ask(edge, "/v1/tree/changes", closing)
    is_problem(refused, 409, "center.has_open_work")
    for said in ("1 open incidents", "1 shifts", "2 units"):
        assert said in refused.json()["detail"]
    closing["changes"].append({"center": "police-hq", "closes": True})
    assert await owner(edge, incident_id) == str(town.center("east-station"))
    # A department without anything closes.
    assert (await changed(edge, closing["changes"][1:]))["state"] == "applied"
    codes = [one["code"] for one in await edge.read("/v1/centers?limit=100", by=CITY)]
    assert "police-hq" not in codes


async def test_a_center_closes_ahead_if_nothing_is_left_there_by_then(edge: Edge) -> None:
    await edge.report(category="other.unclassified")
    soon = edge.services.clock.now() + timedelta(seconds=1)
    closing = [{"center": code, "closes": True} for code in ("police-hq", "east-station")]
    for one in closing:
        done = await changed(edge, [one], effective_at=soon.isoformat())
        assert done["state"] == "scheduled"
    directory = edge.services.directory
    assert directory.center(town.center("police-hq")) is not None

    class Later:
        def now(self) -> Any:
            return soon + timedelta(seconds=3)

    async with counting(edge.dsn, edge.services.log, directory) as left:
        watch = Timers(
            log=edge.services.log,
            scribe=edge.services.scribe,
            directory=directory,
            clock=Later(),
            ownership=SoleOwnership(),
            left=left,
        )
        assert await watch.step() + await watch.step() == 2
    await directory.catch_up()
    states = {one["centers"][0]: one for one in (await edge.read("/v1/tree/changes"))["items"]}
    assert (states["police-hq"]["state"], states["police-hq"]["refused"]) == ("applied", None)
    assert states["east-station"]["state"] == "refused"
    assert "1 open incidents, 2 units" in states["east-station"]["refused"]
    assert directory.center(town.center("police-hq")) is None


async def test_a_station_below_another_district_takes_its_incidents_along_when_somebody_says_so(edge: Edge) -> None:
    incident_id = (await edge.report(category="other.unclassified"))["incident_id"]
    whole = {"center": "west", "ground": ground(103.9, 104.1)}
    merged = [whole, {"center": "east", "closes": True}, {"center": "east-station", "parent": "west"}]
    await changed(edge, merged)
    headers = edge.as_operator("west.02")
    assert (await edge.client.get("/v1/centers/east-station/open-items", headers=headers)).status_code == 200
    listed = await edge.read("/v1/centers/city/misplaced", by=CITY)
    assert [(one["incident"]["incident_id"], one["center"]) for one in listed["items"]] == [
        (incident_id, "east-station")
    ]
    assert (await ask(edge, "/v1/centers/city/misplaced/transfer", {"reason": "区划调整"})).json()["moved"] == "1"
    board = await edge.read("/v1/centers/west/board", by="west.02")
    assert [one["incident_id"] for one in board["items"]] == [incident_id]


# --- The command ------------------------------------------------------------------------------------------------------


def features(changes: list[Any]) -> dict[str, Any]:
    found = []
    for one in changes:
        properties = {name: value for name, value in one.items() if name != "ground"}
        found.append({"type": "Feature", "properties": properties, "geometry": one.get("ground")})
    return {"type": "FeatureCollection", "features": found}


Command = Callable[..., tuple[int, str]]


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run `dispatch city` on a file of changes; its exit code and what it wrote."""

    def run(document: Any, name: str, *arguments: str) -> tuple[int, str]:
        path = tmp_path / "borders.geojson"
        path.write_text(json.dumps(document), encoding="utf-8")
        code = main(["city", name, str(path), *arguments])
        return code, capsys.readouterr().out

    return run


def test_the_command_says_what_is_wrong_with_the_shape_of_a_file(command: Command) -> None:
    code, said = command(features(BORDER), "check", "--json")
    assert (code, json.loads(said)["centers"]) == (0, ["east", "east-station", "west", "west-station"])
    ring = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1]]]}
    open_ring = features([{"center": "east", "ground": ring}])
    for document in (open_ring, {"features": [{"properties": {}}]}, {"type": "Feature"}, []):
        code, said = command(document, "check", "--json")
        assert code == 1, said
        assert json.loads(said)["faults"]


async def test_the_command_plans_and_applies(edge: Edge, server: tuple[Server, str], command: Command) -> None:
    administrator = edge.token(Identity("test", (Role.ADMINISTRATOR,)))
    where = ("--url", server[1], "--token", administrator)

    async def run(changes: list[Any], *arguments: str) -> tuple[int, str]:
        return await asyncio.to_thread(command, features(changes), *arguments, *where)

    before, position = await edge.read("/v1/tree?area=true", by=CITY), (await edge.services.log.tip()).position
    code, said = await run(BORDER, "plan", "--json")
    shown = json.loads(said)
    assert (code, shown["is_possible"]) == (0, True)
    assert [one["center"] for one in shown["centers"]] == ["east", "east-station", "west", "west-station"]
    code, said = await run(BORDER, "plan")
    assert (code, said.splitlines()[-1]) == (0, "possible")
    code, said = await run(BORDER[2:3], "plan")
    assert (code, said.splitlines()[-1]) == (1, "not possible")
    assert "refused: tree.overlap: west" in said
    assert (await edge.services.log.tip()).position == position, "a plan records nothing"
    code, said = await run(BORDER[2:3], "apply", "--reason", "区划调整", "--json")
    assert (code, json.loads(said)["error"]["code"]) == (4, "tree.overlap")
    code, said = await run(BORDER, "apply", "--reason", "区划调整", "--json")
    assert (code, json.loads(said)["state"]) == (0, "applied"), said
    was = {one["code"]: one["area"] for one in before["items"]}
    now = {one["code"]: one["area"] for one in (await edge.read("/v1/tree?area=true", by=CITY))["items"]}
    assert {code for code in now if now[code] != was[code]} == {"east", "east-station", "west", "west-station"}
    listed = (await edge.read("/v1/tree/changes", by=CITY))["items"]
    assert [(one["state"], one["reason"]) for one in listed] == [("applied", "区划调整")]
