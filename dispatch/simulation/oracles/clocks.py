"""Deadlines by the facts: how late something was noticed, and which time counts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from dispatch.simulation.city import WORKING_HOURS
from domain.event import Event, Fact
from domain.vocabulary import TimeCounting

ZONE = ZoneInfo("Asia/Shanghai")
ROUNDING_S = 1e-3


def wrong_lateness(fact: Fact[Event], due_at: datetime, late_s: float) -> Iterator[str]:
    """`late_s` is how long after `due_at` it was noticed."""
    real_s = (fact.envelope.occurred_at - due_at).total_seconds()
    if late_s < 0 or abs(real_s - late_s) > ROUNDING_S:
        yield f"deadline: {fact.event.name} at {fact.position} says {late_s} s late, it is {real_s}"


def counted_s(counting: TimeCounting, since: datetime, until: datetime) -> float:
    """Seconds that count: all of them, or those outside the break of each day. Every day of a run is a working day."""
    whole_s = max(0.0, (until - since).total_seconds())
    if counting is TimeCounting.AROUND_THE_CLOCK:
        return whole_s
    begins_s, ends_s = WORKING_HOURS[0]["closes_s"], WORKING_HOURS[1]["opens_s"]
    midnight = since.astimezone(ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    while midnight < until:
        begins, ends = midnight + timedelta(seconds=begins_s), midnight + timedelta(seconds=ends_s)
        whole_s -= max(0.0, (min(until, ends) - max(since, begins)).total_seconds())
        midnight += timedelta(days=1)
    return whole_s
