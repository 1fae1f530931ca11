"""The inbox of a center: what waits for its action. A look at the board's rows."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from projections.board import item
from projections.board_rules import RESTS
from projections.projection import Row


def waiting_for(row: Row, center_id: UUID) -> list[dict[str, Any]]:
    """What this incident waits for from this center: to accept it, to answer an offer, to act on an escalation."""
    return [entry for entry in row["inbox"] if entry["center_id"] == str(center_id) and not entry.get(RESTS)]


def inbox_item(row: Row, center_id: UUID) -> dict[str, Any]:
    """An inbox entry as JSON shows it."""
    return item(row) | {"waiting_for": waiting_for(row, center_id)}
