"""A warning, a storm of alerts at one underpass, and water that rises."""

from __future__ import annotations

from datetime import datetime

import httpx

from dispatch.demo import messages
from dispatch.demo.scenes.acts import incident_of, resolve_and_close, sent
from dispatch.demo.stage import Stage
from domain.vocabulary import Severity

STORM_ALERTS = 120
REPEATS = 60


async def a_flood_warning(stage: Stage) -> None:
    """A CAP warning exists before any incident on the ground; one marked Test never dispatches anybody."""
    checks, at = stage.checks, stage.now()
    test = messages.cap_flood_warning(stage.spot.location, at, status="Test", identifier="EVENING-TEST-1")
    actual = messages.cap_flood_warning(stage.spot.location, at, status="Actual", identifier="EVENING-1")
    await sent(stage, "warnings", "/v1/ingest/cap", test, "application/cap+xml")
    await sent(stage, "warnings", "/v1/ingest/cap", actual, "application/cap+xml")
    incident_id = await incident_of(stage, "supervisor", "flood.warning")
    stage.incidents["warning"] = incident_id
    heard = await stage.partners["flood_control"].hears("dispatch.incident.routed.v1", incident_id)
    checks.that("flood control is told on its feed", heard, seen=stage.boards["supervisor"].rows.get(incident_id))
    actual_ones = [
        row
        for row in stage.boards["supervisor"].ever.values()
        if row["category"] == "flood.warning" and not row["is_exercise"]
    ]
    checks.equal("the test warning opened nothing that is real", len(actual_ones), 1)
    statuses = {each.body.get("message_status") for each in stage.partners["flood_control"].received}
    checks.that("no partner was told of a test", statuses <= {None, "actual"}, seen=statuses)


async def a_storm_at_one_spot(stage: Stage) -> None:
    """A flooded underpass: a hundred alerts and their repeats are one incident; a rise in severity is never hidden."""
    checks, camera, at = stage.checks, stage.cameras[1], stage.now()
    alerts = [
        messages.native_alert(
            camera, at, alert_id=f"evening-water-{number}", kind="waterlogging", severity="moderate", text="积水"
        )
        for number in range(STORM_ALERTS)
    ]
    batch = [*alerts, *alerts[:REPEATS]]
    answer = await stage.seats["gateway"].post("/v1/alerts", batch)
    results = answer.json()["results"] if answer.status_code < httpx.codes.BAD_REQUEST else []
    checks.equal("every alert of the storm is answered", len(results), len(batch))
    checks.equal("repeats are known as repeats", sum(bool(result.get("duplicate")) for result in results), REPEATS)
    incident_id = await incident_of(stage, "flood", "flood.waterlogging")
    stage.incidents["storm"] = incident_id
    folded = await stage.boards["flood"].shows(incident_id, alert_count=STORM_ALERTS)
    checks.that("all of them fold into one incident", folded, seen=stage.boards["flood"].rows.get(incident_id))
    waterlogged = [row for row in stage.boards["flood"].ever.values() if row["category"] == "flood.waterlogging"]
    checks.equal("and only one", len(waterlogged), 1)
    await _the_water_rises(stage, incident_id, at)


async def _the_water_rises(stage: Stage, incident_id: str, at: datetime) -> None:
    checks, camera = stage.checks, stage.cameras[1]
    before = stage.boards["flood"].rows[incident_id]
    worse = messages.native_alert(
        camera, at, alert_id="evening-water-1", kind="waterlogging", severity="extreme", text="水位超过车窗"
    )
    answer = await stage.seats["gateway"].post("/v1/alerts", worse)
    checks.that("the same identity with worse content is no repeat", answer.json().get("revised"), seen=answer.text)
    raised = await stage.boards["flood"].shows(incident_id, severity=int(Severity.EXTREME))
    after = stage.boards["flood"].rows[incident_id]
    checks.that("the rise in severity is on the board", raised, seen=after)
    checks.that("and the incident is more urgent", after["priority"] < before["priority"], seen=after["priority"])
    heard = await stage.partners["flood_control"].hears("dispatch.incident.severity_raised.v1", incident_id)
    checks.that(
        "and the partner hears of it", heard, seen=[each.type for each in stage.partners["flood_control"].received]
    )


async def the_night_ends(stage: Stage) -> None:
    """What is open is handled; everybody's board is empty of it."""
    for scene, seat in (("storm", "flood"), ("warning", "flood")):
        incident_id = stage.incidents.get(scene)
        if incident_id is None:
            continue
        await stage.seats[seat].decide(incident_id, "verify")
        await stage.seats[seat].decide(incident_id, "accept")
        await resolve_and_close(stage, seat, incident_id)
        stage.checks.that(f"the {scene} leaves the board", await stage.boards[seat].lacks(incident_id))
