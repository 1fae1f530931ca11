"""Work above incidents: points and reports of a disaster, a planned relay, an operation that not everybody may know of
(F18 to F21).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import httpx

from dispatch.demo.flow import Scene
from dispatch.demo.seats import Seat
from dispatch.directory_entries import CenterEntry

MINUTE = timedelta(minutes=1)


async def disaster_points(scene: Scene) -> None:
    """F18: points are found by those who stand there, and the headquarters sees each as it is now."""
    city, code = scene.cast.directory.root(), f"flood-{scene.station.code}"
    supervisor, station = await scene.operator(city, 27), await scene.operator(scene.station)
    await _planned(scene, supervisor, code, "汛期抢险", members=(scene.second_level, scene.station))
    scene.step("the station reports two points, one gets worse, the other is over")
    breach = await _found(scene, station, code, kind="breach", text="堤防渗漏", place={"address": "12号桥左岸"})
    slide = await _found(scene, station, code, kind="landslide", text="坡面滑塌", place={"point": _point(scene)})
    again = await _found(
        scene, station, code, kind="breach", text="渗漏扩大，请求增援", place={"address": "12号桥左岸"}, point_id=breach
    )
    scene.checks.equal("it is the same point", again, breach)
    await _found(
        scene,
        station,
        code,
        kind="landslide",
        status="over",
        text="已清理",
        place={"point": _point(scene)},
        point_id=slide,
    )
    scene.step("the headquarters asks for what is active, and for all there was")
    active = (await supervisor.get(f"/v1/city-operations/{code}/points", status="active")).json()["items"]
    told = [(one["point_id"], one["text"]) for one in active]
    scene.checks.equal("one is active, as it is now", told, [(breach, "渗漏扩大，请求增援")])
    everything = (await supervisor.get(f"/v1/city-operations/{code}/points")).json()["items"]
    scene.checks.equal("and two were found", len(everything), 2)
    other = await station.post(
        f"/v1/city-operations/{code}/points",
        {"kind": "shelter", "place": {"address": "x"}, "text": "y", "point_id": breach},
    )
    scene.checks.equal("a breach is no shelter", other.json()["code"], "operation.point_is_another")
    scene.step("who does not take part cannot report into it")
    stranger = await scene.operator(scene.cast.center("dept-landscape"))
    refused = await stranger.post(
        f"/v1/city-operations/{code}/points", {"kind": "flooded", "place": {"address": "x"}, "text": "y"}
    )
    scene.checks.equal("it is refused", refused.json()["code"], "not_the_owner")
    scene.saw("city", "1 active point of 2")


async def disaster_area(scene: Scene) -> None:
    """F19: the disaster area and its shelters for the headquarters, with numbers of people and numbered reports."""
    city, code = scene.cast.directory.root(), f"relief-{scene.station.code}"
    supervisor, district = await scene.operator(city, 27), await scene.operator(scene.second_level)
    await _planned(scene, supervisor, code, "灾区安置", members=(scene.second_level,))
    scene.step("the second level opens shelters and says how many they take")
    gym = await _found(
        scene, district, code, kind="shelter", text="体育馆开放", place={"address": "体育馆"}, people=80, capacity=300
    )
    await _found(scene, district, code, kind="disaster_area", text="三个社区断电", place={"point": _point(scene)})
    await _found(
        scene,
        district,
        code,
        kind="shelter",
        status="watched",
        text="已满",
        place={"address": "体育馆"},
        people=300,
        capacity=300,
        point_id=gym,
    )
    scene.step("the headquarters sees who has room")
    shelters = (await supervisor.get(f"/v1/city-operations/{code}/points", kind="shelter")).json()["items"]
    room = [(one["people"], one["capacity"], one["status"]) for one in shelters]
    scene.checks.equal("the shelter is full", room, [(300, 300, "watched")])
    scene.step("reports on how things stand are numbered")
    for text in ("20时：安置80人", "22时：安置300人，体育馆已满"):
        answer = await district.post(f"/v1/city-operations/{code}/situations", {"text": text})
        scene.need("it is reported", answer.is_success, seen=answer.text)
    operation = (await supervisor.get(f"/v1/city-operations/{code}")).json()
    numbers = [(one["number"], one["text"][:3]) for one in operation["situations"]]
    scene.checks.equal("both are there, in order", numbers, [(1, "20时"), (2, "22时")])
    scene.step("it ends; what was found stays, and nothing is added")
    ended = await supervisor.post(f"/v1/city-operations/{code}/end", {"note": "解除"})
    scene.need("it ends", ended.is_success, seen=ended.text)
    late = await district.post(f"/v1/city-operations/{code}/situations", {"text": "23时"})
    scene.checks.equal("a late report is refused", late.json()["code"], "operation.over")
    kept = (await supervisor.get(f"/v1/city-operations/{code}/points")).json()["items"]
    scene.checks.equal("both points are readable", len(kept), 2)
    scene.saw("city", "2 points, 2 situation reports")


async def torch_relay(scene: Scene) -> None:
    """F20: seamless cameras along the route: gaps are computed, cameras assigned, checkpoints passed late or early."""
    supervisor = await scene.operator(scene.second_level, 9)
    station, code = await scene.operator(scene.station), f"relay-{scene.station.code}"
    route = [[camera.location.lon, camera.location.lat] for camera in scene.cameras[:6]]
    begins_at = scene.cast.now() + 10 * MINUTE
    await _planned(
        scene,
        supervisor,
        code,
        "火炬传递",
        members=(scene.station,),
        route={"type": "LineString", "coordinates": route},
        begins_at=begins_at,
    )
    scene.step("before anybody is assigned nobody watches; by all cameras of the city some of it is seen")
    coverage = f"/v1/city-operations/{code}/coverage"
    alone = (await supervisor.get(coverage, assigned_only="true")).json()
    city_wide = (await supervisor.get(coverage)).json()
    scene.checks.equal("nothing is watched", (alone["covered_m"], alone["cameras"]), (0.0, 0))
    scene.checks.that("the city could see some of it", city_wide["covered_m"] > 0, seen=city_wide)
    scene.step("every camera that sees the route is assigned to the station; the gaps that stay are known")
    for camera_id in city_wide["seen_by"]:
        body = {"camera_id": camera_id, "center_id": str(scene.station.id)}
        answer = await supervisor.post(f"/v1/city-operations/{code}/cameras", body)
        scene.need("a camera is assigned", answer.is_success, seen=answer.text)
    watched = (await supervisor.get(coverage, assigned_only="true")).json()
    scene.checks.equal("they watch all that can be seen", watched["covered_m"], city_wide["covered_m"])
    gaps = sum(one["properties"]["length_m"] for one in watched["gaps"]["features"])
    whole = abs(watched["covered_m"] + gaps - watched["length_m"]) < 1
    scene.checks.that("what is seen and the gaps are the route", whole, seen=watched)
    await _carried(scene, code, [route[0], route[2], route[-1]], begins_at)
    scene.step("the stop: cameras are released")
    await supervisor.post(f"/v1/city-operations/{code}/end", {})
    for camera_id in city_wide["seen_by"]:
        await supervisor.post(f"/v1/city-operations/{code}/cameras/release", {"camera_id": camera_id})
    operation = (await station.get(f"/v1/city-operations/{code}")).json()
    scene.checks.equal("nobody has to watch any more", (operation["phase"], operation["cameras"]), ("ended", {}))
    scene.saw(scene.station.code, f"{len(city_wide['seen_by'])} cameras, {len(watched['gaps']['features'])} gaps")


async def _carried(scene: Scene, code: str, places: list[list[float]], begins_at: datetime) -> None:
    supervisor, station = await scene.operator(scene.second_level, 9), await scene.operator(scene.station)
    scene.step("three checkpoints are set; it starts; two are passed")
    checkpoints = []
    for number, place in enumerate(places):
        body = {
            "label": f"交接点 {number + 1}",
            "location": {"type": "Point", "coordinates": place},
            "planned_at": (begins_at + number * 5 * MINUTE).isoformat(),
        }
        answer = await supervisor.post(f"/v1/city-operations/{code}/checkpoints", body)
        scene.need("a checkpoint is set", answer.is_success, seen=answer.text)
        checkpoints.append(answer.json()["checkpoint_id"])
    early = await station.post(f"/v1/city-operations/{code}/checkpoints/{checkpoints[0]}/pass", {})
    scene.checks.equal("none is passed before it starts", early.json()["code"], "operation.not_under_way")
    started = await supervisor.post(f"/v1/city-operations/{code}/start")
    scene.need("it starts", started.is_success, seen=started.text)
    for checkpoint in checkpoints[:2]:
        answer = await station.post(f"/v1/city-operations/{code}/checkpoints/{checkpoint}/pass", {"note": "通过"})
        scene.need("it is there", answer.is_success, seen=answer.text)
    operation = (await station.get(f"/v1/city-operations/{code}")).json()
    passed = [one["late_s"] is not None and one["late_s"] < 0 for one in operation["checkpoints"]]
    scene.checks.equal("two are passed, early by the plan, one is not", passed, [True, True, False])


async def restricted(scene: Scene) -> None:
    """F21: an operation that only those who take part know of: for all others there is none, nor what happens in it."""
    supervisor = await scene.operator(scene.second_level, 9)
    station = await scene.operator(scene.station)
    outsider = await scene.operator(scene.cast.center("dept-urban-management"))
    code = await _planned(scene, supervisor, f"quiet-{scene.station.code}", "保密行动", restricted=True)
    path = f"/v1/city-operations/{code}"
    scene.step("nobody else sees it: in no list, by no name, as if it were not there")
    missing = (await outsider.get("/v1/city-operations/no-such-operation")).json()
    for who in (outsider, station):
        hidden = await who.get(path)
        told = {name: hidden.json()[name] for name in ("type", "code", "status", "detail")}
        scene.checks.equal(
            f"{who.name} is told what one is told of nothing", told, {name: missing[name] for name in told}
        )
        listed = [one["code"] for one in (await who.get("/v1/city-operations", limit=200)).json()["items"]]
        scene.checks.that(f"and {who.name} has it in no list", code not in listed, seen=listed)
        report = await who.post(f"{path}/points", {"kind": "flooded", "place": {"address": "x"}, "text": "y"})
        nothing = await who.post(
            "/v1/city-operations/no-such-operation/points", {"kind": "flooded", "place": {"address": "x"}, "text": "y"}
        )
        scene.checks.equal("nor can they write to it", report.json()["detail"], nothing.json()["detail"])
    scene.step("the station is taken in, and knows of it from then on")
    added = await supervisor.post(f"{path}/members", {"center_id": str(scene.station.id)})
    scene.need("it is taken in", added.is_success, seen=added.text)
    scene.checks.equal("the station sees it", (await station.get(path)).json().get("code"), code)
    point = await _found(scene, station, code, kind="people_trapped", text="现场情况", place={"address": "x"})
    points = await supervisor.get(f"{path}/points")
    scene.checks.that("what it reports is there", point in points.text, seen=points.text)
    scene.checks.equal(
        "the other still does not", (await outsider.get(f"{path}/points")).status_code, httpx.codes.NOT_FOUND
    )
    city = await scene.operator(scene.cast.directory.root())
    scene.checks.equal("the city above it does", (await city.get(path)).json().get("code"), code)
    await _happens_in_it(scene, supervisor, station, path)
    scene.step("the station is let go, and there is none for it again")
    await supervisor.post(f"{path}/members/remove", {"center_id": str(scene.station.id)})
    scene.checks.equal("for the station it is gone", (await station.get(path)).status_code, httpx.codes.NOT_FOUND)
    scene.saw(scene.second_level.code, "its own operation")


async def _happens_in_it(scene: Scene, supervisor: Seat, station: Seat, path: str) -> None:
    scene.step("something happens on the way, and everybody is told whom it concerns")
    stall = {
        "category": "urban.illegal_stall",
        "severity": 2,
        "text": "警卫路线上有摊点",
        "place": {"point": _point(scene)},
    }
    filed = await scene.reported(station, channel="operator", **stall)
    incident_id, other = filed["incident_id"], scene.cast.center("dept-urban-management")
    await scene.shows(other, incident_id)
    await scene.hears("urban_management", "dispatch.incident.routed.v1", incident_id)
    scene.step("by a decision it is the operation's: for the others it is gone, from screens, reads and feeds")
    attached = await supervisor.post(f"{path}/incidents/{incident_id}", {"reason": "属本次行动"})
    scene.need("it is attached", attached.is_success, seen=attached.text)
    await scene.lacks(other, incident_id)
    await scene.hears("urban_management", "dispatch.incident.withdrawn.v1", incident_id)
    officer = await scene.operator(other)
    card = await officer.get(f"/v1/incidents/{incident_id}", min_position=await scene.cast.position())
    scene.checks.equal("urban management is told there is none", card.status_code, httpx.codes.NOT_FOUND)
    found = await officer.get("/v1/incidents", number=filed["number"])
    scene.checks.equal("nor by its number", found.json()["items"], [])
    own = await scene.card(station, incident_id)
    scene.checks.equal("who takes part has it as before", own["number"], filed["number"])
    raised = {"category": stall["category"], "severity": 3, "priority": 1}
    await scene.decided(supervisor, incident_id, "classify", raised)
    scene.step("by another decision it is no secret any more, and is there again as it is now")
    released = await supervisor.post(f"{path}/incidents/{incident_id}/detach", {"reason": "行动结束"})
    scene.need("it is detached", released.is_success, seen=released.text)
    await scene.shows(other, incident_id, severity=3)


async def _planned(
    scene: Scene, seat: Seat, code: str, name: str, *, members: tuple[CenterEntry, ...] = (), **more: Any
) -> str:
    """The operation's code: a restricted one is given a code of its own."""
    scene.step(f"{seat.name} plans {code}")
    begins_at = more.pop("begins_at", scene.cast.now())
    body = {
        "code": code,
        "name_zh": name,
        "name_en": code,
        "purpose": name,
        "begins_at": begins_at.isoformat(),
        "ends_at": (begins_at + timedelta(days=3)).isoformat(),
        **more,
    }
    planned = await seat.post("/v1/city-operations", body)
    scene.need("it is planned", planned.is_success, seen=planned.text)
    code = str(planned.json()["code"])
    for member in members:
        added = await seat.post(f"/v1/city-operations/{code}/members", {"center_id": str(member.id)})
        scene.need(f"{member.code} takes part", added.is_success, seen=added.text)
    return code


async def _found(scene: Scene, seat: Seat, code: str, **body: Any) -> str:
    answer = await seat.post(f"/v1/city-operations/{code}/points", body)
    scene.need(f"{seat.name} reports a point: {body['kind']}", answer.is_success, seen=answer.text)
    return str(answer.json()["point_id"])


def _point(scene: Scene) -> dict[str, Any]:
    spot = scene.cameras[0].location
    return {"type": "Point", "coordinates": [spot.lon, spot.lat]}
