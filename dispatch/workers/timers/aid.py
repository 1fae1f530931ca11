"""Answers to requests for aid that were missed (decision record 0008)."""

from __future__ import annotations

from datetime import datetime

from dispatch.handling.scribe import Decision
from dispatch.workers.timers.mechanism import Subject
from domain.aid.commands import RecordMissedAnswer
from domain.aid.decider import INITIAL, AidState, decide, evolve
from domain.policies.aid_deadlines import TOPICS, AidDue, AidDues


def _follows(_due: AidDue, state: AidState, now: datetime) -> Decision:
    return decide(RecordMissedAnswer(noticed_at=now), state)


AID = Subject(
    name="aid-deadlines",
    topics=TOPICS,
    dues=AidDues,
    initial=INITIAL,
    evolve=evolve,
    decide=_follows,
    seed=lambda due: f"{due.stream_id}\x1f{due.due_at}",
)
