"""The rules of the rulebook itself: versions are dense, never change once published, and one is active."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import assert_never

from domain.event import Event
from domain.refusals import Refusal
from domain.rulebook.commands import (
    ActivateRulebook,
    PublishRulebook,
    RulebookCommand,
    ScheduleRulebook,
    UnscheduleRulebook,
)
from domain.rulebook.content import Rulebook
from domain.rulebook.events import RulebookActivated, RulebookPublished, RulebookScheduled, RulebookUnscheduled


@dataclass(frozen=True, slots=True)
class State:
    """The published versions in order (the first is version 1) and the one that decides, 0 before any does."""

    published: tuple[Rulebook, ...] = field(default=())
    active_version: int = 0
    scheduled: Mapping[int, datetime] = field(default_factory=dict)
    """Version → from when on it is to decide."""


INITIAL = State()


def evolve(state: State, event: Event) -> State:
    """Fold one fact; all others are ignored."""
    match event:
        case RulebookPublished(rulebook=rulebook):
            return replace(state, published=(*state.published, rulebook))
        case RulebookActivated(version=version, effective_at=effective_at):
            waiting = {one: at for one, at in state.scheduled.items() if one != version or at > effective_at}
            return replace(state, active_version=version, scheduled=waiting)
        case RulebookScheduled(version=version, effective_at=effective_at):
            return replace(state, scheduled={**state.scheduled, version: effective_at})
        case RulebookUnscheduled(version=version):
            return replace(state, scheduled={one: at for one, at in state.scheduled.items() if one != version})
        case _:
            return state


def decide(command: RulebookCommand, state: State) -> tuple[Event, ...] | Refusal:
    """Facts, nothing (it is so already), or a named refusal."""
    match command:
        case PublishRulebook(rulebook=rulebook):
            return _publish(rulebook, state)
        case ActivateRulebook():
            return _activate(command, state)
        case ScheduleRulebook():
            return _schedule(command, state)
        case UnscheduleRulebook(version=version, reason=reason):
            return (RulebookUnscheduled(version=version, reason=reason),) if version in state.scheduled else ()
        case _:
            assert_never(command)


def _publish(rulebook: Rulebook, state: State) -> tuple[Event, ...] | Refusal:
    version, latest = rulebook.version, len(state.published)
    if version <= latest:
        if state.published[version - 1] == rulebook:
            return ()
        return Refusal(
            "rulebook.version_taken",
            f"Version {version} was published with other rules. Publish these as version {latest + 1}.",
            {"version": str(version), "next_version": str(latest + 1)},
        )
    if version > latest + 1:
        return Refusal(
            "rulebook.version_skipped",
            f"The latest version is {latest}. Publish these rules as version {latest + 1}.",
            {"version": str(version), "next_version": str(latest + 1)},
        )
    if state.published and state.published[0].city != rulebook.city:
        return Refusal(
            "rulebook.foreign_city",
            f"These are the rules of {rulebook.city}; this is the rulebook of {state.published[0].city}.",
            {"city": rulebook.city},
        )
    return (RulebookPublished(rulebook=rulebook),)


def _activate(command: ActivateRulebook, state: State) -> tuple[Event, ...] | Refusal:
    due_at = state.scheduled.get(command.version)
    if command.version == state.active_version and (due_at is None or due_at > command.effective_at):
        return ()
    if command.version > len(state.published):
        return _not_published(command.version, state)
    return (RulebookActivated(version=command.version, effective_at=command.effective_at),)


def _schedule(command: ScheduleRulebook, state: State) -> tuple[Event, ...] | Refusal:
    if command.version > len(state.published):
        return _not_published(command.version, state)
    if state.scheduled.get(command.version) == command.effective_at:
        return ()
    if command.effective_at <= command.asked_at:
        return Refusal(
            "rulebook.not_ahead",
            "A version is scheduled for an instant ahead. To put it in force now, leave `effective_at` out.",
            {"effective_at": command.effective_at.isoformat()},
        )
    return (RulebookScheduled(version=command.version, effective_at=command.effective_at),)


def _not_published(version: int, state: State) -> Refusal:
    return Refusal(
        "rulebook.not_published",
        f"Version {version} is not published. Publish it first, or activate up to {len(state.published)}.",
        {"version": str(version)},
    )
