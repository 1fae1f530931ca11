"""A citizen on the telephone."""

from __future__ import annotations

import json

from dispatch.demo.scenes.acts import resolve_and_close
from dispatch.demo.stage import Stage


async def a_report_by_telephone(stage: Stage) -> None:
    """A citizen calls about a street stall, with an address only. The caller is sealed; reading is itself recorded."""
    checks, seat = stage.checks, stage.seats["station"]
    answer = await seat.post(
        "/v1/reports",
        {
            "channel": "hotline_12345",
            "category": "urban.illegal_stall",
            "text": "学校门口有人占道摆摊",
            "place": {"address": "锦官驿街道小学东门"},
            "caller": "李女士",
            "caller_phone": "13800000000",
        },
    )
    checks.that("it is filed and opens an incident", answer.is_success, seen=answer.text)
    filed = answer.json()
    stage.incidents["report"] = incident_id = filed["incident_id"]
    checks.that("the station sees it at once", await stage.boards["station"].shows(incident_id))
    number = str(filed.get("number", ""))
    checks.that("it has a number for the radio", number.startswith("CD-"), seen=number)
    found = await stage.seats["supervisor"].get("/v1/search", q=number)
    checks.that("and is found by it", incident_id in found.text, seen=found.text)
    card = await seat.get(f"/v1/incidents/{incident_id}")
    report = await stage.seats["supervisor"].get(f"/v1/reports/{filed['report_id']}")
    checks.that("nobody's name is on card or report", "李女士" not in card.text + report.text)
    opened = await stage.seats["supervisor"].post(
        f"/v1/reports/{filed['report_id']}/personal-fields/read", {"fields": ["caller"], "purpose": "回拨核实"}
    )
    checks.that("a supervisor may read it for a purpose", "李女士" in opened.text, seen=opened.text)
    heard = await stage.partners["urban_management"].hears("dispatch.incident.routed.v1", incident_id)
    checks.that(
        "urban management is told, without the caller",
        heard and "李女士" not in json.dumps(heard.body, ensure_ascii=False),
    )
    await seat.decide(incident_id, "verify")
    await seat.decide(incident_id, "accept")
    await resolve_and_close(stage, "station", incident_id)
