"""What should be sent to an incident: response rules, and response plans whose alarm levels add up.

A category may say one set of units. A plan says more: what the first alarm sends, what the second adds to it, and so
on, as fire services do; whom each level tells besides, and what must not be forgotten at it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from domain.event import Frozen
from domain.vocabulary import AgencyRole, Severity, UnitKind

CategoryCodeField = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$", max_length=100)]
MissedDeadline = Literal["accept", "acknowledge"]
LEVELS_MAX = 9
"""Alarm levels of one plan; a fire service has five or so."""


class AgencyRule(Frozen):
    """This agency is on incidents of the category, with this role."""

    agency: str
    role: AgencyRole


class ChecklistItem(Frozen):
    """One thing that must not be forgotten about an incident of a category."""

    code: str = Field(pattern=r"^[a-z][a-z0-9_]{0,60}$")
    text_zh: str = Field(min_length=1, max_length=500)
    text_en: str = Field(min_length=1, max_length=500)
    required: bool = True


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


class AlarmLevel(Frozen):
    """What one alarm adds to those below it: units, agencies that are told, items of the checklist.

    `from_severity`: an incident this bad is at this level at once, and rises to it when it becomes so bad.
    `after_missed`: it rises to this level when nobody accepted it in time, or a crew did not acknowledge in time. With
    neither, only a person raises the alarm to it.
    """

    level: int = Field(ge=1, le=LEVELS_MAX)
    from_severity: Severity | None = None
    after_missed: tuple[MissedDeadline, ...] = Field(default=(), max_length=2)
    response: tuple[ResponseRule, ...] = ()
    agencies: tuple[AgencyRule, ...] = ()
    checklist: tuple[ChecklistItem, ...] = Field(default=(), max_length=50)

    @model_validator(mode="after")
    def _says_something(self) -> AlarmLevel:
        if not (self.response or self.agencies or self.checklist):
            msg = f"alarm level {self.level} is empty: it sends nobody, tells nobody and reminds of nothing"
            raise ValueError(msg)
        if any(rule.role is AgencyRole.RESPONSIBLE for rule in self.agencies):
            msg = f"alarm level {self.level} names a responsible agency; that one is the category's"
            raise ValueError(msg)
        return self


class ResponsePlan(Frozen):
    """The plan for incidents of a category that are at least as bad as `from_severity`.

    Of several plans of a category the one for the worst severity that is reached counts. Where a plan counts, the
    category's own `response` does not.
    """

    code: str = Field(pattern=r"^[a-z][a-z0-9_]{0,60}$")
    name_zh: str
    name_en: str
    category: CategoryCodeField
    from_severity: Severity = Severity.UNKNOWN
    levels: tuple[AlarmLevel, ...] = Field(min_length=1, max_length=LEVELS_MAX)

    @model_validator(mode="after")
    def _levels_in_order(self) -> ResponsePlan:
        if [each.level for each in self.levels] != list(range(1, len(self.levels) + 1)):
            msg = f"the alarm levels of plan {self.code} must be 1, 2, 3 … in this order"
            raise ValueError(msg)
        if self.levels[0].from_severity is not None or self.levels[0].after_missed:
            msg = (
                f"the first alarm of plan {self.code} needs no from_severity or after_missed: every incident of the"
                " plan is at it"
            )
            raise ValueError(msg)
        severities = [each.from_severity for each in self.levels if each.from_severity is not None]
        if severities != sorted(severities):
            msg = f"a higher alarm level of plan {self.code} needs a severity that is at least as bad"
            raise ValueError(msg)
        items = [item.code for each in self.levels for item in each.checklist]
        if len(items) != len(set(items)):
            msg = f"the checklists of plan {self.code} have an item twice"
            raise ValueError(msg)
        return self
