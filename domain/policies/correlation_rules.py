"""A rulebook's correlation rules, looked up once a rulebook instead of once an alert."""

from __future__ import annotations

from datetime import datetime, timedelta

from domain.alert.events import AlertContent, WaitingAlert
from domain.rulebook.content import CategoryRule, CorrelationRule, Rulebook
from domain.vocabulary import AlertKind, Severity

RETENTION_S_MIN = 129_600
"""36 hours: a device that was cut off delivers a day late, and its alerts still find their incident."""
WAITING_SLACK_S = 900
"""How much later than its window an alert may still be met by one that arrives out of order."""


class CorrelationRules:
    """One version of the rules, compiled."""

    def __init__(self, rulebook: Rulebook) -> None:
        self.rulebook = rulebook
        self.version = rulebook.version
        self._categories = {rule.code: rule for rule in rulebook.categories}
        self._catch_all = self._categories[rulebook.catch_all_category]
        self._kinds = {kind: rulebook.alert(kind) for kind in AlertKind}
        self._warnings = [(tuple(word.casefold() for word in rule.words), rule.category) for rule in rulebook.warnings]
        self.retention_s = max(RETENTION_S_MIN, 2 * max(rule.correlation.window_s for rule in rulebook.categories))
        self.retention = timedelta(seconds=self.retention_s)
        self._windows = {rule.code: timedelta(seconds=rule.correlation.window_s) for rule in rulebook.categories}

    def category_of(self, content: AlertContent) -> str | None:
        """What the alert is about; None: recorded, never correlated."""
        if content.kind is AlertKind.PUBLIC_WARNING and content.warning is not None:
            said = f"{content.warning.event} {content.warning.headline or ''}".casefold()
            for words, category in self._warnings:
                if any(word in said for word in words):
                    return category
        return self._kinds[content.kind].category

    def severity_of(self, content: AlertContent) -> Severity:
        """As said; where the message says none, what the rulebook takes the kind for."""
        return content.severity if content.severity is not Severity.UNKNOWN else self._kinds[content.kind].severity

    def category(self, code: str) -> CategoryRule:
        """The rule of a category; an unknown code gets the catch-all's."""
        return self._categories.get(code, self._catch_all)

    def correlation(self, code: str) -> CorrelationRule:
        """How alerts of a category come together."""
        return self.category(code).correlation

    def window(self, code: str) -> timedelta:
        """The `window_s` of a category, as a duration."""
        return self._windows[self.category(code).code]

    def is_past(self, alert: WaitingAlert, horizon: datetime) -> bool:
        """Nothing that arrives from now on can be brought together with it."""
        patience_s = self.correlation(alert.category).window_s + WAITING_SLACK_S
        return horizon - alert.occurred_at > timedelta(seconds=patience_s)
