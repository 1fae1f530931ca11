"""Facts about an incident's checklist, on a stream of its own (`identifiers.checklist_of`).

The items are the rulebook's. Which version of it binds an incident was recorded when it was routed, so nothing is
copied here: an item is named by its code.
"""

from __future__ import annotations

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from domain.event import Event

ItemCode = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,60}$")]


class ItemDone(Event):
    """It was done, by whoever the envelope names."""

    name: ClassVar[str] = "checklist.item_done"
    incident_id: UUID
    item: ItemCode
    note: str | None = Field(default=None, max_length=2_000)


class ItemUndone(Event):
    """It was not done after all."""

    name: ClassVar[str] = "checklist.item_undone"
    incident_id: UUID
    item: ItemCode
    reason: str = Field(max_length=2_000)


EVENTS: tuple[type[Event], ...] = (ItemDone, ItemUndone)
