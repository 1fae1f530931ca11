"""Agencies that work together, the four of the city and those that are there by configuration only (F6, F13, F22)."""

from __future__ import annotations

from typing import Any

from dispatch.demo import messages
from dispatch.demo.flow import Scene, parts_of
from dispatch.demo.seats import Row, Seat


async def fire(scene: Scene) -> None:
    """F6: smoke on a camera goes to the fire service, an agency outside the four; the police support, health knows.

    It spreads: the second alarm adds engines and a ladder, and the card says what is missing until they are sent.
    """
    camera, service = scene.cameras[0], scene.cast.center("dept-fire")
    scene.step("a camera sees smoke")
    alert = messages.native_alert(
        camera, scene.cast.now(), alert_id=f"{camera.code}-smoke", kind="smoke_fire", severity="severe", text="浓烟"
    )
    incident_id = await scene.detected(camera, alert)
    scene.step("the fire service is the dispatcher of record, at the highest priority")
    row = await scene.shows(service, incident_id, category="fire.alarm", priority=0)
    roles = {(one["agency"], one["role"]) for one in row["recipients"]}
    expected = {("fire", "responsible"), ("police", "supporting"), ("health", "informed")}
    scene.checks.that("roles", expected <= roles, seen=roles)
    await scene.shows(scene.second_level, incident_id)
    scene.step("the fire service takes it, without a feed, on its own screen")
    crew = await scene.operator(service)
    queue = await crew.get("/v1/agencies/fire/queue", role="responsible")
    listed = [one["incident_id"] for one in queue.json()["items"]]
    scene.checks.that("it is in the agency's queue", incident_id in listed, seen=listed)
    taken = await crew.post(f"/v1/agencies/fire/incidents/{incident_id}/accept", {"reference": "119-0077"})
    scene.need("the fire service takes its part", taken.is_success, seen=taken.text)
    owner = await scene.operator(scene.second_level)
    answers = {one["agency"]: one["answer"] for one in (await scene.card(owner, incident_id))["recipients"]}
    scene.checks.equal("and the owner sees that", answers["fire"], "accepted")
    await scene.handled(owner, incident_id, crews=crew)
    await _second_alarm(scene, owner, crew, incident_id)
    rescued = await owner.post(f"/v1/incidents/{incident_id}/outcomes/people", {"outcome": "rescued", "people": 2})
    scene.need("the rescued are counted", rescued.is_success, seen=rescued.text)
    await scene.ended(owner, incident_id, "handled", "明火扑灭")


async def _second_alarm(scene: Scene, owner: Seat, crew: Seat, incident_id: str) -> None:
    scene.step("it spreads: the second alarm asks for five engines and a ladder, none of them there")
    await scene.decided(owner, incident_id, "alarm/raise", {"level": 2, "reason": "火势蔓延至三层"})
    row = await scene.shows(scene.second_level, incident_id, alarm_level=2)
    scene.checks.equal("asked for, and there", _engines(row), {"fire_fighting": (0, 5), "aerial_ladder": (0, 1)})
    card = await scene.card(owner, incident_id)
    scene.checks.that("the card says what is missing", "登高" in (card["lacking"]["zh"] or ""), seen=card["lacking"])

    async def recommended() -> bool | None:
        found = (await owner.get(f"/v1/incidents/{incident_id}")).json().get("recommendation") or {}
        return True if found.get("alarm_level") == 2 else None

    scene.need("units of the second alarm are recommended", await scene.cast.until(recommended))
    scene.step("the fire service sends its part of the plan by one request")
    sent = await crew.post(f"/v1/incidents/{incident_id}/assignments/plan", {})
    scene.need("it is sent", sent.is_success, seen=sent.text)
    made = [each for each in sent.json()["units"] if each["verdict"] == "assigned"]
    scene.checks.equal("five engines and a ladder", len(made), 6)
    card = await scene.card(owner, incident_id)
    engines = {"fire_fighting": (5, 5), "aerial_ladder": (1, 1)}
    scene.checks.equal("the card shows them there", _engines(card), engines)
    scene.checks.that("no ladder is missing", "登高" not in (card["lacking"]["zh"] or ""), seen=card["lacking"])
    for each in made:
        cleared = await crew.post(f"/v1/assignments/{each['assignment_id']}/clear", {"outcome": "明火扑灭"})
        scene.need("the crew is done there", cleared.is_success, seen=cleared.text)


def _engines(shown: Row) -> dict[str, tuple[int, int]]:
    """Skill → how many are there of how many."""
    return {one["skills"][0]: (one["there"], one["units"]) for one in shown["wanted"] if one["agency"] == "fire"}


async def linkage(scene: Scene) -> None:
    """F13: what one agency sees goes to another with a notice that must be acknowledged, and it shows who has."""
    seat = await scene.operator(scene.station)
    scene.step("the police see damaged public property, which is urban management's")
    filed = await scene.reported(
        seat,
        channel="operator",
        category="urban.facility_damage",
        severity=2,
        text="路灯电缆被剪断",
        camera_id=str(scene.cameras[0].id),
    )
    incident_id = filed["incident_id"]
    urban = scene.cast.center("dept-urban-management")
    row = await scene.shows(urban, incident_id)
    roles = parts_of(row)
    scene.checks.equal("both are on it", roles, {"urban_management": "responsible", "police": "supporting"})
    scene.step("both hear of it on their feeds; nobody has acknowledged")
    for agency, role in roles.items():
        heard = await scene.hears(agency, "dispatch.incident.routed.v1", incident_id)
        scene.checks.equal(f"{agency} is told its role", heard.body["role"], role)
    scene.checks.equal("no answer yet", {one["answer"] for one in row["recipients"]}, {None})
    scene.step("urban management acknowledges with its own reference, the police decline with a reason")
    taken = await (await scene.cast.partner("urban_management")).say(
        "accept", {"incident_id": incident_id, "reference": "CG-2026-118"}
    )
    scene.checks.that("the acknowledgement is recorded", taken["recorded"], seen=taken)
    declined = await (await scene.cast.partner("police")).say(
        "decline", {"incident_id": incident_id, "reason": "暂不构成刑案，转治安巡逻"}
    )
    scene.checks.that("so is the refusal", declined["recorded"], seen=declined)
    controller = await scene.operator(urban)
    await _answers_shown(scene, controller, incident_id)
    foreign = await (await scene.cast.partner("flood_control")).say("accept", {"incident_id": incident_id})
    scene.checks.that("an agency that was not asked cannot answer", not foreign["recorded"], seen=foreign)
    await scene.handled(controller, incident_id)
    await scene.ended(controller, incident_id, "handled", "已修复")


async def _answers_shown(scene: Scene, controller: Seat, incident_id: str) -> None:
    scene.step("everybody sees who acknowledged, under which number, and who did not and why")

    async def answered() -> dict[str, tuple[Any, Any, Any]] | None:
        recipients = (await controller.get(f"/v1/incidents/{incident_id}")).json()["recipients"]
        found = {one["agency"]: (one["answer"], one["reference"], one["reason"]) for one in recipients}
        return found if all(answer for answer, _, _ in found.values()) else None

    scene.checks.equal(
        "answers",
        await scene.cast.until(answered),
        {
            "urban_management": ("accepted", "CG-2026-118", None),
            "police": ("declined", None, "暂不构成刑案，转治安巡逻"),
        },
    )


async def health(scene: Scene) -> None:
    """F22: epidemic control: another agency outside the four answers at a check point, by configuration only."""
    seat, service = await scene.operator(scene.station), scene.cast.center("dept-health")
    scene.step("a check point reports people with a fever")
    filed = await scene.reported(
        seat,
        channel="operator",
        category="help.medical",
        severity=3,
        text="检查点发现发热人员三名",
        camera_id=str(scene.cameras[0].id),
    )
    incident_id = filed["incident_id"]
    scene.step("health is the dispatcher of record on its own board and in its own queue")
    row = await scene.shows(service, incident_id)
    roles = {one["agency"]: one["role"] for one in row["recipients"]}
    scene.checks.equal("roles", roles, {"health": "responsible", "police": "supporting"})
    doctor = await scene.operator(service)
    queue = await doctor.get("/v1/agencies/health/queue")
    listed = [one["incident_id"] for one in queue.json()["items"]]
    scene.checks.that("it is in the queue", incident_id in listed, seen=listed)
    taken = await doctor.post(f"/v1/agencies/health/incidents/{incident_id}/accept", {})
    scene.need("health takes its part", taken.is_success, seen=taken.text)
    scene.step("the station escorts, people are counted, nobody is named")
    await scene.handled(seat, incident_id, crews=doctor)
    counted = await doctor.post(f"/v1/incidents/{incident_id}/outcomes/people", {"outcome": "helped", "people": 3})
    scene.need("three are counted", counted.is_success, seen=counted.text)
    await scene.ended(seat, incident_id, "handed_over", "转送发热门诊")
    entries = {entry["group"]: entry for entry in await scene.counters(by="agency", category="help.medical")}
    scene.checks.equal("the agency has statistics of its own", entries["health"]["people"], {"helped": 3})
