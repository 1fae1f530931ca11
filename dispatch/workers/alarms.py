"""The alarms: an incident that is as bad as a level of its plan demands is at that level, as a fact with its rule; so
is one whose missed deadline the level names.

Nothing is ever lowered here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from dispatch.workers.by_incident import Follows, IncidentReactor, incident_after
from domain.event import Event, Fact
from domain.incident.admission import LIVE
from domain.incident.decider import decide
from domain.incident.events import (
    IncidentClassified,
    IncidentEscalated,
    IncidentOpened,
    IncidentReopened,
    SeverityRaised,
)
from domain.incident.plan_events import AlarmLowered
from domain.policies.escalation import answered_late_at
from domain.policies.plans import alarm_due
from domain.refusals import Refusal
from domain.rulebook.content import Rulebook
from domain.vocabulary import MessageStatus

SAY_HOW_BAD = (IncidentOpened, IncidentClassified, SeverityRaised, IncidentReopened)
INPUTS = (*SAY_HOW_BAD, IncidentEscalated)
"""Facts after which an incident may be at a higher level."""


class Alarms(IncidentReactor):
    """The reactor: the alarm of each incident that the rules raise."""

    name = "alarms"
    topics = frozenset(event.name for event in INPUTS)

    def _rule(self, rulebook: Rulebook, now: datetime) -> Follows | None:  # noqa: ARG002  # raised at any time
        return partial(raised, rulebook=rulebook) if rulebook.plans else None


def raised(facts: Sequence[Fact[Event]], rulebook: Rulebook) -> tuple[Event, ...]:
    """The alarm that follows from an incident's decision stream; nothing if it is at its level."""
    state = incident_after(facts)
    if state.phase not in LIVE or state.status is not MessageStatus.ACTUAL:
        return ()
    recent = _since(facts, (AlarmLowered,))
    command = alarm_due(
        state,
        rulebook,
        tuple(fact.position for fact in facts if isinstance(fact.gist(), INPUTS)),
        is_bad_anew=any(isinstance(fact.gist(), SAY_HOW_BAD) for fact in recent),
        missed={deadline for fact in _since(recent, (IncidentReopened,)) if (deadline := _missed(fact)) is not None},
    )
    decided = decide(command, state) if command is not None else ()
    # Only a level above the present one is asked for, and only while that is possible.
    assert not isinstance(decided, Refusal), f"{decided}"
    return decided


def _since(facts: Sequence[Fact[Event]], kinds: tuple[type[Event], ...]) -> Sequence[Fact[Event]]:
    """What came after the last fact of these kinds: what a person lowered for, or a life before, raises nothing."""
    last = max((number for number, fact in enumerate(facts, 1) if isinstance(fact.gist(), kinds)), default=0)
    return facts[last:]


def _missed(fact: Fact[Event]) -> str | None:
    """The deadline that was missed. One that was answered late, and is recorded only afterwards, needs nobody more."""
    if not isinstance(fact.gist(), IncidentEscalated):
        return None
    event = fact.event
    assert isinstance(event, IncidentEscalated), "as its gist"
    return None if answered_late_at(event.explanation) is not None else event.deadline
