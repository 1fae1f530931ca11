"""How long something took by a definition: the same moments give the same answer under any version of the rules.

Times are those of the world (`occurred_at`), so a crew that reports late is not punished for the radio. Paused time is
taken off in the seconds that count: a pause over the weekend takes nothing from working hours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from domain.rulebook.service_times import ServiceTime
from domain.working_time import Counting

PERCENTILES = (0.5, 0.9, 0.95, 0.99)


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """When a fact happened. Two at the same instant stand in the order in which they were recorded."""

    at: datetime
    position: int
    name: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured: `seconds` that count until `ended_at`, or until now while it runs."""

    seconds: float
    began_at: datetime
    ended_at: datetime | None


def measured(rule: ServiceTime, moments: Sequence[Moment], counting: Counting, now: datetime) -> Measured | None:
    """The time that something took, or has taken by now. None if it has not begun, or was voided before it ended."""
    ordered = sorted(moments)
    begins = next((number for number, each in enumerate(ordered) if each.name in rule.start), None)
    if begins is None:
        return None
    began, after = ordered[begins], ordered[begins + 1 :]
    ended = next((each for each in after if each.name in rule.stop or each.name in rule.void), None)
    if ended is not None and ended.name in rule.void:
        return None
    end = max(began.at, now) if ended is None else ended.at
    within = [each for each in after if each.at <= end]
    seconds = counting.between(began.at, end) - _paused(rule, began, within, end, counting)
    return Measured(max(0.0, seconds), began.at, None if ended is None else ended.at)


def _paused(rule: ServiceTime, began: Moment, within: Sequence[Moment], end: datetime, counting: Counting) -> float:
    """Counted seconds in which at least one pause was on."""
    total, on, since = 0.0, set[int](), began.at
    for moment in (began, *within):
        before = bool(on)
        for number, pause in enumerate(rule.pauses):
            if moment.name in pause.begins:
                on.add(number)
            elif moment.name in pause.ends:
                on.discard(number)
        if on and not before:
            since = moment.at
        elif before and not on:
            total += counting.between(since, moment.at)
    return total + (counting.between(since, end) if on else 0.0)


@dataclass(slots=True)
class Tally:
    """Measurements of one group. `running_late` of those that run have used up their time already: they are late."""

    seconds: list[float] = field(default_factory=list)
    on_time: int = 0
    running: int = 0
    running_late: int = 0

    def add(self, found: Measured, target_s: float) -> None:
        """Count one."""
        is_late = found.seconds > target_s
        if found.ended_at is None:
            self.running += 1
            self.running_late += is_late
        else:
            self.seconds.append(found.seconds)
            self.on_time += not is_late

    @property
    def on_time_percent(self) -> float | None:
        """Of those whose time ended one way or the other; None where there is none."""
        decided = len(self.seconds) + self.running_late
        return 100 * self.on_time / decided if decided else None

    def percentile(self, fraction: float) -> float | None:
        """As PostgreSQL's `percentile_cont` has it: between two values in proportion. Of those that ended."""
        if not self.seconds:
            return None
        ordered = sorted(self.seconds)
        place = fraction * (len(ordered) - 1)
        low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
        return low + (high - low) * (place - math.floor(place))
