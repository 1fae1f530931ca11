"""Which days a city works: the country's holidays and adjusted workdays, from a library, as the domain counts time.

The holidays of a year are announced in the autumn before it, so the library knows no later year, and says so. What
happens then is never silent: rules that count working hours are not put in force in a year that it does not know
(`dispatch.handling.rulebook`), and a time that reaches into one takes that year's plain weekdays and names it in the
fact (`Limit.assumed_years`) until the library is renewed.
"""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import chinese_calendar

from domain.rulebook.content import Rulebook
from domain.vocabulary import TimeCounting
from domain.working_time import AroundTheClock, Counting, WorkingHours

CHINA = "china"
KNOWN_YEARS = frozenset(day.year for day in chinese_calendar.holidays)
"""For which the holidays are in the library."""
SATURDAY = 5


def is_chinese_workday(day: date) -> bool:
    """By the announced calendar; by the weekday in a year that the library does not know."""
    return bool(chinese_calendar.is_workday(day)) if day.year in KNOWN_YEARS else is_weekday(day)


def is_weekday(day: date) -> bool:
    """Monday to Friday."""
    return day.weekday() < SATURDAY


EVERY_YEAR = range(10_000)
"""A calendar without holidays knows all years."""


def counting_of(kind: TimeCounting, rulebook: Rulebook) -> Counting:
    """The time that counts under these rules."""
    if kind is TimeCounting.AROUND_THE_CLOCK:
        return AroundTheClock()
    rule = rulebook.casework
    follows_china = rule.holidays == CHINA
    return WorkingHours(
        zone=ZoneInfo(rulebook.time_zone),
        spans=tuple((span.opens_s, span.closes_s) for span in rule.working_hours),
        is_workday=is_chinese_workday if follows_china else is_weekday,
        known_years=KNOWN_YEARS if follows_china else EVERY_YEAR,
    )


def needs_holidays_of(rulebook: Rulebook, year: int) -> bool:
    """Whether these rules count working days of a year whose holidays are not known."""
    countings = {each.counting for each in rulebook.case_classes} | {each.counting for each in rulebook.service_times}
    counts = TimeCounting.WORKING_HOURS in countings
    return counts and rulebook.casework.holidays == CHINA and year not in KNOWN_YEARS
