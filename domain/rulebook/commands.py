"""What may be asked of a city's rulebook."""

from __future__ import annotations

from typing import TypeAlias

from pydantic import AwareDatetime, Field

from domain.event import Frozen
from domain.rulebook.content import Rulebook


class PublishRulebook(Frozen):
    """Make a version known. It decides nothing until activated."""

    rulebook: Rulebook


class ActivateRulebook(Frozen):
    """Let a published version decide from here on; an older one too, which is how a bad change is taken back."""

    version: int = Field(ge=1)
    effective_at: AwareDatetime


class ScheduleRulebook(Frozen):
    """Let a published version decide from an instant ahead on. Scheduled again, it is another instant."""

    version: int = Field(ge=1)
    effective_at: AwareDatetime
    asked_at: AwareDatetime


class UnscheduleRulebook(Frozen):
    """Let it not be put in force by itself."""

    version: int = Field(ge=1)
    reason: str = Field(min_length=1, max_length=2_000)


RulebookCommand: TypeAlias = PublishRulebook | ActivateRulebook | ScheduleRulebook | UnscheduleRulebook
