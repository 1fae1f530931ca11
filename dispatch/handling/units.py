"""Units as the log says now, without reading their years again each time."""

from __future__ import annotations

from uuid import UUID

from dispatch.handling.scribe import Loaded, as_fact
from dispatch.ports import EventLog
from domain.assignment.decider import INITIAL, UnitState, evolve

UNITS_REMEMBERED_MAX = 5_000
"""Units kept in memory, so that a unit's years are read once a process: 20,000 facts take a second to fold.

Only what was recorded is remembered, and the log never takes anything back; after a restore processes start anew.
"""
PAGE_EVENTS = 5_000


class UnitMemory:
    """Loads units; remembers what it has folded."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._remembered: dict[UUID, Loaded[UnitState]] = {}

    def forget(self, unit_id: UUID) -> None:
        """Read it all the next time: what we remember may not be what the log says."""
        self._remembered.pop(unit_id, None)

    async def load(self, unit_id: UUID) -> Loaded[UnitState]:
        """The unit as the log says now: what we remember, and what was recorded since."""
        unit = self._remembered.get(unit_id) or Loaded(unit_id, 0, INITIAL)
        while True:
            rows = await self._log.read_stream(unit_id, after_version=unit.version, limit=PAGE_EVENTS)
            state = unit.state
            for row in rows:
                state = evolve(state, as_fact(row).event)
            unit = Loaded(unit_id, rows[-1].version if rows else unit.version, state)
            if len(rows) < PAGE_EVENTS:
                break
        other = self._remembered.pop(unit_id, unit)
        self._remembered[unit_id] = max(unit, other, key=lambda known: known.version)
        if len(self._remembered) > UNITS_REMEMBERED_MAX:
            self._remembered.pop(next(iter(self._remembered)))
        return unit
