"""What reactors have in common that decide about each incident of a page, on its state of now.

The decision carries the version it was made on: if a person decides in between, it is made again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from dispatch.handling.scribe import Change
from dispatch.ports import EventLog
from domain.codec import for_fold
from domain.event import Event, Fact
from domain.incident.decider import INITIAL, IncidentState, evolve


async def changes_by_incident(
    page: Sequence[Fact[Event]],
    log: EventLog,
    follows: Callable[[Sequence[Fact[Event]]], tuple[Event, ...]],
    *,
    now: datetime,
    rule_version: int,
) -> list[Change]:
    """One change for each incident that the page is about, in the page's order. `follows` is given all facts of its
    decision stream; the last fact of the page about it is named as the cause.
    """
    causes = {fact.stream_id: fact for fact in page}
    streams = await log.read_streams(list(causes))
    changes = []
    for incident_id, cause in causes.items():
        facts = [for_fold(row) for row in streams[incident_id]]
        changes.append(
            Change(
                incident_id,
                facts[-1].version,
                follows(facts),
                occurred_at=now,
                causation_id=cause.envelope.event_id,
                correlation_id=incident_id,
                rule_version=rule_version,
            )
        )
    return changes


def incident_after(facts: Sequence[Fact[Event]]) -> IncidentState:
    """The incident that these facts of its decision stream make."""
    state = INITIAL
    for fact in facts:
        state = evolve(state, fact.gist())
    return state
