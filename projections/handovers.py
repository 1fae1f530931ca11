"""Hand-overs of shifts, one row each, with the items as they were copied when it was offered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from domain.event import Event, Fact
from domain.handover import events as handover
from projections import handover_tables
from projections.addressing import names
from projections.projection import Key, Projection, Row
from projections.shown import columns_shown, shown

LISTS = ("incidents", "orders", "cases")
COUNTED = (*LISTS, "aid")
"""Requests for aid are counted in the row and listed by the fact itself."""


class Handovers(Projection):
    """One row a hand-over."""

    name = "handovers"
    version = 2
    table = handover_tables.handovers
    topics = names(handover.EVENTS)
    is_append_only = False

    def keys(self, fact: Fact[Event]) -> Sequence[Key]:
        """The hand-over."""
        return ((fact.stream_id,),)

    def apply(self, key: Key, row: Row | None, fact: Fact[Event]) -> Row | None:
        """The hand-over after the fact."""
        event = fact.gist()
        if row is None:
            return _offered(event, fact) if isinstance(event, handover.HandoverOffered) else None
        after = {**row, "version": fact.version, "answered_at": fact.occurred_at}
        match event:
            case handover.HandoverSigned():
                return {
                    **after,
                    "state": "signed",
                    "answered_by": event.operator_id,
                    "claims": event.claims.value,
                    "claims_moved": list(event.incident_ids),
                }
            case handover.HandoverDeclined():
                return {**after, "state": "declined", "answered_by": event.operator_id, "reason": event.reason}
            case _:
                return row


item = columns_shown(handover_tables.handovers.columns)
"""A hand-over as JSON shows it, with its items."""
line = columns_shown(column for column in handover_tables.handovers.columns if column.name not in LISTS)
"""The same on a list: how many items, not which."""


def _offered(event: handover.HandoverOffered, fact: Fact[Event]) -> Row:
    lists: dict[str, list[Any]] = {
        name: [shown(one.model_dump(mode="json")) for one in getattr(event, name)] for name in LISTS
    }
    return {
        "handover_id": fact.stream_id,
        "center_id": event.center_id,
        "path": list(event.path),
        "giver_id": event.giver_id,
        "taker_id": event.taker_id,
        "state": "offered",
        "counts": {name: len(getattr(event, name)) for name in COUNTED},
        "positions": {name: getattr(event, f"{name}_position") for name in COUNTED},
        **lists,
        "note": event.note,
        "offered_at": fact.occurred_at,
        "offered_position": fact.position,
        "answered_at": None,
        "answered_by": None,
        "claims": None,
        "claims_moved": [],
        "reason": None,
        "version": fact.version,
    }
