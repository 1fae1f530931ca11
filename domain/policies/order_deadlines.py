"""Deadlines of orders: what is due when is a fold of facts, as for incidents (`domain.policies.escalation`).

acknowledge  every addressee must have answered an edition by its `acknowledge_by`
expire       the order is over at its `expires_at`, whoever looks
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.event import Event, Fact
from domain.order.commands import ExpireOrder, OrderTimerCommand, RecordMissedAnswers
from domain.order.events import (
    OrderAcknowledgementMissed,
    OrderAmended,
    OrderContent,
    OrderExpired,
    OrderExtended,
    OrderIssued,
    OrderLifted,
)
from domain.policies.dues import DueQueue

ACKNOWLEDGE, EXPIRE = "acknowledge", "expire"
TOPICS: tuple[str, ...] = tuple(
    event.name
    for event in (OrderIssued, OrderAmended, OrderExtended, OrderLifted, OrderExpired, OrderAcknowledgementMissed)
)
"""What the list folds. Answers are looked at when the deadline has passed."""

Key = tuple[str, UUID, int]
"""(kind, order, edition); the expiry is of the order, so its edition is 0."""


@dataclass(frozen=True, slots=True)
class OrderDue:
    """One deadline of an order."""

    key: Key
    due_at: datetime
    position: int

    @property
    def kind(self) -> str:
        """order_acknowledge or order_expire."""
        return f"order_{self.key[0]}"

    @property
    def stream_id(self) -> UUID:
        """The order that it is of."""
        return self.key[1]

    def command(self, now: datetime) -> OrderTimerCommand:
        """What is asked of the order when it has passed."""
        kind, _, edition = self.key
        return ExpireOrder(noticed_at=now) if kind == EXPIRE else RecordMissedAnswers(edition=edition, noticed_at=now)


class OrderDues(DueQueue[Key, OrderDue]):
    """What is due when."""

    def apply(self, fact: Fact[Event]) -> None:
        """Fold one fact; others change nothing."""
        order_id = fact.stream_id
        match fact.gist():
            case OrderIssued(order=order) | OrderAmended(order=order):
                self._runs((ACKNOWLEDGE, order_id, order.edition), order.acknowledge_by, fact.position)
                self._expires(order_id, order, fact.position)
            case OrderExtended(order=order):
                self._expires(order_id, order, fact.position)
            case OrderLifted() | OrderExpired():
                self.drop((EXPIRE, order_id, 0))
            case OrderAcknowledgementMissed(edition=edition):
                self.drop((ACKNOWLEDGE, order_id, edition))
            case _:
                pass

    def _expires(self, order_id: UUID, order: OrderContent, position: int) -> None:
        self._runs((EXPIRE, order_id, 0), order.expires_at, position)

    def _runs(self, key: Key, due_at: datetime, position: int) -> None:
        self._put(OrderDue(key, due_at, position))

    def _rank(self, due: OrderDue) -> tuple[str, int]:
        """Of one order what was to be acknowledged goes before what expires."""
        return due.key[0], due.position
