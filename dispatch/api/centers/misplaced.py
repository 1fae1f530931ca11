"""Open incidents that are elsewhere since the tree changed: on another center's ground, or with an owner that moved.

They stay with their owner until somebody decides. Whoever stands above both moves them at once, each or all; whoever
stands only above the owner offers them, as any transfer is offered.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import Response

from dispatch.api.access.permissions import CallerOf, covers
from dispatch.api.centers.centers import center_of
from dispatch.api.city.tree_bodies import MisplacedBody
from dispatch.api.http.conditions import CreationOf, MinPosition
from dispatch.api.http.shapes import Listing, Written
from dispatch.api.http.writing import INCIDENT_VIEWS, allowed, written
from dispatch.api.problems.problem import Problem, declared
from dispatch.api.routing import protected
from dispatch.api.wiring import Services, ServicesOf
from dispatch.directory_entries import CenterEntry
from dispatch.handling.incidents import Move
from domain.event import GeoPoint
from projections.board import item
from projections.queries import board
from projections.queries.sight import Sight
from projections.shown import shown

router = protected("centers")

LISTED_MAX = 500
"""Listed, and moved in one decision: more is decided in steps."""
PAGE_ROWS = 500
"""Open incidents looked at a statement: what is misplaced may be the newest of many."""


@dataclass(frozen=True, slots=True)
class Misplaced:
    """One, and who should have it by the tree of now."""

    row: Any
    to: CenterEntry


@router.get(
    "/centers/{center}/misplaced",
    operation_id="centers_misplaced",
    summary="What is open and no longer on its owner's ground",
    responses=declared(404),
)
async def get_misplaced(
    center: str, services: ServicesOf, caller: CallerOf, min_position: MinPosition = None
) -> Listing:
    """Of the center and those below it, oldest first, each with the center that `should_own` it by the tree of now."""
    entry = center_of(services, caller, center)
    await services.freshness.wait(min_position, ["board"])
    found = await _first(_misplaced(services, entry, caller.sight), LISTED_MAX)
    items = [{"incident": item(one.row), "should_own": shown(one.to.id), "center": one.to.code} for one in found]
    return Listing(items=items)


@router.post(
    "/centers/{center}/misplaced/transfer",
    operation_id="centers_transfer_misplaced",
    summary="Transfer what is no longer on its owner's ground",
    responses=declared(404, 409),
)
async def transfer(center: str, body: MisplacedBody, asked: CreationOf, response: Response) -> Written:
    """One decision, of those named or of all, in one append. What goes to a center that the caller stands above moves
    at once; what goes elsewhere is offered there.
    """
    services, caller = asked.services, asked.caller
    entry = center_of(services, caller, center)
    request = asked.request(f"{entry.id}/misplaced", body.model_dump(mode="json"))
    found = await allowed(asked, request, _chosen(services, entry, caller.sight, body.incident_ids)) or []
    moves = [
        Move(
            incident_id=one.row["incident_id"],
            owner_id=one.row["owner_center_id"],
            to=one.to.ownership,
            is_offer=not covers(caller, one.to.path),
        )
        for one in found
    ]
    work = services.incidents.move_many(moves, body.reason, request)
    return await written(asked, response, work, views=INCIDENT_VIEWS)


async def _chosen(services: Services, entry: CenterEntry, sight: Sight, wanted: Sequence[UUID]) -> list[Misplaced]:
    """Raises `Problem` invalid for what is not listed."""
    await services.freshness.wait((await services.log.tip()).position, ["board"])
    misplaced = _misplaced(services, entry, sight)
    if not wanted:
        return await _first(misplaced, LISTED_MAX)
    by_id = {one.row["incident_id"]: one async for one in misplaced if one.row["incident_id"] in wanted}
    strange = [number for number, one in enumerate(wanted) if one not in by_id]
    if strange:
        errors = [(f"/incident_ids/{number}", "not among those that are misplaced") for number in strange]
        raise Problem("invalid", "Only what is listed as misplaced is transferred here.", errors=errors)
    return [by_id[one] for one in dict.fromkeys(wanted)]


async def _misplaced(services: Services, entry: CenterEntry, sight: Sight) -> AsyncIterator[Misplaced]:
    """All of them, of all that is open, oldest first."""
    after, is_more = 0, True
    while is_more:
        statement = board.owned_below(entry.id, sight=sight, after_position=after, limit=PAGE_ROWS)
        rows = await services.database.rows(statement)
        for row in rows:
            to = _should_own(services, row)
            if to is not None:
                yield Misplaced(row, to)
        is_more = len(rows) == PAGE_ROWS
        after = rows[-1]["opened_position"] if rows else after


async def _first(misplaced: AsyncIterator[Misplaced], limit: int) -> list[Misplaced]:
    found: list[Misplaced] = []
    async for one in misplaced:
        found.append(one)
        if len(found) == limit:
            break
    return found


def _should_own(services: Services, row: Any) -> CenterEntry | None:
    """None if its owner is right: on its ground and where it was in the tree, or without ground (a department)."""
    directory = services.directory
    owner = directory.center(row["owner_center_id"])
    here = () if row["lon"] is None else directory.locate(GeoPoint(lon=row["lon"], lat=row["lat"]))
    if owner is None:
        # Its owner was closed: whoever has the ground now, else the nearest above that still is.
        above = [one for center_id in row["owner_path"] if (one := directory.center(center_id)) is not None]
        return (here or above or (directory.root(),))[-1]
    if owner.area and here and owner.id not in {one.id for one in here}:
        level = [one for one in here if one.level <= owner.level]
        return (level or list(here))[-1]
    return owner if tuple(row["owner_path"]) != owner.path else None
