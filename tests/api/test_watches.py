"""Watches: asked of centers, acknowledged, read for a purpose, over when they are over."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx

from dispatch.handling.scribe import as_fact
from tests.api import town
from tests.api.conftest import Edge
from tests.api.test_problems import is_problem

DESCRIPTION = "王大爷，蓝色外套"


async def opened(edge: Edge, *, by: str = "east-station.01", **changed: Any) -> httpx.Response:
    incident_id = changed.pop("incident_id", None) or (await edge.report())["incident_id"]
    body = {
        "incident_id": incident_id,
        "subject": "elder",
        "description": DESCRIPTION,
        "purpose": "寻找走失老人",
        "center_ids": [str(town.center("east"))],
        "expires_at": (edge.services.clock.now() + timedelta(hours=6)).isoformat(),
    } | changed
    return await post(edge, "", body, by=by)


async def post(edge: Edge, path: str, body: Any = None, *, by: str) -> httpx.Response:
    answer = await edge.client.post(f"/v1/watches{path}", json=body, headers=edge.as_operator(by) | edge.key())
    await edge.project()
    return answer


async def listed(edge: Edge, *, by: str, **asked: Any) -> list[dict[str, Any]]:
    answer = await edge.client.get("/v1/watches", params=asked, headers=edge.as_operator(by))
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_whom_it_is_about_is_in_the_log_sealed_and_on_no_screen(edge: Edge) -> None:
    answer = await opened(edge)
    assert answer.status_code == 201, answer.text
    watch_id = answer.json()["watch_id"]
    rows = await edge.services.log.read_stream(watch_id)
    assert DESCRIPTION.encode() not in rows[0].state
    assert "蓝色".encode() not in rows[0].state
    told = await edge.client.get(f"/v1/watches/{watch_id}", headers=edge.as_operator("east.01"))
    assert "蓝色" not in told.text
    assert "description" not in told.json()
    read = await post(edge, f"/{watch_id}/read", {"purpose": "告知当班"}, by="east.01")
    assert read.json() == {"watch_id": watch_id, "description": DESCRIPTION}
    facts = [as_fact(row) for row in await edge.services.log.read_stream(watch_id)]
    assert [(fact.name, fact.actor.id) for fact in facts[1:]] == [("watch.read", str(town.operator("east.01")))]


async def test_who_is_asked_has_it_and_nobody_else(edge: Edge) -> None:
    watch_id = (await opened(edge)).json()["watch_id"]
    for by in ("east.01", "east-station.01", "city.01"):
        assert [one["watch_id"] for one in await listed(edge, by=by)] == [watch_id], by
    assert await listed(edge, by="west.01") == []
    is_problem(await post(edge, f"/{watch_id}/acknowledge", by="west.01"), 404, "not_found")
    everybody = (await opened(edge, center_ids=[])).json()["watch_id"]
    assert [one["watch_id"] for one in await listed(edge, by="west.01")] == [everybody]


async def test_it_is_acknowledged_seen_and_ended(edge: Edge) -> None:
    watch_id = (await opened(edge, center_ids=[])).json()["watch_id"]
    assert (await post(edge, f"/{watch_id}/acknowledge", by="west.01")).status_code == 200
    again = await post(edge, f"/{watch_id}/acknowledge", by="west.01")
    assert again.json()["changed"] is False
    sighting = {"place": {"address": "春熙路站"}, "text": "相符"}
    assert (await post(edge, f"/{watch_id}/sightings", sighting, by="west-station.01")).status_code == 201
    is_problem(await post(edge, f"/{watch_id}/end", {"outcome": "found"}, by="west.01"), 403, "not_the_owner")
    assert (await post(edge, f"/{watch_id}/end", {"outcome": "found"}, by="east.01")).status_code == 200
    assert await listed(edge, by="west.01") == []
    (over,) = await listed(edge, by="west.01", in_force="false")
    assert (over["outcome"], len(over["acknowledged"]), len(over["sightings"])) == ("found", 1, 1)
    before = (edge.services.clock.now() - timedelta(days=1)).isoformat()
    assert await listed(edge, by="west.01", at=before) == []
    is_problem(await post(edge, f"/{watch_id}/read", {"purpose": "好奇"}, by="west.01"), 409, "watch.over")


async def test_it_is_extended_by_who_opened_it(edge: Edge) -> None:
    watch_id = (await opened(edge)).json()["watch_id"]
    later = (edge.services.clock.now() + timedelta(days=2)).isoformat()
    answer = await post(edge, f"/{watch_id}/extend", {"expires_at": later, "reason": "未找到"}, by="east-station.01")
    assert answer.status_code == 200, answer.text
    (told,) = await listed(edge, by="east.01")
    assert told["expires_at"][:16] == later[:16]


async def test_what_cannot_be_asked_for(edge: Edge) -> None:
    month = (edge.services.clock.now() + timedelta(days=30)).isoformat()
    is_problem(await opened(edge, expires_at=month), 422, "watch.no_period")
    is_problem(await opened(edge, subject="suspect"), 422, "invalid")
    is_problem(await opened(edge, center_ids=[str(town.camera(town.EAST_CAMERA))]), 422, "invalid")
    is_problem(await opened(edge, incident_id=str(town.center("east"))), 404, "not_found")
    is_problem(await opened(edge, purpose=""), 422, "invalid")
    watch_id = (await opened(edge)).json()["watch_id"]
    camera = {"place": {"address": "x"}, "text": "x", "camera_id": str(town.center("east"))}
    is_problem(await post(edge, f"/{watch_id}/sightings", camera, by="east.01"), 404, "not_found")
