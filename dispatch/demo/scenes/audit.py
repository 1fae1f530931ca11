"""Looking back: boards as they were, and feeds without a gap."""

from __future__ import annotations

from typing import Any

from dispatch.demo.isolation import foreign_feeds
from dispatch.demo.stage import Stage


async def take_a_picture(stage: Stage) -> None:
    """Remember the board as it is seen live, with its position, for the replay."""
    answer = await stage.seats["supervisor"].get(f"/v1/centers/{stage.directory.root().id}/board")
    body = answer.json()
    stage.snapshots.append((int(body["position"]), str(stage.directory.root().id), body["items"]))


async def the_auditor_looks_back(stage: Stage) -> None:
    """Each board seen live is the same when replayed from the log; decisions show their rule and reasons."""
    checks, auditor = stage.checks, stage.seats["auditor"]
    for position, center_id, seen in stage.snapshots:
        answer = await auditor.get("/v1/audit/board", center=center_id, position=position)
        replayed = answer.json().get("items") if answer.is_success else answer.text
        checks.that(
            f"the board at position {position} replays as it was seen", replayed == seen, seen=_differs(replayed, seen)
        )
    incident_id = stage.incidents["storm"]
    timeline = await auditor.get(f"/v1/incidents/{incident_id}/timeline", language="en", view="full", limit=200)
    entries = timeline.json()["items"]
    routed = [entry for entry in entries if entry["event"] == "incident.routed"]
    checks.that("the routing shows its rule version", routed and routed[0].get("rule_version") == 1, seen=routed)
    checks.that("and its story is told in sentences", all(entry.get("text") for entry in entries))


async def every_feed_is_whole(stage: Stage) -> None:
    """Sequences have no gap; nobody can read or write another's."""
    checks = stage.checks
    for agency, seat in stage.partners.items():
        sequences = [each.sequence for each in seat.received]
        checks.equal(f"{agency}'s feed has no gap", sequences, list(range(1, len(sequences) + 1)))
    for attempt, refused in (await foreign_feeds(stage)).items():
        checks.that(attempt, refused)


def _differs(replayed: Any, seen: Any) -> str:
    if not isinstance(replayed, list) or len(replayed) != len(seen):
        return f"{str(replayed)[:200]} instead of {len(seen)} rows"
    for left, right in zip(replayed, seen, strict=True):
        for name in right:
            if left.get(name) != right[name]:
                return f"{name}: {left.get(name)!r} instead of {right[name]!r}"
    return "equal"
