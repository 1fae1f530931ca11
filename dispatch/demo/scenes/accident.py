"""An accident: traffic police and the second-level center at once, and a partner that answers by NATS."""

from __future__ import annotations

import json

from dispatch.demo import messages
from dispatch.demo.scenes.acts import assign, card_of, incident_of
from dispatch.demo.stage import Stage
from dispatch.partners.connection import joined
from dispatch.partners.joining import credentials
from dispatch.partners.subjects import gateway_subject


async def an_accident(stage: Stage) -> None:
    """F14: traffic police and the second-level center at the same moment, one dispatcher of record; told by NATS."""
    checks, settings = stage.checks, stage.settings
    camera = stage.cameras[len(stage.cameras) // 2]
    gateway = camera.gateway or ""
    alert = messages.native_alert(
        camera, stage.now(), alert_id="evening-accident", kind="accident", severity="moderate", text="两车相撞"
    )
    assert settings.nats_url is not None, "the embedded system has NATS"
    seed = _gateway_seed(stage, gateway)
    async with joined(settings.nats_url, seed=seed, name="evening gateway", timeout_s=5.0) as (client, _):
        reply = await client.request(gateway_subject(settings.city, gateway), json.dumps(alert).encode(), timeout=10)
    checks.that("our reply acknowledges the alert", json.loads(reply.data).get("alert_id"), seen=reply.data)

    incident_id = await incident_of(stage, "traffic", "traffic.accident")
    stage.incidents["accident"] = incident_id
    checks.that("traffic police see it", await stage.boards["traffic"].shows(incident_id))
    checks.that("the second-level center sees it too", await stage.boards["district"].shows(incident_id))
    row = stage.boards["traffic"].rows[incident_id]
    roles = {entry["center_id"]: entry["role"] for entry in row["recipients"]}
    checks.equal("the second-level center is informed", roles.get(str(stage.district.id)), "informed")
    traffic = str(stage.center("dept-traffic-police").id)
    responsible = [center for center, role in roles.items() if role == "responsible"]
    checks.equal("one dispatcher of record: traffic police", responsible, [traffic])
    await _partner_takes_it(stage, incident_id)


async def _partner_takes_it(stage: Stage, incident_id: str) -> None:
    """Traffic police accept on NATS; the unit their dispatcher sends reports on NATS; they resolve and close there."""
    checks, traffic, seat = stage.checks, stage.partners["traffic_police"], stage.seats["traffic"]
    heard = await traffic.hears("dispatch.incident.routed.v1", incident_id)
    checks.that("the partner is asked on its feed", heard and heard.body.get("role") == "responsible")
    accepted = await traffic.say("accept", {"incident_id": incident_id, "reference": "JJ-0042"})
    checks.that("the partner's acceptance is recorded", accepted["recorded"], seen=accepted)
    again = await traffic.say("accept", {"incident_id": incident_id, "reference": "JJ-0042"})
    checks.that("sent again it changes nothing", again["recorded"] and again.get("repeated"), seen=again)
    await seat.decide(incident_id, "verify")
    await seat.decide(incident_id, "accept")
    card = await card_of(seat, incident_id)
    units = (card.get("recommendation") or {}).get("unit_ids", [])
    if not checks.that("traffic units are recommended", units, seen=card.get("recommendation")):
        return
    assignment_id = await assign(stage, "traffic", incident_id, units[0])
    step = {"unit_id": units[0], "assignment_id": assignment_id}
    for verb, status in (("acknowledge", "acknowledged"), ("en-route", "en_route"), ("on-scene", "on_scene")):
        said = await traffic.say(verb, step)
        checks.that(f"the partner reports {verb} on NATS", said["recorded"], seen=said)
        checks.that(
            f"and the board shows {status}", await stage.boards["district"].shows(incident_id, response_status=status)
        )
    foreign = await stage.partners["flood_control"].say("accept", {"incident_id": incident_id})
    checks.that("an agency that was not asked cannot accept", not foreign["recorded"], seen=foreign)
    await traffic.say("clear", {**step, "outcome": "车辆已拖离"})
    resolved = await traffic.say("resolve", {"incident_id": incident_id, "disposition": "handled"})
    checks.that("the responsible agency resolves it", resolved["recorded"], seen=resolved)
    closed = await traffic.say("close", {"incident_id": incident_id})
    checks.that("and closes it", closed["recorded"], seen=closed)
    checks.that("it leaves every board", await stage.boards["district"].lacks(incident_id))


def _gateway_seed(stage: Stage, gateway: str) -> str:
    return credentials(stage.settings).gateway(gateway).seed
