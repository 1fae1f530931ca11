"""Lost children and elders: eyes kept open across centers, for a purpose and a time (F7)."""

from __future__ import annotations

from datetime import timedelta

import httpx

from dispatch.demo.flow import Scene
from dispatch.demo.seats import Seat

DESCRIPTION = "王大爷，78岁，蓝色外套，拄拐杖"


async def missing_person(scene: Scene) -> None:
    """F7: an elder is missing: two districts are asked, acknowledge, one sees him; whom it is about stays sealed."""
    station, district = await scene.operator(scene.station), await scene.operator(scene.second_level)
    other = next(
        center
        for center in scene.cast.directory.centers.values()
        if center.level == scene.second_level.level and center.id != scene.second_level.id and center.area
    )
    neighbour = await scene.operator(other)
    stranger = await scene.operator(scene.cast.center("dept-landscape"))
    scene.step("a daughter calls: her father has not come home")
    filed = await scene.reported(
        station,
        channel="hotline_110",
        category="help.missing_person",
        severity=3,
        text="老人下午外出未归",
        place={"address": "人民公园西门"},
        caller="王女士",
    )
    scene.step("a watch is opened in two districts, for twelve hours")
    body = {
        "incident_id": filed["incident_id"],
        "subject": "elder",
        "description": DESCRIPTION,
        "purpose": "寻找走失老人",
        "center_ids": [str(scene.second_level.id), str(other.id)],
        "last_seen": {"address": "人民公园西门"},
        "expires_at": (scene.cast.now() + timedelta(hours=12)).isoformat(),
    }
    forever = await station.post(
        "/v1/watches", {**body, "expires_at": (scene.cast.now() + timedelta(days=30)).isoformat()}
    )
    scene.checks.equal("nobody is watched for a month", forever.json()["code"], "watch.no_period")
    opened = await station.post("/v1/watches", body)
    scene.need("it is opened", opened.is_success, seen=opened.text)
    path = f"/v1/watches/{opened.json()['watch_id']}"
    watch_id = opened.json()["watch_id"]
    await _asked(scene, path, watch_id, (district, neighbour), stranger)
    await _told_for_a_purpose(scene, path, station, neighbour)
    await _seen_and_found(scene, path, station, neighbour)
    listed = await district.get("/v1/watches")
    scene.checks.that("it is in force nowhere", watch_id not in listed.text)
    counted = await station.post(
        f"/v1/incidents/{filed['incident_id']}/outcomes/people", {"outcome": "found", "people": 1}
    )
    scene.need("one person found is counted", counted.is_success, seen=counted.text)
    await scene.handled(station, filed["incident_id"], unit=False)
    await scene.ended(station, filed["incident_id"], "handled")
    scene.saw(other.code, "a watch, acknowledged, one sighting")


async def _asked(scene: Scene, path: str, watch_id: str, asked: tuple[Seat, Seat], stranger: Seat) -> None:
    scene.step("both districts see and acknowledge it, nobody else has it")
    for seat in asked:
        listed = await seat.get("/v1/watches")
        scene.checks.that(f"{seat.name} is asked", watch_id in listed.text, seen=listed.text)
        acknowledged = await seat.post(f"{path}/acknowledge")
        scene.need(f"{seat.name} acknowledges", acknowledged.is_success, seen=acknowledged.text)
    scene.checks.equal("the others know nothing of it", (await stranger.get(path)).status_code, httpx.codes.NOT_FOUND)
    acknowledged = (await asked[0].get(path)).json()["acknowledged"]
    scene.checks.equal("who acknowledged stands in it", len({one["center_id"] for one in acknowledged}), 2)


async def _told_for_a_purpose(scene: Scene, path: str, station: Seat, neighbour: Seat) -> None:
    scene.step("whom it is about is told for a purpose, and each reading is recorded")
    screens = (await station.get(path)).text + (await station.get("/v1/watches")).text
    scene.checks.that("it is on no screen", DESCRIPTION not in screens)
    read = await neighbour.post(f"{path}/read", {"purpose": "告知当班监控员"})
    scene.checks.equal("it is told", read.json().get("description"), DESCRIPTION)
    facts = await scene.cast.auditor().get("/v1/audit/events", topic="watch.read", limit=200)
    who = [
        one["envelope"]["actor"]["id"] for one in facts.json()["items"] if one["stream_id"] == path.rpartition("/")[2]
    ]
    scene.checks.equal("the auditor sees who looked", len(who), 1)


async def _seen_and_found(scene: Scene, path: str, station: Seat, neighbour: Seat) -> None:
    scene.step("the neighbouring district sees him, and he is brought home")
    sighting = {"place": {"address": "地铁二号线春熙路站"}, "text": "衣着相符，民警上前询问"}
    seen = await neighbour.post(f"{path}/sightings", sighting)
    scene.need("the sighting is reported", seen.is_success, seen=seen.text)
    found = (await station.get(path)).json()["sightings"]
    scene.checks.equal("the station sees where", [one["place"]["address"] for one in found], ["地铁二号线春熙路站"])
    late = await neighbour.post(f"{path}/end", {"outcome": "found"})
    scene.checks.equal("only who opened it ends it", late.json()["code"], "not_the_owner")
    ended = await station.post(f"{path}/end", {"outcome": "found", "note": "家属接回"})
    scene.need("it is ended", ended.is_success, seen=ended.text)
    scene.step("from then on nobody is told whom it was about")
    after = await neighbour.post(f"{path}/read", {"purpose": "好奇"})
    scene.checks.equal("it is refused", after.json()["code"], "watch.over")
