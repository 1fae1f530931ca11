"""A check that finds nothing is worth something only if it finds what was put there."""

from __future__ import annotations

import pytest

from dispatch.simulation.plants import PlantedFault
from dispatch.simulation.run import simulate

SEEDS_MAX = 100

PROMISE = {
    PlantedFault.SKIPPED_POSITION: ("lost", "I4", "I5"),
    PlantedFault.DROPPED_VERSION_CHECK: ("wholeness",),
    PlantedFault.LOST_FOLD: ("I4",),
    PlantedFault.DROPPED_TRANSFER: ("owner", "transfer"),
    PlantedFault.TIMER_FIRES_TWICE: ("deadline", "transfer"),
    PlantedFault.HALF_UNMERGED: ("unmerge",),
    PlantedFault.LOST_LAMP: ("deadline",),
    PlantedFault.LAMP_TURNS_TWICE: ("deadline",),
    PlantedFault.STRANGE_ACKNOWLEDGEMENT: ("order",),
    PlantedFault.LENT_TWICE: ("aid",),
    PlantedFault.HALF_DIVERTED: ("divert",),
    PlantedFault.LOST_TURN: ("stack",),
    PlantedFault.NOBODY_STANDS_BY: ("cover",),
    PlantedFault.STALE_CLEARANCE: ("restricted",),
    PlantedFault.STAYS_IN_THE_TREE: ("headquarters",),
    PlantedFault.HALF_APPLIED: ("tree",),
    PlantedFault.RESERVED_TWICE: ("reservation",),
    PlantedFault.RESTRICTED_SHOWN: ("restricted",),
}
"""What the first finding may be about."""


@pytest.mark.long
@pytest.mark.parametrize("fault", list(PlantedFault))
def test_every_planted_fault_is_caught(fault: PlantedFault) -> None:
    for seed in range(1, SEEDS_MAX + 1):
        findings = simulate(seed, fault).findings
        if findings:
            assert any(finding.startswith(PROMISE[fault]) for finding in findings), findings
            return
    pytest.fail(f"{fault} survived {SEEDS_MAX} seeds")
