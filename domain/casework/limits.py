"""The time allowed for a stage of a case, as the fact that sets it running says it.

A limit runs from `since_at` until something stops it: it was handled, paused, returned, extended, checked, voided. What
was used of it never comes back, and what passes while nothing runs is nobody's: the next limit begins with what was
left. So paused time cannot count, however often a case is paused.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import AwareDatetime, Field

from domain.event import Frozen
from domain.vocabulary import CaseStage, TimeCounting
from domain.working_time import Counting

AMBER_LEFT_SHARE = 0.2
"""Of the time allowed: when only this much is left, 80 % are used and the lamp is amber."""
MICROSECONDS = 6
"""Digits of a second that instants have: a rest of floating point must not decide whether something was in time."""


class Limit(Frozen):
    """`left_s` of `allowed_s` counted seconds, from `since_at` on. `number` counts the limits of the case, from 0.

    `amber_at` and `red_at` are None where that share was used before `since_at`. `assumed_years`: their holidays were
    not known when this was computed, and plain weekdays were taken for them.
    """

    number: int = Field(ge=0)
    stage: CaseStage
    counting: TimeCounting
    allowed_s: float = Field(ge=0)
    left_s: float
    since_at: AwareDatetime
    amber_at: AwareDatetime | None = None
    red_at: AwareDatetime | None = None
    assumed_years: tuple[int, ...] = ()


def running(
    *,
    number: int,
    stage: CaseStage,
    kind: TimeCounting,
    allowed_s: float,
    left_s: float,
    since_at: datetime,
    counting: Counting,
) -> Limit:
    """A limit that begins to run."""
    to_amber_s = round(left_s - AMBER_LEFT_SHARE * allowed_s, MICROSECONDS)
    red_at = counting.after(since_at, left_s) if left_s >= 0 else None
    return Limit(
        number=number,
        stage=stage,
        counting=kind,
        allowed_s=allowed_s,
        left_s=left_s,
        since_at=since_at,
        amber_at=counting.after(since_at, to_amber_s) if to_amber_s >= 0 else None,
        red_at=red_at,
        assumed_years=() if red_at is None else counting.assumed(since_at, red_at),
    )


def left_at(limit: Limit, at: datetime, counting: Counting) -> float:
    """What is left of a limit at an instant; negative by how much it is overdue."""
    return round(limit.left_s - counting.between(limit.since_at, at), MICROSECONDS)
