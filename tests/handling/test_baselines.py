"""A baseline and what follows it are the same as everything from the first fact on, and cost the same at any length."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from dispatch.handling import baselines
from dispatch.handling.baselines import Baselines
from dispatch.ports import RecordedEvent, Snapshot
from dispatch.store.memory import MemoryLog
from dispatch.store.postgres import PostgresLog
from dispatch.store.snapshots import PostgresSnapshots
from dispatch.world import SystemClock
from domain.alert import decider as alert
from domain.assignment import decider as unit
from domain.assignment.events import UnitWentOffDuty, UnitWentOnDuty
from domain.camera import decider as camera
from domain.codec import fact_of
from domain.event import Event
from domain.incident import companion
from domain.incident import decider as incident
from domain.operator import decider as operator
from domain.refusals import Unavailable
from domain.report import decider as report
from tests.projections.happenings import SYSTEM, UNITS, Happening, as_recorded, collected, stories, tell
from tests.store.counting import CountingLog

FOLDS = (unit, incident, companion, report, camera, operator, alert)
UNIT = UNITS[0]


class KeptSnapshots:
    """`dispatch.ports.Snapshots` in a dictionary; `away` says Unavailable."""

    def __init__(self) -> None:
        self.kept: dict[tuple[UUID, str], Snapshot] = {}
        self.away = False

    async def find(self, stream_id: UUID, *, kind: str, rules: str) -> Snapshot | None:
        found = self.kept.get((stream_id, kind))
        return found if found is not None and found.rules == rules else None

    async def keep(self, snapshot: Snapshot) -> None:
        if self.away:
            raise Unavailable("log.unavailable", "gone")
        self.kept[snapshot.stream_id, snapshot.kind] = snapshot


def folded(fold: Any, recorded: list[RecordedEvent], state: Any = None) -> Any:
    state = fold.INITIAL if state is None else state
    for row in recorded:
        state = fold.evolve(state, fact_of(row).event)
    return state


def in_order(state: Any) -> list[list[Any]]:
    """Dictionaries compare equal in any order; rules may read theirs in the order it has."""
    values = [getattr(state, field.name) for field in fields(state)]
    return [list(value) for value in values if isinstance(value, Mapping)]


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(stories(facts_max=60), st.floats(0, 1))
def test_a_stored_state_and_its_tail_are_the_whole_fold(story: list[Happening], share: float) -> None:
    recorded = as_recorded(story)
    cut = int(share * len(recorded))
    for stream_id in {row.stream_id for row in recorded}:
        head = [row for row in recorded[:cut] if row.stream_id == stream_id]
        tail = [row for row in recorded[cut:] if row.stream_id == stream_id]
        for fold in FOLDS:
            shape: TypeAdapter[Any] = TypeAdapter(type(fold.INITIAL))
            stored = shape.validate_json(shape.dump_json(folded(fold, head)))
            resumed, whole = folded(fold, tail, stored), folded(fold, head + tail)
            assert resumed == whole
            assert in_order(resumed) == in_order(whole)


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every stream is long."""
    for name, value in (
        ("FIRST_PAGE_EVENTS", 2),
        ("PAGE_EVENTS", 3),
        ("REMEMBERED_FROM_EVENTS", 2),
        ("SNAPSHOT_EVERY_EVENTS", 3),
        ("REMEMBERED_MAX", 2),
    ):
        monkeypatch.setattr(baselines, name, value)


async def test_whoever_loads_sees_what_the_log_says_at_every_moment(eager: None) -> None:
    """One that never remembered, one that remembers, one that starts from what others stored."""
    stored = 0
    for story in collected(6):
        log, snapshots = MemoryLog(SystemClock()), KeptSnapshots()
        faithful = Baselines(log, snapshots)
        for place, happening in enumerate(story):
            await tell(log, [happening], began=place)
            recorded = await log.read_stream(happening.stream_id)
            for fold in FOLDS:
                expected = folded(fold, recorded)
                for one in (faithful, Baselines(log, snapshots), Baselines(log)):
                    loaded = await one.load(happening.stream_id, fold.INITIAL, fold.evolve)
                    assert (loaded.version, loaded.state) == (recorded[-1].version, expected)
        stored += len(snapshots.kept)
    assert stored > 10


def shifts(count: int) -> list[Happening]:
    """A unit comes and goes."""
    (story,) = collected(1)
    registered = next(told.event for told in story if told.event.name == "unit.registered")
    coming_and_going: list[Event] = [UnitWentOnDuty(), UnitWentOffDuty()]
    events = [registered, *(coming_and_going[number % 2] for number in range(count - 1))]
    return [Happening(UNIT, event, 0, SYSTEM) for event in events]


@pytest.mark.parametrize("events", [1_500, 10_000])
async def test_a_long_stream_costs_what_follows_its_baseline(pg_log: PostgresLog, events: int) -> None:
    story = shifts(events + 1)
    for start in range(0, events, 500):
        await tell(pg_log, story[start : start + 500], began=start)
    snapshots = PostgresSnapshots(pg_log._pool)
    whole = await Baselines(pg_log, snapshots).load(UNIT, unit.INITIAL, unit.evolve)
    assert whole.version == events
    assert whole.state == folded(unit, await pg_log.read_stream(UNIT))
    counting = CountingLog(pg_log)
    stranger = Baselines(counting, snapshots)
    assert await stranger.load(UNIT, unit.INITIAL, unit.evolve) == whole
    assert counting.events_read == baselines.FIRST_PAGE_EVENTS + 1
    counting.events_read = 0
    assert await stranger.load(UNIT, unit.INITIAL, unit.evolve) == whole
    assert counting.events_read == 1
    await tell(pg_log, story[events:], began=events)
    assert (await stranger.load(UNIT, unit.INITIAL, unit.evolve)).version == events + 1
    assert counting.events_read == 3


@pytest.mark.parametrize(
    "spoil",
    [
        lambda kept: replace(kept, rules="those of another release", state=b"{}"),
        lambda kept: replace(kept, position=kept.position + 1),
        lambda kept: replace(kept, version=kept.version - 1),
        lambda kept: replace(kept, version=kept.version + 100, position=kept.position + 100),
        lambda kept: replace(kept, state=kept.state[:-9]),
    ],
    ids=["other rules", "another position", "another version", "ahead of the log", "cut off"],
)
async def test_a_snapshot_that_does_not_fit_is_not_believed(eager: None, spoil: Callable[[Snapshot], Snapshot]) -> None:
    log, snapshots = MemoryLog(SystemClock()), KeptSnapshots()
    await tell(log, shifts(8))
    whole = await Baselines(log, snapshots).load(UNIT, unit.INITIAL, unit.evolve)
    ((key, kept),) = snapshots.kept.items()
    # A state that no fold of these facts gives: if it were believed, it would show.
    other = TypeAdapter(unit.UnitState).dump_json(replace(whole.state, on_duty=not whole.state.on_duty))
    snapshots.kept[key] = spoil(replace(kept, state=other))
    assert await Baselines(log, snapshots).load(UNIT, unit.INITIAL, unit.evolve) == whole


async def test_what_is_remembered_of_another_log_is_not_believed(eager: None) -> None:
    """A process that outlived a restore: the same stream, other facts, fewer of them."""
    before, after = MemoryLog(SystemClock()), MemoryLog(SystemClock())
    await tell(before, shifts(9))
    await tell(after, [*shifts(2), Happening(UUID(int=9), UnitWentOnDuty(), 0, SYSTEM), *shifts(5)[1:]])
    one = Baselines(before)
    await one.load(UNIT, unit.INITIAL, unit.evolve)
    one._log = after
    loaded = await one.load(UNIT, unit.INITIAL, unit.evolve)
    assert (loaded.version, loaded.state) == (6, folded(unit, await after.read_stream(UNIT)))


async def test_a_snapshot_that_cannot_be_stored_costs_time_and_nothing_else(eager: None) -> None:
    log, snapshots = MemoryLog(SystemClock()), KeptSnapshots()
    snapshots.away = True
    await tell(log, shifts(8))
    assert (await Baselines(log, snapshots).load(UNIT, unit.INITIAL, unit.evolve)).version == 8
    assert snapshots.kept == {}


async def test_a_state_that_would_come_back_as_another_is_not_stored(eager: None) -> None:
    def evolve(state: float, event: Event) -> float:
        return float("nan")

    log, snapshots = MemoryLog(SystemClock()), KeptSnapshots()
    await tell(log, shifts(8))
    assert (await Baselines(log, snapshots).load(UNIT, 0.0, evolve)).version == 8
    assert snapshots.kept == {}


async def test_a_later_snapshot_is_not_replaced_by_an_earlier_one_of_the_same_rules(pg_log: PostgresLog) -> None:
    snapshots = PostgresSnapshots(pg_log._pool)
    late = Snapshot(UNIT, "fold", "rules", 20, 40, b"late")
    for one in (late, replace(late, version=10, state=b"early")):
        await snapshots.keep(one)
    assert await snapshots.find(UNIT, kind="fold", rules="rules") == late
    newer = replace(late, rules="new", version=10)
    await snapshots.keep(newer)
    assert await snapshots.find(UNIT, kind="fold", rules="rules") is None
    assert await snapshots.find(UNIT, kind="fold", rules="new") == newer
