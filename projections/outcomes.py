"""What came of incidents: one row a link to a case, a count of people, or a campaign. What was struck has no row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from domain.event import Event, Fact
from domain.identifiers import within
from domain.outcome import events as outcome
from projections import city_tables
from projections.addressing import OUTCOMES, incident_of, names
from projections.projection import Key, Projection, Row
from projections.shown import columns_shown

CASE, PEOPLE, CAMPAIGN, NOT_CAMPAIGN = "external_case", "people", "campaign", "not_campaign"


class Outcomes(Projection):
    """One row an entry."""

    name = "outcomes"
    version = 1
    table = city_tables.outcomes
    topics = names(OUTCOMES)
    is_append_only = False
    entity = staticmethod(incident_of)

    def keys(self, fact: Fact[Event]) -> Sequence[Key]:
        """The entry that the fact makes, changes or takes away."""
        event = fact.gist()
        match event:
            case outcome.ExternalCaseLinked() | outcome.ExternalCaseUnlinked():
                entry_id = case_entry(event.incident_id, event.case)
            case outcome.PeopleCounted() | outcome.CountStruck():
                entry_id = event.count_id
            case outcome.CampaignJoined() | outcome.CampaignLeft():
                entry_id = event.campaign_id
            case _:
                return ()
        return ((event.incident_id, entry_id),)

    def apply(self, key: Key, row: Row | None, fact: Fact[Event]) -> Row | None:
        """The entry after the fact."""
        match fact.gist():
            case outcome.ExternalCaseLinked() as said:
                return _entry(key, fact, CASE, case_kind=said.kind.value, note=said.note) | _case(said.case)
            case outcome.PeopleCounted() as said:
                counted = _entry(key, fact, PEOPLE, outcome=said.outcome.value, people=said.people, note=said.note)
                return counted | _case(said.case)
            case outcome.CampaignJoined(campaign_id=campaign_id):
                return _entry(key, fact, CAMPAIGN, campaign_id=campaign_id)
            case outcome.CampaignLeft(campaign_id=campaign_id, reason=reason):
                return _entry(key, fact, NOT_CAMPAIGN, campaign_id=campaign_id, note=reason)
            case outcome.ExternalCaseUnlinked() | outcome.CountStruck():
                return None
            case _:
                return row


def case_entry(incident_id: UUID, case: outcome.ExternalCase) -> UUID:
    """The entry of one case on one incident."""
    return within(incident_id, f"case\x1f{case.system}\x1f{case.number}")


item = columns_shown(city_tables.outcomes.columns)
"""An entry as JSON shows it."""


def _entry(key: Key, fact: Fact[Event], kind: str, **said: Any) -> dict[str, Any]:
    incident_id, entry_id = key
    nothing = dict.fromkeys(column.name for column in city_tables.outcomes.columns)
    return {
        **nothing,
        "incident_id": incident_id,
        "entry_id": entry_id,
        "kind": kind,
        "said_at": fact.occurred_at,
        "said_by": fact.actor.id,
        "said_position": fact.position,
        **said,
    }


def _case(case: outcome.ExternalCase | None) -> dict[str, Any]:
    return {"system": None, "number": None} if case is None else {"system": case.system, "number": case.number}
