"""The alarms: an incident that is as bad as a level of its plan demands is at that level, as a fact with its rule.

The decision carries the version it was made on: if a person decides in between, it is made again. Nothing is ever
lowered here.
"""

from __future__ import annotations

from collections.abc import Sequence

from dispatch.directory import Directory
from dispatch.handling.scribe import Change
from dispatch.ports import Clock, EventLog
from domain.codec import for_fold
from domain.event import Event, Fact
from domain.incident.admission import LIVE
from domain.incident.decider import INITIAL, decide, evolve
from domain.incident.events import IncidentClassified, IncidentOpened, IncidentReopened, SeverityRaised
from domain.policies.plans import alarm_due
from domain.refusals import Refusal
from domain.rulebook.content import Rulebook
from domain.vocabulary import MessageStatus

INPUTS = (IncidentOpened, IncidentClassified, SeverityRaised, IncidentReopened)
"""Facts after which an incident may be at a higher level."""
PAGE_FACTS = 200


class Alarms:
    """The reactor."""

    name = "alarms"
    topics = frozenset(event.name for event in INPUTS)
    page_events = PAGE_FACTS
    linger_s = 0.0

    def __init__(self, *, log: EventLog, directory: Directory, clock: Clock) -> None:
        self._log = log
        self._directory = directory
        self._clock = clock

    async def prepare(self, mark: int) -> None:
        """Nothing is remembered."""
        assert mark >= 0, "marks start at 0"

    async def decide(self, page: Sequence[Fact[Event]]) -> Sequence[Change]:
        """The alarm of each incident of the page that the rules raise, on its state of now."""
        await self._directory.reach(page[-1].position)
        rulebook, now = self._directory.rulebook(), self._clock.now()
        if not rulebook.plans:
            return []
        causes = {fact.stream_id: fact for fact in page}
        streams = await self._log.read_streams(list(causes))
        changes = []
        for incident_id, cause in causes.items():
            facts = [for_fold(row) for row in streams[incident_id]]
            changes.append(
                Change(
                    incident_id,
                    facts[-1].version,
                    raised(facts, rulebook),
                    occurred_at=now,
                    causation_id=cause.envelope.event_id,
                    correlation_id=incident_id,
                    rule_version=rulebook.version,
                )
            )
        return changes


def raised(facts: Sequence[Fact[Event]], rulebook: Rulebook) -> tuple[Event, ...]:
    """The alarm that follows from an incident's decision stream; nothing if it is at its level."""
    state = INITIAL
    for fact in facts:
        state = evolve(state, fact.gist())
    if state.phase not in LIVE or state.status is not MessageStatus.ACTUAL:
        return ()
    command = alarm_due(state, rulebook, tuple(fact.position for fact in facts if isinstance(fact.gist(), INPUTS)))
    decided = decide(command, state) if command is not None else ()
    # Only a level above the present one is asked for, and only while that is possible.
    assert not isinstance(decided, Refusal), f"{decided}"
    return decided
