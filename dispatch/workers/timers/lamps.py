"""The lamps of cases: each is recorded at its instant, or as missed, by how much, once (decision record 0023)."""

from __future__ import annotations

from datetime import datetime

from dispatch.handling.scribe import Decision
from dispatch.workers.timers.mechanism import NAME, Subject
from domain.casework.commands import TurnLamp
from domain.casework.decider import INITIAL, CaseState, decide, evolve
from domain.policies.lamps import TOPICS, LampDue, LampList
from domain.working_time import AroundTheClock


def _follows(due: LampDue, state: CaseState, now: datetime) -> Decision:
    command = TurnLamp(limit_number=due.limit_number, lamp=due.lamp, noticed_at=now)
    return decide(command, state, AroundTheClock())


LAMPS = Subject(
    name=NAME,
    topics=TOPICS,
    dues=LampList,
    initial=INITIAL,
    evolve=evolve,
    decide=_follows,
    seed=lambda due: f"{due.lamp}\x1f{due.case_id}\x1f{due.limit_number}",
    correlation=lambda _due, state: state.incident_id,
)
