"""When the garbage collector looks: not at what a storm leaves behind, and at ordinary growth when it is quiet."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from dispatch import process


class Knot:
    """Refers to itself: counting does not free it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _collector() -> Iterator[None]:
    thresholds = gc.get_threshold()
    gc.collect()
    process.settle(process.COLLECT_AFTER_PAGES_ALLOCATIONS)
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def living(objects: int) -> list[list[int]]:
    """As many objects that the collector follows."""
    return [[number] for number in range(objects)]


def test_little_growth_is_not_looked_through() -> None:
    knot = weakref.ref(Knot())
    kept = living(process.LOOK_FROM_OBJECTS // 10)
    process.collect()
    assert knot() is not None
    assert kept


def test_growth_is_looked_through_once_and_stays() -> None:
    knot = weakref.ref(Knot())
    frozen = gc.get_freeze_count()
    kept = living(process.LOOK_FROM_OBJECTS + 1)
    process.collect()
    assert knot() is None
    assert gc.get_freeze_count() - frozen > process.LOOK_FROM_OBJECTS
    assert gc.get_count()[0] < process.LOOK_FROM_OBJECTS
    assert kept


def test_what_a_storm_leaves_holds_nobody_up() -> None:
    knot = weakref.ref(Knot())
    kept = living(process.LOOK_AT_OBJECTS_MAX + 1)
    process.collect()
    assert knot() is not None, "it was looked through"
    assert gc.get_count()[0] < process.LOOK_FROM_OBJECTS, "it will be looked through"
    assert kept


def test_what_is_let_go_is_freed_though_it_is_taken_as_what_stays() -> None:
    kept = living(process.LOOK_AT_OBJECTS_MAX + 1)
    process.collect()
    frozen = gc.get_freeze_count()
    kept.clear()
    assert gc.get_freeze_count() <= frozen - process.LOOK_AT_OBJECTS_MAX


def test_a_command_over_pages_gives_what_came_of_it_and_leaves_the_collector_as_it_was() -> None:
    thresholds = gc.get_threshold()

    class Outcome:
        def __repr__(self) -> str:
            raise AssertionError("it was written out, however large")

    outcome = Outcome()

    async def work() -> Outcome:
        assert gc.get_threshold()[0] == process.COLLECT_AFTER_PAGES_ALLOCATIONS
        return outcome

    assert process.run_over_pages(work()) is outcome
    assert gc.get_threshold() == thresholds


def test_a_command_over_pages_that_fails_leaves_the_collector_as_it_was_too() -> None:
    thresholds = gc.get_threshold()

    async def fail() -> None:
        raise LookupError("no such page")

    with pytest.raises(LookupError, match="no such page"):
        process.run_over_pages(fail())
    assert gc.get_threshold() == thresholds
