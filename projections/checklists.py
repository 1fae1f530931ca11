"""What is ticked off: one row an item of an incident. What is on the list is the rulebook's to say."""

from __future__ import annotations

from collections.abc import Sequence

from domain.checklist import events as checklist
from domain.event import Event, Fact
from projections import city_tables
from projections.addressing import CHECKLISTS, incident_of, names
from projections.projection import Key, Projection, Row
from projections.shown import columns_shown


class Checklists(Projection):
    """One row an item that is done."""

    name = "checklists"
    version = 1
    table = city_tables.checklists
    topics = names(CHECKLISTS)
    is_append_only = False
    entity = staticmethod(incident_of)

    def keys(self, fact: Fact[Event]) -> Sequence[Key]:
        """The item."""
        event = fact.gist()
        match event:
            case checklist.ItemDone() | checklist.ItemUndone():
                return ((event.incident_id, event.item),)
            case _:
                return ()

    def apply(self, key: Key, row: Row | None, fact: Fact[Event]) -> Row | None:
        """The item after the fact."""
        match fact.gist():
            case checklist.ItemDone(item=item, note=note):
                return {
                    "incident_id": key[0],
                    "item": item,
                    "note": note,
                    "done_at": fact.occurred_at,
                    "done_by": fact.actor.id,
                    "done_position": fact.position,
                }
            case checklist.ItemUndone():
                return None
            case _:
                return row


done = columns_shown(column for column in city_tables.checklists.columns if column.name not in {"incident_id", "item"})
"""Who did an item and when, as JSON shows it."""
