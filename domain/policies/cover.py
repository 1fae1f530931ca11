"""Where cover is below its minimum, and which unit should move up. From facts alone, so it comes out the same again.

A unit counts for a center if it is based at it or below it; one that stands by counts for the center it stands by for,
and for those above that, instead. It counts while it is free: on duty, on nothing, not reserved, not lent.

For a gap one unit is suggested: free, of the right kind, not standing by already, of a center that can spare it (every
minimum that it counts for still holds without it). The center that has most to spare gives; of its units the nearest
to the standby place goes. Who is suggested for one gap is not there for another one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from domain.assignment.events import UnitRecalled
from domain.cover.decider import CoverState
from domain.cover.events import CoverFell, CoverRestored, MoveSuggested, MoveWithdrawn
from domain.event import Candidate, Event, Explanation, GeoPoint, Reason
from domain.identifiers import within
from domain.ownership import Ownership
from domain.policies.proximity import distance_m
from domain.rulebook.content import CoverRule
from domain.vocabulary import UnitKind

POLICY = "cover"
CANDIDATES_MAX = 8
"""Named in a suggestion: the chosen one and the next best."""


@dataclass(frozen=True, slots=True)
class CoverUnit:
    """A unit as cover counts it. `posted`: for which center it stands by; `place`: from where it would move."""

    unit_id: UUID
    call_sign: str
    agency: str
    kind: UnitKind
    base: Ownership
    place: GeoPoint
    is_free: bool
    posted: Ownership | None = None

    @property
    def path(self) -> tuple[UUID, ...]:
        """The centers it counts for."""
        return self.posted.path if self.posted is not None else self.base.path


@dataclass(frozen=True, slots=True)
class Minimum:
    """A rule, with the center and the stream that are meant, and the place where a unit stands by."""

    rule: CoverRule
    center: Ownership
    place: GeoPoint
    stream_id: UUID
    version: int = 0

    def fits(self, unit: CoverUnit) -> bool:
        """Whether it is such a unit, wherever it is."""
        return unit.kind in self.rule.kinds and self.rule.agency in {None, unit.agency}

    def hosts(self, unit: CoverUnit) -> bool:
        """Whether such a unit stands by for this center."""
        return unit.posted is not None and unit.posted.center_id == self.center.center_id and self.fits(unit)

    def counts(self, unit: CoverUnit) -> bool:
        """Whether it is free for this center."""
        return unit.is_free and self.fits(unit) and self.center.center_id in unit.path


Decided: TypeAlias = dict[UUID, list[Event]]
"""New facts by stream."""


def free_of(minimum: Minimum, units: Iterable[CoverUnit]) -> int:
    """How many are free there."""
    return sum(minimum.counts(unit) for unit in units)


def evaluate(
    minima: Sequence[Minimum], states: Mapping[UUID, CoverState], units: Sequence[CoverUnit], known_up_to: int
) -> Decided:
    """What follows for every minimum and for the units that stand by, in the order of the rules."""
    decided: Decided = {}
    asked = {state.suggested.unit_id: stream_id for stream_id, state in states.items() if state.suggested is not None}
    for minimum in minima:
        state = states[minimum.stream_id]
        elsewhere = {unit_id for unit_id, stream_id in asked.items() if stream_id != minimum.stream_id}
        events = _of(
            minimum, state, minima, [unit for unit in units if unit.unit_id not in elsewhere], units, known_up_to
        )
        for event in events:
            if isinstance(event, MoveWithdrawn):
                asked.pop(event.unit_id, None)
            elif isinstance(event, MoveSuggested):
                asked[event.unit_id] = minimum.stream_id
        if events:
            decided[minimum.stream_id] = events
    return decided | _recalled(minima, units, known_up_to)


def gone(state: CoverState, known_up_to: int) -> list[Event]:
    """The rule is no more: nothing is missing, and nobody is asked."""
    explanation = _why(known_up_to, Reason(code="cover.rule_gone"))
    withdrawn = [] if state.suggested is None else [_withdrawn(state.suggested, explanation)]
    if state.fell is None:
        return [*withdrawn]
    restored = CoverRestored(required=state.fell.required, free=state.fell.free, explanation=explanation)
    return [*withdrawn, restored]


def _of(
    minimum: Minimum,
    state: CoverState,
    minima: Sequence[Minimum],
    available: Sequence[CoverUnit],
    units: Sequence[CoverUnit],
    known_up_to: int,
) -> list[Event]:
    required, free = minimum.rule.minimum, free_of(minimum, units)
    count = _count(free, required)
    events: list[Event] = []
    suggested = state.suggested
    if free >= required:
        enough = _why(known_up_to, Reason(code="cover.enough"), count)
        if suggested is not None:
            events.append(_withdrawn(suggested, enough))
        if state.fell is not None:
            events.append(CoverRestored(required=required, free=free, explanation=enough))
        return events
    if state.fell is None:
        events.append(
            CoverFell(
                code=minimum.rule.code,
                center=minimum.center,
                required=required,
                free=free,
                explanation=_why(known_up_to, count),
            )
        )
    ranked = _ranked(minimum, minima, available, state.declined)
    if suggested is not None:
        if any(unit.unit_id == suggested.unit_id for _, unit, _ in ranked):
            return events
        events.append(_withdrawn(suggested, _why(known_up_to, Reason(code="cover.cannot_go"), count)))
    if ranked:
        events.append(_suggestion(minimum, ranked, known_up_to, count))
    return events


Ranked: TypeAlias = tuple[int, CoverUnit, float]
"""What its center has to spare, the unit, and how far it would move (m)."""


def _ranked(
    minimum: Minimum, minima: Sequence[Minimum], available: Sequence[CoverUnit], declined: frozenset[UUID]
) -> list[Ranked]:
    """Units that could move up, the best one first."""
    kin = [unit for unit in available if unit.is_free and minimum.fits(unit)]
    spares = {each.stream_id: free_of(each, available) - each.rule.minimum for each in minima}
    at_base = Counter(center_id for unit in kin for center_id in unit.path)
    found: list[Ranked] = []
    for unit in kin:
        if unit.posted is not None or unit.unit_id in declined or minimum.center.center_id in unit.path:
            continue
        distance = distance_m(unit.place, minimum.place)
        leaves = [
            spares[other.stream_id]
            for other in minima
            if other.counts(unit) and other.center.center_id not in minimum.center.path
        ]
        # What its own center has beyond what is demanded of it, or of those above that the unit would leave.
        spare = min([at_base[unit.base.center_id], *leaves])
        if spare > 0 and distance <= minimum.rule.max_distance_m:
            found.append((spare, unit, distance))
    return sorted(found, key=lambda each: (-each[0], each[2], each[1].unit_id))


def _suggestion(minimum: Minimum, ranked: Sequence[Ranked], known_up_to: int, count: Reason) -> MoveSuggested:
    spare, unit, distance = ranked[0]
    candidates = tuple(
        Candidate(
            id=str(each.unit_id),
            chosen=each is unit,
            reasons=(
                Reason(code="cover.unit", values={"call_sign": each.call_sign, "kind": each.kind.value}),
                Reason(code="cover.spare", values={"units": str(left)}),
            ),
            distance_m=round(away, 1),
        )
        for left, each, away in ranked[:CANDIDATES_MAX]
    )
    return MoveSuggested(
        suggestion_id=within(minimum.stream_id, f"suggestion\x1f{minimum.version}\x1f{known_up_to}"),
        code=minimum.rule.code,
        center=minimum.center,
        unit_id=unit.unit_id,
        call_sign=unit.call_sign,
        giver=unit.base,
        place=minimum.place,
        distance_m=round(distance, 1),
        explanation=Explanation(
            policy=POLICY,
            input_positions=(known_up_to,),
            candidates=candidates,
            reasons=(count, Reason(code="cover.spare", values={"units": str(spare)})),
        ),
    )


def _recalled(minima: Sequence[Minimum], units: Sequence[CoverUnit], known_up_to: int) -> Decided:
    """Units that stand by for a center although it has enough of its own, by every minimum that they stand by for."""
    recalled: Decided = {}
    own = {minimum.stream_id: free_of(minimum, _without_guests(minimum, units)) for minimum in minima}
    for unit in units:
        stood_for = [minimum for minimum in minima if minimum.hosts(unit)]
        if not stood_for or any(own[each.stream_id] < each.rule.minimum for each in stood_for):
            continue
        counts = [_count(own[each.stream_id], each.rule.minimum) for each in stood_for]
        event = UnitRecalled(
            reason="值守力量已恢复，归建。Enough units are free there again.",
            explanation=_why(known_up_to, Reason(code="cover.enough"), *counts),
        )
        recalled[unit.unit_id] = [event]
    return recalled


def _without_guests(minimum: Minimum, units: Iterable[CoverUnit]) -> Iterable[CoverUnit]:
    return (unit for unit in units if not minimum.hosts(unit))


def _count(free: int, required: int) -> Reason:
    return Reason(code="cover.count", values={"free": str(free), "required": str(required)})


def _withdrawn(suggested: MoveSuggested, explanation: Explanation) -> MoveWithdrawn:
    return MoveWithdrawn(suggestion_id=suggested.suggestion_id, unit_id=suggested.unit_id, explanation=explanation)


def _why(known_up_to: int, *reasons: Reason) -> Explanation:
    return Explanation(policy=POLICY, input_positions=(known_up_to,), reasons=reasons)
