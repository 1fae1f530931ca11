"""Units as the log says now, without reading their years again each time."""

from __future__ import annotations

from uuid import UUID

from dispatch.handling.baselines import Baselines, Loaded
from domain.assignment.decider import INITIAL, UnitState, evolve


class UnitMemory:
    """Loads units from where they are known."""

    def __init__(self, baselines: Baselines) -> None:
        self._baselines = baselines

    def forget(self, unit_id: UUID) -> None:
        """Remember nothing of it: what we remember may not be what the log says."""
        self._baselines.forget(unit_id)

    async def load(self, unit_id: UUID) -> Loaded[UnitState]:
        """The unit as the log says now."""
        return await self._baselines.load(unit_id, INITIAL, evolve)
