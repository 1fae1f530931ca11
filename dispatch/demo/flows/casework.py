"""Urban management: cases that are filed, assigned, handled, checked and closed, and who was late (F8 to F12)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from dispatch.demo.flow import Scene, parts_of
from dispatch.demo.seats import Seat

URBAN = "dept-urban-management"
SHA256 = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
PHOTO = {"uri": "https://evidence.example.invalid/photos/9917", "sha256": SHA256, "media_type": "image/jpeg"}
SHORT_S = 4
"""Allowed to a class by rules of this flow: nobody waits two hours to see a lamp."""
LATE_LAMP_S = 5.0


async def problem(scene: Scene) -> None:
    """F8: the whole way of a case: returned twice and arbitrated, paused, extended, done again, supervised, closed."""
    incident_id = await _seen(scene, "urban.littering", "街口垃圾堆积")
    station, district = await scene.operator(scene.station), await scene.operator(scene.second_level)
    leader, urban = await scene.operator(scene.second_level, 9), await scene.operator(scene.cast.center(URBAN))
    landscape = await scene.operator(scene.cast.center("dept-landscape"))
    scene.step("the district files it and assigns it; the department says: not ours, and so does the next")
    case = await _filed(scene, district, incident_id, "urban.fly_tipping")
    await _done(scene, case, district, "assign", {"agency": "urban_management"})
    await _done(scene, case, urban, "return", {"reason": "绿地范围，非环卫作业面"})
    await _done(scene, case, district, "assign", {"agency": "landscape"})
    await _done(scene, case, landscape, "return", {"reason": "道路红线内，属环卫"})
    scene.step("it has bounced: only the arbiter may pass it on, and that is binding")
    await _refused(scene, case, district, "assign", {"agency": "urban_management"}, "case.in_arbitration")
    await _done(scene, case, urban, "arbitrate", {"agency": "urban_management", "reason": "环卫作业面"})
    await _refused(scene, case, urban, "return", {"reason": "不是我们"}, "case.binding")
    scene.step("its time is extended by who may, and it is paused and goes on from what was left")
    await _done(scene, case, urban, "extension", {"extra_s": 3_600, "reason": "需调用吊车"})
    await _done(scene, case, leader, "extension/grant")
    granted = await _case(scene, district, case)
    scene.checks.equal("an hour more", granted["extension_s"], 3_600)
    await _done(scene, case, leader, "pause", {"reason": "等待施工许可"})
    await _done(scene, case, leader, "resume")
    scene.step("a leader presses; it is handled; the check fails; it is done again, and passes")
    await _done(scene, case, leader, "supervise", {"demand": "今日必须清运"})
    await _done(scene, case, urban, "handle", {"outcome": "已清运", "evidence": [PHOTO]})
    await _refused(scene, case, station, "check", {"passed": True}, "not_found", "case.not_yours")
    await _done(scene, case, district, "check", {"passed": False, "note": "仍有积存"})
    await _done(scene, case, urban, "handle", {"outcome": "复清完毕", "evidence": [PHOTO]})
    await _done(scene, case, district, "check", {"passed": True})
    scene.step("the incident cannot end while its case is open; then both are closed")
    await scene.handled(district, incident_id, unit=False)
    await scene.decided(district, incident_id, "resolve", {"disposition": "handled"})
    early = await district.decide(incident_id, "close")
    scene.checks.equal("it is refused", early.json().get("code"), "incident.case_open")
    await _done(scene, case, district, "close")
    await scene.decided(district, incident_id, "close")
    closed = await _case(scene, district, case)
    counts = {name: closed[name] for name in ("phase", "returns", "reworks", "supervisions", "is_binding")}
    scene.checks.equal(
        "all of it stands in the case",
        counts,
        {"phase": "closed", "returns": 2, "reworks": 1, "supervisions": 1, "is_binding": True},
    )
    await _rates(scene, leader)


async def _rates(scene: Scene, leader: Seat) -> None:
    scene.step("the rates are of departments: one bounced it, the other did it twice and in time")
    since, until = scene.cast.evening
    answer = await leader.get("/v1/statistics/cases", since=since, until=until, by="department")
    found = {one["group"]: one for one in answer.json()["items"]}
    scene.checks.equal("who returned it", found["landscape"]["return_rate"], 1.0)
    urban = found["urban_management"]
    scene.checks.that("and who was in time, at the second attempt", urban["rework_rate"] and urban["on_time_rate"])
    scene.saw(f"{scene.second_level.code} supervisor", "rates by department")


async def littering(scene: Scene) -> None:
    """F9: classes of one category have times of their own; lamps at 80 and at 100 %, of time that really passed."""
    district, urban = await scene.operator(scene.second_level), await scene.operator(scene.cast.center(URBAN))
    scene.step("rules in which one class is allowed four seconds, so that its lamps can be seen")
    await _with_time(scene, "urban.exposed_refuse", SHORT_S)
    incident_id = await _seen(scene, "urban.littering", "果皮箱满溢")
    other_id = await _seen(scene, "urban.littering", "乱倒渣土", offset=0.02)
    short = await _filed(scene, district, incident_id, "urban.exposed_refuse")
    long = await _filed(scene, district, other_id, "urban.fly_tipping")
    for case in (short, long):
        await _done(scene, case, district, "assign")
    scene.step("each class has its own deadline")
    red_at = {case: datetime.fromisoformat((await _case(scene, district, case))["red_at"]) for case in (short, long)}
    scene.checks.that(
        "seven working hours are longer than four seconds", red_at[long] - red_at[short] > timedelta(hours=1)
    )
    scene.step("amber at four fifths, red when all is used, on the department's screen and feed")
    for lamp in ("amber", "red"):
        turned = await scene.cast.until(lambda lamp=lamp: _lamp(urban, short, lamp))  # type: ignore[misc]
        scene.need(f"the lamp turns {lamp}", turned, seen=await _case(scene, district, short))
    told = [one for one in (await _case(scene, district, short))["history"] if one["event"] == "case.lamp_turned"]
    early = [one["values"]["late_s"] for one in told if not 0 <= one["values"]["late_s"] < LATE_LAMP_S]
    scene.checks.equal("each at its time", (len(told), early), (2, []))
    scene.checks.equal("the other case is green", (await _case(scene, district, long))["lamp"], "green")
    await scene.hears("urban_management", "dispatch.case.lamp_turned.v1", incident_id)
    red = await district.get("/v1/cases", lamp="red")
    scene.checks.that("it is in the list of what is late", short in red.text, seen=red.text)
    scene.step("handled too late, it stays late in the rates")
    await _done(scene, short, urban, "handle", {"outcome": "清运完毕"})
    await _done(scene, short, district, "check", {"passed": True})
    await _done(scene, short, district, "close")
    parts = (await _case(scene, district, short))["parts"]
    scene.checks.equal("it was late", [part["is_late"] for part in parts], [True])
    scene.saw(URBAN, "amber, red")


async def street(scene: Scene) -> None:
    """F10: stalls, digging and building are classes of their own, with agencies of their own beside."""
    district, leader = await scene.operator(scene.second_level), await scene.operator(scene.second_level, 9)
    for number, (category, class_code, beside) in enumerate(
        (
            ("urban.illegal_stall", "urban.road_occupied", {"police": "informed"}),
            ("urban.road_digging", "urban.unlicensed_digging", {"traffic_police": "informed"}),
            ("urban.illegal_building", "urban.unlicensed_building", {"housing": "supporting"}),
        )
    ):
        scene.step(f"{category}: who is on it")
        incident_id = await _seen(scene, category, category, offset=number / 50)
        row = await scene.shows(scene.second_level, incident_id)
        parts = {agency: role for agency, role in parts_of(row).items() if agency in {"urban_management", *beside}}
        scene.checks.equal("agencies", parts, {"urban_management": "responsible", **beside})
        scene.step(f"a case of class {class_code}")
        wrong = await _file(district, incident_id, "urban.facility_broken")
        scene.checks.equal("another category's class is refused", wrong.json()["code"], "case.other_category")
        case = await _filed(scene, district, incident_id, class_code)
        await _done(scene, case, district, "assign")
        heard = await scene.hears("urban_management", "dispatch.case.assigned.v1", incident_id)
        scene.checks.equal("the department is told which", (heard.body.get("case") or {}).get("class_code"), class_code)
        await _done(scene, case, leader, "void", {"reason": "演示后撤销"})


async def facility_theft(scene: Scene) -> None:
    """F11: a stolen facility is a component: its owner has it first, and the police are on it as well."""
    urban_center = scene.cast.center(URBAN)
    urban = await scene.operator(urban_center)
    incident_id = await _seen(scene, "urban.facility_theft", "电缆井盖被盗")
    scene.step("the owner of the component owns the incident, the locality is told, the police support")
    row = await scene.shows(urban_center, incident_id, owner_center_id=str(urban_center.id))
    scene.checks.equal("parts", parts_of(row), {"urban_management": "responsible", "police": "supporting"})
    await scene.shows(scene.second_level, incident_id)
    await scene.hears("police", "dispatch.incident.routed.v1", incident_id)
    scene.step("the case is the department's own, in working time; the police link theirs")
    case = await _filed(scene, urban, incident_id, "urban.facility_stolen")
    await _done(scene, case, urban, "assign")
    shown = await _case(scene, urban, case)
    scene.checks.equal("a component", (shown["kind"], shown["major_code"]), ("component", "01"))
    police = await scene.operator(scene.cast.center("dept-police"))
    linked = await police.post(
        f"/v1/incidents/{incident_id}/outcomes/external-cases",
        {"system": "police-cases", "number": f"T-{scene.station.code}", "kind": "criminal"},
    )
    scene.need("the police link their case", linked.is_success, seen=linked.text)
    await _done(scene, case, urban, "handle", {"outcome": "已补装井盖", "evidence": [PHOTO]})
    await _done(scene, case, urban, "check", {"passed": True})
    await _done(scene, case, urban, "close")
    scene.saw("dept-police", f"{row['number']}, case T-{scene.station.code}")


async def enforcement(scene: Scene) -> None:
    """F12: enforcement in the field is supervised, and what it did is shown by evidence with its hash."""
    district, urban = await scene.operator(scene.second_level), await scene.operator(scene.cast.center(URBAN))
    leader = await scene.operator(scene.second_level, 9)
    incident_id = await _seen(scene, "urban.illegal_stall", "校门口占道经营")
    case = await _filed(scene, district, incident_id, "urban.stall_outside")
    await _done(scene, case, district, "assign")
    scene.step("a leader presses; the department hears what is wanted")
    await _done(scene, case, leader, "supervise", {"demand": "文明执法，全程录像"})
    await scene.hears("urban_management", "dispatch.case.supervised.v1", incident_id)
    scene.step("what was done is shown by pictures whose hash anybody can compute again")
    await _refused(
        scene, case, urban, "handle", {"outcome": "x", "evidence": [{**PHOTO, "sha256": "nonsense"}]}, "invalid"
    )
    await _done(scene, case, urban, "handle", {"outcome": "当事人自行撤离", "evidence": [PHOTO]})
    history = (await _case(scene, district, case))["history"]
    handled = [one for one in history if one["event"] == "case.handled"]
    scene.checks.equal("the hash stands in its history", handled[0]["values"]["evidence"][0]["sha256"], SHA256)
    pressed = [one["values"]["demand"] for one in history if one["event"] == "case.supervised"]
    scene.checks.equal("and so does what was wanted", pressed, ["文明执法，全程录像"])
    await _done(scene, case, district, "check", {"passed": True, "evidence": [PHOTO]})
    await _done(scene, case, district, "close")
    facts = await scene.cast.auditor().get("/v1/audit/events", stream_id=case)
    names = [one["event"] for one in facts.json()["items"]]
    scene.checks.equal(
        "the auditor sees the whole chain",
        names,
        ["case.filed", "case.assigned", "case.supervised", "case.handled", "case.checked", "case.closed"],
    )


async def _seen(scene: Scene, category: str, text: str, offset: float = 0.0) -> str:
    """An operator of the station reports it; the incident."""
    spot = scene.cameras[0].location
    filed = await scene.reported(
        await scene.operator(scene.station),
        channel="operator",
        category=category,
        severity=2,
        text=text,
        place={"point": {"type": "Point", "coordinates": [spot.lon + offset / 10, spot.lat]}},
    )
    return str(filed["incident_id"])


async def _file(seat: Seat, incident_id: str, class_code: str) -> Any:
    card = await seat.get(f"/v1/incidents/{incident_id}")
    return await seat.post(
        f"/v1/incidents/{incident_id}/cases", {"class_code": class_code}, version=card.headers.get("etag")
    )


async def _filed(scene: Scene, seat: Seat, incident_id: str, class_code: str) -> str:
    answer = await _file(seat, incident_id, class_code)
    scene.need(f"{seat.name} files a case of {class_code}", answer.is_success, seen=answer.text)
    return str(answer.json()["case_id"])


async def _decide(seat: Seat, case: str, verb: str, body: Any) -> Any:
    shown = await seat.get(f"/v1/cases/{case}")
    return await seat.post(f"/v1/cases/{case}/{verb}", body, version=shown.headers.get("etag", '"1"'))


async def _done(scene: Scene, case: str, seat: Seat, verb: str, body: Any = None) -> None:
    answer = await _decide(seat, case, verb, body)
    scene.need(f"{seat.name}: {verb}", answer.is_success, seen=answer.text)


async def _refused(scene: Scene, case: str, seat: Seat, verb: str, body: Any, *codes: str) -> None:
    answer = await _decide(seat, case, verb, body)
    scene.checks.that(f"{seat.name} cannot {verb}", answer.json().get("code") in codes, seen=answer.text)


async def _case(scene: Scene, seat: Seat, case: str) -> dict[str, Any]:
    answer = await seat.get(f"/v1/cases/{case}")
    scene.need("the case can be read", answer.is_success, seen=answer.text)
    document: dict[str, Any] = answer.json()
    return document


async def _lamp(seat: Seat, case: str, lamp: str) -> bool:
    return bool((await seat.get(f"/v1/cases/{case}")).json().get("lamp") == lamp)


async def _with_time(scene: Scene, class_code: str, seconds: int) -> None:
    """Publish rules in which a class is allowed so long, and put them in force."""
    administrator = scene.cast.administrator()
    rules = (await administrator.get("/v1/rulebook")).json()
    for rule in rules["case_classes"]:
        if rule["code"] == class_code:
            rule["handle_within_s"] = seconds
    version = rules["version"] = len((await administrator.get("/v1/rulebook/versions")).json()["items"]) + 1
    published = await administrator.post("/v1/rulebook/versions", rules)
    scene.need("the rules are published", published.is_success, seen=published.text)
    activated = await administrator.post(f"/v1/rulebook/versions/{version}/activate")
    scene.need("and in force", activated.is_success, seen=activated.text)
