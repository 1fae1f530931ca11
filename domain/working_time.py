"""Time that counts: all of it, or only a city's working hours. Pure: which days are worked is said by whoever asks.

A time allowed is an amount of counted seconds. `after` says when an amount is used up, `between` how much was used;
they undo one another: `between(start, after(start, s)) == s`, and `after` may be taken in steps. An amount that is
used up at the end of a working day is used up then, not on the next morning.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Protocol

DAYS_MAX = 4_000
"""Days looked at for one amount: far beyond any time allowed, so that a calendar without working days ends too."""
DAY_S = 86_400


class Counting(Protocol):
    """Which time counts."""

    def after(self, start: datetime, seconds: float) -> datetime:
        """When `seconds` (not negative) that count have passed since `start`; `start` itself for none."""

    def between(self, start: datetime, end: datetime) -> float:
        """The seconds that count from `start` to `end`; 0 if `end` is not later."""

    def assumed(self, start: datetime, end: datetime) -> tuple[int, ...]:
        """Years between the two whose holidays are not known, so that plain weekdays were taken for them."""


@dataclass(frozen=True, slots=True)
class AroundTheClock:
    """Every second counts."""

    def after(self, start: datetime, seconds: float) -> datetime:
        """The instant, in UTC."""
        return start.astimezone(UTC) + timedelta(seconds=seconds)

    def between(self, start: datetime, end: datetime) -> float:
        """The plain difference."""
        return max(0.0, (end - start).total_seconds())

    def assumed(self, start: datetime, end: datetime) -> tuple[int, ...]:  # noqa: ARG002  # the protocol's signature
        """No calendar, nothing assumed."""
        return ()


@dataclass(frozen=True, slots=True)
class WorkingHours:
    """The hours of working days count. `spans` are seconds of the local day, in order and without overlap.

    `is_workday` must answer for every day; `known_years` are those for which it knows the holidays.
    """

    zone: tzinfo
    spans: tuple[tuple[int, int], ...]
    is_workday: Callable[[date], bool]
    known_years: Container[int] = ()

    def after(self, start: datetime, seconds: float) -> datetime:
        """The instant, in UTC."""
        begin, left = start.astimezone(UTC), timedelta(seconds=seconds)
        if not left:
            return begin
        for opens, closes in self._spans(begin):
            at = max(begin, opens)
            if left <= closes - at:
                return at + left
            left -= closes - at
        raise AssertionError(f"{DAYS_MAX} days hold fewer than {seconds} working seconds")

    def between(self, start: datetime, end: datetime) -> float:
        """The overlap with working hours."""
        begin, stop, used = start.astimezone(UTC), end.astimezone(UTC), timedelta(0)
        for opens, closes in self._spans(begin):
            if opens >= stop:
                break
            used += max(timedelta(0), min(closes, stop) - max(opens, begin))
        return used.total_seconds()

    def assumed(self, start: datetime, end: datetime) -> tuple[int, ...]:
        """Local years from start to end that are not known."""
        years = range(start.astimezone(self.zone).year, end.astimezone(self.zone).year + 1)
        return tuple(year for year in years if year not in self.known_years)

    def _spans(self, begin: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Working hours that end after `begin`, as instants."""
        first = begin.astimezone(self.zone).date()
        for number in range(DAYS_MAX):
            day = first + timedelta(days=number)
            if self.is_workday(day):
                for opens_s, closes_s in self.spans:
                    opens, closes = self._instant(day, opens_s), self._instant(day, closes_s)
                    if closes > begin:
                        yield opens, closes

    def _instant(self, day: date, second: int) -> datetime:
        local = datetime.combine(day + timedelta(days=second // DAY_S), time.min)
        return (local + timedelta(seconds=second % DAY_S)).replace(tzinfo=self.zone).astimezone(UTC)
