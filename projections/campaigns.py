"""Campaigns, one row each. Which incidents they count is a query (`projections.queries.counters`)."""

from __future__ import annotations

from collections.abc import Sequence

from domain.campaign import events as campaign
from domain.event import Event, Fact
from projections import city_tables
from projections.addressing import names
from projections.projection import Key, Projection, Row
from projections.shown import columns_shown


class Campaigns(Projection):
    """One row a campaign."""

    name = "campaigns"
    version = 1
    table = city_tables.campaigns
    topics = names(campaign.EVENTS)
    is_append_only = False

    def keys(self, fact: Fact[Event]) -> Sequence[Key]:
        """The campaign."""
        return ((fact.stream_id,),)

    def apply(self, key: Key, row: Row | None, fact: Fact[Event]) -> Row | None:
        """The campaign after the fact."""
        match fact.gist():
            case campaign.CampaignOpened() as opened if row is None:
                return {
                    "campaign_id": fact.stream_id,
                    "city": opened.city,
                    "code": opened.code,
                    "name_zh": opened.name_zh,
                    "name_en": opened.name_en,
                    "purpose": opened.purpose,
                    "categories": list(opened.categories),
                    "center_ids": list(opened.center_ids),
                    "begins_at": opened.begins_at,
                    "ends_at": opened.ends_at,
                    "opened_position": fact.position,
                }
            case campaign.CampaignProlonged(ends_at=ends_at) if row is not None:
                return {**row, "ends_at": ends_at}
            case _:
                return row


item = columns_shown(city_tables.campaigns.columns)
"""A campaign as JSON shows it."""
