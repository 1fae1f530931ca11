"""Is the log whole? One reading of everything, checked by arithmetic and by the invariants that hold over all history.

Positions run from 1 to the tip without a hole, versions of each stream from 1 without a gap, `recorded_at` never goes
back, and every event can be read. On top of that, three promises of the domain: an incident has exactly one owner from
its first position on, no unit is on two assignments at once unless they were stacked on purpose, and none is left on an
incident that has ended, itself or where its merges lead. For the last one two facts on two streams may pass each other
until the releaser has seen both; only what lies behind its mark is held against the log.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from dispatch.handling.scribe import as_fact
from dispatch.ports import EventLog, RecordedEvent
from domain.assignment import events as assignment
from domain.codec import NewerSchema, Undecodable
from domain.event import Event, Fact
from domain.incident import events as incident

PAGE_EVENTS = 5_000
FINDINGS_MAX = 50
RELEASER = "releaser"
"""The reactor that calls units back from incidents that ended."""

Advanced = Callable[[int, int], None]
"""Told (position, goal) after each page."""


@dataclass(slots=True)
class Wholeness:
    """What one reading found. `findings` are the first few violations, in words."""

    position: int = 0
    epoch: str = ""
    streams: int = 0
    incidents: int = 0
    holes: int = 0
    version_gaps: int = 0
    unreadable: int = 0
    clock_steps_back: int = 0
    ownerless: int = 0
    double_bookings: int = 0
    left_on_ended: int = 0
    findings: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Nothing is missing and nothing contradicts a promise."""
        return not (
            self.holes
            or self.version_gaps
            or self.unreadable
            or self.clock_steps_back
            or self.ownerless
            or self.double_bookings
            or self.left_on_ended
        )

    def document(self) -> dict[str, Any]:
        """As JSON shows it."""
        counts = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**counts, "whole": self.is_whole}


async def wholeness(log: EventLog, *, advanced: Advanced = lambda _position, _goal: None) -> Wholeness:
    """Read the whole log once. Raises `Unavailable`."""
    released_to = await log.mark(RELEASER)  # before the tip: what it called back by then is read
    tip = await log.tip()
    reading = _Reading(Wholeness(epoch=str(tip.epoch)), released_to)
    while reading.position < tip.position:
        rows = await log.read_after(reading.position, limit=PAGE_EVENTS, up_to_position=tip.position)
        if not rows:
            reading.note("holes", f"positions {reading.position + 1} to {tip.position} are missing")
            break
        for row in rows:
            reading.take(row)
        advanced(reading.position, tip.position)
    return reading.ended(tip.position)


class _Reading:
    """The state of one reading: what the next row must agree with."""

    def __init__(self, found: Wholeness, released_to: int) -> None:
        self.position = 0
        self._found = found
        self._released_to = released_to
        self._recorded_at = datetime.min.replace(tzinfo=UTC)
        self._versions: dict[UUID, int] = {}
        self._owners: dict[UUID, UUID] = {}
        self._busy: defaultdict[UUID, dict[UUID, tuple[int, assignment.AssignmentMade]]] = defaultdict(dict)
        self._waiting: defaultdict[UUID, set[UUID]] = defaultdict(set)
        self._ended: dict[UUID, int] = {}
        self._merged_into: dict[UUID, UUID] = {}

    def note(self, kind: str, finding: str) -> None:
        """Count a violation and keep its words, if there is room."""
        setattr(self._found, kind, getattr(self._found, kind) + 1)
        if len(self._found.findings) < FINDINGS_MAX:
            self._found.findings.append(finding)

    def take(self, row: RecordedEvent) -> None:
        """Check one row."""
        if row.position != self.position + 1:
            self.note("holes", f"after {self.position} comes {row.position}")
        self.position = row.position
        expected = self._versions.get(row.stream_id, 0) + 1
        if row.version != expected:
            self.note("version_gaps", f"{row.position}: stream {row.stream_id} has {row.version}, not {expected}")
        self._versions[row.stream_id] = row.version
        if row.recorded_at < self._recorded_at:
            self.note("clock_steps_back", f"{row.position}: recorded before its predecessor")
        self._recorded_at = row.recorded_at
        try:
            self._check(as_fact(row))
        except (Undecodable, NewerSchema) as error:
            self.note("unreadable", str(error))

    def _check(self, fact: Fact[Event]) -> None:
        self._follow(fact)
        match fact.event:
            case incident.IncidentOpened(owner=owner) | incident.IncidentRouted(owner=owner):
                self._owners[fact.stream_id] = owner.center_id
            case incident.TransferAccepted(owner=owner, from_center_id=giver):
                if self._owners.get(fact.stream_id) != giver:
                    self.note("ownerless", f"{fact.position}: {giver} gave what it did not own")
                self._owners[fact.stream_id] = owner.center_id
            case incident.IncidentAccepted() | incident.IncidentClosed() | incident.IncidentResolved():
                if fact.stream_id not in self._owners:
                    self.note("ownerless", f"{fact.position}: incident {fact.stream_id} has no owner")
            case _ if fact.name.startswith("assignment."):
                self._follow_unit(fact)
            case _:
                pass

    def _follow_unit(self, fact: Fact[Event]) -> None:
        """What a unit is on, and what waits for it."""
        busy, waiting = self._busy[fact.stream_id], self._waiting[fact.stream_id]
        match fact.event:
            case assignment.AssignmentMade(assignment_id=key) as made:
                if made.stacked:
                    waiting.add(key)
                elif busy.keys() - waiting:
                    self.note("double_bookings", f"{fact.position}: {made.call_sign} was on another incident")
                busy[key] = fact.position, made
            case assignment.AssignmentWaits(assignment_id=key):
                waiting.add(key)
            case assignment.AssignmentPromoted(assignment_id=key):
                if busy.keys() - waiting:
                    self.note("double_bookings", f"{fact.position}: one that waited was taken beside another")
                waiting.discard(key)
            case assignment.UnitEnRoute(assignment_id=key) | assignment.UnitOnScene(assignment_id=key):
                waiting.discard(key)
            case (
                assignment.AssignmentCleared(assignment_id=key)
                | assignment.AssignmentDeclined(assignment_id=key)
                | assignment.AssignmentCancelled(assignment_id=key)
            ):
                busy.pop(key, None)
                waiting.discard(key)
            case _:
                pass

    def _follow(self, fact: Fact[Event]) -> None:
        """Which incidents have ended, and where merges lead."""
        match fact.event:
            case incident.IncidentResolved() | incident.IncidentClosed() | incident.IncidentDismissed():
                self._ended[fact.stream_id] = fact.position
            case incident.IncidentReopened():
                self._ended.pop(fact.stream_id, None)
            case incident.IncidentMerged(into_incident_id=head):
                self._merged_into[fact.stream_id] = head
            case incident.IncidentUnmerged():
                self._merged_into.pop(fact.stream_id, None)
            case _:
                pass

    def _look_for_the_left(self) -> None:
        """Units that are still on an incident whose end the releaser has behind it, and the assignment too."""
        for open_ones in self._busy.values():
            for position, made in open_ones.values():
                head = self._head(made.incident_id)
                ended_at = self._ended.get(head)
                if ended_at is not None and max(ended_at, position) <= self._released_to:
                    number, unit = made.incident_number, made.call_sign
                    self.note("left_on_ended", f"{position}: {unit} is on {number}, which ended at {ended_at}")

    def _head(self, incident_id: UUID) -> UUID:
        """Where merges lead. A ring, which cannot be, ends where it began."""
        seen = {incident_id}
        while (into := self._merged_into.get(incident_id)) is not None and into not in seen:
            seen.add(into)
            incident_id = into
        return incident_id

    def ended(self, position: int) -> Wholeness:
        """What was found."""
        self._look_for_the_left()
        self._found.position = position
        self._found.streams = len(self._versions)
        self._found.incidents = len(self._owners)
        return self._found
