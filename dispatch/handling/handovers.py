"""Hand-overs of shifts. Signing one moves the giver's claims in the same append: both, or neither."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias
from uuid import UUID

from dispatch.handling.scribe import Change, Loaded, Outcome, Request, Scribe, check_version
from domain.event import Event
from domain.handover.commands import HandoverCommand, SignHandover
from domain.handover.decider import INITIAL, HandoverState, decide, evolve, unknown
from domain.handover.events import HandoverOffered
from domain.incident.commands import ClaimIncident, ReleaseClaim
from domain.incident.decider import INITIAL as INCIDENT
from domain.incident.decider import IncidentState
from domain.incident.decider import decide as decide_incident
from domain.incident.decider import evolve as evolve_incident
from domain.refusals import Refusal, Refused
from domain.vocabulary import ClaimsOnSigning

Attempt: TypeAlias = tuple[Sequence[Change], Mapping[str, Any]] | Refusal


class HandoverDesk:
    """Offers, signs and declines. Raises `Refused`, `Conflict`, `Unavailable`."""

    def __init__(self, scribe: Scribe) -> None:
        self._scribe = scribe

    async def state(self, handover_id: UUID) -> Loaded[HandoverState]:
        """The hand-over as decided so far. Refused `handover.unknown`."""
        loaded = await self._scribe.load(handover_id, INITIAL, evolve)
        if loaded.state.offered is None:
            raise Refused.by(unknown())
        return loaded

    async def execute(self, handover_id: UUID, command: HandoverCommand, request: Request) -> Outcome:
        """Offer or decline: its own stream only."""

        async def attempt() -> Attempt:
            loaded = await self._scribe.load(handover_id, INITIAL, evolve)
            check_version(loaded, request)
            decided = decide(command, loaded.state)
            if isinstance(decided, Refusal):
                return decided
            return [Change(handover_id, loaded.version, decided)], {"handover_id": str(handover_id)}

        return await self._scribe.decide(attempt, request)

    async def sign(
        self, handover_id: UUID, command: SignHandover, request: Request, *, claimed: Collection[UUID]
    ) -> Outcome:
        """Sign, and release the giver's claims. `claimed`: incidents that the giver may have, beside those listed so.

        The caller's version is the hand-over's: somebody who is first on an incident only has it decided anew.
        """
        asked = replace(request, expected_version=None)

        async def attempt() -> Attempt:
            loaded = await self._scribe.load(handover_id, INITIAL, evolve)
            check_version(loaded, request)
            offered = loaded.state.offered
            if offered is None:
                return unknown()
            found = await self._still_claimed(offered, claimed)
            ids = tuple(one.stream_id for one in found)
            decided = decide(command.model_copy(update={"claimed": ids}), loaded.state)
            if isinstance(decided, Refusal):
                return decided
            changes = [Change(handover_id, loaded.version, decided)]
            if decided:
                changes += [_moved(one, offered, command.claims) for one in found]
            return changes, {"handover_id": str(handover_id)}

        return await self._scribe.decide(attempt, asked)

    async def _still_claimed(self, offered: HandoverOffered, claimed: Collection[UUID]) -> list[Loaded[IncidentState]]:
        """Incidents of the center that the giver has, as the log says now."""
        listed = [one.incident_id for one in offered.incidents if one.claimed_by == offered.giver_id]
        ids = list(dict.fromkeys((*listed, *claimed)))
        loaded = await self._scribe.load_many(ids, INCIDENT, evolve_incident)
        return [
            one
            for one in loaded.values()
            if one.state.claimed_by == offered.giver_id
            and one.state.owner is not None
            and one.state.owner.center_id == offered.center_id
        ]


def _moved(found: Loaded[IncidentState], offered: HandoverOffered, claims: ClaimsOnSigning) -> Change:
    """The giver no longer has it; with `take` the taker has, unless it has ended meanwhile."""
    events: tuple[Event, ...] = ()
    released = decide_incident(ReleaseClaim(operator_id=offered.giver_id), found.state)
    if not isinstance(released, Refusal):
        events += released
    if claims is ClaimsOnSigning.TAKE:
        taken = decide_incident(ClaimIncident(operator_id=offered.taker_id), found.state)
        if not isinstance(taken, Refusal):
            events += taken
    return Change(found.stream_id, found.version, events, correlation_id=found.stream_id)
