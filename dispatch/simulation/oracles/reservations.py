"""Reservations: one of a unit at a time, begun once and over once; nobody is sent against one without a word."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from dispatch.simulation.oracles.clocks import wrong_lateness
from dispatch.simulation.reading import Story
from domain.assignment import events as unit
from domain.event import Event, Fact


@dataclass(slots=True)
class Kept:
    """A reservation as its facts tell it."""

    reserved: unit.UnitReserved
    recorded_at: datetime
    has_begun: bool = False
    is_over: bool = False

    def holds(self, at: datetime) -> bool:
        """Whether the unit is kept at this instant, whatever was noticed by then."""
        return not self.is_over and self.reserved.begins_at <= at < self.reserved.ends_at


def broken_reservations(story: Story, now: datetime) -> Iterator[str]:
    """What does not hold of any reservation."""
    kept: dict[UUID, dict[UUID, Kept]] = {}
    for fact in story.facts:
        if fact.event.name.startswith(("unit.reser", "assignment.made")):
            yield from _step(kept.setdefault(fact.stream_id, {}), fact)
    for unit_id, of_unit in kept.items():
        for key, one in of_unit.items():
            if not one.is_over and one.reserved.ends_at <= now:
                yield f"reservation: {key} of {unit_id} was over at {one.reserved.ends_at}, and nobody recorded that"
            if not one.is_over and not one.has_begun and one.reserved.begins_at <= now:
                yield f"reservation: {key} of {unit_id} began at {one.reserved.begins_at}, and nobody recorded that"


def _step(of_unit: dict[UUID, Kept], fact: Fact[Event]) -> Iterator[str]:
    at = f"{fact.event.name} at {fact.position}"
    match fact.event:
        case unit.UnitReserved() as event:
            if not event.begins_at < event.ends_at:
                yield f"reservation: {at} is for no time"
            for key, one in of_unit.items():
                other = one.reserved
                if not one.is_over and event.begins_at < other.ends_at and other.begins_at < event.ends_at:
                    yield f"reservation: {at} is for a time that {key} is for"
            of_unit[event.reservation_id] = Kept(event, fact.recorded_at)
        case unit.ReservationBegan() | unit.ReservationExpired() | unit.ReservationReleased() as event:
            found = of_unit.get(event.reservation_id)
            if found is None or found.is_over:
                yield f"reservation: {at} is of one that is not open"
            else:
                yield from _turned(found, fact, at)
        case unit.AssignmentMade(override=None):
            for key, one in of_unit.items():
                if one.holds(fact.envelope.received_at):
                    yield f"reservation: {at} sends a unit that is kept by {key}, and nobody said why"
        case _:
            pass


def _turned(found: Kept, fact: Fact[Event], at: str) -> Iterator[str]:
    match fact.event:
        case unit.ReservationBegan(due_at=due_at, late_s=late_s):
            if found.has_begun or due_at != found.reserved.begins_at:
                yield f"reservation: {at} begins what began, or at {due_at} and not at {found.reserved.begins_at}"
            # One for a time that has begun is kept from its first moment on, and nobody was late.
            if fact.recorded_at > found.recorded_at:
                yield from wrong_lateness(fact, due_at, late_s)
            found.has_begun = True
        case unit.ReservationExpired(due_at=due_at, late_s=late_s):
            if due_at != found.reserved.ends_at:
                yield f"reservation: {at} is over at {due_at} and not at {found.reserved.ends_at}"
            yield from wrong_lateness(fact, due_at, late_s)
            found.is_over = True
        case _:
            found.is_over = True
