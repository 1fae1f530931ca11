"""What a rulebook says: data, validated on load. A test changes an outcome by changing it, with no code."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from domain.event import Frozen
from domain.vocabulary import AgencyRole, AlertKind, OwnerRule, RoutingClass, Severity, UnitKind

CategoryCodeField = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$", max_length=100)]
Seconds = Annotated[int, Field(ge=1, le=604_800)]


class AgencyRule(Frozen):
    """This agency is on incidents of the category, with this role."""

    agency: str
    role: AgencyRole


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


class ResponseRule(Frozen):
    """What should be sent: `unit_kinds` in order of preference, all `skills` needed, `units` of them.

    A less preferred kind is taken when it is nearer by `preference_worth_m` a rank.
    """

    agency: str
    unit_kinds: tuple[UnitKind, ...] = Field(min_length=1)
    skills: tuple[str, ...] = ()
    units: int = Field(default=1, ge=1, le=50)
    max_distance_m: float = Field(default=15_000, gt=0)
    preference_worth_m: float = Field(default=1_000, ge=0)


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

    @model_validator(mode="after")
    def _refers_to_what_exists(self) -> Rulebook:
        known = {rule.code for rule in self.categories}
        if len(known) != len(self.categories):
            msg = "category codes repeat"
            raise ValueError(msg)
        named = [rule.category for rule in self.alerts] + [rule.category for rule in self.warnings]
        named += [code for rule in self.retention for code in rule.categories]
        for code in (self.catch_all_category, *named):
            if code is not None and code not in known:
                msg = f"unknown category {code}"
                raise ValueError(msg)
        kinds = [rule.kind for rule in self.alerts]
        if len(kinds) != len(set(kinds)):
            msg = "alert kinds repeat"
            raise ValueError(msg)
        return self

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
