"""The tree of centers as it was: folded from the log by the directory's own fold.

Two questions, as with boards. *As known* at a position: what a router of then decided with. *As true* at an instant:
with all we know now, corrections too, what was valid then.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time

from dispatch.audit.replay import AsOf, pages
from dispatch.directory_tree import TREE_EVENTS, Tree
from dispatch.ports import EventLog
from domain.center.events import CenterClosed, CenterEstablished, CenterMoved, GroundChanged
from domain.event import Event, Fact

TOPICS = [event.name for event in TREE_EVENTS]


async def tree_as_of(log: EventLog, moment: AsOf) -> Tree:
    """The tree at a moment."""
    facts: list[Fact[Event]] = []
    # Everything known by then: from when on a fact of the tree holds, it says itself.
    async for page in pages(log, TOPICS, replace(moment, true_at=None), after=0):
        facts += [fact for fact in page.facts if isinstance(fact, Fact)]
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
