"""What a change of the tree does to the ground: who would be on whose, what nobody would have, what would be another's.

Judged against the tree before it: the sample city's borders are simplified, and a sliver that was there is nobody's
fault. Two of one kind under one parent on the same spot are refused, because which of them owned an incident would be a
matter of their codes; so is ground outside the parent's. Ground that nobody of a kind has any more is only warned of:
the level above owns what happens there.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from shapely import MultiPoint, STRtree, make_valid, unary_union
from shapely.geometry.base import BaseGeometry

from dispatch.directory_entries import CenterEntry
from dispatch.jurisdiction import Jurisdiction, shape_of
from domain.center.events import Area, CenterChange
from domain.event import GeoPoint
from domain.policies.proximity import METRES_A_DEGREE
from domain.refusals import Refusal

SLIVER_M2 = 10_000.0
"""A square of 100 m: what rounding and simplification leave along a long border."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a change would do. `other` is the center that it would be done to."""

    code: str
    center: str
    other: str | None
    area_m2: float

    def as_refusal(self) -> Refusal:
        """The "no" that it is."""
        with_whom = f" and {self.other}" if self.other else ""
        detail = (
            f"{TEXTS[self.code]}: {self.center}{with_whom}, {self.area_m2 / 1e6:.3f} km². Redraw it, then ask again."
        )
        return Refusal(self.code, detail, {"center": self.center, "other": self.other or ""})


TEXTS: Mapping[str, str] = {
    "tree.overlap": "Two centers of one kind would have the same ground",
    "tree.outside_parent": "Ground would be outside the parent's",
    "tree.invalid_ground": "The ground crosses or touches itself",
    "tree.gap": "Ground would be nobody's of this kind",
}


@dataclass(frozen=True, slots=True)
class Judged:
    """All that was found. With something in `refused` the change cannot be."""

    refused: tuple[Finding, ...]
    warned: tuple[Finding, ...]


def after(centers: Mapping[UUID, CenterEntry], changes: Iterable[CenterChange]) -> dict[UUID, CenterEntry] | Refusal:
    """The tree that the changes make, with the path of each center anew."""
    found = dict(centers)
    for one in changes:
        if one.opens is not None:
            found[one.center_id] = CenterEntry.of(one.center_id, one.opens)
            continue
        entry = found.get(one.center_id)
        if entry is None:
            return Refusal("center.unknown", f"There is no center {one.code}.", {"center": one.code})
        if one.closes:
            del found[one.center_id]
            continue
        area = entry.area if one.area is None else one.area
        parent_id = entry.parent_id if one.parent_id is None else one.parent_id
        found[one.center_id] = replace(entry, area=area, parent_id=parent_id)
    return _with_paths(found)


def _with_paths(centers: Mapping[UUID, CenterEntry]) -> dict[UUID, CenterEntry] | Refusal:
    found: dict[UUID, CenterEntry] = {}
    for entry in centers.values():
        path, at = [entry.id], entry
        while at.parent_id is not None:
            above = centers.get(at.parent_id)
            if above is None:
                detail = f"{at.code} would stand below a center that is not there. Move or close it as well."
                return Refusal("tree.orphan", detail, {"center": at.code})
            if above.id in path:
                detail = f"{above.code} would stand below itself. Choose another parent."
                return Refusal("tree.circle", detail, {"center": above.code})
            path.append(above.id)
            at = above
        found[entry.id] = replace(entry, path=tuple(reversed(path)))
    return found


def judged(
    before: Mapping[UUID, CenterEntry], then: Mapping[UUID, CenterEntry], changes: Collection[CenterChange]
) -> Judged:
    """Overlaps, ground outside the parent's, and ground that is lost; only what the changes make worse."""
    touched = {one.center_id for one in changes}
    invalid = [
        Finding("tree.invalid_ground", then[one].code, None, 0.0)
        for one in sorted(touched & then.keys())
        if then[one].area and _is_confused(then[one].area)
    ]
    if invalid:
        return Judged(tuple(invalid), ())
    grounds = _Grounds(before, then)
    refused: list[Finding] = []
    for one in sorted(touched & then.keys()):
        refused += grounds.overlaps(then[one], touched)
        refused += grounds.outside(then[one])
    parents = {(then.get(one) or before[one]).parent_id for one in touched} | {
        before[one].parent_id for one in touched & before.keys()
    }
    warned = [found for parent_id in parents if parent_id is not None for found in grounds.lost(parent_id)]
    return Judged(tuple(refused), tuple(warned))


def _is_confused(area: Area) -> bool:
    """Whether nobody can say what is inside. A border that touches itself by a rounded corner is none of that."""
    shape = shape_of(area)
    return not shape.is_valid and abs(area_m2(make_valid(shape)) - area_m2(shape)) > SLIVER_M2


class _Grounds:
    """Shapes of two trees, each made once."""

    def __init__(self, before: Mapping[UUID, CenterEntry], then: Mapping[UUID, CenterEntry]) -> None:
        self._before, self._then = before, then
        self._shapes: dict[int, tuple[Area, BaseGeometry]] = {}

    def _shape(self, entry: CenterEntry) -> BaseGeometry:
        found = self._shapes.get(id(entry.area))
        if found is None:
            shape = shape_of(entry.area)
            found = self._shapes[id(entry.area)] = entry.area, shape if shape.is_valid else make_valid(shape)
        return found[1]

    def overlaps(self, entry: CenterEntry, touched: Collection[UUID]) -> list[Finding]:
        """With siblings of its kind; a pair that changes together is said once."""
        if not entry.area:
            return []
        found = []
        for other in self._then.values():
            same = other.parent_id == entry.parent_id and other.kind is entry.kind and other.area
            if other.id == entry.id or not same or (other.id in touched and other.id < entry.id):
                continue
            now = self._shared(entry, other)
            if now > SLIVER_M2 and now - self._shared_before(entry.id, other.id) > SLIVER_M2:
                found.append(Finding("tree.overlap", entry.code, other.code, now))
        return found

    def _shared(self, one: CenterEntry, other: CenterEntry) -> float:
        return area_m2(self._shape(one).intersection(self._shape(other)))

    def _shared_before(self, one: UUID, other: UUID) -> float:
        was, also = self._before.get(one), self._before.get(other)
        return self._shared(was, also) if was is not None and also is not None and was.area and also.area else 0.0

    def outside(self, entry: CenterEntry) -> list[Finding]:
        """Of the parent's ground, and what lies below it of its own."""
        pairs = [(entry, self._then.get(entry.parent_id))] if entry.parent_id is not None else []
        pairs += [(below, entry) for below in self._then.values() if below.parent_id == entry.id]
        found = []
        for below, above in pairs:
            if above is None or not above.area or not below.area:
                continue
            now = self._beyond(below, above)
            if now > SLIVER_M2 and now - self._beyond_before(below.id, above.id) > SLIVER_M2:
                found.append(Finding("tree.outside_parent", below.code, above.code, now))
        return found

    def _beyond(self, below: CenterEntry, above: CenterEntry) -> float:
        return area_m2(self._shape(below).difference(self._shape(above)))

    def _beyond_before(self, below: UUID, above: UUID) -> float:
        was, over = self._before.get(below), self._before.get(above)
        if was is None or over is None or was.parent_id != above or not was.area or not over.area:
            return 0.0
        return self._beyond(was, over)

    def lost(self, parent_id: UUID) -> list[Finding]:
        """Ground that some kind below a parent had and nobody of the kind has any more, where the parent still does."""
        parent = self._then.get(parent_id)
        found = []
        kinds = {one.kind for one in self._before.values() if one.parent_id == parent_id and one.area}
        for kind in sorted(kinds):
            gone = self._union(self._before, parent_id, kind).difference(self._union(self._then, parent_id, kind))
            if parent is not None and parent.area:
                gone = gone.intersection(self._shape(parent))
            if area_m2(gone) > SLIVER_M2:
                code = parent.code if parent is not None else str(parent_id)
                found.append(Finding("tree.gap", code, kind.value, area_m2(gone)))
        return found

    def _union(self, tree: Mapping[UUID, CenterEntry], parent_id: UUID, kind: object) -> BaseGeometry:
        return unary_union(
            [self._shape(one) for one in tree.values() if one.parent_id == parent_id and one.kind is kind and one.area]
        )


def area_m2(shape: BaseGeometry) -> float:
    """On the earth, within a per cent: degrees are as long as at the shape's middle."""
    if shape.is_empty:
        return 0.0
    metres_a_degree_lon = METRES_A_DEGREE * math.cos(math.radians(shape.centroid.y))
    return float(shape.area * METRES_A_DEGREE * metres_a_degree_lon)


def moved(
    before: Mapping[UUID, CenterEntry], then: Mapping[UUID, CenterEntry], points: Sequence[GeoPoint]
) -> dict[tuple[str | None, str | None], int]:
    """How many points would be on another center's ground: (from, to) → how many. None: on nobody's."""
    was, will_be = Jurisdiction(before.values()), Jurisdiction(then.values())
    found: dict[tuple[str | None, str | None], int] = {}
    for point in _concerned(before, then, points):
        here, there = _deepest(before, was.locate(point)), _deepest(then, will_be.locate(point))
        if here != there:
            found[here, there] = found.get((here, there), 0) + 1
    return found


def _concerned(
    before: Mapping[UUID, CenterEntry], then: Mapping[UUID, CenterEntry], points: Sequence[GeoPoint]
) -> list[GeoPoint]:
    """Points that may have another center: on ground that some center gains or loses. All others need no look."""
    pairs = [(before.get(one), then.get(one)) for one in before.keys() | then.keys()]
    grounds = [
        make_valid(shape_of(entry.area))
        for was, will_be in pairs
        if was is None or will_be is None or was.area != will_be.area
        for entry in (was, will_be)
        if entry is not None and entry.area
    ]
    if not points or not grounds:
        return []
    tree = STRtree(list(MultiPoint([(point.lon, point.lat) for point in points]).geoms))
    return [points[index] for index in sorted(set(tree.query(grounds, predicate="intersects")[1].tolist()))]


def _deepest(tree: Mapping[UUID, CenterEntry], path: Sequence[UUID]) -> str | None:
    return tree[path[-1]].code if path else None
