"""What a rule reads of an order, folded from its stream."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from domain.event import Event
from domain.order.events import (
    OrderAcknowledged,
    OrderAcknowledgementMissed,
    OrderAmended,
    OrderContent,
    OrderDeclined,
    OrderExpired,
    OrderExtended,
    OrderIssued,
    OrderLifted,
)
from domain.vocabulary import OrderAnswer, OrderPhase


@dataclass(frozen=True, slots=True)
class Answer:
    """What an addressee said last of an edition, and when it first said anything: whoever declined in time and did it
    after all has answered in time.
    """

    edition: int
    center_id: UUID
    answer: OrderAnswer
    first_answered_at: datetime


@dataclass(frozen=True, slots=True)
class Edition:
    """One text of the order: by when it had to be acknowledged, and when another replaced it."""

    number: int
    acknowledge_by: datetime
    replaced_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OrderState:
    """`phase` and `order` are None before it is issued, and never again after.

    `decided_version` is the version of the last fact that changed the order. Answers do not move it: twenty addressees
    that acknowledge at once must not make one another's answer, or the commander's lifting, stale.
    """

    phase: OrderPhase | None = None
    order: OrderContent | None = None
    ended_at: datetime | None = None
    answers: tuple[Answer, ...] = ()
    """The last of each addressee and edition."""
    editions: tuple[Edition, ...] = ()
    missed: frozenset[int] = frozenset()
    """Editions whose missed answers are on record."""
    version: int = 0
    decided_version: int = 0

    def answer_of(self, center_id: UUID, edition: int) -> Answer | None:
        """What an addressee said of an edition."""
        return next((one for one in self.answers if (one.center_id, one.edition) == (center_id, edition)), None)


INITIAL = OrderState()


def evolve(state: OrderState, event: Event) -> OrderState:
    """The state after a fact. Never raises."""
    state = replace(state, version=state.version + 1)
    match event:
        case OrderIssued(order=order):
            edition = Edition(order.edition, order.acknowledge_by)
            state = replace(state, phase=OrderPhase.ISSUED, order=order, editions=(edition,))
        case OrderAmended(order=order, amended_at=at):
            before = tuple(one if one.replaced_at else replace(one, replaced_at=at) for one in state.editions)
            edition = Edition(order.edition, order.acknowledge_by)
            state = replace(state, order=order, editions=(*before, edition))
        case OrderExtended(order=order):
            state = replace(state, order=order)
        case OrderLifted(order=order, lifted_at=at):
            state = replace(state, order=order, phase=OrderPhase.LIFTED, ended_at=at)
        case OrderExpired(order=order, due_at=at):
            state = replace(state, order=order, phase=OrderPhase.EXPIRED, ended_at=at)
        case OrderAcknowledged():
            return _answered(state, event, OrderAnswer.ACKNOWLEDGED)
        case OrderDeclined():
            return _answered(state, event, OrderAnswer.DECLINED)
        case OrderAcknowledgementMissed(edition=number):
            return replace(state, missed=state.missed | {number})
        case _:
            return state
    return replace(state, decided_version=state.version)


def _answered(state: OrderState, event: OrderAcknowledged | OrderDeclined, answer: OrderAnswer) -> OrderState:
    before = state.answer_of(event.center_id, event.edition)
    first_at = event.answered_at if before is None else min(before.first_answered_at, event.answered_at)
    said = Answer(event.edition, event.center_id, answer, first_at)
    others = tuple(one for one in state.answers if (one.center_id, one.edition) != (said.center_id, said.edition))
    return replace(state, answers=(*others, said))


def is_in_force(order: OrderContent, ended_at: datetime | None, at: datetime) -> bool:
    """Whether it holds at an instant: from `effective_at` on, until it was ended or its time is over."""
    ends_at = order.expires_at if ended_at is None else min(order.expires_at, ended_at)
    return order.effective_at <= at < ends_at
