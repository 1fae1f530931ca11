"""Which of the units that the rules ask for are there. Each unit counts once, however many things it could do.

A ladder is a fire engine too: counted as an engine it would leave the ladder missing, though it stands there. So units
are dealt out such that as many wants as possible are filled (augmenting paths; there are a dozen of each at most), and
a unit is tried on what asks for most first: a ladder that stands there alone is the ladder.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol


class Want(Protocol):
    """As `WantedUnits`, as a response rule, or as a row has it."""

    @property
    def agency(self) -> str:
        """Whose."""

    @property
    def unit_kinds(self) -> Sequence[str]:
        """Any of these."""

    @property
    def skills(self) -> Sequence[str]:
        """All of these."""

    @property
    def units(self) -> int:
        """How many."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A unit on the incident.

    `kind` None: sent before that was recorded; it counts for anything that its agency is asked for.
    """

    agency: str
    kind: str | None
    skills: Collection[str] = ()


def fills(unit: Sent, want: Want) -> bool:
    """Whether the unit is one of those wanted."""
    if unit.agency != want.agency:
        return False
    return unit.kind is None or (unit.kind in want.unit_kinds and set(unit.skills).issuperset(want.skills))


def dealt(wants: Sequence[Want], units: Sequence[Sent]) -> list[int | None]:
    """For each unit the want it fills, None where it fills none.

    As many wants as possible are filled; of two units that could do the same, the one that comes first has it.
    """
    holders: list[list[int]] = [[] for _ in wants]
    order = sorted(range(len(wants)), key=lambda number: _rarity(wants[number]))

    def place(unit: int, tried: set[int]) -> bool:
        for number in order:
            want = wants[number]
            if number in tried or not fills(units[unit], want):
                continue
            tried.add(number)
            if len(holders[number]) < want.units:
                holders[number].append(unit)
                return True
            for slot, other in enumerate(holders[number]):
                if place(other, tried):
                    holders[number][slot] = unit
                    return True
        return False

    for unit in range(len(units)):
        place(unit, set())
    found: list[int | None] = [None] * len(units)
    for number, held in enumerate(holders):
        for unit in held:
            found[unit] = number
    return found


def _rarity(want: Want) -> tuple[int, int, int]:
    """What asks for more skills, fewer kinds and fewer units comes first."""
    return -len(want.skills), len(want.unit_kinds), want.units


def there(wants: Sequence[Want], units: Sequence[Sent]) -> list[int]:
    """How many of each want are filled."""
    counts = [0] * len(wants)
    for number in dealt(wants, units):
        if number is not None:
            counts[number] += 1
    return counts
