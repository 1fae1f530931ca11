"""A unit that stands by for a center goes home when every minimum that it stands by for has enough without it."""

from __future__ import annotations

from uuid import UUID

import pytest

from domain.assignment.events import UnitRecalled
from domain.cover.decider import INITIAL
from domain.event import GeoPoint
from domain.identifiers import center_id, cover_of, unit_id
from domain.ownership import Ownership
from domain.policies.cover import CoverUnit, Decided, Minimum, evaluate
from domain.rulebook.content import CoverRule
from domain.vocabulary import UnitKind

CITY, HERE = "chengdu", GeoPoint(lon=104.05, lat=30.65)
CAR, CYCLE = UnitKind.PATROL_CAR, UnitKind.MOTORCYCLE
ROOT, EAST, WEST = (center_id(CITY, code) for code in ("city", "east", "west"))


def standing(center: UUID) -> Ownership:
    return Ownership(center_id=center, path=(ROOT, center))


def minimum(code: str, count: int, *kinds: UnitKind, center: UUID = EAST) -> Minimum:
    rule = CoverRule(code=code, center_code="east", kinds=kinds, minimum=count)
    return Minimum(rule, standing(center), HERE, cover_of(CITY, code))


def unit(call_sign: str, kind: UnitKind = CAR, *, guest: bool = False, free: bool = True) -> CoverUnit:
    return CoverUnit(
        unit_id=unit_id(CITY, call_sign),
        call_sign=call_sign,
        agency="police",
        kind=kind,
        base=standing(WEST if guest else EAST),
        place=HERE,
        is_free=free,
        posted=standing(EAST) if guest else None,
    )


def decided(minima: list[Minimum], *units: CoverUnit) -> Decided:
    return evaluate(minima, {each.stream_id: INITIAL for each in minima}, units, 7)


def recalled(minima: list[Minimum], *units: CoverUnit) -> list[str]:
    names = {each.unit_id: each.call_sign for each in units}
    found = decided(minima, *units)
    return [names[key] for key, events in found.items() if any(isinstance(event, UnitRecalled) for event in events)]


CARS, PATROLS = minimum("cars", 1, CAR), minimum("patrols", 2, CAR, CYCLE)
GUEST = unit("W-1", guest=True)


@pytest.mark.parametrize("minima", [[CARS, PATROLS], [PATROLS, CARS]])
def test_a_guest_stays_while_any_minimum_that_counts_it_would_be_short_without_it(minima):
    assert recalled(minima, unit("E-1"), GUEST) == []
    assert recalled(minima, unit("E-1"), unit("E-2", CYCLE, free=False), GUEST) == []
    assert recalled(minima, unit("E-1", CYCLE), unit("E-2", CYCLE), GUEST) == []
    assert recalled(minima, unit("E-1"), unit("E-2", CYCLE), GUEST) == ["W-1"]


def test_minima_that_do_not_count_it_do_not_hold_it():
    elsewhere, cycles = minimum("west", 5, CAR, center=WEST), minimum("cycles", 5, CYCLE)
    assert recalled([CARS, elsewhere, cycles], unit("E-1"), GUEST) == ["W-1"]
    assert recalled([cycles], unit("E-1"), GUEST) == []


def test_guests_do_not_hold_one_another():
    other = unit("W-2", guest=True)
    assert recalled([CARS], GUEST, other) == []
    assert recalled([CARS], unit("E-1"), GUEST, other) == ["W-1", "W-2"]


def test_it_is_told_by_which_counts():
    (event,) = decided([CARS, PATROLS], unit("E-1"), unit("E-2"), GUEST)[GUEST.unit_id]
    assert isinstance(event, UnitRecalled)
    assert event.explanation is not None
    assert [(reason.code, reason.values) for reason in event.explanation.reasons] == [
        ("cover.enough", {}),
        ("cover.count", {"free": "2", "required": "1"}),
        ("cover.count", {"free": "2", "required": "2"}),
    ]
