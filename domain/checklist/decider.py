"""Rules of checklists: only what stands on the incident's list is ticked off, and once."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Annotated, TypeAlias, assert_never
from uuid import UUID

from pydantic import Field

from domain.checklist.events import ItemCode, ItemDone, ItemUndone
from domain.event import Event, Frozen
from domain.refusals import Refusal

Note = Annotated[str, Field(min_length=1, max_length=2_000)]


class TickItem(Frozen):
    """Say that an item is done. `listed` are the items of the list that binds the incident."""

    incident_id: UUID
    item: ItemCode
    listed: frozenset[str]
    note: Note | None = None


class UntickItem(Frozen):
    """Say that it is not."""

    incident_id: UUID
    item: ItemCode
    reason: Note


ChecklistCommand: TypeAlias = TickItem | UntickItem
Decision: TypeAlias = tuple[Event, ...] | Refusal


@dataclass(frozen=True, slots=True)
class ChecklistState:
    """What is ticked off."""

    done: AbstractSet[str] = frozenset()


INITIAL = ChecklistState()


def evolve(state: ChecklistState, event: Event) -> ChecklistState:
    """The list after a fact."""
    match event:
        case ItemDone(item=item):
            return replace(state, done=state.done | {item})
        case ItemUndone(item=item):
            return replace(state, done=state.done - {item})
        case _:
            return state


def decide(command: ChecklistCommand, state: ChecklistState) -> Decision:
    """Facts, nothing, or a refusal."""
    match command:
        case TickItem():
            if command.item not in command.listed:
                detail = f"The incident's checklist has no item {command.item}. Read the list, then tick what is on it."
                return Refusal("checklist.item_unknown", detail, {"item": command.item})
            if command.item in state.done:
                return ()
            return (ItemDone(incident_id=command.incident_id, item=command.item, note=command.note),)
        case UntickItem():
            if command.item not in state.done:
                return ()
            return (ItemUndone(incident_id=command.incident_id, item=command.item, reason=command.reason),)
        case _:
            assert_never(command)
