"""Rows of the board, shared by boards, inboxes and queues."""

from __future__ import annotations

from typing import Any

from dispatch.api.wiring import Services
from projections.queries.progress import checkpoints

BY_URGENCY = ("priority", "opened_position")
"""The columns that these lists are in order of: the most urgent first, and of those the oldest."""


async def board_rows(services: Services, statement: Any) -> tuple[list[Any], int]:
    """Rows of the board, and the position that they hold at least."""
    async with services.database.snapshot() as moment:
        checkpoint = await moment.row(checkpoints(["board"]))
        rows = await moment.rows(statement)
    return rows, int(checkpoint["position"]) if checkpoint is not None else 0
