"""The ledger of public warnings: what is in force, and the chain of messages that each warning is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query

from dispatch.api.access.permissions import CallerOf
from dispatch.api.http.conditions import MinPosition
from dispatch.api.http.paging import PagingOf
from dispatch.api.http.shapes import Listing
from dispatch.api.problems.problem import declared, not_found
from dispatch.api.routing import protected
from dispatch.api.wiring import ServicesOf
from dispatch.reading.database import Row, Snapshot
from domain.storable import StorableInstant
from domain.vocabulary import MessageStatus
from projections import warnings
from projections.queries import warnings as queries
from projections.queries.progress import position as position_of

router = protected("warnings")

VIEWS = (warnings.Warnings.name,)
STEPS_MAX = 50
"""Steps along a chain; messages that name all before them, as the standard asks, are one step apart."""
Instant = Annotated[StorableInstant | None, Query(description="As known and in force at this instant; + as %2B.")]


@router.get("/warnings", operation_id="warnings_list", summary="Public warnings")
async def list_warnings(
    services: ServicesOf,
    paging: PagingOf,
    in_force: Annotated[bool | None, Query(description="true: in force now.")] = None,
    at: Instant = None,
    status: MessageStatus | None = None,
    min_position: MinPosition = None,
) -> Listing:
    """The last message of each warning, newest first; with `in_force` or `at` only what is in force.

    A cancelled, replaced or expired warning is not in force. Tests and exercises say so in `status` and `is_exercise`.
    """
    await services.freshness.wait(min_position, VIEWS)
    now = services.clock.now()
    filters = {"in_force": in_force, "at": at, "status": status}
    page = paging.of("warnings", filters)
    statement = queries.listed(
        in_force_at=at or (now if in_force else None),
        known_at=at,
        status=status,
        before_position=page.after(int),
        limit=page.limit,
    )
    async with services.database.snapshot() as moment:
        reached = await moment.row(position_of(VIEWS))
        rows = await moment.rows(statement)
    shown = page.cut(rows, "received_position")
    items = [warnings.item(row, queries.state_of(row, None, at or now), None) for row in shown]
    return Listing(items=items, position=int(next(iter(reached.values()), 0) or 0) if reached else 0)


@router.get(
    "/warnings/{warning_id}",
    operation_id="warnings_get",
    summary="One warning with its chain",
    responses=declared(404),
)
async def get_warning(
    warning_id: UUID, services: ServicesOf, caller: CallerOf, at: Instant = None, min_position: MinPosition = None
) -> dict[str, Any]:
    """`infos` is what this message says, `chain` every message that it updates, that updates it, and so on."""
    del caller  # every person of the city may read a public warning
    await services.freshness.wait(min_position, VIEWS)
    async with services.database.snapshot() as moment:
        own = await moment.rows(queries.of_message(warning_id))
        if not own:
            raise not_found("This warning")
        linked = await _chain(moment, own)
    instant = at or services.clock.now()
    told = _told([row for row in linked if at is None or row["sent_at"] <= at], instant)
    infos = [one for one in told if one["warning_id"] == str(warning_id)]
    return {
        "warning_id": str(warning_id),
        "is_in_force": any(one["is_in_force"] for one in infos),
        "infos": infos,
        "chain": told,
    }


async def _chain(moment: Snapshot, own: Sequence[Row]) -> list[Row]:
    """Everything linked with a message, in the order in which it was sent."""
    found = {row["line_id"]: row for row in own}
    beyond: Sequence[Row] = own
    for _ in range(STEPS_MAX):
        keys = {row["key"] for row in beyond}
        named = {key for row in beyond for key in row["refers_to"]}
        rows = await moment.rows(queries.joined_to(keys, named))
        beyond = [row for row in rows if row["line_id"] not in found]
        found |= {row["line_id"]: row for row in beyond}
        if not beyond or len(found) >= queries.CHAIN_MAX:
            break
    return sorted(found.values(), key=lambda row: (row["sent_at"], row["received_position"]))


def _told(rows: Sequence[Row], at: datetime) -> list[dict[str, Any]]:
    found = []
    for row in rows:
        ender = queries.ended_by(row, rows, at)
        found.append(warnings.item(row, queries.state_of(row, ender, at), ender))
    return found
