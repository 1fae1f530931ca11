"""Which units would we send? The nearest suitable ones that are free, with reasons, and what is missing with reasons.

Nearest means by where a unit is believed to be. A position older than `position_stale_after_s` is worth less: for each
second beyond, the unit may be `stale_drift_m_per_s` farther away than it looks. One older than
`position_useless_after_s`, or none at all, is no belief: the unit is taken to be at its home, and that is said.
A less preferred kind of unit is taken when it is nearer by `preference_worth_m` a rank. What units on the incident fill
already is not looked for again.

A flood asks hundreds of times a second, of the same units: what depends on a unit alone is worked out once for all
incidents of a moment (`Fleet`), and what people are told only of the few that are named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress, islice
from typing import Any, TypeAlias
from uuid import UUID

from domain.event import GeoPoint, Reason
from domain.incident.plan_events import UnitsRecommended
from domain.incident.state import IncidentState
from domain.incident.wanted import Sent, there
from domain.policies.plans import plan_of, response_of, wanted_units
from domain.policies.proximity import Spot
from domain.rulebook.content import Rulebook
from domain.rulebook.plans import ResponseRule
from domain.vocabulary import UnitKind

POLICY = "recommendation"
CANDIDATES_MAX = 8
"""Named for each response rule: the chosen ones and the next best, nearest first."""
AGAINST = ("busy", "reserved", "lacks_skill", "too_far")
"""What may speak against a unit, most basic first."""


@dataclass(frozen=True, slots=True)
class UnitView:
    """A unit as a recommendation reads it. `position` and `age_s` are inputs from outside the log."""

    unit_id: UUID
    call_sign: str
    agency: str
    kind: UnitKind
    skills: frozenset[str]
    home: GeoPoint
    on_duty: bool
    is_busy: bool
    position: GeoPoint | None = None
    age_s: float | None = None
    is_reserved: bool = False


class Standing:
    """A unit on duty, where it is taken to be, how far off that may be, and why."""

    __slots__ = ("age_s", "belief", "drift_m", "name", "spot", "unit")

    def __init__(self, unit: UnitView, rulebook: Rulebook) -> None:
        where, self.drift_m, code = _believed(unit, rulebook)
        self.unit = unit
        self.name = str(unit.unit_id)
        self.age_s = round(unit.age_s, 1) if unit.age_s is not None else None
        self.spot = Spot(where)
        age = {"age_s": f"{unit.age_s:.0f}"} if unit.age_s is not None else {}
        self.belief = Reason(code=f"recommendation.{code}", values=age)


@dataclass(slots=True)
class Kin:
    """All units of one agency and kind: how many there are, and those on duty with where they are taken to be."""

    registered: int = 0
    standings: list[Standing] = field(default_factory=list)
    spots: list[Spot] = field(default_factory=list)


NO_KIN = Kin()


class Fleet:
    """All units that may be sent, as they are at one moment under one rulebook."""

    def __init__(self, units: Iterable[UnitView], rulebook: Rulebook) -> None:
        self.rulebook = rulebook
        self._kin: dict[tuple[str, UnitKind], Kin] = {}
        for unit in units:
            kin = self._kin.setdefault((unit.agency, unit.kind), Kin())
            kin.registered += 1
            if unit.on_duty:
                standing = Standing(unit, rulebook)
                kin.standings.append(standing)
                kin.spots.append(standing.spot)

    def kin(self, rule: ResponseRule) -> dict[UnitKind, Kin]:
        """The units that a rule may send."""
        return {kind: self._kin.get((rule.agency, kind), NO_KIN) for kind in rule.unit_kinds}


Weighed: TypeAlias = tuple[float, UUID, float, Standing]
"""A unit measured against a response rule: cost (m), id, distance (m), and what is known of it. In the order of the
first two they are taken; the cost orders, the distance is what people are told."""


def recommend(
    incident_id: UUID,
    state: IncidentState,
    fleet: Fleet,
    positions: tuple[int, ...] = (),
    sent: Sequence[Sent] = (),
) -> UnitsRecommended | None:
    """What the rules would send at the alarm level, beside the units that are `sent`. None if nobody at all."""
    category, severity, level = state.category, state.severity, state.alarm_level
    rules = response_of(fleet.rulebook, category, severity, level)
    if not rules:
        return None
    unfilled = [rule.units - filled for rule, filled in zip(rules, there(rules, sent), strict=True)]
    plan, point = plan_of(fleet.rulebook, category, severity), state.place.point
    chosen: list[UUID] = []
    shortfalls: list[Reason] = []
    candidates: list[dict[str, Any]] = []
    spot = Spot(point) if point is not None else None
    for number, (rule, units) in enumerate(zip(rules, unfilled, strict=True), 1):
        if not units:
            continue
        if spot is None:
            shortfalls.append(_reason("no_point", rule))
            continue
        weighed = sorted(_weighed(rule, spot, fleet, chosen))
        taken = list(islice((each[1] for each in weighed if not _against(rule, each)), units))
        chosen += taken
        candidates += [_candidate(rule, number, each, taken) for each in weighed[:CANDIDATES_MAX]]
        shortfalls += _shortfalls(rule, units, weighed, len(taken), fleet)
    # Validated in one go: each value by itself would be a third of the time in which a recommendation is made.
    return UnitsRecommended.model_validate(
        {
            "incident_id": incident_id,
            "unit_ids": tuple(chosen),
            "shortfalls": tuple(shortfalls),
            "candidates": tuple(candidates),
            "explanation": {
                "policy": POLICY,
                "input_positions": positions,
                "reasons": tuple(_reason("wanted", rule, units=str(rule.units)) for rule in rules),
            },
            "plan": None if plan is None else plan.code,
            "alarm_level": level,
            "wanted": wanted_units(rules),
            "unfilled": tuple(unfilled),
        }
    )


def chosen_again(recorded: UnitsRecommended, state: IncidentState, rulebook: Rulebook) -> tuple[UUID, ...]:
    """The choice made again from the candidates that were recorded, with the ages and distances they had."""
    chosen: list[UUID] = []
    rules = response_of(rulebook, state.category, state.severity, state.alarm_level)
    looked_for = recorded.unfilled or tuple(rule.units for rule in rules)
    for number, (rule, units) in enumerate(zip(rules, looked_for, strict=True), 1):
        fitting = []
        for candidate in recorded.candidates:
            unit, belief, *against = candidate.reasons
            if against or unit.values["rule"] != str(number) or candidate.distance_m is None:
                continue
            is_stale = belief.code == "recommendation.position_stale" and candidate.age_s is not None
            stale_s = (candidate.age_s or 0.0) - rulebook.position_stale_after_s if is_stale else 0.0
            rank = rule.unit_kinds.index(UnitKind(unit.values["kind"]))
            cost = candidate.distance_m + stale_s * rulebook.stale_drift_m_per_s + rank * rule.preference_worth_m
            fitting.append((cost, candidate.id))
        chosen += [UUID(unit_id) for _, unit_id in sorted(fitting)[:units]]
    return tuple(chosen)


def _weighed(rule: ResponseRule, spot: Spot, fleet: Fleet, chosen: Collection[UUID]) -> Iterator[Weighed]:
    """Units of the agency and kind that are on duty, whether they fit or not."""
    for kind, kin in fleet.kin(rule).items():
        worth_m = rule.unit_kinds.index(kind) * rule.preference_worth_m
        for distance, standing in zip(spot.distances_m(kin.spots), kin.standings, strict=True):
            unit_id = standing.unit.unit_id
            if unit_id not in chosen:
                yield distance + standing.drift_m + worth_m, unit_id, distance, standing


def _against(rule: ResponseRule, weighed: Weighed) -> tuple[str, ...]:
    """What speaks against a unit. Asked of few: the nearest ones, until there are enough."""
    _, _, distance, standing = weighed
    unit = standing.unit
    holds = unit.is_busy, unit.is_reserved, not unit.skills.issuperset(rule.skills), distance > rule.max_distance_m
    return tuple(compress(AGAINST, holds))


def _believed(unit: UnitView, rulebook: Rulebook) -> tuple[GeoPoint, float, str]:
    """Where the unit is taken to be, how far off that may be, and why."""
    if unit.position is None or unit.age_s is None:
        return unit.home, 0.0, "position_unknown_home_taken"
    if unit.age_s > rulebook.position_useless_after_s:
        return unit.home, 0.0, "position_useless_home_taken"
    stale_s = unit.age_s - rulebook.position_stale_after_s
    if stale_s > 0:
        return unit.position, stale_s * rulebook.stale_drift_m_per_s, "position_stale"
    return unit.position, 0.0, "position_fresh"


def _candidate(rule: ResponseRule, number: int, weighed: Weighed, taken: Sequence[UUID]) -> dict[str, Any]:
    """A `Candidate`, not yet validated."""
    cost, unit_id, distance, standing = weighed
    unit = standing.unit
    about = {"call_sign": unit.call_sign, "kind": unit.kind.value, "rule": str(number), "cost_m": f"{cost:.0f}"}
    return {
        "id": standing.name,
        "chosen": unit_id in taken,
        "reasons": (
            {"code": "recommendation.unit", "values": about},
            standing.belief,
            *(_why_not(code, rule, unit) for code in _against(rule, weighed)),
        ),
        "distance_m": round(distance, 1),
        "age_s": standing.age_s,
    }


def _why_not(code: str, rule: ResponseRule, unit: UnitView) -> Reason:
    values = {}
    if code == "lacks_skill":
        values = {"skill": ", ".join(sorted(set(rule.skills) - unit.skills))}
    elif code == "too_far":
        values = {"max_distance_m": f"{rule.max_distance_m:g}"}
    return Reason(code=f"recommendation.{code}", values=values)


def _shortfalls(rule: ResponseRule, units: int, weighed: Sequence[Weighed], found: int, fleet: Fleet) -> list[Reason]:
    """Why there are fewer than looked for: every cause that took units away, most basic first."""
    if found >= units:
        return []
    registered = sum(kin.registered for kin in fleet.kin(rule).values())
    reasons = [_reason("too_few", rule, wanted=str(units), found=str(found))]
    if not registered:
        return [*reasons, _reason("none_registered", rule)]
    if not weighed:
        return [*reasons, _reason("none_on_duty", rule, registered=str(registered))]
    counts = Counter(code for each in weighed for code in _against(rule, each))
    return reasons + [_reason(code, rule, units=str(counts[code])) for code in AGAINST if counts[code]]


def _reason(code: str, rule: ResponseRule, **values: str) -> Reason:
    about = {"agency": rule.agency, "unit_kinds": ", ".join(rule.unit_kinds)}
    if rule.skills:
        about["skills"] = ", ".join(rule.skills)
    return Reason(code=f"recommendation.{code}", values={**about, **values})
