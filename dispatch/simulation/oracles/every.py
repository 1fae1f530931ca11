"""All oracles of a run."""

from __future__ import annotations

from collections.abc import Iterator

from dispatch.simulation.oracles.aid import broken_aid
from dispatch.simulation.oracles.alarms import broken_alarms
from dispatch.simulation.oracles.cameras import broken_conditions
from dispatch.simulation.oracles.casework import broken_cases
from dispatch.simulation.oracles.cover import broken_cover
from dispatch.simulation.oracles.headquarters import broken_headquarters
from dispatch.simulation.oracles.merges import broken_merges
from dispatch.simulation.oracles.operations import broken_operations, told_secrets
from dispatch.simulation.oracles.orders import broken_orders
from dispatch.simulation.oracles.records import broken_checklists, broken_evidence, broken_outcomes
from dispatch.simulation.oracles.reservations import broken_reservations
from dispatch.simulation.oracles.restrictions import broken_restrictions
from dispatch.simulation.oracles.rules import broken_schedules
from dispatch.simulation.oracles.shifts import broken_handovers
from dispatch.simulation.oracles.tree import broken_tree
from dispatch.simulation.oracles.units import broken_units
from dispatch.simulation.oracles.watches import broken_watches
from dispatch.simulation.reading import Story
from dispatch.simulation.world import World


def broken_flows(world: World, story: Story) -> Iterator[str]:
    """What does not hold of any flow, of the log and of the screens."""
    now, rows = world.clock.now(), world.screens.rows
    yield from broken_schedules(story, now)
    yield from broken_merges(story)
    yield from broken_units(story)
    yield from broken_reservations(story, now)
    yield from broken_alarms(story)
    yield from broken_conditions(story)
    yield from broken_headquarters(story, now)
    yield from broken_tree(story, now)
    yield from broken_cover(story, world.city.centers)
    yield from broken_cases(story, rows["cases"], now)
    yield from broken_orders(story, rows["orders"], now)
    yield from broken_aid(story, world.city.bases, now)
    yield from broken_operations(story, world.history.looked)
    yield from broken_restrictions(story, world.history.boards, world.feeds.entries)
    yield from told_secrets(story, rows, world.feeds.entries)
    yield from broken_handovers(story)
    yield from broken_watches(story, rows["watches"].values())
    yield from broken_checklists(story, rows["checklists"])
    yield from broken_outcomes(story, rows["outcomes"])
    yield from broken_evidence(story)
