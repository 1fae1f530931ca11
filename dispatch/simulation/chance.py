"""All chance of a simulated run: streams of dice that follow from the seed and a name.

Each part draws from its own stream, so that a further draw in one part does not change what the others do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from random import Random  # noqa: TID251  # the one place of a simulation that throws dice, all of them seeded
from typing import TypeVar
from uuid import UUID

T = TypeVar("T")
MILLISECOND_BITS = (1 << 48) - 1


class Chance:
    """One stream of dice."""

    def __init__(self, seed: int, name: str) -> None:
        self._dice = Random(f"{seed}/{name}")  # noqa: S311  # not for secrets: the same seed must give the same run

    def happens(self, probability: float) -> bool:
        """Whether something of this probability happens now."""
        return self._dice.random() < probability

    def between(self, low: float, high: float) -> float:
        """A number of the interval, any as likely."""
        return low + (high - low) * self._dice.random()

    def whole(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + int(self._dice.random() * (high - low + 1))

    def one_of(self, options: Sequence[T]) -> T:
        """One of at least one option."""
        return options[int(self._dice.random() * len(options))]

    def weighted(self, options: Mapping[T, int]) -> T:
        """One of the options, in proportion to its weight."""
        mark = self._dice.random() * sum(options.values())
        *others, last = options.items()
        for option, weight in others:
            mark -= weight
            if mark < 0:
                return option
        return last[0]

    def bits(self, count: int) -> int:
        """That many bits."""
        return self._dice.getrandbits(count)

    def delay_s(self) -> float:
        """How long something takes on the way: mostly a millisecond or two, now and then much longer."""
        if self.happens(0.97):
            return self.between(0.0002, 0.004)
        return self.between(0.004, 0.4)


class SeededIds:
    """`dispatch.ports.Ids` with the shape of the real ones (UUIDv7), of virtual time and seeded bits."""

    def __init__(self, chance: Chance, now: datetime) -> None:
        self._chance = chance
        self._start_ms = int(now.astimezone(UTC).timestamp() * 1_000)
        self._count = 0

    def new(self) -> UUID:
        """A new id; the next one is later."""
        self._count += 1
        value = (self._start_ms + self._count & MILLISECOND_BITS) << 80 | self._chance.bits(80)
        value = value & ~(0xF << 76) | 0x7 << 76
        return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)
