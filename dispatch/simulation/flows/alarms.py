"""Alarm levels: raised because it spreads, lowered because it does not; and the plan's units sent by one decision."""

from __future__ import annotations

from typing import ClassVar

from dispatch.simulation.flows.flow import ASTRAY, HOT, Acts, Flow
from dispatch.simulation.people import LIVE, Row

PLANNED = frozenset({"fire.alarm", "flood.waterlogging", "traffic.accident"})
"""Categories that have a plan."""
BEYOND = 9
"""No plan has so many levels."""


class Alarms(Flow):
    """Whoever says how much is needed."""

    async def raise_(self) -> None:
        """To the next level, or to one that is not there, or is no higher."""
        row = self._planned()
        if row is not None:
            level = row["alarm_level"] + 1
            if self.chance.happens(2 * ASTRAY):
                level = self.chance.one_of((1, BEYOND))
            await self._set(row, level, raises=True)

    async def lower(self) -> None:
        """By one level or more; where nothing was raised there is nothing to lower."""
        row = self.row("board", lambda row: row["alarm_level"] > 1 and row["phase"] in LIVE) or self._planned()
        if row is not None:
            await self._set(row, self.chance.whole(1, max(1, row["alarm_level"] - 1)), raises=False)

    async def send(self) -> None:
        """Some units, whether the plan asks for them or not: each has its own answer."""
        row = self._planned()
        if row is None:
            return
        incident_id, unit_ids = row["incident_id"], self.some(tuple(self.world.city.units.values()), HOT)
        await self.seat.command(
            "send by the plan",
            {"incident": incident_id, "units": unit_ids},
            lambda api, asked: api.plans.assign(incident_id, unit_ids, asked),
        )

    async def _set(self, row: Row, level: int, *, raises: bool) -> None:
        incident_id, reason = row["incident_id"], "it spreads" if raises else "it is under control"
        await self.seat.command(
            "raise the alarm" if raises else "lower the alarm",
            {"incident": incident_id, "level": level, "raises": raises},
            lambda api, asked: api.plans.set_alarm(incident_id, level, asked, reason=reason, raises=raises),
            expected_version=self.stated(row, "decision_version"),
        )

    def _planned(self) -> Row | None:
        return self.row("board", lambda row: row["category"] in PLANNED and row["phase"] in LIVE)

    acts: ClassVar[Acts] = {raise_: 4, lower: 4, send: 3}
