"""Facts about the rulebook. One stream a city (`identifiers.rulebook_stream`)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import AwareDatetime, Field

from domain.event import Event
from domain.rulebook.content import Rulebook


class RulebookPublished(Event):
    """A version exists; it decides nothing until activated."""

    name: ClassVar[str] = "rulebook.published"
    rulebook: Rulebook


class RulebookActivated(Event):
    """This version decides from here on."""

    name: ClassVar[str] = "rulebook.activated"
    version: int = Field(ge=1)
    effective_at: AwareDatetime


class RulebookScheduled(Event):
    """This version is to decide from then on. When its time comes that is a fact of its own: `rulebook.activated`."""

    name: ClassVar[str] = "rulebook.scheduled"
    version: int = Field(ge=1)
    effective_at: AwareDatetime


class RulebookUnscheduled(Event):
    """It is not to be put in force by itself after all."""

    name: ClassVar[str] = "rulebook.unscheduled"
    version: int = Field(ge=1)
    reason: str = Field(max_length=2_000)


EVENTS: tuple[type[Event], ...] = (RulebookPublished, RulebookActivated, RulebookScheduled, RulebookUnscheduled)
