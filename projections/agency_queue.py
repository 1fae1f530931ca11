"""The queue of an agency: incidents it is on, with its role and what it answered. A look at the board's rows."""

from __future__ import annotations

from typing import Any

from projections.board import item
from projections.projection import Row


def queue_item(row: Row, agency: str) -> dict[str, Any]:
    """A queue entry as JSON shows it. One agency may be on an incident twice, with two centers."""
    mine = [recipient for recipient in row["recipients"] if recipient["agency"] == agency]
    return item(row) | {"mine": mine}
