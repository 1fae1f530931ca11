"""Offices: seats that do what dispatchers do not.

Each run plays some of the flows only, so that those few go deep and meet each other; the seeds play them all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from dispatch.simulation.chance import Chance
from dispatch.simulation.flows.aid import Aid
from dispatch.simulation.flows.alarms import Alarms
from dispatch.simulation.flows.casework import Casework
from dispatch.simulation.flows.cover import Cover
from dispatch.simulation.flows.flow import Flow
from dispatch.simulation.flows.headquarters import Headquarters
from dispatch.simulation.flows.operations import Operations
from dispatch.simulation.flows.orders import Orders
from dispatch.simulation.flows.records import Checklists, Outcomes, Recordings
from dispatch.simulation.flows.shifts import Shifts
from dispatch.simulation.flows.tree import Tree
from dispatch.simulation.flows.units import Units
from dispatch.simulation.flows.watches import Watches
from dispatch.simulation.people import TOGETHER, TOGETHER_EVERY_S, Person
from dispatch.simulation.serving import ApiProcess
from dispatch.simulation.world import World

FLOWS: Mapping[type[Flow], int] = {
    Casework: 9, Orders: 6, Operations: 10, Shifts: 5, Aid: 5, Watches: 5, Checklists: 2, Outcomes: 6, Recordings: 4,
    Units: 6, Alarms: 3, Cover: 5, Headquarters: 5, Tree: 4,
}  # fmt: skip
"""Each with its weight: long ways need more runs, and more acts in a run."""
FLOWS_A_RUN = 3


def played(chance: Chance, wanted: str | None = None) -> tuple[type[Flow], ...]:
    """The flows of a run; the one of this name among them."""
    left = dict(FLOWS)
    found = [flow for flow in FLOWS if flow.__name__ == wanted]
    assert wanted is None or found, f"no flow is called {wanted}"
    while len(found) < FLOWS_A_RUN:
        left = {flow: weight for flow, weight in left.items() if flow not in found}
        found.append(chance.weighted(left))
    return tuple(found)


class Official(Person):
    """One seat, at which the run's flows are worked on in turn."""

    def __init__(self, world: World, name: str, servers: dict[str, ApiProcess], flows: Sequence[type[Flow]]) -> None:
        super().__init__(world, name, servers)
        self._flows = {flow(self): FLOWS[flow] for flow in flows}

    async def work(self, acts: int) -> None:
        """Do so many things, some of them at a moment at which others act too."""
        for _ in range(acts):
            if self.chance.happens(TOGETHER):
                await asyncio.sleep(TOGETHER_EVERY_S - self.world.loop.time() % TOGETHER_EVERY_S)
            else:
                await asyncio.sleep(self.chance.between(0.2, 4.0))
            await self.chance.weighted(self._flows).act()
