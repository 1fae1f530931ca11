"""The releaser: a unit that is on an incident which has ended is called back, on the record.

People cannot end an incident with units on it (the desk refuses). But an assignment is on the unit's stream and the
end is on the incident's, and two dispatchers who act in the same moment do not meet on either. So both facts lead here:
whichever was recorded second finds the other in the log, because a reactor sees a fact only after it was recorded and
then looks at the state of now. A unit is booked on an ended incident for no longer than this reactor is behind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from dispatch.handling.commitments import Commitments
from dispatch.handling.merges import head_of, with_guests
from dispatch.handling.scribe import Change, Loaded, Scribe
from dispatch.ports import Clock, EventLog
from domain.assignment.events import AssignmentMade
from domain.assignment.stack import folded
from domain.event import Event, Fact
from domain.incident.decider import INITIAL, IncidentState, evolve
from domain.incident.events import IncidentClosed, IncidentDismissed, IncidentResolved
from domain.policies.commitment import ENDED, Commitment, Ending, called_back

ENDS = frozenset(event.name for event in (IncidentResolved, IncidentClosed, IncidentDismissed))
PAGE_FACTS = 200


class Releaser:
    """The reactor."""

    name = "releaser"
    topics = ENDS | {AssignmentMade.name}
    page_events = PAGE_FACTS
    linger_s = 0.05  # who was called back reads it on a screen

    def __init__(self, *, log: EventLog, scribe: Scribe, clock: Clock, commitments: Commitments) -> None:
        self._log = log
        self._scribe = scribe
        self._clock = clock
        self._commitments = commitments

    async def prepare(self, mark: int) -> None:
        """Nothing is remembered."""
        assert mark >= 0, "marks start at 0"

    async def decide(self, page: Sequence[Fact[Event]]) -> Sequence[Change]:
        """Every open assignment to an incident of the page that has ended, called back."""
        causes = {_incident_of(fact): fact for fact in page}
        over: dict[UUID, tuple[Ending, Fact[Event]]] = {}
        for incident in (await self._scribe.load_many(list(causes), INITIAL, evolve)).values():
            head = await head_of(self._scribe, incident)
            ending = await self._ending(head)
            if ending is not None:
                over |= dict.fromkeys(await with_guests(self._scribe, head), (ending, causes[incident.stream_id]))
        return await self._released(over) if over else ()

    async def _ending(self, head: Loaded[IncidentState]) -> Ending | None:
        """How it ended, if it has."""
        phase = head.state.phase
        if phase is None or phase not in ENDED:
            return None
        rows = await self._log.read_stream(head.stream_id)
        return Ending(head.state.number, phase, max(row.position for row in rows if row.topic in ENDS))

    async def _released(self, over: Mapping[UUID, tuple[Ending, Fact[Event]]]) -> Sequence[Change]:
        by_unit: dict[UUID, list[Commitment]] = {}
        for commitment in await self._commitments.of(over.keys()):
            by_unit.setdefault(commitment.unit_id, []).append(commitment)
        return [self._change(found, over) for found in by_unit.values()]

    def _change(self, found: Sequence[Commitment], over: Mapping[UUID, tuple[Ending, Fact[Event]]]) -> Change:
        """One unit called back from everything that has ended; that is one assignment, unless it was stacked."""
        events: list[Event] = []
        for commitment in found:
            # On what the unit has by then: the end of one lets the next of its stack take its place.
            now = replace(commitment, unit=folded(found[0].unit, events))
            events += called_back(now, over[commitment.assignment.incident_id][0])
        incident_id = found[0].assignment.incident_id
        return Change(
            found[0].unit_id,
            found[0].version,
            tuple(events),
            occurred_at=self._clock.now(),
            causation_id=over[incident_id][1].envelope.event_id,
            correlation_id=incident_id,
        )


def _incident_of(fact: Fact[Event]) -> UUID:
    return fact.event.incident_id if isinstance(fact.event, AssignmentMade) else fact.stream_id
