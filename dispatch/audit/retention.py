"""How long a class of alerts stays within reach, by the rulebook in force. Nothing is ever deleted from the log.

Two things may happen to what is old, and both leave every position, version, hash and proof as they are: a range of the
log moves to an archive file, and the key of a person's sealed fields is destroyed. The rulebook says for each class how
soon either may be. Ranges move whole, so the class that is kept longest decides for its range.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from dispatch.ports import RecordedEvent
from domain.alert.events import AlertReceived, AlertRevised
from domain.codec import NewerSchema, Undecodable, fact_of
from domain.rulebook.content import Rulebook

ALERTS = frozenset({AlertReceived.name, AlertRevised.name})


def longest(rulebook: Rulebook) -> timedelta:
    """No alert older than this is held by any rule."""
    return timedelta(days=max((rule.online_days for rule in rulebook.retention), default=0))


def hold_of(rulebook: Rulebook) -> Callable[[RecordedEvent], timedelta | None]:
    """How long an event must stay in the table: for alerts of a class with a rule. What cannot be read is not held."""

    def hold(event: RecordedEvent) -> timedelta | None:
        if event.topic not in ALERTS:
            return None
        try:
            fact = fact_of(event)
        except (Undecodable, NewerSchema):
            return None
        assert isinstance(fact.event, AlertReceived | AlertRevised)
        rule = rulebook.retention_of_alert(fact.event.content.kind)
        return None if rule is None else timedelta(days=rule.online_days)

    return hold
