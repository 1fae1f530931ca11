"""Units: taken off one incident for another, mostly for the more urgent one, sometimes with a word why not."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from dispatch.handling.assignments import Diversion
from dispatch.simulation.flows.flow import HOT, Acts, Flow
from dispatch.simulation.people import LIVE, going

OVERRIDDEN = 0.4
"""How often a supervisor says why, although something speaks against it."""


class Units(Flow):
    """Whoever decides where units are needed."""

    async def divert(self) -> None:
        """One of those that were sent last goes elsewhere."""
        sent = going(self.rows("board"))
        target = self.row("board", lambda row: row["phase"] in LIVE)
        if not sent or target is None:
            return
        row, assignment_id, entry = self.chance.one_of(sent[-HOT:])
        unit_id = UUID(entry["unit_id"])
        wanted = Diversion(
            assignment_id=assignment_id,
            to_incident_id=target["incident_id"],
            reason="somebody is trapped there",
            override=self._word(),
            from_version=self.stated(row, "decision_version"),
            to_version=self.stated(target, "decision_version"),
        )
        meaning = {"divert": assignment_id, "to": wanted.to_incident_id, "although": wanted.override}
        await self.seat.command("divert", meaning, lambda api, asked: api.assignments.divert(unit_id, wanted, asked))

    def _word(self) -> str | None:
        return "it can wait here" if self.chance.happens(OVERRIDDEN) else None

    acts: ClassVar[Acts] = {divert: 6}
