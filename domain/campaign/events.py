"""Facts about campaigns. A campaign counts; it routes nothing and dispatches nobody."""

from __future__ import annotations

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from domain.event import Event

Category = Annotated[str, Field(min_length=1, max_length=100)]


class CampaignOpened(Event):
    """It counts incidents opened in [begins_at, ends_at): those of its categories under its centers, and those that
    people add (`outcome.campaign_joined`), without those that people take out. No categories: only what is added.
    """

    name: ClassVar[str] = "campaign.opened"
    city: str
    code: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,60}$")
    name_zh: str = Field(min_length=1, max_length=200)
    name_en: str = Field(min_length=1, max_length=200)
    purpose: str = Field(min_length=1, max_length=2_000)
    categories: tuple[Category, ...] = Field(default=(), max_length=200)
    center_ids: tuple[UUID, ...] = Field(default=(), max_length=200)
    """Empty: the whole city."""
    begins_at: AwareDatetime
    ends_at: AwareDatetime


class CampaignProlonged(Event):
    """It ends at another time, later or earlier."""

    name: ClassVar[str] = "campaign.prolonged"
    ends_at: AwareDatetime
    reason: str = Field(max_length=2_000)


EVENTS: tuple[type[Event], ...] = (CampaignOpened, CampaignProlonged)
