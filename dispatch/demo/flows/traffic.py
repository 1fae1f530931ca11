"""Traffic, the main customer: of 200,000 items 140,000 went to traffic police (F5, F14)."""

from __future__ import annotations

from dispatch.demo import messages
from dispatch.demo.flow import Scene, parts_of

TRAFFIC = "dept-traffic-police"


async def accident(scene: Scene) -> None:
    """F5: traffic police and the police on one accident, each with a role of its own."""
    seat, traffic = await scene.operator(scene.station), scene.cast.center(TRAFFIC)
    scene.step("a driver calls, a camera sees the same accident")
    camera = scene.cameras[0]
    filed = await scene.reported(
        seat, channel="hotline_110", category="traffic.accident", severity=2, text="两车追尾", camera_id=str(camera.id)
    )
    incident_id = filed["incident_id"]
    await scene.shows(traffic, incident_id)
    alert = messages.native_alert(
        camera, scene.cast.now(), alert_id=f"{camera.code}-hit", kind="accident", severity="severe", text="追尾"
    )
    taken = await scene.cast.gateway(camera).post("/v1/alerts", alert)
    scene.need("the alert is taken", taken.is_success, seen=taken.text)
    scene.step("it is one incident, and as bad as the worse of the two said")
    row = await scene.shows(traffic, incident_id, alert_count=1, severity=3)
    scene.step("traffic police are responsible, the police support, health is informed")
    scene.checks.equal(
        "roles", parts_of(row), {"traffic_police": "responsible", "police": "supporting", "health": "informed"}
    )
    await scene.shows(scene.station, incident_id)
    heard = {
        agency: await scene.hears(agency, "dispatch.incident.routed.v1", incident_id)
        for agency in ("traffic_police", "police")
    }
    scene.checks.equal(
        "each is told its own role",
        {agency: message.body["role"] for agency, message in heard.items()},
        {"traffic_police": "responsible", "police": "supporting"},
    )
    scene.step("both take their part on NATS, traffic police send a unit")
    for agency in heard:
        said = await (await scene.cast.partner(agency)).say("accept", {"incident_id": incident_id})
        scene.checks.that(f"{agency} takes its part", said["recorded"], seen=said)
    control = await scene.operator(traffic)
    await scene.handled(control, incident_id)
    answers = {one["agency"]: one["answer"] for one in (await scene.card(control, incident_id))["recipients"]}
    scene.checks.equal(
        "the card shows who took it", answers, {"traffic_police": "accepted", "police": "accepted", "health": None}
    )
    await scene.ended(control, incident_id, "handled", "车辆拖离")
    await scene.lacks(scene.station, incident_id)


async def abnormal_traffic(scene: Scene) -> None:
    """F14: congestion, a dead signal, an accident: traffic police and the second level at the same moment, one of them
    the dispatcher of record; the second level sends its unit.
    """
    traffic = scene.cast.center(TRAFFIC)
    for kind, category, camera in zip(
        ("congestion", "signal_failure", "accident"),
        ("traffic.congestion", "traffic.signal_failure", "traffic.accident"),
        scene.cameras,
        strict=False,
    ):
        scene.step(f"a camera says {kind}")
        alert = messages.native_alert(
            camera, scene.cast.now(), alert_id=f"{camera.code}-{kind}", kind=kind, severity="severe", text=kind
        )
        incident_id = await scene.detected(camera, alert)
        scene.step("both see it, from one routing: neither before the other")
        rows = [await scene.shows(center, incident_id) for center in (traffic, scene.second_level)]
        scene.checks.equal("as what it is", {row["category"] for row in rows}, {category})
        story = await scene.timeline(await scene.operator(traffic), incident_id, view="full")
        routed = [entry for entry in story if entry["event"] == "incident.routed"]
        told = {(one["center_id"], one["role"]) for one in routed[0]["values"]["recipients"]}
        scene.checks.that(
            "one dispatcher of record and the second level informed, in one fact",
            {(str(traffic.id), "responsible"), (str(scene.second_level.id), "informed")} <= told,
            seen=told,
        )
        responsible = [one for one in routed[0]["values"]["recipients"] if one["role"] == "responsible"]
        scene.checks.equal("exactly one", len(responsible), 1)
        await scene.hears("traffic_police", "dispatch.incident.routed.v1", incident_id)
        scene.step("traffic police handle it; the second level follows on its own screen")
        control = await scene.operator(traffic)
        call_sign = await scene.handled(control, incident_id)
        followed = await scene.shows(scene.second_level, incident_id, response_status="cleared")
        signs = [one["call_sign"] for one in followed["assignments"].values()]
        scene.checks.equal("it sees which unit", signs, [call_sign])
        await scene.ended(control, incident_id, "handled")
