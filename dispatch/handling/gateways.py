"""What gateways promise, as administrators say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from dispatch.handling.scribe import Change, Outcome, Request, Scribe
from domain.gateway.commands import GatewayCommand
from domain.gateway.decider import INITIAL, decide, evolve
from domain.refusals import Refusal


class GatewayDesk:
    """Decides about gateways. Raises `Refused`, `Conflict`, `Unavailable`."""

    def __init__(self, scribe: Scribe) -> None:
        self._scribe = scribe

    async def execute(self, gateway_id: UUID, command: GatewayCommand, request: Request) -> Outcome:
        """One command on one gateway."""

        async def attempt() -> tuple[Sequence[Change], Mapping[str, Any]] | Refusal:
            loaded = await self._scribe.load(gateway_id, INITIAL, evolve)
            decided = decide(command, loaded.state)
            if isinstance(decided, Refusal):
                return decided
            changes = [Change(gateway_id, loaded.version, decided)] if decided else []
            return changes, {"gateway_id": str(gateway_id)}

        return await self._scribe.decide(attempt, request)
