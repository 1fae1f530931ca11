"""How far the rows are, and what changed on boards since: for `min_position`, /readyz and live streams.

A live stream reads `changes_since` together with the changes. If it exceeds what the client saw, older changes are
gone or rows were switched by a rebuild: the client must be told to reset. The id a client resumes from is
`page_position`; rows of one page come together or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, func, select

from projections import tables

CHANGES_CHANNEL = "dispatch_board"
"""NOTIFY channel: one hint a page, in the transaction of its rows; the payload is the page's position."""
ORDERS_HINT = "orders"
"""The payload on the same channel when a page changed orders, which are folded apart from the board."""
CHANGES_LIMIT = 1_000


def checkpoints(names: Sequence[str] = ()) -> Select[Any]:
    """Live positions, states and `changes_since`; all projections, or those named."""
    table = tables.checkpoints
    query = select(table).where(table.c.state != "building")
    return query.where(table.c.name.in_(names)) if names else query


def position(names: Sequence[str]) -> Select[Any]:
    """The position all of these have reached."""
    table = tables.checkpoints
    return select(func.min(table.c.position)).where(table.c.state != "building", table.c.name.in_(names))


def board_changes(after_position: int, *, limit: int = CHANGES_LIMIT) -> Select[Any]:
    """Changes of pages beyond a position, oldest first.

    An answer that reaches the limit may end inside a page: leave its last page out and ask again from the one before.
    One page has at most 500 changes, so a limit of 1,000 always brings a whole one.
    """
    table = tables.board_changes
    return (
        select(table)
        .where(table.c.page_position > after_position)
        .order_by(table.c.page_position, table.c.incident_id)
        .limit(limit)
    )


def parked() -> Select[Any]:
    """Facts set aside with their reasons, oldest first."""
    return select(tables.parked).order_by(tables.parked.c.position).limit(CHANGES_LIMIT)
