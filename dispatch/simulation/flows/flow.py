"""One kind of work, done by whoever sits at a seat: it looks at screens, which may be old, and asks for something."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, TypeAlias, TypeVar
from uuid import UUID

from dispatch.simulation.people import Person, Row
from domain.ownership import Ownership

T = TypeVar("T")
STATED = 0.4
"""How often a decision names the version it was made on."""
ASTRAY = 0.08
"""How often somebody asks for what the rules must refuse, or in the name of somebody else."""
HOT = 4
"""The last rows of a screen: where everybody looks."""

Acts: TypeAlias = Mapping[Callable[[Any], Awaitable[None]], int]


class Flow:
    """The acts of a flow, each with its weight."""

    acts: ClassVar[Acts]

    def __init__(self, seat: Person) -> None:
        self.seat = seat
        self.world = seat.world
        self.chance = seat.chance

    async def act(self) -> None:
        """Do something of it."""
        await self.chance.weighted(self.acts)(self)

    def rows(self, name: str) -> list[Row]:
        """What a screen shows now, the oldest first."""
        return list(self.world.screens.rows[name].values())

    def row(self, name: str, wanted: Callable[[Row], bool] = lambda _: True) -> Row | None:
        """One of the last rows that are wanted; the same few are everybody's."""
        found = [row for row in self.rows(name) if wanted(row)]
        return self.chance.one_of(found[-HOT:]) if found else None

    def some(self, options: Sequence[T], most: int) -> tuple[T, ...]:
        """One to `most` different ones, in the order of the options."""
        count = min(self.chance.whole(1, most), len(options))
        first = self.chance.whole(0, len(options) - count)
        return tuple(options[first : first + count])

    def center(self) -> Ownership:
        """Any center."""
        return self.chance.one_of(tuple(self.world.city.centers.values()))

    def operator(self, center_id: UUID) -> UUID:
        """Somebody who works there; a headquarters has nobody of its own, and anybody may sit in it."""
        city = self.world.city
        return self.chance.one_of(city.staff.get(center_id, city.operators))

    def in_s(self, low: float, high: float) -> datetime:
        """An instant so many seconds ahead."""
        return self.world.clock.now() + timedelta(seconds=round(self.chance.between(low, high), 3))

    def stated(self, row: Row, column: str = "version") -> int | None:
        """The version that was looked at, if the decision names it."""
        return int(row[column]) if self.chance.happens(STATED) else None
