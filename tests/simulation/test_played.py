"""What the simulated towns play, against all that can be recorded."""

from __future__ import annotations

from dispatch.simulation.played import FLOWS, NEVER, NOT_YET
from domain.catalogue import EVENTS


def test_every_fact_of_the_catalogue_is_of_one_flow_or_said_to_be_of_none() -> None:
    flows = [name for names in FLOWS.values() for name in names]
    assert sorted([*flows, *(event.name for event in (*NEVER, *NOT_YET))]) == sorted(EVENTS)
