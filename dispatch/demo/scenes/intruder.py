"""An intruder on two cameras, handled by the station; and an alarm that was nothing."""

from __future__ import annotations

import httpx

from dispatch.demo import messages
from dispatch.demo.scenes.acts import assign, card_of, incident_of, resolve_and_close, sent
from dispatch.demo.stage import Stage

XML = "application/xml"


async def an_intruder_on_camera(stage: Stage) -> None:
    """A Hikvision field detection opens an incident at the camera's station, and at no other."""
    camera, checks = stage.cameras[0], stage.checks
    message = messages.hikvision_field_detection(camera, stage.now())
    receipt = await sent(stage, "gateway", "/v1/ingest/hikvision", message, XML)
    checks.equal("the camera is known by its MAC address", receipt.get("camera_id"), str(camera.id))
    repeat = await sent(stage, "gateway", "/v1/ingest/hikvision", message, XML)
    checks.equal("the same message again changes nothing", repeat.get("duplicate"), True)

    incident_id = await incident_of(stage, "station", "security.intrusion")
    stage.incidents["intruder"] = incident_id
    checks.that("the station's dispatcher sees it", await stage.boards["station"].shows(incident_id))
    checks.that("the district's dispatcher sees it", await stage.boards["district"].shows(incident_id))
    checks.that("another station never saw it", incident_id not in stage.boards["elsewhere"].ever)
    foreign = await stage.seats["elsewhere"].get(f"/v1/incidents/{incident_id}")
    checks.equal("to another station it does not exist", foreign.status_code, httpx.codes.NOT_FOUND)
    heard = await stage.partners["police"].hears("dispatch.incident.routed.v1", incident_id)
    checks.that("police are told on their feed, as responsible", heard and heard.body.get("role") == "responsible")


async def the_same_person_on_the_next_camera(stage: Stage) -> None:
    """Frigate events of one person nearby fold into the incident; new, update and end are one alert each."""
    incident_id, checks = stage.incidents["intruder"], stage.checks
    before = int(stage.boards["station"].rows[incident_id]["alert_count"])
    at = stage.now()
    for phase in ("new", "update", "end"):
        body = messages.frigate_event(stage.cameras[0], at, phase=phase, event_id=f"{at.timestamp():.6f}-evenin")
        await sent(stage, "gateway", "/v1/ingest/frigate", body, "application/json")
    grown = await stage.boards["station"].until(
        lambda board: int(board.rows[incident_id]["alert_count"]) > before if incident_id in board.rows else False
    )
    checks.that("it folds into the open incident", grown, seen=stage.boards["station"].rows.get(incident_id))
    same = [row for row in stage.boards["station"].rows.values() if row["category"] == "security.intrusion"]
    checks.equal("there is still one incident", len(same), 1)


async def a_dispatcher_handles_it(stage: Stage) -> None:
    """Verify, accept, claim, send the recommended unit, follow it, close. Two dispatchers cannot take one unit."""
    incident_id, checks, seat = stage.incidents["intruder"], stage.checks, stage.seats["station"]
    for decision in ("verify", "accept", "claim"):
        answer = await seat.decide(incident_id, decision)
        checks.that(f"{decision} is recorded", answer.is_success, seen=answer.text)
    stale = await seat.post(f"/v1/incidents/{incident_id}/resolve", {"disposition": "handled"}, version='"1"')
    checks.that(
        "a decision on an old version is refused, with what happened since",
        stale.status_code == httpx.codes.PRECONDITION_FAILED and "incident.verified" in stale.text,
        seen=stale.text,
    )
    card = await card_of(seat, incident_id)
    recommended = (card.get("recommendation") or {}).get("unit_ids", [])
    if not checks.that("a unit is recommended, with reasons", recommended, seen=card.get("recommendation")):
        return
    assignment_id = await assign(stage, "station", incident_id, recommended[0])
    twice = await stage.seats["colleague"].post(f"/v1/incidents/{incident_id}/assignments", {"unit_id": recommended[0]})
    checks.equal("a second dispatcher cannot take the same unit", twice.status_code, httpx.codes.CONFLICT)
    for step, status in (("acknowledge", "acknowledged"), ("en-route", "en_route"), ("on-scene", "on_scene")):
        await seat.post(f"/v1/assignments/{assignment_id}/{step}")
        checks.that(
            f"the board shows {status}", await stage.boards["station"].shows(incident_id, response_status=status)
        )
    note = await seat.post(f"/v1/incidents/{incident_id}/notes", {"text": "现场一名施工人员，已离开"})
    checks.that("a note needs no version", note.is_success, seen=note.text)
    await seat.post(f"/v1/assignments/{assignment_id}/clear", {"outcome": "已劝离"})
    await resolve_and_close(stage, "station", incident_id)
    checks.that("a closed incident leaves the board", await stage.boards["station"].lacks(incident_id))


async def an_alarm_by_the_national_standard(stage: Stage) -> None:
    """A GB/T 28181 alarm in GB 2312, with a clock that names no zone, is understood and says so."""
    camera, checks = stage.cameras[-1], stage.checks
    body = messages.gb28181_alarm(camera, stage.now(), serial=17)
    receipt = await sent(stage, "gateway", "/v1/ingest/gb28181", body, XML)
    kept = (await stage.seats["supervisor"].get(f"/v1/alerts/{receipt.get('alert_id')}")).json()
    content = kept["facts"][0]["content"]
    checks.equal("its Chinese text is read", content.get("text"), "翻越围栏报警")
    checks.equal("the assumed zone is recorded", content.get("clock"), "zone_assumed")
    incident_id = await incident_of(stage, "station", "security.intrusion")
    stage.incidents["standard"] = incident_id
    seat = stage.seats["station"]
    await seat.decide(incident_id, "dismiss", {"reason": "false_alarm", "note": "树影"})
    checks.that("a dismissed incident leaves the board", await stage.boards["station"].lacks(incident_id))
