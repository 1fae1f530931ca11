"""The log of a finished run, decoded once for all checks."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from dispatch.handling.scribe import as_fact
from dispatch.ports import EventLog, RecordedEvent
from dispatch.simulation.process import at_once
from domain.codec import Undecodable
from domain.event import Event, Fact
from domain.incident import decider as incident
from projections import fold

LIMIT = 1_000_000


@dataclass(slots=True)
class Story:
    """All facts in order, and the stream of each incident."""

    rows: list[RecordedEvent]
    facts: list[Fact[Event]] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    streams: dict[UUID, list[Fact[Event]]] = field(default_factory=dict)

    @classmethod
    def of(cls, log: EventLog) -> Story:
        """Read it all."""
        story = cls(at_once(log.read_after(0, limit=LIMIT)))
        for row in story.rows:
            try:
                fact = as_fact(row)
            except Undecodable as error:
                story.unreadable.append(f"{row.position}: {error}")
                continue
            story.facts.append(fact)
            story.streams.setdefault(fact.stream_id, []).append(fact)
        return story

    @property
    def incidents(self) -> list[UUID]:
        """Every incident, in the order they were opened."""
        return [fact.stream_id for fact in self.facts if fact.event.name == "incident.opened"]

    def state(self, incident_id: UUID, *, up_to: int | None = None) -> incident.IncidentState:
        """An incident as decided, at the end or at a position."""
        state = incident.INITIAL
        for fact in self.streams.get(incident_id, []):
            if up_to is not None and fact.position > up_to:
                break
            state = incident.evolve(state, fact.event)
        return state

    def page(self) -> fold.Page:
        """The whole log as one page."""
        return fold.read(self.rows, len(self.rows))
