"""Deadlines of orders (decision record 0022)."""

from __future__ import annotations

from datetime import datetime

from dispatch.handling.scribe import Decision
from dispatch.workers.timers.mechanism import Subject
from domain.order.decider import INITIAL, decide, evolve
from domain.order.state import OrderState
from domain.policies.order_deadlines import TOPICS, OrderDue, OrderDues


def _follows(due: OrderDue, state: OrderState, now: datetime) -> Decision:
    return decide(due.command(now), state)


def _seed(due: OrderDue) -> str:
    kind, order_id, edition = due.key
    return f"{kind}\x1f{order_id}\x1f{edition}\x1f{due.due_at}"


ORDERS = Subject(
    name="order-deadlines",
    topics=TOPICS,
    dues=OrderDues,
    initial=INITIAL,
    evolve=evolve,
    decide=_follows,
    seed=_seed,
    correlation=lambda due, _state: due.stream_id,
)
