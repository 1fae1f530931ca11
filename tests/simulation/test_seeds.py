"""Two hundred cities live, break and are mended; every promise holds in each of them."""

from __future__ import annotations

import pytest

from dispatch.simulation.campaign import replay
from dispatch.simulation.run import simulate

SEEDS = 200
A_TEST = 25


@pytest.mark.parametrize("first", range(1, SEEDS + 1, A_TEST))
def test_every_promise_holds_whatever_breaks(first: int) -> None:
    for seed in range(first, first + A_TEST):
        report = simulate(seed)
        assert report.findings == (), "\n".join((*report.findings, *report.last_steps, replay(report, None)))
