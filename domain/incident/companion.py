"""Notes on the companion stream: any number may be added in any phase; one is struck once, and never deleted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never
from uuid import UUID

from domain.event import Event
from domain.incident.commands import AddNote, CompanionCommand, StrikeNote
from domain.incident.events import NoteAdded, NoteStruck
from domain.refusals import Refusal


@dataclass(frozen=True, slots=True)
class CompanionState:
    """Which notes there are and which of them are struck."""

    notes: frozenset[UUID] = frozenset()
    struck: frozenset[UUID] = frozenset()


INITIAL = CompanionState()


def evolve(state: CompanionState, event: Event) -> CompanionState:
    """The state after a fact; folds, reports and evidence change nothing here."""
    match event:
        case NoteAdded(note_id=note_id):
            return replace(state, notes=state.notes | {note_id})
        case NoteStruck(note_id=note_id):
            return replace(state, struck=state.struck | {note_id})
        case _:
            return state


def decide(command: CompanionCommand, state: CompanionState) -> tuple[Event, ...] | Refusal:
    """Facts (possibly none) or a refusal."""
    match command:
        case AddNote():
            if command.note_id in state.notes:
                return ()
            return (NoteAdded(incident_id=command.incident_id, note_id=command.note_id, text=command.text),)
        case StrikeNote():
            return _strike(command, state)
        case _:
            assert_never(command)


def _strike(command: StrikeNote, state: CompanionState) -> tuple[Event, ...] | Refusal:
    values = {"note_id": str(command.note_id)}
    if command.note_id not in state.notes:
        return Refusal("note.unknown", "There is no such note on this incident. Check the note's id.", values)
    if command.note_id in state.struck:
        return Refusal("note.already_struck", "The note was struck before. Once is enough.", values)
    return (NoteStruck(incident_id=command.incident_id, note_id=command.note_id, reason=command.reason),)
