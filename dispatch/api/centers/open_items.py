"""What is open at a center, as a hand-over would list it, and what the end of a shift there takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

from dispatch.api.wiring import Services
from dispatch.directory_entries import CenterEntry
from dispatch.handling.operators import OperatorDesk
from domain.handover.commands import OpenItems
from domain.handover.events import OpenAid, OpenCase, OpenIncident, WaitingOrder
from projections.queries import handovers as queries
from projections.queries.progress import checkpoints
from projections.queries.sight import Sight

OPEN_VIEWS = ("board", "orders", "cases", "aid")

Item: TypeAlias = OpenIncident | WaitingOrder | OpenCase | OpenAid


async def open_items_of(services: Services, center_id: UUID, min_position: int | None, sight: Sight) -> OpenItems:
    """Read in one moment, each list with the position it is whole at.

    On the list that is signed for stands what the center may know of, whoever writes it.
    """
    await services.freshness.wait(min_position, list(OPEN_VIEWS))
    async with services.database.snapshot() as moment:
        reached = {row["name"]: int(row["position"]) for row in await moment.rows(checkpoints(OPEN_VIEWS))}
        incidents = await moment.rows(queries.open_incidents(center_id, sight=sight))
        orders = await moment.rows(queries.waiting_orders(center_id, sight=sight))
        cases = await moment.rows(queries.open_cases(center_id, sight=sight))
        aid = await moment.rows(queries.open_aid(center_id, sight=sight))
    return OpenItems(
        incidents=tuple(OpenIncident(**_fields(OpenIncident, row)) for row in incidents),
        incidents_position=reached.get("board", 0),
        orders=tuple(WaitingOrder(**_fields(WaitingOrder, row)) for row in orders),
        orders_position=reached.get("orders", 0),
        cases=tuple(OpenCase(**_fields(OpenCase, row)) for row in cases),
        cases_position=reached.get("cases", 0),
        aid=tuple(OpenAid(**_fields(OpenAid, row)) for row in aid),
        aid_position=reached.get("aid", 0),
    )


def _fields(kind: type[Item], row: Any) -> dict[str, Any]:
    return {name: row[name] for name in kind.model_fields if name != "note"}


@dataclass(frozen=True, slots=True)
class Leaving:
    """What stands at the end of a shift: how much is open, and the hand-over of the shift that somebody signed."""

    open_items: int | None
    """None: not counted."""
    handover_id: UUID | None


async def leaving(services: Services, operator_id: UUID, center: CenterEntry) -> Leaving:
    """As everything recorded by now has it. What opened since the hand-over was offered is the taker's, on duty there.

    Raises `Problem` projection_behind.
    """
    tip = (await services.log.tip()).position
    await services.freshness.wait(tip, ["handovers"])
    items = await open_items_of(services, center.id, tip, Sight(center_id=center.id))
    began_at = await OperatorDesk(services.scribe).shift_began_at(operator_id)
    signed = await services.database.row(queries.signed_since(operator_id, center.id, began_at))
    return Leaving(
        open_items=items.count,
        handover_id=None if signed is None else signed["handover_id"],
    )
