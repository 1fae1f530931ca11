"""Many seeds on all cores, and every planted fault until it is caught.

Each seed runs in a process of its own kind (spawned, so that nothing of the caller leaks in) and depends on nothing but
its number: the same seed gives the same trace on any machine, in any order, beside any others.
"""

from __future__ import annotations

import gc
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from dispatch.simulation.city import founded
from dispatch.simulation.plants import PlantedFault
from dispatch.simulation.run import Report, simulate

PLANTED_SEEDS_MAX = 2_000
"""A planted fault that survives so many seeds was not caught."""
WAITING_A_JOB = 4
"""Seeds handed to the pool ahead of time, for each job."""

Advance = Callable[[], None]
"""Told after each seed."""


@dataclass(slots=True)
class Summary:
    """What a campaign found. `failures` are whole reports, in the order of their seeds."""

    seeds: int = 0
    events: int = 0
    deaths: int = 0
    virtual_s: float = 0.0
    failures: list[Report] = field(default_factory=list)
    decisions: Counter[str] = field(default_factory=Counter)
    """How many facts of each kind, of all runs together."""

    def take(self, report: Report) -> None:
        """Count one run."""
        self.seeds += 1
        self.events += report.events
        self.deaths += report.deaths
        self.virtual_s += report.virtual_s
        self.decisions += report.decisions
        if report.findings:
            self.failures.append(report)


def _ready() -> None:
    """What every run shares is loaded, and the collector need not look at it again and again: a tenth of each run."""
    founded()
    gc.collect()
    gc.freeze()


@contextmanager
def pool(jobs: int) -> Iterator[Executor]:
    """Processes that run seeds; those that nobody waits for any more are dropped at the end."""
    executor = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_ready)
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)


def campaign(
    executor: Executor, seeds: Sequence[int], *, jobs: int, advance: Advance, fault: PlantedFault | None = None
) -> Summary:
    """Run all seeds."""
    summary = Summary()
    for report in _in_order(executor, seeds, jobs, fault):
        summary.take(report)
        advance()
    return summary


def caught(
    executor: Executor, fault: PlantedFault, *, jobs: int, first: int = 1, limit: int = PLANTED_SEEDS_MAX
) -> Report | None:
    """The first seed in which the checks see a planted fault; None if they never do."""
    for report in _in_order(executor, range(first, first + limit), jobs, fault):
        if report.findings:
            return report
    return None


def _in_order(executor: Executor, seeds: Sequence[int], jobs: int, fault: PlantedFault | None) -> Iterator[Report]:
    """Reports in the order of the seeds, whatever finishes first: which seed is the first is no matter of luck."""
    waiting: list[Future[Report]] = []
    for seed in seeds:
        waiting.append(executor.submit(simulate, seed, fault))
        if len(waiting) >= jobs * WAITING_A_JOB:
            yield waiting.pop(0).result()
    for future in waiting:
        yield future.result()


def replay(report: Report, fault: PlantedFault | None) -> str:
    """The command that runs a seed again, step by step the same."""
    plant = f" --plant {fault}" if fault is not None else ""
    return f"dispatch simulate --seed {report.seed} --seeds 1 --no-plants{plant}"
