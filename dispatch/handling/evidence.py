"""Requests for recordings, each on a stream of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid5

from dispatch.handling.scribe import Change, Loaded, Outcome, Request, Scribe, check_version
from domain.evidence.commands import EvidenceCommand, RequestEvidence
from domain.evidence.decider import INITIAL, EvidenceState, decide, evolve
from domain.refusals import Refusal, Refused


class EvidenceDesk:
    """Asks for recordings and keeps the chain. Raises `Refused`, `Conflict`, `Unavailable`."""

    def __init__(self, scribe: Scribe) -> None:
        self._scribe = scribe

    async def state(self, request_id: UUID) -> Loaded[EvidenceState]:
        """The request as decided so far. Refused `evidence.unknown`."""
        loaded = await self._scribe.load(request_id, INITIAL, evolve)
        if loaded.state.phase is None:
            raise Refused("evidence.unknown", "There is no such request. Check its id.")
        return loaded

    async def ask(self, command: RequestEvidence, request: Request) -> Outcome:
        """Ask for a recording. The answer names the `request_id`."""
        return await self.execute(uuid5(request.request_id, "evidence-request"), command, request)

    async def execute(self, request_id: UUID, command: EvidenceCommand, request: Request) -> Outcome:
        """Decide and record."""

        async def attempt() -> tuple[Sequence[Change], Mapping[str, Any]] | Refusal:
            loaded = await self._scribe.load(request_id, INITIAL, evolve)
            check_version(loaded, request)
            decided = decide(command, loaded.state)
            if isinstance(decided, Refusal):
                return decided
            changes = [Change(request_id, loaded.version, decided)] if decided else []
            return changes, {"request_id": str(request_id)}

        return await self._scribe.decide(attempt, request)
