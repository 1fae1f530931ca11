"""Every flow of the city's list, in a city with one more agency, there by configuration alone: its center, queue, feed,
response plan and statistics, and no code.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from dispatch.cities.source import CITIES
from dispatch.cli.scenario import LAST
from dispatch.demo.cast import Cast, cast
from dispatch.demo.flow import Scene
from dispatch.demo.flows.listed import FLOWS, NIGHTS
from dispatch.demo.playing import play

CATEGORY = "railway.trespass"


def with_railway(folder: Path) -> Path:
    """The sample city with a railway police, as somebody would write it who has an editor and no Python."""
    shutil.copytree(CITIES / "chengdu", folder / "chengdu")
    edited(folder / "chengdu" / "city.json", add_agency)
    edited(folder / "chengdu" / "rulebook.json", add_rules)
    return folder


def edited(path: Path, edit: Any) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    edit(document)
    path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")


def add_agency(city: dict[str, Any]) -> None:
    police = next(agency for agency in city["agencies"] if agency["code"] == "police")
    city["agencies"].append(police | {"code": "railway", "name_zh": "铁路公安处", "name_en": "Railway Police"})
    city["units"].append(
        {"agency": "railway", "at": "functional", "kind": "foot_patrol", "skills": ["railway"], "count": 2}
    )


def add_rules(rules: dict[str, Any]) -> None:
    rules["categories"].append(
        {
            "code": CATEGORY,
            "name_zh": "铁路入侵",
            "name_en": "Trespass on the railway",
            "priority": 2,
            "owner": "agency",
            "also_level_two": "informed",
            "agencies": [{"agency": "railway", "role": "responsible"}, {"agency": "police", "role": "supporting"}],
            "correlation": {"radius_m": 150, "window_s": 900},
            "response": [
                {
                    "agency": "railway",
                    "unit_kinds": ["foot_patrol"],
                    "skills": ["railway"],
                    "max_distance_m": 200_000,
                }
            ],
            "checklist": [{"code": "line_closed", "text_zh": "通知封锁区间", "text_en": "The line is closed"}],
        }
    )


@pytest.mark.long
async def test_every_flow_also_of_an_agency_that_nobody_wrote_code_for(folder: Path, tmp_path: Path) -> None:
    async with cast(folder, say=lambda _text: None, cities_dir=with_railway(tmp_path)) as city:
        await a_trespass(city)
        flows = [flow for flow in (*FLOWS, *NIGHTS) if flow.play is not None]
        played = await play(city, sorted(flows, key=lambda flow: flow.code == LAST), begin=lambda _text: None)
    failed = {each.flow.code: each.failed for each in played if not each.passed}
    assert failed == {}


async def a_trespass(city: Cast) -> None:
    """The railway police has a center, a queue, a feed, units and figures of its own."""
    (station, cameras), *_ = city.stages(1)
    scene = Scene(city, station, cameras)
    railway = city.center("dept-railway")
    filed = await scene.reported(
        await scene.operator(station),
        channel="operator",
        category=CATEGORY,
        severity=3,
        text="有人翻越护栏进入铁路",
        camera_id=str(cameras[0].id),
    )
    incident_id = filed["incident_id"]
    row = await scene.shows(railway, incident_id, owner_center_id=str(railway.id))
    assert {one["agency"]: one["role"] for one in row["recipients"]}["railway"] == "responsible"
    await scene.shows(scene.second_level, incident_id)
    heard = await scene.hears("railway", "dispatch.incident.routed.v1", incident_id)
    assert heard.body["role"] == "responsible"
    accepted = await (await city.partner("railway")).say("accept", {"incident_id": incident_id})
    assert accepted["recorded"]
    control = await scene.operator(railway)
    queue = await control.get("/v1/agencies/railway/queue", answer="accepted")
    assert [one["incident_id"] for one in queue.json()["items"]] == [incident_id]
    listed = (await control.get(f"/v1/incidents/{incident_id}/checklist")).json()
    assert listed["open_required"] == ["line_closed"]
    call_sign = await scene.handled(control, incident_id)
    assert call_sign is not None
    assert call_sign.startswith("railway-")
    await scene.ended(control, incident_id, "handled")
    counted = {one["group"]: one for one in await scene.counters(by="agency", center_id=str(railway.id))}
    assert counted["railway"]["dispositions"] == {"handled": 1}
    assert counted["railway"]["name_zh"] == "铁路公安处"
    assert scene.checks.failed == []
