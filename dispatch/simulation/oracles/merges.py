"""An undone merge is as if it had never been: for the one that was merged, for its former head, and on the board."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from uuid import UUID

from dispatch.simulation.reading import Story
from domain.event import Event, Fact
from domain.incident import decider as incident
from domain.incident.events import (
    IncidentAbsorbed,
    IncidentEscalated,
    IncidentMerged,
    IncidentReleased,
    IncidentUnmerged,
)
from projections.addressing import incident_of
from projections.board import Board
from projections.projection import Row

MOVED = frozenset({"decision_version", "updated_at", "updated_position"})
"""Columns that tell when something was said, which a merge and its undoing have moved."""
COUNTS = frozenset({"escalation_level"})
"""Columns that count what was escalated, also what was while it was merged."""
PAIRED = (IncidentMerged, IncidentUnmerged, IncidentAbsorbed, IncidentReleased)


def broken_merges(story: Story) -> Iterator[str]:
    """Every merge that was undone, without it: the same incident, and the same row."""
    undone = {fact.event.merge_id for fact in story.facts if isinstance(fact.event, IncidentUnmerged)}
    if not undone:
        return
    touched = {
        fact.stream_id for fact in story.facts if isinstance(fact.event, PAIRED) and fact.event.merge_id in undone
    }
    told: dict[UUID, list[Fact[Event]]] = {incident_id: [] for incident_id in touched}
    for fact in story.facts:
        about = incident_of(fact)
        if about in told:
            told[about].append(fact)
    for incident_id, facts in told.items():
        kept = [fact for fact in facts if not (isinstance(fact.event, PAIRED) and fact.event.merge_id in undone)]
        yield from _states(incident_id, story.streams[incident_id], kept)
        told_the_head = _told_the_head(facts, undone)
        own = [fact for fact in kept if fact.position not in told_the_head]
        yield from _rows(incident_id, facts, own, COUNTS if told_the_head else frozenset())


def _told_the_head(facts: Sequence[Fact[Event]], undone: Container[UUID]) -> set[int]:
    """Escalations while it was merged, in a merge that was undone: its head's business, gone with it."""
    found, is_merged = set(), False
    for fact in facts:
        match fact.event:
            case IncidentMerged(merge_id=merge_id):
                is_merged = merge_id in undone
            case IncidentUnmerged():
                is_merged = False
            case IncidentEscalated() if is_merged:
                found.add(fact.position)
            case _:
                pass
    return found


def _states(incident_id: UUID, stream: Sequence[Fact[Event]], kept: Sequence[Fact[Event]]) -> Iterator[str]:
    real, without = incident.INITIAL, incident.INITIAL
    positions = {fact.position for fact in kept}
    for fact in stream:
        real = incident.evolve(real, fact.event)
        if fact.position in positions:
            without = incident.evolve(without, fact.event)
    if real != without:
        names = [name for name in without.__dataclass_fields__ if getattr(real, name) != getattr(without, name)]
        yield f"unmerge: {incident_id} is not as if it had not been merged: {', '.join(names)}"


def _rows(
    incident_id: UUID, facts: Sequence[Fact[Event]], kept: Sequence[Fact[Event]], uncompared: frozenset[str]
) -> Iterator[str]:
    real, without = _row(incident_id, facts), _row(incident_id, kept)
    if real is None or without is None:
        yield f"unmerge: {incident_id} has no row"
        return
    columns = [name for name in without if name not in MOVED | uncompared and real[name] != without[name]]
    if columns:
        yield f"unmerge: the row of {incident_id} is not as if it had not been merged: {', '.join(sorted(columns))}"


def _row(incident_id: UUID, facts: Sequence[Fact[Event]]) -> Row | None:
    board, key, row = Board(), (incident_id,), None
    for fact in facts:
        row = board.apply(key, row, fact)
    return row
