"""Operations, each on a stream of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from dispatch.handling.scribe import Change, Loaded, Outcome, Request, Scribe, check_version
from domain.operation.commands import OperationCommand
from domain.operation.decider import INITIAL, OperationState, decide, evolve
from domain.refusals import Refusal, Refused


class OperationDesk:
    """Plans and runs operations. Raises `Refused`, `Conflict`, `Unavailable`."""

    def __init__(self, scribe: Scribe) -> None:
        self._scribe = scribe

    async def state(self, operation_id: UUID) -> Loaded[OperationState]:
        """The operation as decided so far. Refused `operation.unknown`."""
        loaded = await self._scribe.load(operation_id, INITIAL, evolve)
        if loaded.state.phase is None:
            raise Refused("operation.unknown", "There is no such operation. Check its code.")
        return loaded

    async def execute(self, operation_id: UUID, command: OperationCommand, request: Request, **answer: str) -> Outcome:
        """Decide and record."""

        async def attempt() -> tuple[Sequence[Change], Mapping[str, Any]] | Refusal:
            loaded = await self._scribe.load(operation_id, INITIAL, evolve)
            check_version(loaded, request)
            decided = decide(command, loaded.state)
            if isinstance(decided, Refusal):
                return decided
            changes = [Change(operation_id, loaded.version, decided)] if decided else []
            return changes, {"operation_id": str(operation_id), **answer}

        return await self._scribe.decide(attempt, request)
