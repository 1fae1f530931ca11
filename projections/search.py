"""Search: what an incident, a report or a note can be found by.

Found by: number, category, place and address words, headline, words of a report or a note that is not struck. Not by
who called: callers and persons are sealed, their text is nowhere outside the vault; `reports.subject_ids` finds the
reports of one known subject. A camera is found through the directory and its incidents by `board.camera_id`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from domain.event import Event, Fact
from domain.incident import events as incident
from domain.report import events as report
from projections import tables
from projections.addressing import names
from projections.projection import Key, Projection, Row
from projections.words import tokens

EXCERPT_MAX = 200
"""Characters."""
NOTES = names((incident.NoteAdded, incident.NoteStruck))


class Search(Projection):
    """One row a source of words. An incident's own words stay findable after a change of place or category."""

    name = "search"
    version = 1
    table = tables.search
    topics = names(
        (
            incident.IncidentOpened,
            incident.IncidentRelocated,
            incident.IncidentClassified,
            incident.NoteAdded,
            incident.NoteStruck,
            report.ReportFiled,
            report.ReportLinked,
        )
    )
    is_append_only = False

    @staticmethod
    def entity(fact: Fact[Event]) -> UUID:
        """The note, or the incident or report whose stream it is."""
        if fact.name in NOTES:
            event = fact.gist()
            assert isinstance(event, incident.NoteAdded | incident.NoteStruck)
            return event.note_id
        return fact.stream_id

    def keys(self, fact: Fact[Event]) -> Sequence[Key]:
        """The same."""
        return ((self.entity(fact),),)

    def apply(self, key: Key, row: Row | None, fact: Fact[Event]) -> Row | None:
        """The words after the fact."""
        match fact.gist():
            case incident.IncidentOpened() as event:
                words = (event.number, event.category, event.headline, event.place.address)
                return _source(key, fact, "incident", fact.stream_id, words)
            case incident.IncidentRelocated(place=place):
                return _with(row, place.address)
            case incident.IncidentClassified(category=category, note=note):
                return _with(row, category, note)
            case incident.NoteAdded(incident_id=incident_id, text=text):
                return _source(key, fact, "note", incident_id, (text,))
            case incident.NoteStruck():
                return None
            case report.ReportFiled(text=text, place=place, category=category):
                return _source(key, fact, "report", None, (text, place.address, category))
            case report.ReportLinked(incident_id=incident_id) if row is not None:
                return {**row, "incident_id": incident_id}
            case _:
                return row


def _source(key: Key, fact: Fact[Event], kind: str, incident_id: UUID | None, texts: Sequence[str | None]) -> Row:
    return {
        "source_id": key[0],
        "incident_id": incident_id,
        "kind": kind,
        "tokens": tokens(*texts),
        "excerpt": " ".join(text for text in texts if text)[:EXCERPT_MAX],
        "occurred_at": fact.occurred_at,
    }


def _with(row: Row | None, *texts: str | None) -> dict[str, Any] | None:
    if row is None:
        return None
    known = dict.fromkeys(row["tokens"])
    return {**row, "tokens": list(known | dict.fromkeys(tokens(*texts)))}
