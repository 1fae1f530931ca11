"""A rebuild goes as fast as it can on a quiet log, and steps back while the city works."""

from __future__ import annotations

import time

import pytest

from dispatch.ports import AppendCommand, NewEvent, StreamAppend
from dispatch.store.memory import MemoryLog
from dispatch.workers import pace
from dispatch.workers.pace import LAG_EVENTS_MAX, PAGE_EVENTS_BUSY, QUIET_AFTER_S, SHARE_BUSY_MAX, SHARE_MIN, Pace
from dispatch.world import SystemClock
from tests.projections.happenings import INCIDENTS


class Watch:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    found = Watch()
    monkeypatch.setattr(pace, "time", found)
    return found


async def something_happens(log: MemoryLog) -> None:
    await log.append(AppendCommand((StreamAppend(INCIDENTS[0], None, (NewEvent("incident.verified", b"{}"),)),)))


async def test_a_log_that_stands_still_is_quiet_after_a_while(watch: Watch) -> None:
    going = Pace(MemoryLog(SystemClock()), 5_000)
    assert going.page_events == PAGE_EVENTS_BUSY, "nobody knows yet whether somebody is at work"
    watch.now = QUIET_AFTER_S
    await going.rest(0, None)
    assert (going.page_events, going.share) == (5_000, 1.0)


async def test_a_log_that_stood_still_before_is_quiet_at_once_and_its_first_page_small(watch: Watch) -> None:
    going = Pace(MemoryLog(SystemClock()), 5_000)
    going.begin(QUIET_AFTER_S)
    assert (going.is_quiet, going.page_events, going.share) == (True, PAGE_EVENTS_BUSY, 1.0)
    await going.rest(0, None)
    assert going.page_events == 5_000


async def test_a_log_in_which_something_was_recorded_just_now_is_not_quiet(watch: Watch) -> None:
    going = Pace(MemoryLog(SystemClock()), 5_000)
    going.begin(QUIET_AFTER_S / 2)
    assert (going.is_quiet, going.page_events, going.share) == (False, PAGE_EVENTS_BUSY, SHARE_BUSY_MAX)
    watch.now = QUIET_AFTER_S / 2
    assert going.is_quiet


async def test_what_is_recorded_makes_small_pages_and_rests(watch: Watch) -> None:
    log = MemoryLog(SystemClock())
    going = Pace(log, 5_000)
    watch.now = QUIET_AFTER_S
    await going.rest(0, 0)
    await something_happens(log)
    began = time.monotonic()
    await going.rest(0.01, 1)
    assert (going.page_events, going.share) == (PAGE_EVENTS_BUSY, SHARE_BUSY_MAX)
    assert time.monotonic() - began >= 0.01 * (1 / SHARE_BUSY_MAX - 1)


def test_live_rows_that_are_behind_make_it_slower_and_it_never_stands_still() -> None:
    going = Pace(MemoryLog(SystemClock()), 5_000)
    assert going.next_share(LAG_EVENTS_MAX + 1) == SHARE_BUSY_MAX / 2
    going.share = SHARE_MIN
    assert going.next_share(LAG_EVENTS_MAX + 1) == SHARE_MIN
    assert SHARE_MIN < going.next_share(0) < SHARE_BUSY_MAX
