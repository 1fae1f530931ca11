"""24 hours, all weather: rules change and a screen is built anew while alerts come, and nobody waits (F28)."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from dispatch.config import variables
from dispatch.demo import messages
from dispatch.demo.cast import Cast
from dispatch.demo.flow import Scene
from dispatch.demo.seats import Seat

ALERTS_A_STEP = 12
PRIORITY, SEVERE = 2, 3
"""What the new rules say of litter: nobody would, so nobody else has."""


async def around_the_clock(scene: Scene) -> None:
    """F28: no maintenance window: new rules and a rebuilt board under load, and the log proven whole meanwhile."""
    administrator = scene.cast.administrator()
    seat = await scene.operator(scene.second_level)
    camera = scene.cameras[0]
    scene.step("litter is what the rules of today say it is")
    before = await scene.detected(camera, _litter(scene, 0))
    rules = (await administrator.get("/v1/rulebook")).json()
    today = next(rule["priority"] for rule in rules["categories"] if rule["code"] == "urban.littering")
    by_severity = rules["severity_priority"][SEVERE]
    scene.checks.equal("its priority", (await scene.card(seat, before))["priority"], today + by_severity)
    scene.step("alerts go on while new rules are published and put in force")
    changed = {**rules, "version": rules["version"] + 1}
    for rule in changed["categories"]:
        if rule["code"] == "urban.littering":
            rule["priority"] = PRIORITY
    sending = asyncio.create_task(_alerts(scene, 1))
    published = await administrator.post("/v1/rulebook/versions", changed)
    scene.need("they are published", published.is_success, seen=published.text)
    activated = await administrator.post(f"/v1/rulebook/versions/{changed['version']}/activate")
    scene.need("and in force", activated.is_success, seen=activated.text)
    scene.checks.equal("every alert meanwhile was taken", await sending, ALERTS_A_STEP)
    after = await scene.detected(scene.cameras[-1], _litter(scene, 0, camera=-1))
    scene.checks.equal(
        "the next one is what the new rules say", (await scene.card(seat, after))["priority"], PRIORITY + by_severity
    )
    scene.step("the board is built anew while alerts go on")
    sending = asyncio.create_task(_alerts(scene, 1 + ALERTS_A_STEP))
    report = await _rebuilt(scene.cast)
    scene.checks.equal("every alert meanwhile was taken", await sending, ALERTS_A_STEP)
    scene.checks.that("the board was built anew", "board" in report, seen=report)
    folded = await scene.cast.until(lambda: _folded(seat, before))
    scene.checks.that("and it has them all", folded, seen=(await scene.card(seat, before))["alert_count"])
    scene.step("the log is proven whole while the city works")
    started = await scene.cast.auditor().post("/v1/audit/verification")
    scene.need("the auditor asks for it", started.is_success, seen=started.text)
    done = await scene.cast.until(lambda: _finished(scene.cast.auditor(), started.headers["location"]))
    scene.checks.that("it is whole", done and done["result"].get("whole"), seen=done)
    scene.saw(scene.second_level.code, "new rules and a new board, without a pause")


def _litter(scene: Scene, number: int, camera: int = 0) -> dict[str, object]:
    chosen = scene.cameras[camera]
    return messages.native_alert(
        chosen,
        scene.cast.now(),
        alert_id=f"{chosen.code}-litter-{number}",
        kind="littering",
        severity="severe" if number == 0 else "minor",
        text="垃圾堆放",
    )


async def _alerts(scene: Scene, first: int) -> int:
    """Send some, one after another; how many were taken."""
    taken = 0
    for number in range(first, first + ALERTS_A_STEP):
        answer = await scene.cast.gateway(scene.cameras[0]).post("/v1/alerts", _litter(scene, number))
        taken += answer.is_success
        await asyncio.sleep(0.02)
    return taken


async def _folded(seat: Seat, incident_id: str) -> bool:
    answer = await seat.get(f"/v1/incidents/{incident_id}")
    return bool(answer.json().get("alert_count") == 1 + 2 * ALERTS_A_STEP)


async def _rebuilt(cast: Cast) -> str:
    """`dispatch rebuild board`, as an engineer would type it beside the running system."""
    names = variables()
    environment = {
        **os.environ,
        names["data_dir"]: str(cast.settings.data_dir),
        names["database_url"]: str(cast.settings.database_url),
    }
    command = (sys.executable, "-m", "dispatch.cli.main", "rebuild", "board", "--json")
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=-1, stderr=-1)
    out, err = await process.communicate()
    return err.decode(errors="replace")[-300:] if process.returncode else out.decode()


async def _finished(seat: Seat, path: str) -> dict[str, Any] | None:
    document: dict[str, Any] = (await seat.get(path)).json()
    return document if document.get("state") not in {"running", "waiting", None} else None
