"""Commands of operators, each recorded on the person's own stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from dispatch.handling.scribe import Change, Outcome, Request, Scribe, check_version
from domain.operator.commands import OperatorCommand
from domain.operator.decider import INITIAL, decide, evolve
from domain.operator.events import ShiftStarted
from domain.refusals import Refusal


class OperatorDesk:
    """Enrols people and keeps their shifts."""

    def __init__(self, scribe: Scribe) -> None:
        self._scribe = scribe

    async def on_shift_at(self, operator_id: UUID) -> UUID | None:
        """The center at which the operator is on shift, if at all."""
        return (await self._scribe.load(operator_id, INITIAL, evolve)).state.on_shift_at

    async def shift_began_at(self, operator_id: UUID) -> int:
        """The position at which the operator's last shift began; 0: there was none."""
        rows = await self._scribe.log.read_stream(operator_id)
        return max((row.position for row in rows if row.topic == ShiftStarted.name), default=0)

    async def execute(self, operator_id: UUID, command: OperatorCommand, request: Request) -> Outcome:
        """Decide and record. Raises `Refused`, `Conflict`, `Unavailable`."""

        async def attempt() -> tuple[Sequence[Change], Mapping[str, Any]] | Refusal:
            loaded = await self._scribe.load(operator_id, INITIAL, evolve)
            check_version(loaded, request)
            decided = decide(command, loaded.state)
            if isinstance(decided, Refusal):
                return decided
            return [Change(operator_id, loaded.version, decided)], {"operator_id": str(operator_id)}

        return await self._scribe.decide(attempt, request)
