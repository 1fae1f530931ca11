"""The cameras themselves: how coverage grew, what nobody sees, and recordings asked for later (F23, F26)."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from dispatch.demo.flow import Scene
from dispatch.directory_entries import CameraEntry

PHASES = (("2006-12-31", 3_600), ("2007-12-31", 7_400), ("2010-12-31", 15_400), ("2011-12-31", 15_800))
"""Sites standing at the end of each building phase (O15)."""


async def growth(scene: Scene) -> None:
    """F26: coverage as of any date; a blind spot is found, a social camera closes it, and goes again."""
    seat = await scene.operator(scene.second_level, 9)
    scene.step("sites standing at the end of each phase")
    for day, sites in PHASES:
        answer = await seat.get("/v1/coverage/growth", as_of=day)
        scene.checks.equal(f"on {day}", answer.json()["sites"], sites)
    scene.step("a street that begins under a camera, as of before the first site and as of today")
    route = _street(scene.cameras[0])
    before, today = await _route(scene, route, as_of="2005-12-31"), await _route(scene, route)
    scene.checks.equal("nobody saw it in 2005", before["covered_m"], 0.0)
    scene.checks.that("today some of it is seen", 0 < today["covered_m"] < today["length_m"], seen=today)
    gap = max(today["gaps"]["features"], key=lambda one: one["properties"]["length_m"])
    middle = _middle(gap["geometry"]["coordinates"])
    scene.step("a shop's camera in the widest gap is attached, with approver, reason and end")
    body = {
        "owner": "临街商户",
        "reason": "补盲接入",
        "expires_at": (scene.cast.now() + timedelta(days=180)).isoformat(),
        "cameras": [
            {
                "code": f"social-{scene.station.code}",
                "label": "临街商户门口",
                "location": {"type": "Point", "coordinates": middle},
            }
        ],
    }
    attached = await seat.post("/v1/cameras/attachments", body)
    scene.need("it is attached", attached.is_success, seen=attached.text)
    (camera_id,) = attached.json()["camera_ids"]
    shown = (await seat.get(f"/v1/cameras/{camera_id}")).json()
    scene.checks.equal("its approver stands with it", shown["approved_by"], seat.name)
    closer = await _route(scene, route)
    scene.checks.that("the gap is smaller", closer["covered_m"] > today["covered_m"] + 1, seen=closer["covered_m"])
    scene.checks.that("and it is this camera that sees it", camera_id in closer["seen_by"], seen=closer["seen_by"])
    listed = await seat.get("/v1/cameras", center_id=str(scene.station.id), own="false")
    scene.checks.that("it is listed among the attached", camera_id in listed.text, seen=listed.text)
    scene.step("it is detached, and the gap is what it was")
    detached = await seat.post(f"/v1/cameras/{camera_id}/detach", {"reason": "授权到期"})
    scene.need("it is detached", detached.is_success, seen=detached.text)
    scene.checks.equal("covered", (await _route(scene, route))["covered_m"], today["covered_m"])
    scene.step("the blind spots of the station's area, on a map")
    area = (await seat.get(f"/v1/centers/{scene.station.id}/coverage", spacing_m=100)).json()
    scene.checks.equal("each place is seen or blind", area["seen"] + _blind(area), area["places"])
    scene.saw(f"{scene.second_level.code} supervisor", f"{_blind(area)} blind spots of {area['places']} places")


async def past_case(scene: Scene) -> None:
    """F23: a clue for a past case: a recording of another district, whose camera's clock was wrong."""
    camera, asker = scene.cameras[0], await scene.operator(scene.cast.center("dept-police"))
    provider = await scene.operator(scene.station)
    begins_at = scene.cast.now() - timedelta(days=90)
    scene.step("detectives ask for ten minutes of a camera three months ago")
    answer = await asker.post(
        "/v1/evidence/requests",
        {
            "camera_id": str(camera.id),
            "begins_at": begins_at.isoformat(),
            "ends_at": (begins_at + timedelta(minutes=10)).isoformat(),
            "purpose": "核查三个月前盗窃案嫌疑车辆去向",
            "case_number": "A5101042026080042",
        },
    )
    scene.need("it is asked for", answer.is_success, seen=answer.text)
    path = f"/v1/evidence/requests/{answer.json()['request_id']}"
    scene.step("the station secures it: hash, and by how much the camera's clock was off")
    waiting = await provider.get("/v1/evidence/requests", phase="requested")
    scene.checks.that("the station sees what it is asked for", path.rpartition("/")[2] in waiting.text)
    sha256 = hashlib.sha256(b"recording").hexdigest()
    recording = {
        "uri": f"file://evidence/{camera.code}.mp4",
        "sha256": sha256,
        "clock_offset_s": 412.5,
        "clock_checked_by": "与路口大钟比对",
        "holder": f"{scene.station.name_zh}证据室",
    }
    await _decided(scene, provider, f"{path}/provide", recording, path)
    changed = await provider.post(f"{path}/provide", {**recording, "sha256": "0" * 64}, version='"2"')
    scene.checks.equal("it cannot be changed afterwards", changed.json()["code"], "evidence.already_answered")
    scene.step("detectives take it over, and only with the same hash")
    over = {"to_holder": "刑侦支队", "sha256": sha256, "purpose": "案件侦查"}
    wrong = await asker.post(f"{path}/hand-over", {**over, "sha256": "0" * 64}, version='"2"')
    scene.checks.equal("another recording is refused", wrong.json()["code"], "evidence.hash_differs")
    await _decided(scene, asker, f"{path}/hand-over", over, path)
    scene.step("where it is, only a recorded reading tells")
    told = (await asker.get(path)).json()
    scene.checks.that("the request does not say it", str(recording["uri"]) not in str(told))
    read = await asker.post(f"{path}/read", {"purpose": "核对时间线"})
    scene.checks.equal("the reading does", read.json().get("uri"), recording["uri"])
    told = (await asker.get(path, min_position=read.json().get("position", 0))).json()
    scene.checks.equal("the clock's offset stands with it", told["recording"]["clock_offset_s"], 412.5)
    chain = [(step["from_holder"], step["to_holder"]) for step in told["custody"]]
    scene.checks.equal("the chain is whole", chain, [(None, recording["holder"]), (recording["holder"], "刑侦支队")])
    scene.checks.equal("and so is who looked", [one["purpose"] for one in told["reads"]], ["核对时间线"])
    scene.saw("dept-police", f"recording of {camera.code}, {len(chain)} holders, {len(told['reads'])} reading")


async def _decided(scene: Scene, seat: Any, path: str, body: dict[str, Any], about: str) -> None:
    version = (await seat.get(about)).headers["etag"]
    answer = await seat.post(path, body, version=version)
    scene.need(f"{seat.name}: {path.rpartition('/')[2]}", answer.is_success, seen=answer.text)


def _street(camera: CameraEntry) -> dict[str, Any]:
    """Some 600 m from under a camera to the east."""
    start = camera.location
    return {"type": "LineString", "coordinates": [[start.lon, start.lat], [start.lon + 0.006, start.lat]]}


def _middle(line: list[list[float]]) -> list[float]:
    first, last = line[0], line[-1]
    return [(first[0] + last[0]) / 2, (first[1] + last[1]) / 2]


def _blind(area: dict[str, Any]) -> int:
    return len(area["blind_spots"]["features"]) + int(area["blind_spots_left_out"])


async def _route(scene: Scene, route: dict[str, Any], **asked: Any) -> dict[str, Any]:
    answer = await (await scene.operator(scene.second_level)).post("/v1/coverage/route", {"route": route, **asked})
    scene.need("the route can be looked at", answer.is_success, seen=answer.text)
    document: dict[str, Any] = answer.json()
    return document
