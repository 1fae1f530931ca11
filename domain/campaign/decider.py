"""Rules of campaigns: a code is permanent, a period has a beginning before its end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias, assert_never

from domain.campaign.commands import CampaignCommand, OpenCampaign, ProlongCampaign
from domain.campaign.events import CampaignOpened, CampaignProlonged
from domain.event import Event
from domain.refusals import Refusal

Decision: TypeAlias = tuple[Event, ...] | Refusal


@dataclass(frozen=True, slots=True)
class CampaignState:
    """What a rule reads. `opened` is None before it exists."""

    opened: CampaignOpened | None = None
    ends_at: datetime | None = None


INITIAL = CampaignState()


def evolve(state: CampaignState, event: Event) -> CampaignState:
    """The campaign after a fact."""
    match event:
        case CampaignOpened():
            return CampaignState(event, event.ends_at)
        case CampaignProlonged(ends_at=ends_at):
            return replace(state, ends_at=ends_at)
        case _:
            return state


def decide(command: CampaignCommand, state: CampaignState) -> Decision:
    """Facts, nothing, or a refusal."""
    match command:
        case OpenCampaign():
            return _open(command.campaign, state)
        case ProlongCampaign():
            return _prolong(command, state)
        case _:
            assert_never(command)


def _open(campaign: CampaignOpened, state: CampaignState) -> Decision:
    if state.opened is not None:
        if state.opened == campaign:
            return ()
        detail = f"There is a campaign {campaign.code} already. Give the new one another code."
        return Refusal("campaign.code_taken", detail, {"campaign": campaign.code})
    if campaign.ends_at <= campaign.begins_at:
        return _no_period(campaign.begins_at, campaign.ends_at)
    return (campaign,)


def _prolong(command: ProlongCampaign, state: CampaignState) -> Decision:
    if state.opened is None:
        return Refusal("campaign.unknown", "There is no such campaign. Check its id.")
    if command.ends_at <= state.opened.begins_at:
        return _no_period(state.opened.begins_at, command.ends_at)
    if command.ends_at == state.ends_at:
        return ()
    return (CampaignProlonged(ends_at=command.ends_at, reason=command.reason),)


def _no_period(begins_at: datetime, ends_at: datetime) -> Refusal:
    values = {"begins_at": begins_at.isoformat(), "ends_at": ends_at.isoformat()}
    detail = f"A campaign must end after it begins ({values['begins_at']}). Choose a later `ends_at`."
    return Refusal("campaign.no_period", detail, values)
