"""Which units would we send? The nearest suitable ones that are free, with reasons, and what is missing with reasons.

Nearest means by where a unit is believed to be. A position older than `position_stale_after_s` is worth less: for each
second beyond, the unit may be `stale_drift_m_per_s` farther away than it looks. One older than
`position_useless_after_s`, or none at all, is no belief: the unit is taken to be at its home, and that is said.
A less preferred kind of unit is taken when it is nearer by `preference_worth_m` a rank.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from domain.event import Candidate, Explanation, GeoPoint, Reason
from domain.incident.events import UnitsRecommended
from domain.policies.proximity import distance_m
from domain.rulebook.content import ResponseRule, Rulebook
from domain.vocabulary import UnitKind

POLICY = "recommendation"
CANDIDATES_MAX = 8
"""Named for each response rule: the chosen ones and the next best, nearest first."""


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


@dataclass(frozen=True, slots=True)
class Weighed:
    """A unit measured against a response rule. `cost_m` orders; `distance_m` is what people are told.

    Codes only: hundreds of units are weighed for a dozen that are named.
    """

    unit: UnitView
    distance_m: float
    cost_m: float
    belief: str
    against: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Nothing speaks against it."""
        return not self.against


def recommend(
    incident_id: UUID,
    category: str,
    point: GeoPoint | None,
    units: Sequence[UnitView],
    rulebook: Rulebook,
    positions: tuple[int, ...] = (),
) -> UnitsRecommended | None:
    """What the category's response rules would send to the point. None if the category sends nobody."""
    rules = rulebook.category(category).response
    if not rules:
        return None
    chosen: list[UUID] = []
    shortfalls: list[Reason] = []
    candidates: list[Candidate] = []
    for number, rule in enumerate(rules, 1):
        if point is None:
            shortfalls.append(_reason("no_point", rule))
            continue
        free = [unit for unit in units if unit.unit_id not in chosen]
        weighed = sorted(_weighed(rule, point, free, rulebook), key=lambda each: (each.cost_m, each.unit.unit_id))
        taken = [each.unit.unit_id for each in weighed if each.fits][: rule.units]
        chosen += taken
        candidates += _candidates(rule, number, weighed, taken)
        shortfalls += _shortfalls(rule, weighed, len(taken), units)
    return UnitsRecommended(
        incident_id=incident_id,
        unit_ids=tuple(chosen),
        shortfalls=tuple(shortfalls),
        candidates=tuple(candidates),
        explanation=Explanation(
            policy=POLICY,
            input_positions=positions,
            reasons=tuple(_reason("wanted", rule, units=str(rule.units)) for rule in rules),
        ),
    )


def chosen_again(recorded: UnitsRecommended, category: str, rulebook: Rulebook) -> tuple[UUID, ...]:
    """The choice made again from the candidates that were recorded, with the ages and distances they had."""
    chosen: list[UUID] = []
    for number, rule in enumerate(rulebook.category(category).response, 1):
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
        chosen += [UUID(unit_id) for _, unit_id in sorted(fitting)[: rule.units]]
    return tuple(chosen)


def _weighed(rule: ResponseRule, point: GeoPoint, units: Iterable[UnitView], rulebook: Rulebook) -> Iterable[Weighed]:
    """Units of the agency and kind that are on duty: free and suitable ones fit, the others say why not."""
    for unit in units:
        if unit.agency == rule.agency and unit.kind in rule.unit_kinds and unit.on_duty:
            yield _weigh(rule, point, unit, rulebook)


def _weigh(rule: ResponseRule, point: GeoPoint, unit: UnitView, rulebook: Rulebook) -> Weighed:
    where, drift_m, belief = _believed(unit, rulebook)
    distance = distance_m(point, where)
    against = []
    if unit.is_busy:
        against.append("busy")
    if not unit.skills.issuperset(rule.skills):
        against.append("lacks_skill")
    if distance > rule.max_distance_m:
        against.append("too_far")
    cost = distance + drift_m + rule.unit_kinds.index(unit.kind) * rule.preference_worth_m
    return Weighed(unit, distance, cost, belief, tuple(against))


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


def _candidates(rule: ResponseRule, number: int, weighed: Sequence[Weighed], taken: Sequence[UUID]) -> list[Candidate]:
    return [
        Candidate(
            id=str(each.unit.unit_id),
            chosen=each.unit.unit_id in taken,
            reasons=_reasons(rule, number, each),
            distance_m=round(each.distance_m, 1),
            age_s=round(each.unit.age_s, 1) if each.unit.age_s is not None else None,
        )
        for each in weighed[:CANDIDATES_MAX]
    ]


def _reasons(rule: ResponseRule, number: int, weighed: Weighed) -> tuple[Reason, ...]:
    unit = weighed.unit
    age = {"age_s": f"{unit.age_s:.0f}"} if unit.age_s is not None else {}
    values = {
        "lacks_skill": {"skill": ", ".join(sorted(set(rule.skills) - unit.skills))},
        "too_far": {"max_distance_m": f"{rule.max_distance_m:g}"},
    }
    about = {
        "call_sign": unit.call_sign,
        "kind": unit.kind.value,
        "rule": str(number),
        "cost_m": f"{weighed.cost_m:.0f}",
    }
    return (
        Reason(code="recommendation.unit", values=about),
        Reason(code=f"recommendation.{weighed.belief}", values=age),
        *(Reason(code=f"recommendation.{code}", values=values.get(code, {})) for code in weighed.against),
    )


def _shortfalls(rule: ResponseRule, weighed: Sequence[Weighed], found: int, units: Sequence[UnitView]) -> list[Reason]:
    """Why there are fewer than wanted: every cause that took units away, most basic first."""
    if found >= rule.units:
        return []
    of_kind = [unit for unit in units if unit.agency == rule.agency and unit.kind in rule.unit_kinds]
    reasons = [_reason("too_few", rule, wanted=str(rule.units), found=str(found))]
    if not of_kind:
        return [*reasons, _reason("none_registered", rule)]
    if not weighed:
        return [*reasons, _reason("none_on_duty", rule, registered=str(len(of_kind)))]
    for code in ("busy", "lacks_skill", "too_far"):
        count = sum(code in each.against for each in weighed)
        if count:
            reasons.append(_reason(code, rule, units=str(count)))
    return reasons


def _reason(code: str, rule: ResponseRule, **values: str) -> Reason:
    about = {"agency": rule.agency, "unit_kinds": ", ".join(rule.unit_kinds)}
    if rule.skills:
        about["skills"] = ", ".join(rule.skills)
    return Reason(code=f"recommendation.{code}", values={**about, **values})
