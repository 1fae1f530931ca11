"""A campaign has a permanent code and a period that ends after it begins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from domain.campaign import events as fact
from domain.campaign.commands import OpenCampaign, ProlongCampaign
from domain.campaign.decider import INITIAL, decide, evolve
from tests.domain.deciding import Decider

campaign = Decider(decide, evolve, INITIAL)

BEGINS = datetime(2026, 6, 1, tzinfo=UTC)
OPENED = fact.CampaignOpened(
    city="chengdu",
    code="summer-2026",
    name_zh="夏季整治",
    name_en="Summer campaign",
    purpose="count what is done on the streets",
    begins_at=BEGINS,
    ends_at=BEGINS + timedelta(days=92),
)
LATER = BEGINS + timedelta(days=120)
PROLONG = ProlongCampaign(ends_at=LATER, reason="one month more")
PROLONGED = fact.CampaignProlonged(ends_at=LATER, reason="one month more")


def test_a_campaign_is_opened_once():
    campaign.given().when(OpenCampaign(campaign=OPENED)).then(OPENED)
    campaign.given(OPENED).when(OpenCampaign(campaign=OPENED)).then_nothing()


def test_a_code_belongs_to_one_campaign():
    other = OPENED.model_copy(update={"name_en": "Another"})
    campaign.given(OPENED).when(OpenCampaign(campaign=other)).then_refused(
        "campaign.code_taken", campaign="summer-2026"
    )


def test_a_campaign_ends_after_it_begins():
    backwards = OPENED.model_copy(update={"ends_at": BEGINS})
    campaign.given().when(OpenCampaign(campaign=backwards)).then_refused("campaign.no_period")
    early = PROLONG.model_copy(update={"ends_at": BEGINS})
    campaign.given(OPENED).when(early).then_refused("campaign.no_period")


def test_it_is_prolonged():
    campaign.given(OPENED).when(PROLONG).then(PROLONGED)
    campaign.given(OPENED, PROLONGED).when(PROLONG).then_nothing()


def test_only_what_exists_is_prolonged():
    campaign.given().when(PROLONG).then_refused("campaign.unknown")
