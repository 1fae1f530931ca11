"""Pages of the board's rows, shared by boards, inboxes and queues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request, Response

from dispatch.api.http.cursors import next_link
from dispatch.api.wiring import Services
from projections.queries.board import BoardCursor
from projections.queries.progress import checkpoints


def board_cursor(key: list[Any] | None) -> BoardCursor | None:
    """Where a list of the board goes on."""
    return None if key is None else (int(key[0]), int(key[1]))


async def page(services: Services, statement: Any) -> tuple[list[Any], int]:
    """Rows of the board, and the position that they hold at least."""
    async with services.database.snapshot() as moment:
        checkpoint = await moment.row(checkpoints(["board"]))
        rows = await moment.rows(statement)
    return rows, int(checkpoint["position"]) if checkpoint is not None else 0


def link(
    services: Services,
    request: Request,
    response: Response,
    listing: str,
    filters: Mapping[str, Any],
    rows: Sequence[Any],
    limit: int,
) -> None:
    """Say where the next page is, if the row beyond this one shows that there is one."""
    if len(rows) > limit:
        last = rows[limit - 1]
        cursor = services.cursors.make(listing, filters, [last["priority"], last["opened_position"]])
        response.headers["Link"] = next_link(request, cursor)
