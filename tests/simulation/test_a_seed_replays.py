"""A seed is a whole run: the same number, the same steps, in any process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from dispatch.simulation.plants import PlantedFault
from dispatch.simulation.run import simulate
from tests.house.tree import ROOT

SEEDS_MAX = 20
"""A planted fault is there now and then: nine of ten seeds see this one."""
PROGRAM = "import sys; from dispatch.simulation.run import simulate; print(simulate(int(sys.argv[1])).trace_hash)"


@pytest.mark.parametrize("seed", [7, 8])
def test_the_same_seed_twice_leaves_the_same_trace(seed: int) -> None:
    assert simulate(seed) == simulate(seed)


def test_another_seed_is_another_run() -> None:
    assert simulate(7).trace_hash != simulate(8).trace_hash


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_the_order_of_sets_in_memory_does_not_matter(hash_seed: str) -> None:
    outcome = subprocess.run(
        [sys.executable, "-c", PROGRAM, "7"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert outcome.stdout.strip() == simulate(7).trace_hash


def test_a_failing_seed_replays_with_its_findings_and_its_last_steps() -> None:
    runs = (simulate(seed, PlantedFault.LOST_FOLD) for seed in range(1, SEEDS_MAX))
    first = next(run for run in runs if run.findings)
    assert first.last_steps
    assert simulate(first.seed, PlantedFault.LOST_FOLD) == first
