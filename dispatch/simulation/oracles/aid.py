"""Mutual aid: steps in their order, a unit kept for one asker at a time, every missed answer recorded once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from dispatch.simulation.oracles.clocks import wrong_lateness
from dispatch.simulation.reading import Story
from domain.aid import events as aid
from domain.event import Event, Fact
from domain.ownership import Ownership

WAITING = frozenset({"aid.requested", "aid.acknowledged"})
BEFORE: Mapping[str, frozenset[str]] = {
    "aid.acknowledged": frozenset({"aid.requested"}),
    "aid.accepted": WAITING,
    "aid.declined": WAITING,
    "aid.withdrawn": WAITING | {"aid.accepted"},
    "aid.committed": frozenset({"aid.accepted", "aid.committed"}),
    "aid.released": frozenset({"aid.committed"}),
}
"""Name of a step → the last step before it. What was released in part is still committed."""
ANSWERS = (aid.AidAccepted, aid.AidDeclined, aid.AidWithdrawn)


@dataclass(slots=True)
class Plea:
    """A request as its facts tell it."""

    requested: aid.AidRequested
    last: str = "aid.requested"
    lent: set[UUID] = field(default_factory=set)
    answered_at: datetime | None = None
    missed: int = 0


def broken_aid(story: Story, bases: Mapping[UUID, Ownership], now: datetime) -> Iterator[str]:
    """What does not hold of any request. `bases`: where each unit belongs."""
    pleas: dict[UUID, Plea] = {}
    kept: dict[UUID, UUID] = {}
    for fact in story.facts:
        event = fact.event
        if isinstance(event, aid.AidRequested):
            pleas[fact.stream_id] = Plea(event)
        elif fact.stream_id in pleas:
            yield from _step(pleas[fact.stream_id], fact, bases)
            yield from _keep(kept, fact)
    for aid_id, plea in pleas.items():
        late = (plea.answered_at or now) > plea.requested.answer_by
        if late and not plea.missed:
            yield f"deadline: {aid_id} was to be answered by {plea.requested.answer_by}; and nobody recorded that"
        if plea.missed > 1:
            yield f"deadline: that {aid_id} was not answered was recorded {plea.missed} times"


def _step(  # noqa: C901  # one case a fact, none nested
    plea: Plea, fact: Fact[Event], bases: Mapping[UUID, Ownership]
) -> Iterator[str]:
    event, requested, at = fact.event, plea.requested, f"{fact.event.name} at {fact.position}"
    if isinstance(event, aid.AidAnswerMissed):
        plea.missed += 1
        if plea.last not in WAITING or event.due_at != requested.answer_by:
            yield f"deadline: {at} comes after {plea.last}, due {event.due_at}"
        yield from wrong_lateness(fact, event.due_at, event.late_s)
        return
    if plea.last not in BEFORE.get(event.name, frozenset()):
        yield f"aid: {at} comes after {plea.last}"
    if isinstance(event, ANSWERS) and plea.answered_at is None:
        plea.answered_at = fact.envelope.occurred_at
    is_over = fact.envelope.occurred_at >= requested.ends_at
    if is_over and isinstance(event, aid.AidAccepted | aid.AidCommitted):
        yield f"aid: {at} promises what was needed until {requested.ends_at}"
    plea.last = event.name
    match event:
        case aid.AidCommitted(units=units):
            new = {one.unit_id for one in units}
            if new & plea.lent:
                yield f"aid: {at} commits a unit again"
            if any(requested.asked.center_id not in bases[unit_id].path for unit_id in new):
                yield f"aid: {at} commits units of somebody else"
            plea.lent |= new
        case aid.AidReleased(unit_ids=unit_ids):
            if not set(unit_ids) <= plea.lent:
                yield f"aid: {at} releases what was not committed"
            plea.lent -= set(unit_ids)
            plea.last = "aid.committed" if plea.lent else "aid.released"
        case aid.AidAcknowledged(center_id=center_id) | aid.AidAccepted(center_id=center_id):
            if center_id != requested.asked.center_id:
                yield f"aid: {at} is by {center_id}, which was not asked"
        case _:
            pass


def _keep(kept: dict[UUID, UUID], fact: Fact[Event]) -> Iterator[str]:
    """A unit is kept for one asker at a time."""
    match fact.event:
        case aid.AidCommitted(units=units):
            for one in units:
                if kept.setdefault(one.unit_id, fact.stream_id) != fact.stream_id:
                    yield f"aid: at {fact.position} {one.call_sign} is lent, and it is lent to another already"
        case aid.AidReleased(unit_ids=unit_ids):
            for unit_id in unit_ids:
                if kept.get(unit_id) == fact.stream_id:
                    del kept[unit_id]
        case _:
            pass
