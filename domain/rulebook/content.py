"""What a rulebook says: data, validated on load. A test changes an outcome by changing it, with no code."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from domain.event import Frozen, GeoPoint
from domain.rulebook.plans import AgencyRule, CategoryCodeField, ChecklistItem, ResponsePlan, ResponseRule
from domain.rulebook.service_times import ServiceTime
from domain.vocabulary import (
    AgencyRole,
    AlertKind,
    CenterKind,
    OwnerRule,
    RoutingClass,
    Severity,
    TimeCounting,
    UnitKind,
)

Seconds = Annotated[int, Field(ge=1, le=604_800)]


class CorrelationRule(Frozen):
    """Alerts of one category within `radius_m` and `window_s` of an incident's last sign of life are about it.

    An incident is opened when `min_alerts` alerts have come together; `open_at_severity` or worse opens at once.
    For `quiet_after_dismissal_s` after a false alarm was dismissed, repeats that are no worse stay with it.
    """

    radius_m: float = Field(gt=0, le=50_000)
    window_s: Seconds
    min_alerts: int = Field(default=1, ge=1, le=1_000)
    open_at_severity: Severity = Severity.SEVERE
    quiet_after_dismissal_s: Seconds = 1_800


class DeadlineRule(Frozen):
    """Time allowed to each level; on expiry the next level up the owner's path is told."""

    accept_within_s: Seconds = 180
    acknowledge_within_s: Seconds = 60
    escalate_every_s: Seconds = 180
    transfer_within_s: Seconds = 300


class CategoryRule(Frozen):
    """Everything about one category.

    `also_centers`: kinds of centers on the place's path that are recipients at the same moment as the responsible
    agency (flow F14: the branch command room, for information).
    """

    code: CategoryCodeField
    name_zh: str
    name_en: str
    routing_class: RoutingClass = RoutingClass.EVENT
    priority: int = Field(ge=0, le=10)
    owner: OwnerRule = OwnerRule.STATION
    agencies: tuple[AgencyRule, ...] = Field(min_length=1)
    also_level_two: AgencyRole | None = None
    correlation: CorrelationRule
    response: tuple[ResponseRule, ...] = ()
    deadlines: DeadlineRule = DeadlineRule()
    checklist: tuple[ChecklistItem, ...] = Field(default=(), max_length=50)

    @model_validator(mode="after")
    def _items_once(self) -> CategoryRule:
        codes = [item.code for item in self.checklist]
        if len(codes) != len(set(codes)):
            msg = f"the checklist of {self.code} has an item twice"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _one_dispatcher_of_record(self) -> CategoryRule:
        responsible = [rule.agency for rule in self.agencies if rule.role is AgencyRole.RESPONSIBLE]
        if len(responsible) != 1:
            msg = f"category {self.code} needs exactly one responsible agency, found {len(responsible)}"
            raise ValueError(msg)
        return self


class AlertRule(Frozen):
    """What an alert kind means. `category` None: recorded, never correlated (health of a camera, say)."""

    kind: AlertKind
    category: CategoryCodeField | None = None
    severity: Severity = Severity.MINOR
    """Used when the message says none."""


class WarningRule(Frozen):
    """A public warning whose event names one of these words (any case) is of this category; the first rule wins."""

    words: tuple[str, ...] = Field(min_length=1)
    category: CategoryCodeField


class RetentionRule(Frozen):
    """How long facts of a class stay within reach. Nothing is ever deleted from the log.

    The class: alerts of these kinds, and alerts and reports of these categories. Its alerts stay in the log's table for
    `online_days` at least, then they are in archive files only. `keys_kept_days` after the last report that names them,
    the keys of persons are destroyed; None keeps them.
    """

    name: str = Field(max_length=100)
    alert_kinds: tuple[AlertKind, ...] = ()
    categories: tuple[CategoryCodeField, ...] = ()
    online_days: int = Field(ge=0, le=36_500)
    keys_kept_days: int | None = Field(default=None, ge=1, le=36_500)


CaseSeconds = Annotated[int, Field(ge=1, le=7_776_000)]
"""Counted seconds of a case: at most 90 days around the clock, some 310 working days."""


class SeverityTime(Frozen):
    """The time allowed to handle a case of an incident this bad."""

    severity: Severity
    handle_within_s: CaseSeconds


class CaseClass(Frozen):
    """A class of urban-management cases (GB/T 30428): `kind`, major and minor class say which in the standard.

    `department` is the agency a case goes to unless the dispatcher says another. `counting`: around the clock, or the
    city's working hours. A class is of one category: what has another category is classified anew first, so that the
    agencies of the right category are told.
    """

    code: CategoryCodeField
    name_zh: str
    name_en: str
    kind: RoutingClass = RoutingClass.EVENT
    major_code: str = Field(pattern=r"^\d{2}$")
    minor_code: str = Field(pattern=r"^\d{2}$")
    category: CategoryCodeField
    department: str
    counting: TimeCounting = TimeCounting.WORKING_HOURS
    handle_within_s: CaseSeconds
    by_severity: tuple[SeverityTime, ...] = ()
    check_within_s: CaseSeconds = 86_400
    may_pause: bool = True
    extension_s_max: int = Field(default=0, ge=0, le=7_776_000)
    returns_max: int = Field(default=2, ge=1, le=20)

    def handle_within(self, severity: Severity) -> int:
        """The time allowed for a severity: its own, else the class's."""
        return next(
            (rule.handle_within_s for rule in self.by_severity if rule.severity is severity), self.handle_within_s
        )


class WorkingSpan(Frozen):
    """Working hours between breaks, in seconds of the local day."""

    opens_s: int = Field(ge=0, le=86_400)
    closes_s: int = Field(ge=0, le=86_400)


class CaseworkRule(Frozen):
    """What all classes share. `arbiter_center_code` None: the urban-management agency's own center.

    `holidays`: those of the country with its adjusted workdays, or none (plain weekdays).
    """

    arbiter_center_code: str | None = None
    working_hours: tuple[WorkingSpan, ...] = (
        WorkingSpan(opens_s=32_400, closes_s=43_200),
        WorkingSpan(opens_s=46_800, closes_s=61_200),
    )
    holidays: Literal["china", "none"] = "china"

    @model_validator(mode="after")
    def _hours_in_order(self) -> CaseworkRule:
        ends = [second for span in self.working_hours for second in (span.opens_s, span.closes_s)]
        if not ends or any(later <= earlier for earlier, later in pairwise(ends)):
            msg = "working hours need at least one span; spans must be in order, without overlap, and not empty"
            raise ValueError(msg)
        return self


class StackingRule(Frozen):
    """How many assignments may wait for one unit; what is so urgent (this priority, or less) never waits for one."""

    waiting_max: int = Field(default=5, ge=0, le=20)
    never_up_to_priority: int | None = Field(default=None, ge=0, le=10)

    def may_wait(self, priority: int) -> bool:
        """Whether an incident of this priority may wait for a unit that is elsewhere."""
        return self.never_up_to_priority is None or priority > self.never_up_to_priority


class CoverRule(Frozen):
    """At least `minimum` units of one of `kinds` are to be free at a center and below it at any time.

    `agency`: only its units count. `standby`: where a unit that moves up stands by; the center's own place if left out.
    A unit farther than `max_distance_m` from there is not suggested.
    """

    code: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,60}$")
    center_code: str = Field(min_length=1, max_length=100)
    kinds: tuple[UnitKind, ...] = Field(min_length=1, max_length=20)
    agency: str | None = None
    minimum: int = Field(default=1, ge=1, le=1_000)
    standby: GeoPoint | None = None
    max_distance_m: float = Field(default=30_000, gt=0)


class Rulebook(Frozen):
    """One version of all rules of a city."""

    city: str
    version: int = Field(ge=1)
    categories: tuple[CategoryRule, ...] = Field(min_length=1)
    alerts: tuple[AlertRule, ...]
    catch_all_center_code: str
    number_prefix: str = Field(default="CD", pattern=r"^[A-Z][A-Z0-9]{0,5}$")
    """First part of an incident number people can say: `CD-20240605-0042`."""
    time_zone: str = Field(default="Asia/Shanghai", max_length=50)
    """IANA zone of the city's day, which numbers the incidents."""
    catch_all_category: CategoryCodeField
    warnings: tuple[WarningRule, ...] = ()
    territorial_agency: str = "police"
    """The agency that the centers of the tree belong to: its part is played by the place's own center."""
    position_stale_after_s: Seconds = 120
    position_useless_after_s: Seconds = 1_800
    stale_drift_m_per_s: float = Field(default=5.0, ge=0, le=100)
    """How far off a position is taken to be for each second beyond stale."""
    severity_priority: tuple[int, int, int, int, int] = (0, 0, 0, -1, -2)
    """Added to the category's priority by severity (unknown … extreme); the result is kept within 0–10."""
    retention: tuple[RetentionRule, ...] = ()
    """The first rule that names a kind or a category decides; without one, the system's own setting does."""
    case_classes: tuple[CaseClass, ...] = ()
    casework: CaseworkRule = CaseworkRule()
    stacking: StackingRule = StackingRule()
    cover: tuple[CoverRule, ...] = Field(default=(), max_length=500)
    handover_demanded_at: tuple[CenterKind, ...] = ()
    """At centers of these kinds a shift ends with a signed hand-over while anything is open there."""
    plans: tuple[ResponsePlan, ...] = Field(default=(), max_length=500)
    service_times: tuple[ServiceTime, ...] = Field(default=(), max_length=200)

    @model_validator(mode="after")
    def _refers_to_what_exists(self) -> Rulebook:
        known = {rule.code for rule in self.categories}
        if len(known) != len(self.categories):
            msg = "category codes repeat"
            raise ValueError(msg)
        named = [rule.category for rule in self.alerts] + [rule.category for rule in self.warnings]
        named += [code for rule in self.retention for code in rule.categories]
        named += [case_class.category for case_class in self.case_classes]
        named += [plan.category for plan in self.plans]
        named += [code for each in self.service_times for code in each.categories]
        for code in (self.catch_all_category, *named):
            if code is not None and code not in known:
                msg = f"unknown category {code}"
                raise ValueError(msg)
        kinds = [rule.kind for rule in self.alerts]
        if len(kinds) != len(set(kinds)):
            msg = "alert kinds repeat"
            raise ValueError(msg)
        if len({case_class.code for case_class in self.case_classes}) != len(self.case_classes):
            msg = "codes of case classes repeat"
            raise ValueError(msg)
        if len({rule.code for rule in self.cover}) != len(self.cover):
            msg = "codes of cover rules repeat"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _one_service_time_each(self) -> Rulebook:
        if len({each.code for each in self.service_times}) != len(self.service_times):
            msg = "codes of service times repeat"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _one_plan_each(self) -> Rulebook:
        if len({plan.code for plan in self.plans}) != len(self.plans):
            msg = "codes of response plans repeat"
            raise ValueError(msg)
        if len({(plan.category, plan.from_severity) for plan in self.plans}) != len(self.plans):
            msg = "two response plans are for the same category and severity"
            raise ValueError(msg)
        for plan in self.plans:
            once = {item.code for item in self.category(plan.category).checklist}
            again = [item.code for level in plan.levels for item in level.checklist if item.code in once]
            if again:
                msg = f"plan {plan.code} repeats items of its category's checklist: {', '.join(again)}"
                raise ValueError(msg)
        return self

    def case_class(self, code: str) -> CaseClass | None:
        """A class of cases by its code."""
        return next((case_class for case_class in self.case_classes if case_class.code == code), None)

    def category(self, code: str) -> CategoryRule:
        """The rule of a category; an unknown code gets the catch-all's."""
        # Asked several times an incident: a dictionary made for one look costs more than the look.
        for wanted in (code, self.catch_all_category):
            for rule in self.categories:
                if rule.code == wanted:
                    return rule
        raise AssertionError(f"{self.catch_all_category} is no category")

    def alert(self, kind: AlertKind) -> AlertRule:
        """The rule of an alert kind; one without a rule goes to the catch-all category."""
        for rule in self.alerts:
            if rule.kind is kind:
                return rule
        return AlertRule(kind=kind, category=self.catch_all_category)

    def retention_of(self, category: str) -> RetentionRule | None:
        """The rule of a category's alerts and reports, if there is one."""
        return next((rule for rule in self.retention if category in rule.categories), None)

    def retention_of_alert(self, kind: AlertKind) -> RetentionRule | None:
        """The rule of an alert kind: one that names it, else that of the category it means."""
        for rule in self.retention:
            if kind in rule.alert_kinds:
                return rule
        category = self.alert(kind).category
        return None if category is None else self.retention_of(category)

    def priority_of(self, category: str, severity: Severity) -> int:
        """The category's priority moved by severity, within 0 (most urgent) and 10."""
        return max(0, min(10, self.category(category).priority + self.severity_priority[severity]))
