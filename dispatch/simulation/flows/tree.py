"""Changes of the tree: borders that move, now or ahead, whole or by halves; a department below another center."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from dispatch.directory_entries import TreeChangeEntry
from dispatch.handling.scribe import Outcome, Request
from dispatch.simulation.city import CITY, strip
from dispatch.simulation.flows.flow import ASTRAY, Acts, Flow
from dispatch.simulation.serving import ApiProcess
from domain.center.events import CenterChange, TreeChangeScheduled

Strip: TypeAlias = tuple[float, float]
"""West and east, in degrees: all ground of the simulated city is in strips from north to south."""
STATIONS = ("s-west", "s-mid", "s-east")
WEST, EAST = "d-west", "b-east"
MOVES, ABOVE = "dept-fire", ("city", "d-west")
"""A department that stands below the one or the other."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The tree as one process knows it."""

    strips: Mapping[str, Strip]
    changes: tuple[TreeChangeEntry, ...]


class Tree(Flow):
    """The city's office that draws borders."""

    async def border(self) -> None:
        """Between two stations of one district, or between the district and the branch, with all that lies there."""
        seen = await self._seen()
        west, mid, east = (seen.strips[code] for code in STATIONS)
        if self.chance.happens(0.5):
            at = self._between(west[0], mid[1])
            await self._change({"s-west": (west[0], at), "s-mid": (at, mid[1])})
        else:
            at = self._between(mid[0], east[1])
            outer = seen.strips[WEST][0], seen.strips[EAST][1]
            inner = {"s-mid": (mid[0], at), "s-east": (at, east[1])}
            await self._change({WEST: (outer[0], at), EAST: (at, outer[1])} | inner)

    async def half(self) -> None:
        """One station alone grows into another, which is refused, or leaves ground to nobody, which is warned of."""
        seen = await self._seen()
        code = self.chance.one_of(STATIONS)
        west, east = seen.strips[code]
        by = self.chance.one_of((-0.02, -0.01, 0.01))
        if east + by > west:
            await self._change({code: (west, round(east + by, 3))})

    async def move(self) -> None:
        """A department, with its units, below another center."""
        centers = self.world.city.centers
        above = centers[self.chance.one_of(ABOVE)].center_id
        await self._ask((CenterChange(center_id=centers[MOVES].center_id, code=MOVES, parent_id=above),))

    async def call_off(self) -> None:
        """One that is still to come; or one that was decided."""
        seen = await self._seen()
        wanted = [one for one in seen.changes if one.state == "scheduled"]
        options = list(seen.changes) if self.chance.happens(ASTRAY) else wanted
        if options:
            change_id = self.chance.one_of(options).id
            await self.seat.command(
                "call off", {"change": change_id}, lambda api, asked: api.tree.call_off(change_id, "not yet", asked)
            )

    async def _change(self, strips: Mapping[str, Strip]) -> None:
        centers = self.world.city.centers
        changes = tuple(
            CenterChange(center_id=centers[code].center_id, code=code, area=strip(*ground))
            for code, ground in strips.items()
        )
        await self._ask(changes)

    async def _ask(self, changes: tuple[CenterChange, ...]) -> None:
        ahead_at = self.in_s(1.0, 18.0) if self.chance.happens(0.6) else None
        meaning = {"changes": [one.model_dump(mode="json") for one in changes], "at": ahead_at}

        async def run(api: ApiProcess, asked: Request) -> Outcome:
            change = TreeChangeScheduled(
                city=CITY, changes=changes, effective_at=ahead_at or asked.received_at, reason="by decree"
            )
            return await api.tree.schedule(change, asked, left={})

        await self.seat.command("change the tree", meaning, run)

    async def _seen(self) -> Seen:
        return await self.seat.insist("look at the tree", self._known)

    async def _known(self, api: ApiProcess) -> Seen:
        directory, strips = api.directory, dict[str, Strip]()
        for code in (*STATIONS, WEST, EAST):
            entry = directory.centers[self.world.city.centers[code].center_id]
            corners = [lon for polygon in entry.area for ring in polygon for lon, _ in ring]
            strips[code] = min(corners), max(corners)
        return Seen(strips, tuple(directory.changes.values()))

    def _between(self, west: float, east: float) -> float:
        """Some hundredth of a degree, so that two draw the same border now and then."""
        return round(west + (east - west) * self.chance.whole(1, 5) / 6, 2)

    acts: ClassVar[Acts] = {border: 6, half: 3, move: 2, call_off: 2}
