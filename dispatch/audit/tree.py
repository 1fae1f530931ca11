"""The tree of centers as it was: folded from the log by the directory's own fold.

Two questions, as with boards. *As known* at a position: what a router of then decided with. *As true* at an instant:
with all we know now, corrections too, what was valid then.
"""

from __future__ import annotations

from datetime import UTC, datetime, time

from dispatch.audit.replay import AsOf
from dispatch.directory_tree import TREE_EVENTS, Tree
from dispatch.ports import EventLog
from domain.center.events import CenterClosed, CenterEstablished, CenterMoved, GroundChanged
from domain.codec import fact_of
from domain.event import Event, Fact

PAGE_EVENTS = 1_000
TOPICS = [event.name for event in TREE_EVENTS]


async def tree_as_of(log: EventLog, moment: AsOf) -> Tree:
    """The tree at a moment."""
    facts: list[Fact[Event]] = []
    at = 0
    while at < moment.position:
        page = await log.read_after(at, limit=PAGE_EVENTS, up_to_position=moment.position, topics=TOPICS)
        facts += [fact_of(row) for row in page]
        at = page[-1].position if len(page) == PAGE_EVENTS else moment.position
    if moment.true_at is not None:
        facts = [fact for fact in facts if _from(fact) <= moment.true_at]
        facts.sort(key=_from)  # stable: of two from one instant on, the one recorded later holds
    tree = Tree()
    for fact in facts:
        tree.apply_to_tree(fact.stream_id, fact.event)
    return tree


def _from(fact: Fact[Event]) -> datetime:
    """The instant from which a fact holds in the world."""
    event = fact.event
    match event:
        case GroundChanged() | CenterMoved():
            return event.effective_at
        case CenterEstablished():
            return event.effective_at or datetime.combine(event.valid_from, time(), UTC)
        case CenterClosed():
            return event.effective_at or datetime.combine(event.valid_to, time(), UTC)
        case _:
            return fact.occurred_at
