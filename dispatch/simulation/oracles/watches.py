"""Watches: nobody is watched, or read of, for longer than was said, and never for more than a week at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from uuid import UUID

from dispatch.simulation.flows.watches import WHO
from dispatch.simulation.reading import Story
from domain.watch import events as watch

WEEK = timedelta(days=7)


def broken_watches(story: Story, shown: Iterable[object]) -> Iterator[str]:
    """What does not hold of any watch. `shown`: the rows of its screen."""
    expires: dict[UUID, datetime] = {}
    acknowledged: set[tuple[UUID, UUID]] = set()
    ended: set[UUID] = set()
    for fact in story.facts:
        event, at = fact.event, f"{fact.event.name} at {fact.position}"
        if not event.name.startswith("watch."):
            continue
        said_at = fact.envelope.occurred_at
        if fact.stream_id in ended:
            yield f"watch: {at} comes after its end"
        until = expires.get(fact.stream_id)
        match event:
            case watch.WatchOpened(expires_at=expires_at) | watch.WatchExtended(expires_at=expires_at):
                if not said_at < expires_at <= said_at + WEEK:
                    yield f"watch: {at} is for until {expires_at}"
                expires[fact.stream_id] = expires_at
            case watch.WatchAcknowledged(center_id=center_id):
                if (fact.stream_id, center_id) in acknowledged:
                    yield f"watch: {at} says again what {center_id} has said"
                acknowledged.add((fact.stream_id, center_id))
            case watch.WatchEnded():
                ended.add(fact.stream_id)
            case _:
                pass
        timed = isinstance(event, watch.WatchAcknowledged | watch.WatchRead | watch.WatchExtended)
        if timed and (until is None or said_at >= until):
            yield f"watch: {at} comes after it expired, {until}"
    if any(WHO in str(row) for row in shown):
        yield "plain: a screen tells whom a watch is about"
