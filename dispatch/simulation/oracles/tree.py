"""The tree: no two of a kind share ground at any position, each stays within who is above it, each change ends once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import combinations, zip_longest
from typing import TypeAlias
from uuid import UUID

from dispatch.simulation.oracles.clocks import wrong_lateness
from dispatch.simulation.reading import Story
from domain.center import events as center
from domain.event import Event, Fact

SLIVER_DEG = 1e-6
"""A tenth of a metre: less is rounding."""
Strip: TypeAlias = tuple[float, float]


@dataclass(slots=True)
class Node:
    """A center as its facts tell it."""

    established: center.CenterEstablished
    parent_id: UUID | None
    area: object
    path: tuple[UUID, ...]

    @property
    def strip(self) -> Strip | None:
        """From west to east; all ground of the simulated city is cut from north to south."""
        corners = [lon for polygon in self.area for ring in polygon for lon, _ in ring]  # type: ignore[attr-defined]
        return (min(corners), max(corners)) if corners else None


@dataclass(slots=True)
class Change:
    """A change as its facts tell it."""

    scheduled: Fact[Event]
    ended: str | None = None


@dataclass(slots=True)
class Drawn:
    """The tree by the facts so far."""

    nodes: dict[UUID, Node] = field(default_factory=dict)
    changes: dict[UUID, Change] = field(default_factory=dict)
    redrawn: dict[UUID, Fact[Event]] = field(default_factory=dict)
    """By the change that did it."""
    applied: list[Fact[Event]] = field(default_factory=list)
    """In the decision that is being read."""
    has_changed: bool = False


def broken_tree(story: Story, now: datetime) -> Iterator[str]:
    """What does not hold of the tree at any position, and of any change of it."""
    tree = Drawn()
    for fact, following in zip_longest(story.facts, story.facts[1:]):
        if fact.event.name.startswith(("center.", "tree.")):
            yield from _lifecycle(tree, fact)
            _take(tree, fact)
        if tree.has_changed and (following is None or following.recorded_at != fact.recorded_at):
            yield from _ground(tree, fact)
            yield from _as_said(tree)
            tree.has_changed = False
            tree.applied.clear()
    for change_id, change in tree.changes.items():
        event = change.scheduled.event
        assert isinstance(event, center.TreeChangeScheduled), "kept as such"
        if change.ended is None and event.effective_at <= now:
            yield f"tree: {change_id} was to be from {event.effective_at} on, and nothing came of it"
        if (change.ended == "tree.change_applied") is not (change_id in tree.redrawn):
            yield f"tree: {change_id} is {change.ended}, and the tree was redrawn by it: {change_id in tree.redrawn}"


def _lifecycle(tree: Drawn, fact: Fact[Event]) -> Iterator[str]:
    """Said, and then applied, refused or called off, once; not before its instant."""
    event, at = fact.event, f"{fact.event.name} at {fact.position}"
    match event:
        case center.TreeChangeScheduled():
            if fact.stream_id in tree.changes:
                yield f"tree: {at} says again what was said"
            tree.changes[fact.stream_id] = Change(fact)
        case center.TreeChangeApplied() | center.TreeChangeRefused() | center.TreeChangeCalledOff():
            change = tree.changes[fact.stream_id]
            if change.ended is not None:
                yield f"tree: {at} comes after {change.ended}"
            change.ended = event.name
            if isinstance(event, center.TreeChangeApplied):
                scheduled = change.scheduled.event
                assert isinstance(scheduled, center.TreeChangeScheduled), "kept as such"
                yield from wrong_lateness(fact, scheduled.effective_at, event.late_s)
                tree.applied.append(fact)
        case center.TreeRedrawn(change_id=change_id):
            if change_id in tree.redrawn:
                yield f"tree: {at} is by {change_id}, which redrew it at {tree.redrawn[change_id].position}"
            tree.redrawn[change_id] = fact
        case _:
            pass


def _take(tree: Drawn, fact: Fact[Event]) -> None:
    match fact.event:
        case center.CenterEstablished() as event:
            tree.nodes[fact.stream_id] = Node(event, event.parent_id, event.area, event.path)
        case center.CenterClosed():
            tree.nodes.pop(fact.stream_id, None)
        case center.GroundChanged(area=area):
            tree.nodes[fact.stream_id].area = area
        case center.CenterMoved(parent_id=parent_id, path=path):
            tree.nodes[fact.stream_id].parent_id, tree.nodes[fact.stream_id].path = parent_id, path
        case center.TreeRedrawn():
            pass
        case _:
            return
    tree.has_changed = True


def _ground(tree: Drawn, fact: Fact[Event]) -> Iterator[str]:
    """No ground is two's of a kind, none is outside of who is above, and everybody's path is the one above's."""
    strips = {key: strip for key, node in tree.nodes.items() if (strip := node.strip) is not None}
    for one, other in combinations(strips, 2):
        of_one, of_other = tree.nodes[one], tree.nodes[other]
        are_siblings = of_one.parent_id == of_other.parent_id
        shared = min(strips[one][1], strips[other][1]) - max(strips[one][0], strips[other][0])
        if are_siblings and of_one.established.kind is of_other.established.kind and shared > SLIVER_DEG:
            yield f"tree: after {fact.position} {of_one.established.code} and {of_other.established.code} share ground"
    for key, node in tree.nodes.items():
        above = tree.nodes.get(node.parent_id) if node.parent_id is not None else None
        if node.path != (*(above.path if above is not None else ()), key):
            yield f"tree: after {fact.position} the path of {node.established.code} is not below {node.parent_id}"
        own, around = strips.get(key), strips.get(node.parent_id) if node.parent_id is not None else None
        if own and around and (own[0] < around[0] - SLIVER_DEG or own[1] > around[1] + SLIVER_DEG):
            yield f"tree: after {fact.position} {node.established.code} is outside of who is above it"


def _as_said(tree: Drawn) -> Iterator[str]:
    """What was applied is so, in the same decision: of several in one, the last has the word."""
    for fact in tree.applied[-1:]:
        scheduled = tree.changes[fact.stream_id].scheduled.event
        assert isinstance(scheduled, center.TreeChangeScheduled), "kept as such"
        drawn = tree.redrawn.get(fact.stream_id)
        if drawn is None or drawn.recorded_at != fact.recorded_at:
            yield f"tree: that at {fact.position} is applied and the tree was not redrawn with it"
        for one in scheduled.changes:
            node = tree.nodes[one.center_id]
            is_so = one.area in (None, node.area) and one.parent_id in (None, node.parent_id)
            if not is_so:
                yield f"tree: that at {fact.position} is applied, and {one.code} is not as it says"
