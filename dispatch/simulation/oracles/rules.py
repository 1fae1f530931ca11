"""Rules to come: each scheduled version is put in force at its instant, once, or taken off the schedule before."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from dispatch.simulation.reading import Story
from domain.rulebook.events import RulebookActivated, RulebookScheduled, RulebookUnscheduled


def broken_schedules(story: Story, now: datetime) -> Iterator[str]:
    """What was to come and did not, or came twice."""
    scheduled: dict[int, datetime] = {}
    active = 0
    for fact in story.facts:
        match fact.event:
            case RulebookScheduled(version=version, effective_at=effective_at):
                if effective_at <= fact.envelope.occurred_at:
                    yield f"rules: at {fact.position} version {version} is scheduled for {effective_at}, too late"
                scheduled[version] = effective_at
            case RulebookUnscheduled(version=version):
                if scheduled.pop(version, None) is None:
                    yield f"rules: at {fact.position} version {version} is taken off, and was not on the schedule"
            case RulebookActivated(version=version, effective_at=effective_at):
                due_at = scheduled.get(version)
                is_due = due_at is not None and due_at <= effective_at
                if version == active and not is_due:
                    yield f"rules: at {fact.position} version {version} is put in force again"
                if is_due:
                    del scheduled[version]
                active = version
            case _:
                pass
    for version, due_at in scheduled.items():
        if due_at < now:
            yield f"deadline: version {version} was to be in force from {due_at} on, and never was"
