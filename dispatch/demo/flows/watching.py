"""What operators see on their cameras and report: the cornerstone, and what came of it (F1 to F4, F24)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from dispatch.demo import messages
from dispatch.demo.flow import Scene
from dispatch.directory_entries import CameraEntry

CLIP_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
CASES = "police-cases"


async def seen_and_reported(scene: Scene) -> None:
    """F1: an operator sees it on a camera and reports it up, with the camera and the clip."""
    camera, at = scene.cameras[0], scene.cast.now()
    seat = await scene.operator(scene.station)
    scene.step("the operator reports what is on the screen, with camera and clip")
    clip = {
        "uri": f"gb28181://{camera.code}/clip",
        "sha256": CLIP_SHA256,
        "begins_at": (at - timedelta(minutes=2)).isoformat(),
        "ends_at": at.isoformat(),
    }
    filed = await scene.reported(
        seat,
        channel="operator",
        category="order.disturbance",
        severity=2,
        text="广场有人聚集争吵",
        camera_id=str(camera.id),
        media=[clip],
    )
    incident_id = filed["incident_id"]
    scene.step("the station, the second level and the city see it with its number")
    for center in (scene.station, scene.second_level, scene.cast.directory.root()):
        row = await scene.shows(center, incident_id, number=filed["number"])
        scene.checks.equal("it is where the camera is", row["camera_id"], str(camera.id))
    scene.step("the card has the reporter's words and the clip")
    card = await scene.card(seat, incident_id)
    (report,) = scene.need("one report is on the card", card["reports"])
    scene.checks.equal("its words are there", report["text"], "广场有人聚集争吵")
    scene.checks.equal("the clip is referenced by its hash", report["media"][0]["sha256"], CLIP_SHA256)
    scene.step("a unit settles it")
    await scene.handled(seat, incident_id)
    await scene.ended(seat, incident_id, "handled")
    await scene.lacks(scene.station, incident_id)


async def criminal_case(scene: Scene) -> None:
    """F2: two items helped to solve one criminal case; two were caught."""
    await _solved(scene, "criminal", "A5101042026110001", caught=(2, 1))


async def public_order_case(scene: Scene) -> None:
    """F3: the same for a public-order case, seen by a machine first."""
    await _solved(scene, "public_order", "Z5101042026110007", caught=(4,))


async def _solved(scene: Scene, kind: str, number: str, *, caught: tuple[int, ...]) -> None:
    seat = await scene.operator(scene.station)
    before = await _cases(scene, kind)
    incidents = []
    for count, camera in zip(caught, scene.cameras, strict=False):
        scene.step(f"an item is seen on camera {camera.label} and handled")
        incident_id = await _crime_seen(scene, camera)
        await scene.handled(seat, incident_id, unit=False)
        await scene.ended(seat, incident_id, "handed_over", "移交办案单位")
        scene.step("weeks later the case it helped to solve is known")
        linked = await seat.post(
            f"/v1/incidents/{incident_id}/outcomes/external-cases", {"system": CASES, "number": number, "kind": kind}
        )
        scene.need("the case is linked after the end", linked.is_success, seen=linked.text)
        people = {"outcome": "caught", "people": count, "case": {"system": CASES, "number": number}}
        counted = await seat.post(f"/v1/incidents/{incident_id}/outcomes/people", people)
        scene.need("people are counted apart", counted.is_success, seen=counted.text)
        incidents.append(incident_id)
    scene.step("all items of the case are found by its number")
    answer = await seat.get("/v1/external-cases", system=CASES, number=number)
    found = {row["incident_id"] for row in answer.json()["items"]}
    scene.checks.equal("they are these", found, set(incidents))
    scene.saw(scene.station.code, f"case {number}: {len(incidents)} items")
    scene.step("the statistics count the case once, and every person")
    counted_now = await _cases(scene, kind)
    scene.checks.equal("one case more", counted_now[0] - before[0], 1)
    scene.checks.equal("and so many caught", counted_now[1] - before[1], sum(caught))
    scene.step("a count that was wrong is struck and counts no more")
    wrong = await seat.post(f"/v1/incidents/{incidents[0]}/outcomes/people", {"outcome": "caught", "people": 9})
    struck = await seat.post(
        f"/v1/incidents/{incidents[0]}/outcomes/people/{wrong.json()['count_id']}/strike", {"reason": "与他案重复"}
    )
    scene.checks.that("it is struck", struck.is_success, seen=struck.text)
    scene.checks.equal("the count is what it was", (await _cases(scene, kind))[1], counted_now[1])


async def _crime_seen(scene: Scene, camera: CameraEntry) -> str:
    alert = messages.native_alert(
        camera,
        scene.cast.now(),
        alert_id=f"{camera.code}-panic",
        kind="panic_button",
        severity="severe",
        text="一键报警",
    )
    return await scene.detected(camera, alert)


async def _cases(scene: Scene, kind: str) -> tuple[int, int]:
    """(cases of a kind, people caught) in the city so far."""
    entries = await scene.counters()
    return (
        sum(entry["cases"].get(kind, 0) for entry in entries),
        sum(entry["people"].get("caught", 0) for entry in entries),
    )


async def dispute_settled(scene: Scene) -> None:
    """F4: a dispute is settled on the spot and counted as that."""
    seat = await scene.operator(scene.station)

    async def settled() -> int:
        return sum(entry["dispositions"].get("settled", 0) for entry in await scene.counters(by="category"))

    before = await settled()
    scene.step("a neighbour calls about a quarrel")
    filed = await scene.reported(
        seat,
        channel="hotline_110",
        category="order.dispute",
        text="楼道堆物引发邻里纠纷",
        place={"point": _point(scene)},
        caller="王女士",
    )
    incident_id = filed["incident_id"]
    row = await scene.shows(scene.station, incident_id, category="order.dispute")
    scene.checks.that("the caller's name is not on the board", "王女士" not in str(row))
    scene.step("the crew settles it")
    await scene.handled(seat, incident_id)
    await scene.ended(seat, incident_id, "settled", "双方和解，现场清理")
    scene.step("the statistics count one dispute more that was settled")
    scene.checks.equal("one more", await settled() - before, 1)


async def campaign(scene: Scene) -> None:
    """F24: a campaign counts by its rule and by what people add, in its own period, people apart from items."""
    district, supervisor = scene.second_level, await scene.operator(scene.second_level, 9)
    seat = await scene.operator(scene.station)
    code = f"night-{scene.station.code}"
    scene.step("the second level opens a campaign over its own area")
    body = {
        "code": code,
        "name_zh": "夜间清查专项行动",
        "name_en": "Night check campaign",
        "purpose": "统计夜间清查战果",
        "categories": ["crime.suspected"],
        "center_ids": [str(district.id)],
        "begins_at": (scene.cast.now() - timedelta(minutes=1)).isoformat(),
        "ends_at": (scene.cast.now() + timedelta(days=30)).isoformat(),
    }
    opened = await supervisor.post("/v1/campaigns", body)
    scene.need("it is opened", opened.is_success, seen=opened.text)
    scene.step("an item of its category counts by itself, another is added by hand, a third is taken out")
    by_rule = await _crime_seen(scene, scene.cameras[0])
    taken_out = await scene.reported(
        seat, channel="operator", category="crime.suspected", text="疑似盗窃", place={"point": _point(scene, 0.01)}
    )
    added = await scene.reported(
        seat, channel="operator", category="order.disturbance", text="聚众滋事", place={"point": _point(scene, -0.01)}
    )
    joined = await seat.post(f"/v1/incidents/{added['incident_id']}/campaigns", {"campaign": code})
    scene.need("it is added", joined.is_success, seen=joined.text)
    left = await seat.post(f"/v1/incidents/{taken_out['incident_id']}/campaigns/{code}/leave", {"reason": "非本行动"})
    scene.need("it is taken out", left.is_success, seen=left.text)
    await seat.post(f"/v1/incidents/{by_rule}/outcomes/people", {"outcome": "caught", "people": 6})
    scene.step("its statistics have its items, its people and its categories, and nothing else")
    entries = {entry["group"]: entry for entry in await scene.counters(campaign=code, by="category")}
    counts = {group: entry["incidents"] for group, entry in entries.items()}
    scene.checks.equal("items by category", counts, {"crime.suspected": 1, "order.disturbance": 1})
    scene.checks.equal("people caught", entries["crime.suspected"]["people"], {"caught": 6})
    table = await supervisor.get(
        "/v1/statistics/counters",
        since=scene.cast.evening[0],
        until=scene.cast.evening[1],
        campaign=code,
        format="csv",
    )
    scene.checks.that("and go out as a table", "people.caught" in table.text.splitlines()[0], seen=table.text)
    scene.saw(f"{district.code} supervisor", "statistics of the campaign")


async def achievements(scene: Scene) -> None:
    """F25: what a campaign achieved: cases of two kinds, each once, and people, beside the items that led to them."""
    supervisor, seat = await scene.operator(scene.second_level, 9), await scene.operator(scene.station)
    code = f"results-{scene.station.code}"
    begins_at = scene.cast.now() - timedelta(minutes=1)
    opened = await supervisor.post(
        "/v1/campaigns",
        {
            "code": code,
            "name_zh": "冬季严打",
            "name_en": "Winter campaign",
            "purpose": "统计破案与抓获",
            "begins_at": begins_at.isoformat(),
            "ends_at": (begins_at + timedelta(days=60)).isoformat(),
        },
    )
    scene.need("a campaign is opened that counts what is added", opened.is_success, seen=opened.text)
    scene.step("four items lead to two criminal cases and one public-order case")
    led_to = (("criminal", "A1", 5), ("criminal", "A1", 2), ("criminal", "A2", 1), ("public_order", "Z1", 3))
    for number, (kind, case, caught) in enumerate(led_to):
        filed = await scene.reported(
            seat,
            channel="operator",
            category="crime.suspected",
            text=f"可疑情况 {number}",
            place={"point": _point(scene, number / 50)},
        )
        path = f"/v1/incidents/{filed['incident_id']}"
        reference = {"system": CASES, "number": f"{case}-{code}"}
        for answer in (
            await seat.post(f"{path}/campaigns", {"campaign": code}),
            await seat.post(f"{path}/outcomes/external-cases", {**reference, "kind": kind}),
            await seat.post(f"{path}/outcomes/people", {"outcome": "caught", "people": caught, "case": reference}),
        ):
            scene.need("it is recorded", answer.is_success, seen=answer.text)
    scene.step("the campaign's report")
    (entry,) = await scene.counters(campaign=code)
    scene.checks.equal("items", entry["incidents"], len(led_to))
    scene.checks.equal("cases, each once", entry["cases"], {"criminal": 2, "public_order": 1})
    scene.checks.equal("people", entry["people"], {"caught": 11})
    await _shortened(scene, code, len(led_to))


async def _shortened(scene: Scene, code: str, items: int) -> None:
    supervisor, seat = await scene.operator(scene.second_level, 9), await scene.operator(scene.station)
    scene.step("it is shortened, and what was counted before its end stays")
    ends_at = scene.cast.now()
    shortened = await supervisor.post(
        f"/v1/campaigns/{code}/prolong", {"ends_at": ends_at.isoformat(), "reason": "提前结束"}
    )
    scene.need("it ends now", shortened.is_success, seen=shortened.text)
    scene.checks.equal("the same items", (await scene.counters(campaign=code))[0]["incidents"], items)
    late = await scene.reported(
        seat, channel="operator", category="crime.suspected", text="事后", place={"point": _point(scene, 0.2)}
    )
    refused = await seat.post(f"/v1/incidents/{late['incident_id']}/campaigns", {"campaign": code})
    scene.checks.equal("what came later is not of it", refused.json().get("code"), "outcome.outside_campaign")
    scene.saw(f"{scene.second_level.code} supervisor", "4 items, 3 cases, 11 caught")


def _point(scene: Scene, offset: float = 0.0) -> dict[str, Any]:
    camera = scene.cameras[-1].location
    return {"type": "Point", "coordinates": [camera.lon + offset / 10, camera.lat]}
