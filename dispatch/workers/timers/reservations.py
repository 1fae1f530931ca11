"""Reservations of units that begin or are over (decision record 0033)."""

from __future__ import annotations

from datetime import datetime

from dispatch.handling.scribe import Decision
from dispatch.workers.timers.mechanism import Subject
from domain.assignment.commands import TurnReservation
from domain.assignment.decider import INITIAL, decide, evolve
from domain.assignment.state import UnitState
from domain.policies.reservations import TOPICS, ReservationDue, ReservationDues


def _follows(due: ReservationDue, state: UnitState, now: datetime) -> Decision:
    return decide(TurnReservation(reservation_id=due.key[1], noticed_at=now), state)


RESERVATIONS = Subject(
    name="reservations",
    topics=TOPICS,
    dues=ReservationDues,
    initial=INITIAL,
    evolve=evolve,
    decide=_follows,
    seed=lambda due: f"{due.key[0]}\x1f{due.key[1]}\x1f{due.due_at}",
)
