"""The tree of centers as a directory holds it: who is below whom, whose ground a point is on, who is above for now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from dispatch.directory_entries import CenterEntry, HeadquartersEntry, TreeChangeEntry
from dispatch.jurisdiction import Jurisdiction
from domain.center.events import (
    CenterClosed,
    CenterEstablished,
    CenterMoved,
    GroundChanged,
    Ring,
    TreeChangeApplied,
    TreeChangeCalledOff,
    TreeChangeRefused,
    TreeChangeScheduled,
)
from domain.event import Event, GeoPoint
from domain.headquarters.events import (
    HeadquartersChanged,
    HeadquartersExpired,
    HeadquartersExtended,
    HeadquartersOpened,
    HeadquartersStoodDown,
)
from domain.ownership import Ownership
from domain.policies.routing import Node
from domain.refusals import Unavailable
from domain.vocabulary import CenterKind

LOCATED_MAX = 50_000
"""Points whose centers are remembered: every camera's, for most alerts say no other."""
TREE_EVENTS: tuple[type[Event], ...] = (
    CenterEstablished,
    CenterClosed,
    GroundChanged,
    CenterMoved,
    TreeChangeScheduled,
    TreeChangeApplied,
    TreeChangeRefused,
    TreeChangeCalledOff,
    HeadquartersOpened,
    HeadquartersChanged,
    HeadquartersExtended,
    HeadquartersStoodDown,
    HeadquartersExpired,
)


class Tree:
    """Centers that are and were, and the headquarters above them. Reads never leave the memory."""

    def __init__(self) -> None:
        self.centers: dict[UUID, CenterEntry] = {}
        self.former: dict[UUID, CenterEntry] = {}
        """Centers that were closed: what they did still has their names."""
        self.headquarters: dict[UUID, HeadquartersEntry] = {}
        """By the id of the center that stands for each in the tree."""
        self.changes: dict[UUID, TreeChangeEntry] = {}
        """Of the tree: to come, done and called off."""
        self._center_codes: dict[str, UUID] = {}
        self._jurisdiction: Jurisdiction | None = None
        self._lateral: dict[str, CenterEntry] | None = None
        """By agency; None after a center came or went."""
        self._nodes: dict[UUID, Node] = {}
        self._located: dict[GeoPoint, tuple[CenterEntry, ...]] = {}

    def apply_to_tree(self, stream_id: UUID, event: Event) -> None:
        """Fold one fact; all others are ignored."""
        match event:
            case CenterEstablished() | CenterClosed() | GroundChanged() | CenterMoved():
                self._apply_center(stream_id, event)
            case TreeChangeScheduled():
                self.changes[stream_id] = TreeChangeEntry(stream_id, event, "scheduled")
            case TreeChangeApplied() | TreeChangeRefused() | TreeChangeCalledOff():
                found = self.changes.get(stream_id)
                if found is not None:
                    why = event.detail if isinstance(event, TreeChangeRefused) else None
                    self.changes[stream_id] = replace(found, state=event.name.removeprefix("tree.change_"), refused=why)
            case HeadquartersOpened(scope=scope):
                center_id, staff = event.center.center_id, (event.commander_id, *event.deputy_ids)
                self.headquarters[center_id] = HeadquartersEntry(
                    stream_id, center_id, event.code, scope.centers, staff, event.ends_at
                )
            case HeadquartersChanged() | HeadquartersExtended() | HeadquartersStoodDown() | HeadquartersExpired():
                self._apply_headquarters(stream_id, event)
            case _:
                pass

    def center(self, center_id: UUID) -> CenterEntry | None:
        """A center in being."""
        return self.centers.get(center_id)

    def known_center(self, center_id: UUID) -> CenterEntry | None:
        """A center that is or was: its name outlives it."""
        return self.centers.get(center_id) or self.former.get(center_id)

    def headquarters_by_code(self, code: str) -> HeadquartersEntry | None:
        """A temporary headquarters, over or not."""
        return next((one for one in self.headquarters.values() if one.code == code), None)

    def seen_from(self, center_id: UUID) -> tuple[UUID, ...]:
        """Centers whose boards make up a center's board: its own, and with a headquarters those of all it commands."""
        found = self.headquarters.get(center_id)
        return (center_id,) if found is None or found.is_over else (center_id, *found.centers)

    def commanded_by(self, operator_id: UUID) -> frozenset[UUID]:
        """Centers that an operator stands above by acting for a headquarters, itself among them."""
        return frozenset(
            center_id
            for one in self.headquarters.values()
            if not one.is_over and operator_id in one.staff
            for center_id in (one.center_id, *one.centers)
        )

    def standing(self, owner: Ownership) -> Ownership:
        """A center where it stands in the tree now; one that is no more, where it stood."""
        center = self.center(owner.center_id)
        return owner if center is None else center.ownership

    def center_by_code(self, code: str, *, known: bool = False) -> CenterEntry | None:
        """A center by its permanent code; `known`: also one that was closed."""
        center_id = self._center_codes.get(code, UUID(int=0))
        return self.known_center(center_id) if known else self.centers.get(center_id)

    def functional_center(self, agency: str) -> CenterEntry | None:
        """The lateral center of an agency; the one with the smallest code if there were several."""
        if self._lateral is None:
            ordered = sorted(self.centers.values(), key=lambda center: center.code, reverse=True)
            self._lateral = {
                center.agency: center
                for center in ordered
                if center.kind is CenterKind.FUNCTIONAL and center.agency is not None
            }
        return self._lateral.get(agency)

    def root(self) -> CenterEntry:
        """The city center. Raises `Unavailable` before the city is loaded."""
        for center in self.centers.values():
            if center.kind is CenterKind.CITY:
                return center
        raise Unavailable("city.not_loaded", "The city has no centers yet. Run `dispatch up` or load the city first.")

    def locate(self, point: GeoPoint) -> tuple[CenterEntry, ...]:
        """Centers whose ground the point is on, root first; () outside the city."""
        found = self._located.get(point)
        if found is None:
            if self._jurisdiction is None:
                self._jurisdiction = Jurisdiction(self.centers.values())
            found = tuple(self.centers[center_id] for center_id in self._jurisdiction.locate(point))
            if len(self._located) >= LOCATED_MAX:
                self._located.clear()
            self._located[point] = found
        return found

    def touched_by(self, rings: Sequence[Ring]) -> tuple[UUID, ...]:
        """The deepest centers whose ground some polygon meets, by their codes."""
        if not rings:
            return ()
        if self._jurisdiction is None:
            self._jurisdiction = Jurisdiction(self.centers.values())
        return self._jurisdiction.touched_by(rings)

    def node(self, center: CenterEntry) -> Node:
        """A center of this tree as routing reads it."""
        found = self._nodes.get(center.id)
        if found is None:
            found = self._nodes[center.id] = Node(center.id, center.level, center.path, center.agency)
        return found

    def descendants(self, center_id: UUID) -> Mapping[UUID, CenterEntry]:
        """The center and everything below it."""
        return {center.id: center for center in self.centers.values() if center_id in center.path}

    def _apply_center(
        self, center_id: UUID, event: CenterEstablished | CenterClosed | GroundChanged | CenterMoved
    ) -> None:
        self._jurisdiction = self._lateral = None
        self._located.clear()
        self._nodes.clear()
        if isinstance(event, CenterClosed):
            left = self.centers.pop(center_id, None)
            if left is not None:
                self.former[center_id] = replace(left, closed=True)
            return
        if isinstance(event, GroundChanged | CenterMoved):
            before = self.centers.get(center_id)
            if before is not None and isinstance(event, GroundChanged):
                self.centers[center_id] = replace(before, area=event.area)
            elif before is not None and isinstance(event, CenterMoved):
                self.centers[center_id] = replace(before, parent_id=event.parent_id, path=event.path)
            return
        self.former.pop(center_id, None)
        self.centers[center_id] = CenterEntry.of(center_id, event)
        self._center_codes[event.code] = center_id

    def _apply_headquarters(
        self,
        stream_id: UUID,
        event: HeadquartersChanged | HeadquartersExtended | HeadquartersStoodDown | HeadquartersExpired,
    ) -> None:
        found = next((one for one in self.headquarters.values() if one.id == stream_id), None)
        if found is None:
            return
        match event:
            case HeadquartersChanged(scope=scope):
                after = replace(found, centers=scope.centers, staff=(event.commander_id, *event.deputy_ids))
            case HeadquartersExtended(ends_at=ends_at):
                after = replace(found, ends_at=ends_at)
            case _:
                after = replace(found, is_over=True)
        self.headquarters[found.center_id] = after
