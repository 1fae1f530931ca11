"""The three measures of live traffic watch: a checklist that the incident keeps, whatever the rules become (F15)."""

from __future__ import annotations

from typing import Any

from dispatch.demo import messages
from dispatch.demo.flow import Scene

TRAFFIC = "dept-traffic-police"
MEASURES = ["watched_live", "officer_directs", "power_told"]


async def three_measures(scene: Scene) -> None:
    """F15: each measure is ticked off by whoever took it; a new rulebook changes no list that is being worked on."""
    camera, traffic = scene.cameras[0], scene.cast.center(TRAFFIC)
    seat, district = await scene.operator(traffic), await scene.operator(scene.second_level)
    scene.step("a signal is without power")
    alert = messages.native_alert(
        camera, scene.cast.now(), alert_id=f"{camera.code}-dark", kind="signal_failure", severity="severe", text="断电"
    )
    incident_id = await scene.detected(camera, alert)
    await scene.shows(traffic, incident_id)
    scene.step("three measures are on its list, none is taken")
    listed = await _list(scene, incident_id)
    scene.checks.equal("the list", [item["code"] for item in listed["items"]], MEASURES)
    scene.checks.equal("all of them are open", listed["open_required"], MEASURES)
    scene.step("traffic police tick two off, the second level the third")
    for who, item, note in (
        (seat, "watched_live", "路口四向黑灯"),
        (district, "officer_directs", "派出所民警已到岗"),
        (seat, "power_told", None),
    ):
        ticked = await who.post(f"/v1/incidents/{incident_id}/checklist/{item}/done", {"note": note})
        scene.need(f"{who.name} ticks {item}", ticked.is_success, seen=ticked.text)
    wrong = await seat.post(f"/v1/incidents/{incident_id}/checklist/coffee_made/done", {})
    scene.checks.equal("what is not on the list is no measure", wrong.json()["code"], "checklist.item_unknown")
    listed = await _list(scene, incident_id)
    by = [item["done"]["done_by"] for item in listed["items"] if item["done"]]
    scene.checks.equal("nothing is open", listed["open_required"], [])
    scene.checks.equal("and it says who did what", len(set(by)), 2)
    scene.step("one was ticked by mistake; both stay in the story")
    undone = await seat.post(f"/v1/incidents/{incident_id}/checklist/power_told/undone", {"reason": "电话未接通"})
    scene.need("it is taken back", undone.is_success, seen=undone.text)
    scene.checks.equal("it is open again", (await _list(scene, incident_id))["open_required"], ["power_told"])
    told = [entry["text"] for entry in await scene.timeline(seat, incident_id, language="en")]
    scene.checks.that("ticked", "Done: power_told" in told, seen=told)
    scene.checks.that("and taken back", "Not done after all: power_told: 电话未接通" in told, seen=told)
    await seat.post(f"/v1/incidents/{incident_id}/checklist/power_told/done", {})
    await scene.handled(seat, incident_id, unit=False)
    await scene.ended(seat, incident_id, "handled")
    scene.saw(traffic.code, "three measures of three")


async def _list(scene: Scene, incident_id: str) -> dict[str, Any]:
    answer = await (await scene.operator(scene.second_level)).get(f"/v1/incidents/{incident_id}/checklist")
    scene.need("the list can be read", answer.is_success, seen=answer.text)
    document: dict[str, Any] = answer.json()
    return document
