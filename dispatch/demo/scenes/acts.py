"""What people do again and again in the evening."""

from __future__ import annotations

import asyncio
from typing import Any

from dispatch.demo.seats import Row, Seat
from dispatch.demo.stage import Stage


async def sent(stage: Stage, seat: str, path: str, body: bytes, media_type: str) -> dict[str, Any]:
    """Send a device's bytes; the receipt."""
    answer = await stage.seats[seat].send(path, body, media_type)
    stage.checks.that("it is accepted", answer.is_success, seen=answer.text)
    document: dict[str, Any] = answer.json()
    return document


async def incident_of(stage: Stage, seat: str, category: str) -> str:
    """The incident of this category that this evening has not seen before. Raises `KeyError` if none appears."""
    known = set(stage.incidents.values())

    def fresh(rows: dict[str, Row]) -> list[str]:
        return [
            incident_id
            for incident_id, row in rows.items()
            if row["category"] == category and incident_id not in known and not row["is_exercise"]
        ]

    if not await stage.boards[seat].until(lambda board: bool(fresh(board.rows))):
        msg = f"no {category} appeared on the board of {seat}"
        raise KeyError(msg)
    incident_id = fresh(stage.boards[seat].rows)[0]
    await stage.boards[seat].until(lambda board: bool((board.rows.get(incident_id) or {}).get("recipients")))
    return incident_id


async def card_of(seat: Seat, incident_id: str) -> dict[str, Any]:
    """The card, once it has a recommendation; without one after a while."""
    card: dict[str, Any] = {}
    for _ in range(100):
        card = (await seat.get(f"/v1/incidents/{incident_id}")).json()
        if card.get("recommendation"):
            break
        await asyncio.sleep(0.05)
    return card


async def assign(stage: Stage, seat: str, incident_id: str, unit_id: str) -> str:
    """Send the recommended unit; the assignment."""
    body = {"unit_id": unit_id, "recommended": True}
    answer = await stage.seats[seat].post(f"/v1/incidents/{incident_id}/assignments", body)
    stage.checks.that("the unit is assigned", answer.is_success, seen=answer.text)
    return str(answer.json()["assignment_id"])


async def resolve_and_close(stage: Stage, seat: str, incident_id: str) -> None:
    """What had to be done is done, and the file is closed."""
    resolved = await stage.seats[seat].decide(incident_id, "resolve", {"disposition": "handled"})
    stage.checks.that("it is resolved", resolved.is_success, seen=resolved.text)
    closed = await stage.seats[seat].decide(incident_id, "close")
    stage.checks.that("it is closed", closed.is_success, seen=closed.text)
