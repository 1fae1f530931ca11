"""Which units are still on an incident, by the log up to now.

Assignments are on the streams of their units, and the log has no index by incident. So the roster of units, which is
a fold, says who was there up to its own position; the log's tail says who came since; and the units' streams decide.
The roster may be behind, it is never believed.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from dispatch.handling.baselines import Baselines
from dispatch.handling.scribe import as_fact
from dispatch.handling.units import UnitMemory
from dispatch.ports import EventLog, Roster, Snapshots
from domain.assignment.events import AssignmentMade
from domain.policies.commitment import Commitment, commitments

TAIL_PAGE_EVENTS = 5_000


class Commitments:
    """Open assignments of incidents."""

    def __init__(self, log: EventLog, roster: Roster, snapshots: Snapshots | None = None) -> None:
        self._log = log
        self._roster = roster
        self._units = UnitMemory(Baselines(log, snapshots))

    async def of(self, incident_ids: Collection[UUID]) -> tuple[Commitment, ...]:
        """Every open assignment to one of these incidents, in the order of unit ids. Raises `Unavailable`."""
        known = await self._roster.assigned_to(tuple(incident_ids))
        unit_ids = known.unit_ids | await self._sent_since(known.position, incident_ids)
        found: list[Commitment] = []
        for unit_id in sorted(unit_ids):
            unit = await self._units.load(unit_id)
            found += commitments(unit_id, unit.version, unit.state, incident_ids)
        return tuple(found)

    async def _sent_since(self, position: int, incident_ids: Collection[UUID]) -> frozenset[UUID]:
        tip = (await self._log.tip()).position
        found = set()
        while position < tip:
            rows = await self._log.read_after(
                position, limit=TAIL_PAGE_EVENTS, up_to_position=tip, topics=[AssignmentMade.name]
            )
            for row in rows:
                made = as_fact(row).event
                assert isinstance(made, AssignmentMade), "asked for nothing else"
                if made.incident_id in incident_ids:
                    found.add(row.stream_id)
            position = rows[-1].position if len(rows) == TAIL_PAGE_EVENTS else tip
        return frozenset(found)
