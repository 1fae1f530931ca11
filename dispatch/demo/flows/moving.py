"""A district without an ambulance of its own: another one moves up, and goes home when they are back."""

from __future__ import annotations

from typing import Any

from dispatch.demo.flow import Scene
from dispatch.demo.seats import Seat


async def moved_up(scene: Scene) -> None:
    """Both ambulances of a district are out; one of another center stands by for it until they are back."""
    chief = await scene.operator(scene.cast.directory.root(), 27)
    rule = next(one for one in scene.cast.directory.rulebook().cover if one.kinds[0] == "ambulance")
    center = scene.need("the district is there", scene.cast.directory.center_by_code(rule.center_code))
    own = [
        unit for unit in scene.cast.directory.units.values() if unit.kind in rule.kinds and center.id in unit.base.path
    ]
    doctors = await scene.operator(scene.cast.center("dept-health"))
    await _duty(scene, doctors, own, "off-duty")
    gap = await scene.cast.until(lambda: _asked(chief, center.code, rule.code))
    suggestion = scene.need("one ambulance of another center is suggested", gap)["suggestion"]
    path = f"/v1/cover/{rule.code}/suggestions/{suggestion['suggestion_id']}/accept"
    accepted = await chief.post(path, {"note": "前置备勤"})
    scene.need("the supervisor lets it move up", accepted.is_success, seen=accepted.text)
    there = await scene.cast.until(lambda: _standing_by(chief, center.code, rule.code, suggestion["call_sign"]))
    scene.checks.equal("it stands by, and nothing is missing", there and there["gap"], 0)
    scene.saw(center.code, f"{suggestion['call_sign']} stands by")
    await _duty(scene, doctors, own, "on-duty")
    home = await scene.cast.until(lambda: _standing_by(chief, center.code, rule.code, None))
    scene.checks.that("its own are back, and it goes home", home)


async def _duty(scene: Scene, seat: Seat, units: Any, verb: str) -> None:
    for unit in units:
        said = await seat.post(f"/v1/units/{unit.id}/{verb}")
        scene.need(f"{unit.call_sign} is {verb}", said.is_success, seen=said.text)


async def _of(seat: Seat, center: str, code: str) -> dict[str, Any] | None:
    answer = await seat.get(f"/v1/centers/{center}/cover")
    items = answer.json().get("items", []) if answer.is_success else []
    return next((one for one in items if one["code"] == code), None)


async def _asked(seat: Seat, center: str, code: str) -> dict[str, Any] | None:
    found = await _of(seat, center, code)
    return found if found and found["suggestion"] else None


async def _standing_by(seat: Seat, center: str, code: str, call_sign: str | None) -> dict[str, Any] | None:
    """The cover, once this one stands by (None: nobody)."""
    found = await _of(seat, center, code)
    wanted = [] if call_sign is None else [call_sign]
    return found if found and [one["call_sign"] for one in found["standing_by"]] == wanted else None
