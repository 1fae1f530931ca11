"""Reactors that decide about each incident of a page, on its state and by the rules of now.

The decision carries the version it was made on: if a person decides in between, it is made again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import datetime

from dispatch.directory import Directory
from dispatch.handling.scribe import Change
from dispatch.ports import Clock, EventLog
from domain.codec import for_fold
from domain.event import Event, Fact
from domain.incident.decider import INITIAL, IncidentState, evolve
from domain.rulebook.content import Rulebook

PAGE_FACTS = 200
Follows = Callable[[Sequence[Fact[Event]]], tuple[Event, ...]]
"""What follows from all facts of an incident's decision stream."""


class IncidentReactor(ABC):
    """Decides on each incident by its own facts and the rules, and remembers nothing. A subclass says what follows."""

    name: str
    topics: frozenset[str]
    page_events = PAGE_FACTS
    linger_s = 0.02  # most pages have nothing for these reactors: they wake for many facts together

    def __init__(self, *, log: EventLog, directory: Directory, clock: Clock) -> None:
        self._log = log
        self._directory = directory
        self._clock = clock

    async def prepare(self, mark: int) -> None:
        """Nothing is remembered."""
        assert mark >= 0, "marks start at 0"

    async def decide(self, page: Sequence[Fact[Event]]) -> Sequence[Change]:
        """One change for each incident of the page, on its state of now, by rules not older than the page."""
        await self._directory.reach(page[-1].position)
        rulebook, now = self._directory.rulebook(), self._clock.now()
        follows = self._rule(rulebook, now)
        if follows is None:
            return []
        return await _changes(page, self._log, follows, now=now, rule_version=rulebook.version)

    @abstractmethod
    def _rule(self, rulebook: Rulebook, now: datetime) -> Follows | None:
        """How it decides by these rules; None: they have nothing for it to decide."""


async def _changes(
    page: Sequence[Fact[Event]],
    log: EventLog,
    follows: Follows,
    *,
    now: datetime,
    rule_version: int,
) -> list[Change]:
    """One change for each incident that the page is about, in the page's order. The last fact of the page about it is
    named as the cause.
    """
    causes = {fact.stream_id: fact for fact in page}
    streams = await log.read_streams(list(causes))
    changes = []
    for incident_id, cause in causes.items():
        facts = [for_fold(row) for row in streams[incident_id]]
        changes.append(
            Change(
                incident_id,
                facts[-1].version,
                follows(facts),
                occurred_at=now,
                causation_id=cause.envelope.event_id,
                correlation_id=incident_id,
                rule_version=rule_version,
            )
        )
    return changes


def incident_after(facts: Sequence[Fact[Event]]) -> IncidentState:
    """The incident that these facts of its decision stream make."""
    state = INITIAL
    for fact in facts:
        state = evolve(state, fact.gist())
    return state
