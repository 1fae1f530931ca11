"""Versions of the rulebook that were scheduled, put in force when their time has come (decision record 0025)."""

from __future__ import annotations

from datetime import datetime

from dispatch.directory import Directory
from dispatch.handling.scribe import Decision, Scribe
from dispatch.ports import EventLog
from dispatch.workers.timers.mechanism import StreamPart, Subject
from domain.policies.rulebook_schedule import TOPICS, Schedule, VersionDue
from domain.rulebook.commands import ActivateRulebook
from domain.rulebook.decider import INITIAL, State, decide, evolve


def _follows(due: VersionDue, state: State, _now: datetime) -> Decision:
    # In force from when it was said, recorded when it was seen: late by the difference, if we were down.
    return decide(ActivateRulebook(version=due.version, effective_at=due.due_at), state)


RULEBOOKS = Subject(
    name="rulebook",
    topics=TOPICS,
    dues=Schedule,
    initial=INITIAL,
    evolve=evolve,
    decide=_follows,
    seed=lambda due: f"{due.stream_id}\x1f{due.version}\x1f{due.due_at}",
)


class RulebookPart(StreamPart[VersionDue, State]):
    """Goes first of all parts: what else has passed is answered by the rules of now."""

    def __init__(self, log: EventLog, scribe: Scribe, directory: Directory) -> None:
        super().__init__(RULEBOOKS, log, scribe)
        self._directory = directory

    async def answer(self, now: datetime, known_up_to: int, limit: int) -> int:
        """Put in force what is due, one after the other; how many."""
        recorded = 0
        for due in self.dues.until(now, limit):
            done = await self._record([due], now, known_up_to)
            if not done and due.key in self.dues:
                break  # somebody was first, or said more than is folded; the next look knows
            recorded += done
        if recorded:
            await self._directory.catch_up()
        return recorded
