"""Two hundred cities live, break and are mended; every promise holds in each of them, and every flow is played."""

from __future__ import annotations

from collections import Counter

import pytest

from dispatch.simulation.campaign import replay
from dispatch.simulation.played import NEVER, NOT_YET, by_flow, never_played
from dispatch.simulation.run import simulate

SEEDS = 200
A_TEST = 50
SELDOM = 5
"""Kinds of decisions that one test's seeds may lack: each is some seeds' luck, all of a flow never are."""


@pytest.mark.long
@pytest.mark.parametrize("first", range(1, SEEDS + 1, A_TEST))
def test_every_promise_holds_whatever_breaks(first: int) -> None:
    decided: Counter[str] = Counter()
    for seed in range(first, first + A_TEST):
        report = simulate(seed)
        assert report.findings == (), "\n".join((*report.findings, *report.last_steps, replay(report, None)))
        decided += report.decisions
    assert all(by_flow(decided).values()), by_flow(decided)
    assert len(never_played(decided)) <= SELDOM, never_played(decided)
    assert decided.keys().isdisjoint(event.name for event in NEVER | NOT_YET)
