"""Orders: in force from their beginning to their end and at no other instant, answered by nobody but their addressees,
and every missed answer and every expiry recorded once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from dispatch.simulation.oracles.clocks import wrong_lateness
from dispatch.simulation.questions import asked
from dispatch.simulation.reading import Story
from domain.event import Event, Fact
from domain.order import events as order
from projections import orders as shown
from projections.queries import orders as queries
from projections.queries.sight import EVERYTHING

Rows = Mapping[tuple[Any, ...], Mapping[str, Any]]
MOMENT = timedelta(microseconds=1)
LISTED_MAX = 10_000


@dataclass(slots=True)
class Edition:
    """One text: by when it had to be answered, when another replaced it, and who answered when."""

    acknowledge_by: datetime
    replaced_at: datetime | None = None
    answers: dict[UUID, datetime] = field(default_factory=dict)
    """The first answer of each addressee."""
    acknowledged: set[UUID] = field(default_factory=set)
    missed_position: int | None = None


@dataclass(slots=True)
class Command:
    """An order as its facts tell it."""

    content: order.OrderContent
    editions: list[Edition]
    ended_at: datetime | None = None
    lifted: bool = False

    def is_in_force(self, at: datetime) -> bool:
        """Whether it holds at an instant, by all that is known now."""
        ends_at = min(self.content.expires_at, self.ended_at or self.content.expires_at)
        return self.content.effective_at <= at < ends_at

    @property
    def waiting(self) -> set[UUID]:
        """Addressees that have not acknowledged the present text."""
        if self.ended_at is not None:
            return set()
        return {one.center_id for one in self.content.addressees} - self.editions[-1].acknowledged


def broken_orders(story: Story, rows: Rows, now: datetime) -> Iterator[str]:
    """What does not hold of any order. `rows`: the screen of orders."""
    commands: dict[UUID, Command] = {}
    for fact in story.facts:
        yield from take(commands, fact)
    for order_id, command in commands.items():
        yield from _deadlines(order_id, command, now)
        row = rows.get((order_id,))
        if row is None or set(row["waiting_center_ids"]) != command.waiting:
            yield f"order: the screen of {order_id} does not say who is waited for"
    yield from _in_force(commands, rows)


def take(commands: dict[UUID, Command], fact: Fact[Event]) -> Iterator[str]:  # noqa: C901  # one case a fact
    """One fact more, and what is wrong with it."""
    event, order_id = fact.event, fact.stream_id
    if isinstance(event, order.OrderIssued):
        commands[order_id] = Command(event.order, [Edition(event.order.acknowledge_by)])
        return
    if order_id not in commands:
        return
    command, at = commands[order_id], f"{event.name} at {fact.position}"
    if command.ended_at is not None and not isinstance(event, order.OrderAcknowledgementMissed):
        yield f"order: {at} comes after its end"
    match event:
        case order.OrderAmended(order=content, amended_at=amended_at):
            if content.edition != command.content.edition + 1 or not amended_at < command.content.expires_at:
                yield f"order: {at} is edition {content.edition} after {command.content.edition}"
            command.editions[-1].replaced_at = amended_at
            command.editions.append(Edition(content.acknowledge_by))
            command.content = content
        case order.OrderExtended(order=content, extended_at=extended_at):
            if not extended_at < command.content.expires_at < content.expires_at:
                yield f"order: {at} extends what expired at {command.content.expires_at}"
            command.content = content
        case order.OrderLifted(lifted_at=lifted_at):
            command.ended_at, command.lifted = lifted_at, True
        case order.OrderExpired(due_at=due_at, late_s=late_s):
            if due_at != command.content.expires_at:
                yield f"order: {at} is due {due_at}, it expires {command.content.expires_at}"
            command.ended_at = due_at
            yield from wrong_lateness(fact, due_at, late_s)
        case order.OrderAcknowledged() | order.OrderDeclined():
            yield from _answered(command, event, at)
        case order.OrderAcknowledgementMissed():
            yield from _missed(command, fact, event)
        case _:
            pass


def _answered(command: Command, event: order.OrderAcknowledged | order.OrderDeclined, at: str) -> Iterator[str]:
    if event.center_id not in {one.center_id for one in command.content.addressees}:
        yield f"order: {at} is by {event.center_id}, to whom it is not addressed"
    if event.edition != command.content.edition:
        yield f"order: {at} answers edition {event.edition}, {command.content.edition} holds"
        return
    if not event.answered_at < command.content.expires_at:
        yield f"order: {at} answers what is over"
    edition = command.editions[-1]
    first_at = edition.answers.setdefault(event.center_id, event.answered_at)
    edition.answers[event.center_id] = min(first_at, event.answered_at)
    if isinstance(event, order.OrderAcknowledged):
        edition.acknowledged.add(event.center_id)
    elif event.center_id in edition.acknowledged:
        yield f"order: {at} takes an acknowledgement back"


def _missed(command: Command, fact: Fact[Event], event: order.OrderAcknowledgementMissed) -> Iterator[str]:
    edition = command.editions[event.edition - 1]
    if edition.missed_position is not None:
        yield f"deadline: edition {event.edition} of {fact.stream_id} was missed twice, at {fact.position} again"
    edition.missed_position = fact.position
    if {one.center_id for one in event.missing} != set(_late(command, edition)):
        yield f"deadline: at {fact.position} {fact.stream_id} is missed by {len(event.missing)}, or by others"
    yield from wrong_lateness(fact, event.due_at, event.late_s)


def _late(command: Command, edition: Edition) -> Iterator[UUID]:
    """Addressees without an answer in time."""
    for one in command.content.addressees:
        answered_at = edition.answers.get(one.center_id)
        if answered_at is None or answered_at > edition.acknowledge_by:
            yield one.center_id


def _deadlines(order_id: UUID, command: Command, now: datetime) -> Iterator[str]:
    if command.ended_at is None and command.content.expires_at < now:
        yield f"deadline: {order_id} expired at {command.content.expires_at}, and nobody recorded it"
    for number, edition in enumerate(command.editions, start=1):
        ends = [at for at in (edition.replaced_at, command.ended_at) if at is not None]
        was_due = edition.acknowledge_by < now and all(at >= edition.acknowledge_by for at in ends)
        if was_due and edition.missed_position is None and [*_late(command, edition)]:
            yield f"deadline: edition {number} of {order_id} was missed, and nobody recorded it"


def _in_force(commands: Mapping[UUID, Command], rows: Rows) -> Iterator[str]:
    """At each instant at which something begins or ends, and just before and after it."""
    for at in _instants(commands.values()):
        expected = {order_id for order_id, command in commands.items() if command.is_in_force(at)}
        statement = queries.listed(
            queries.OrderFilter(in_force_at=at),
            sight=EVERYTHING,
            center_ids=None,
            agency=None,
            before_position=None,
            limit=LISTED_MAX,
        )
        listed = {row["order_id"] for row in asked(statement, {"orders": rows.values()})}
        said = {row["order_id"] for row in rows.values() if shown.item(row, at)["is_in_force"]}
        if not expected == listed == said:
            yield f"order: in force at {at} are {len(expected)}, the list says {len(listed)}, the cards {len(said)}"


def _instants(commands: Iterable[Command]) -> list[datetime]:
    edges = {at for one in commands for at in (one.content.effective_at, one.content.expires_at, one.ended_at) if at}
    return sorted({at + step * MOMENT for at in edges for step in (-1, 0, 1)})
