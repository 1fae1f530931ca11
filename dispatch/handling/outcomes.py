"""What came of incidents, and the campaigns that count them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias
from uuid import UUID, uuid5

from dispatch.handling.scribe import Change, Outcome, Request, Scribe, as_fact, check_version
from domain.campaign import decider as campaign
from domain.campaign.commands import CampaignCommand
from domain.campaign.decider import CampaignState
from domain.event import Event
from domain.identifiers import outcome_of
from domain.outcome.commands import CountPeople, JoinCampaign, LinkExternalCase, OutcomeCommand
from domain.outcome.decider import INITIAL, decide, evolve
from domain.outcome.events import ExternalCase
from domain.refusals import Refusal, Refused
from domain.vocabulary import PeopleOutcome

Attempt: TypeAlias = tuple[Sequence[Change], Mapping[str, Any]] | Refusal


class OutcomeDesk:
    """Records outcomes. Raises `Refused`, `Conflict`, `Unavailable`.

    Nobody states a version: two offices that add what each knows are no race, and neither must look again.
    """

    def __init__(self, scribe: Scribe) -> None:
        self._scribe = scribe

    async def link_case(self, command: LinkExternalCase, request: Request) -> Outcome:
        """Link the incident to a case."""
        return await self.execute(command, request, {"case": command.case.model_dump()})

    async def count_people(
        self,
        incident_id: UUID,
        outcome: PeopleOutcome,
        people: int,
        request: Request,
        *,
        case: ExternalCase | None = None,
        note: str | None = None,
    ) -> Outcome:
        """Count people. The answer names the `count_id`."""
        count_id = uuid5(request.request_id, "count")
        command = CountPeople(
            incident_id=incident_id, count_id=count_id, outcome=outcome, people=people, case=case, note=note
        )
        return await self.execute(command, request, {"count_id": str(count_id)})

    async def join_campaign(self, incident_id: UUID, campaign_id: UUID, request: Request) -> Outcome:
        """Count the incident for a campaign. Refused `campaign.unknown`, `outcome.outside_campaign`."""
        counted = (await self._scribe.load(campaign_id, campaign.INITIAL, campaign.evolve)).state
        first = await self._scribe.log.read_stream(incident_id, limit=1)
        if counted.opened is None or counted.ends_at is None:
            raise Refused("campaign.unknown", "There is no such campaign. Check its code.")
        assert first, "the caller saw the incident"
        command = JoinCampaign(
            incident_id=incident_id,
            campaign_id=campaign_id,
            opened_at=as_fact(first[0]).occurred_at,
            begins_at=counted.opened.begins_at,
            ends_at=counted.ends_at,
        )
        return await self.execute(command, request, {"campaign_id": str(campaign_id)})

    async def execute(self, command: OutcomeCommand, request: Request, answer: Mapping[str, Any]) -> Outcome:
        """Decide on the outcome stream's own version, again if somebody was first."""
        request = replace(request, expected_version=None)

        async def attempt() -> Attempt:
            loaded = await self._scribe.load(outcome_of(command.incident_id), INITIAL, evolve)
            decided = decide(command, loaded.state)
            if isinstance(decided, Refusal):
                return decided
            return _changes(loaded.stream_id, loaded.version, decided, command.incident_id), {
                "incident_id": str(command.incident_id),
                **answer,
            }

        return await self._scribe.decide(attempt, request)


class CampaignDesk:
    """Opens and prolongs campaigns. Raises `Refused`, `Conflict`, `Unavailable`."""

    def __init__(self, scribe: Scribe) -> None:
        self._scribe = scribe

    async def state(self, campaign_id: UUID) -> CampaignState:
        """The campaign as decided so far. Refused `campaign.unknown`."""
        state = (await self._scribe.load(campaign_id, campaign.INITIAL, campaign.evolve)).state
        if state.opened is None:
            raise Refused("campaign.unknown", "There is no such campaign. Check its code.")
        return state

    async def execute(self, campaign_id: UUID, command: CampaignCommand, request: Request) -> Outcome:
        """Decide and record."""

        async def attempt() -> Attempt:
            loaded = await self._scribe.load(campaign_id, campaign.INITIAL, campaign.evolve)
            check_version(loaded, request)
            decided = campaign.decide(command, loaded.state)
            if isinstance(decided, Refusal):
                return decided
            return _changes(campaign_id, loaded.version, decided, None), {"campaign_id": str(campaign_id)}

        return await self._scribe.decide(attempt, request)


def _changes(stream_id: UUID, version: int, events: tuple[Event, ...], incident_id: UUID | None) -> list[Change]:
    return [Change(stream_id, version, events, correlation_id=incident_id)] if events else []
