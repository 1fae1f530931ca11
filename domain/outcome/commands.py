"""What may be said of an incident's outcome, in any phase of it. Ids are fields: nothing here makes one."""

from __future__ import annotations

from typing import Annotated, TypeAlias
from uuid import UUID

from pydantic import AwareDatetime, Field

from domain.event import Frozen
from domain.outcome.events import PEOPLE_MAX, ExternalCase
from domain.vocabulary import ExternalCaseKind, PeopleOutcome

Note = Annotated[str, Field(min_length=1, max_length=2_000)]


class LinkExternalCase(Frozen):
    """Say which case it is part of. The same link again is nothing; another kind of the same case replaces the old."""

    incident_id: UUID
    case: ExternalCase
    kind: ExternalCaseKind
    note: Note | None = None


class UnlinkExternalCase(Frozen):
    """Take a wrong link back."""

    incident_id: UUID
    case: ExternalCase
    reason: Note


class CountPeople(Frozen):
    """Add so many people. A case that is named must be linked."""

    incident_id: UUID
    count_id: UUID
    outcome: PeopleOutcome
    people: Annotated[int, Field(ge=1, le=PEOPLE_MAX)]
    case: ExternalCase | None = None
    note: Note | None = None


class StrikeCount(Frozen):
    """Strike a wrong count, once."""

    incident_id: UUID
    count_id: UUID
    reason: Note


class JoinCampaign(Frozen):
    """Count the incident for a campaign. What the campaign admits, and when, comes with it."""

    incident_id: UUID
    campaign_id: UUID
    opened_at: AwareDatetime
    begins_at: AwareDatetime
    ends_at: AwareDatetime


class LeaveCampaign(Frozen):
    """Count it no longer."""

    incident_id: UUID
    campaign_id: UUID
    reason: Note


OutcomeCommand: TypeAlias = (
    LinkExternalCase | UnlinkExternalCase | CountPeople | StrikeCount | JoinCampaign | LeaveCampaign
)
