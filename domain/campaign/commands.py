"""What may be asked of a campaign."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import AwareDatetime, Field

from domain.campaign.events import CampaignOpened
from domain.event import Frozen


class OpenCampaign(Frozen):
    """Begin to count. The same again is nothing."""

    campaign: CampaignOpened


class ProlongCampaign(Frozen):
    """Let it end at another time."""

    ends_at: AwareDatetime
    reason: Annotated[str, Field(min_length=1, max_length=2_000)]


CampaignCommand: TypeAlias = OpenCampaign | ProlongCampaign
