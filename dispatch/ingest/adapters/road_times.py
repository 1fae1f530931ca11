"""Whether something on a road is still to come, there, or over, by the message's own clock: an adapter reads no other.

Feeds repeat everything at each publication, also what is planned for next month and what ended an hour ago. What is to
come is no alarm yet; it becomes one when a later publication says the same and its time has come.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import Enum, auto

from dispatch.ingest.message import NotUnderstood
from domain.vocabulary import AlertPhase


class Standing(Enum):
    """How it stands at the time of publication."""

    TO_COME = auto()
    THERE = auto()
    OVER = auto()


def standing(start: datetime | None, end: datetime | None, published: datetime | None) -> Standing:
    """By its period; a bound that is not said does not bound it, and what was published at no time is there."""
    if published is None:
        return Standing.THERE
    if end is not None and end <= published:
        return Standing.OVER
    return Standing.TO_COME if start is not None and start > published else Standing.THERE


def phase_of(found: Standing, *, is_first: bool) -> AlertPhase:
    """What it is as an alert. Raises `NotUnderstood` for what is to come."""
    match found:
        case Standing.TO_COME:
            raise NotUnderstood(
                "ingest.not_an_alarm", "It is planned and has not begun when this was published. Send it when it has."
            )
        case Standing.OVER:
            return AlertPhase.END
        case Standing.THERE:
            return AlertPhase.START if is_first else AlertPhase.UPDATE


def revision_of(version: str, phase: AlertPhase) -> str:
    """A version that ends by its time and not by a word ends under the same version: that is something new."""
    return f"{version} end" if phase is AlertPhase.END else version


def middle_of(line: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    """The corner in the middle of a line: on the road, which the middle between its ends may not be."""
    return line[len(line) // 2] if line else None
