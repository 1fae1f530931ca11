"""Facts about what came of an incident. A stream of their own, `identifiers.outcome_of(incident_id)`, so that what is
learned months after the file was closed makes nobody's decision stale.

A case is somebody else's: the police's, the court's. Many incidents may lead to one, and one to many (flows F2 and F3).
People are counted apart from incidents, never named: 20 persons caught in one night are one incident.
"""

from __future__ import annotations

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from domain.event import Event, Frozen
from domain.vocabulary import ExternalCaseKind, PeopleOutcome

PEOPLE_MAX = 1_000_000
System = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,59}$")]
"""Code of the system that numbers the case."""
Number = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^\S(.*\S)?$")]


class ExternalCase(Frozen):
    """A case, as the system that keeps it numbers it."""

    system: System
    number: Number


class ExternalCaseLinked(Event):
    """The incident is part of this case, or helped to solve it."""

    name: ClassVar[str] = "outcome.external_case_linked"
    incident_id: UUID
    case: ExternalCase
    kind: ExternalCaseKind
    note: str | None = Field(default=None, max_length=2_000)


class ExternalCaseUnlinked(Event):
    """The link was wrong. Nothing else of the case changes."""

    name: ClassVar[str] = "outcome.external_case_unlinked"
    incident_id: UUID
    case: ExternalCase
    reason: str = Field(max_length=2_000)


class PeopleCounted(Event):
    """So many people were caught, helped, found …; a further count adds, a wrong one is struck."""

    name: ClassVar[str] = "outcome.people_counted"
    incident_id: UUID
    count_id: UUID
    outcome: PeopleOutcome
    people: int = Field(ge=1, le=PEOPLE_MAX)
    case: ExternalCase | None = None
    note: str | None = Field(default=None, max_length=2_000)


class CountStruck(Event):
    """A wrong count is struck, never deleted."""

    name: ClassVar[str] = "outcome.count_struck"
    incident_id: UUID
    count_id: UUID
    reason: str = Field(max_length=2_000)


class CampaignJoined(Event):
    """The incident counts for a campaign (flow F24)."""

    name: ClassVar[str] = "outcome.campaign_joined"
    incident_id: UUID
    campaign_id: UUID


class CampaignLeft(Event):
    """It does not count for the campaign, whether people had added it or the campaign's own rule."""

    name: ClassVar[str] = "outcome.campaign_left"
    incident_id: UUID
    campaign_id: UUID
    reason: str = Field(max_length=2_000)


EVENTS: tuple[type[Event], ...] = (
    ExternalCaseLinked,
    ExternalCaseUnlinked,
    PeopleCounted,
    CountStruck,
    CampaignJoined,
    CampaignLeft,
)
