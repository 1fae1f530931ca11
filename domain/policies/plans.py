"""What the rules ask for at an alarm level: the levels of the plan that counts, added up.

A category without a plan has one level, its own `response`. An alarm level beyond the plan's highest (the incident was
classified anew) asks for all that there is.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from domain.event import Explanation, Reason
from domain.incident.commands import RaiseAlarm
from domain.incident.plan_events import WantedUnits
from domain.incident.state import IncidentState
from domain.rulebook.content import Rulebook
from domain.rulebook.plans import AgencyRule, AlarmLevel, ChecklistItem, ResponsePlan, ResponseRule
from domain.vocabulary import AgencyRole, Severity

POLICY = "alarm"
ROLE_RANK = {AgencyRole.RESPONSIBLE: 0, AgencyRole.SUPPORTING: 1, AgencyRole.INFORMED: 2}
"""The stronger a role, the smaller its rank."""


def plan_of(rulebook: Rulebook, category: str, severity: Severity) -> ResponsePlan | None:
    """The plan that counts: of those of the category, the one for the worst severity that is reached."""
    code = rulebook.category(category).code
    fitting = [plan for plan in rulebook.plans if plan.category == code and plan.from_severity <= severity]
    return max(fitting, key=lambda plan: plan.from_severity, default=None)


def has_plans(rulebook: Rulebook, category: str) -> bool:
    """Whether severity or alarm level say what is sent to incidents of the category."""
    code = rulebook.category(category).code
    return any(plan.category == code for plan in rulebook.plans)


def highest_level(rulebook: Rulebook, category: str, severity: Severity) -> int:
    """The highest alarm level that there is."""
    plan = plan_of(rulebook, category, severity)
    return 1 if plan is None else len(plan.levels)


def due_level(rulebook: Rulebook, category: str, severity: Severity) -> int:
    """The alarm level at which an incident this bad is at once."""
    return max((each.level for each in _reached_by(plan_of(rulebook, category, severity), severity)), default=1)


def _reached_by(plan: ResponsePlan | None, severity: Severity) -> Sequence[AlarmLevel]:
    levels = () if plan is None else plan.levels
    return [each for each in levels if each.from_severity is not None and each.from_severity <= severity]


def response_of(rulebook: Rulebook, category: str, severity: Severity, level: int) -> tuple[ResponseRule, ...]:
    """What is asked for in all.

    What two levels ask for alike is one rule, with the units of both and the wider reach.
    """
    plan = plan_of(rulebook, category, severity)
    if plan is None:
        return rulebook.category(category).response
    together: dict[tuple[object, ...], ResponseRule] = {}
    for rule in (rule for each in plan.levels[:level] for rule in each.response):
        key = (rule.agency, rule.unit_kinds, frozenset(rule.skills))
        before = together.get(key)
        together[key] = rule if before is None else _both(before, rule)
    return tuple(together.values())


def _both(before: ResponseRule, rule: ResponseRule) -> ResponseRule:
    reach = max(before.max_distance_m, rule.max_distance_m)
    return before.model_copy(update={"units": before.units + rule.units, "max_distance_m": reach})


def wanted_units(rules: Sequence[ResponseRule]) -> tuple[WantedUnits, ...]:
    """The same, as a fact says it."""
    return tuple(
        WantedUnits(agency=rule.agency, unit_kinds=rule.unit_kinds, skills=rule.skills, units=rule.units)
        for rule in rules
    )


def agencies_of(rulebook: Rulebook, category: str, severity: Severity, level: int) -> tuple[AgencyRule, ...]:
    """The category's agencies, and those that the plan tells up to the level. The stronger role of one named twice."""
    plan = plan_of(rulebook, category, severity)
    own = rulebook.category(category).agencies
    if plan is None:
        return own
    found = {rule.agency: rule for rule in own}
    for rule in (rule for each in plan.levels[:level] for rule in each.agencies):
        before = found.get(rule.agency)
        if before is None or ROLE_RANK[rule.role] < ROLE_RANK[before.role]:
            found[rule.agency] = rule
    return tuple(found.values())


def checklist_of(rulebook: Rulebook, category: str, severity: Severity, level: int) -> tuple[ChecklistItem, ...]:
    """The category's list, and what the plan adds up to the level."""
    plan = plan_of(rulebook, category, severity)
    added = () if plan is None else plan.levels[:level]
    return (*rulebook.category(category).checklist, *(item for each in added for item in each.checklist))


def alarm_due(
    state: IncidentState,
    rulebook: Rulebook,
    positions: tuple[int, ...],
    *,
    is_bad_anew: bool,
    missed: Collection[str],
) -> RaiseAlarm | None:
    """The alarm that the rules raise for an incident; None if it is at that level, or beyond it.

    `is_bad_anew`: something was said of its severity since a person last lowered the alarm. `missed`: deadlines that
    were missed since then.
    """
    plan = plan_of(rulebook, state.category, state.severity)
    if plan is None:
        return None
    bad = _reached_by(plan, state.severity) if is_bad_anew else ()
    due = max((*bad, *_reached_after(plan, missed)), key=lambda each: each.level, default=None)
    if due is None or due.level <= state.alarm_level:
        return None
    return RaiseAlarm(
        level=due.level,
        plan=plan.code,
        wanted=wanted_units(response_of(rulebook, state.category, state.severity, due.level)),
        explanation=Explanation(
            policy=POLICY, input_positions=positions, reasons=_why(plan, due, state, is_bad=due in bad, missed=missed)
        ),
    )


def _reached_after(plan: ResponsePlan, missed: Collection[str]) -> Sequence[AlarmLevel]:
    return [each for each in plan.levels if not set(each.after_missed).isdisjoint(missed)]


def _why(
    plan: ResponsePlan, due: AlarmLevel, state: IncidentState, *, is_bad: bool, missed: Collection[str]
) -> tuple[Reason, ...]:
    """Its severity, each deadline that was missed, or both."""
    where = {"plan": plan.code, "level": str(due.level)}
    reasons = [
        Reason(code="alarm.by_missed", values=where | {"deadline": f"deadline.{deadline}"})
        for deadline in due.after_missed
        if deadline in missed
    ]
    if is_bad:
        values = {
            "severity": f"severity.{int(state.severity)}",
            "from_severity": f"severity.{int(due.from_severity or 0)}",
        }
        reasons.insert(0, Reason(code="alarm.by_severity", values=where | values))
    return tuple(reasons)
