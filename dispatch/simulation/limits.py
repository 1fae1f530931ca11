"""Limits of the product that a run of two minutes would never reach, made small while it runs.

Pages of thousands of events, marks that move every five thousand, a memory of 36 hours: their edges are where readers
skip and indexes forget, so every run must cross them many times. Proportions are kept: an alert may come late by less
than the index remembers, and windows are shorter than both.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache
from types import ModuleType
from typing import Any

from pydantic import TypeAdapter

from dispatch import directory, directory_baseline
from dispatch.handling import baselines, commitments
from dispatch.partners import feed
from dispatch.store import tail
from dispatch.workers import correlator, reactor, recommender, releaser, router
from dispatch.workers.timers import watch
from domain.policies import correlation_index, correlation_rules

READ_REMEMBERED_MAX = 256


class ReadOnce:
    """A line of the directory's baseline whose stored forms are read once each.

    A run starts some twenty-five processes, and each would read the same rules again: a quarter of all it computes.
    What is read is frozen, so the processes may share it.
    """

    def __init__(self, line: TypeAdapter[tuple[Any, ...]]) -> None:
        self.dump_json = line.dump_json
        self.validate_json = lru_cache(READ_REMEMBERED_MAX)(line.validate_json)


LATE_S_MAX = 20.0
"""How old an alert may be when it arrives (in the product: a day, of the 36 hours that the index remembers)."""
SMALL: tuple[tuple[ModuleType | type, str, Any], ...] = (
    (directory, "PAGE_EVENTS", 9),
    (directory_baseline, "EVERY_POSITIONS", 15),
    (directory_baseline, "ENTRIES_A_LINE", 4),
    (directory_baseline, "LINES", {name: ReadOnce(line) for name, line in directory_baseline.LINES.items()}),
    (commitments, "TAIL_PAGE_EVENTS", 3),
    (baselines, "FIRST_PAGE_EVENTS", 4),
    (baselines, "PAGE_EVENTS", 3),
    (baselines, "REMEMBERED_FROM_EVENTS", 2),
    (baselines, "REMEMBERED_MAX", 6),
    (baselines, "SNAPSHOT_EVERY_EVENTS", 5),
    (tail, "HELD_EVENTS_MAX", 40),
    (tail, "STRETCH_EVENTS", 12),
    (feed, "TREE_PAGE_EVENTS", 5),
    (reactor, "MARK_EVERY_POSITIONS", 25),
    (watch, "MARK_EVERY_POSITIONS", 25),
    (watch, "PAGE_EVENTS", 7),
    (watch, "DUES_A_STEP_MAX", 2),
    (recommender, "UNIT_PAGE_EVENTS", 5),
    (recommender.Recommender, "page_events", 3),
    (releaser.Releaser, "page_events", 3),
    (router.Router, "page_events", 4),
    (correlator.Correlator, "page_events", 6),
    (correlator, "INDEX_PAGE_EVENTS", 11),
    (correlator, "LATE_FOLDS_MAX", 2),
    (correlator, "CLOCK_SLACK", timedelta(seconds=1.5)),
    (correlation_index, "SWEEP_EVERY", 10),
    (correlation_rules, "RETENTION_S_MIN", 30),
    (correlation_rules, "WAITING_SLACK_S", 5),
)
"""Where, what, and how small."""


@contextmanager
def small_limits() -> Iterator[None]:
    """All of them, until the end of the block."""
    before = [(where, name, getattr(where, name)) for where, name, _ in SMALL]
    for where, name, value in SMALL:
        setattr(where, name, value)
    try:
        yield
    finally:
        for where, name, value in before:
            setattr(where, name, value)
