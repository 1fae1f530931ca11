"""For which request a unit is kept: for one at a time, or a street is promised to two centers and helped by none.

    command   free  kept for this one  kept for another
    KeepUnit  x     .                  -
    FreeUnit  .     x                  .

`x` decides, `.` says nothing, `-` is refused. What was committed before this was kept track of has no fact here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias, assert_never
from uuid import UUID

from domain.aid.events import LentUnit, UnitFreed, UnitKept
from domain.event import Event, Frozen
from domain.refusals import Refusal

Decision: TypeAlias = tuple[Event, ...] | Refusal


class KeepUnit(Frozen):
    """Keep it for this request."""

    unit: LentUnit
    aid_id: UUID


class FreeUnit(Frozen):
    """Keep it for this request no more."""

    unit_id: UUID
    aid_id: UUID


LendingCommand: TypeAlias = KeepUnit | FreeUnit


@dataclass(frozen=True, slots=True)
class LendingState:
    """What a rule reads. `kept_for` None: for nobody."""

    kept_for: UUID | None = None


INITIAL = LendingState()


def evolve(state: LendingState, event: Event) -> LendingState:
    """The unit after a fact. Never raises."""
    match event:
        case UnitKept(aid_id=aid_id):
            return replace(state, kept_for=aid_id)
        case UnitFreed():
            return replace(state, kept_for=None)
        case _:
            return state


def decide(command: LendingCommand, state: LendingState) -> Decision:
    """Facts, nothing, or a refusal."""
    match command:
        case KeepUnit(unit=unit, aid_id=aid_id):
            if state.kept_for == aid_id:
                return ()
            if state.kept_for is not None:
                detail = (
                    f"{unit.call_sign} is kept for another request. Commit another unit, or have it released there."
                )
                return Refusal("aid.unit_kept", detail, {"unit_id": str(unit.unit_id), "call_sign": unit.call_sign})
            return (UnitKept(unit_id=unit.unit_id, aid_id=aid_id),)
        case FreeUnit(unit_id=unit_id, aid_id=aid_id):
            return (UnitFreed(unit_id=unit_id, aid_id=aid_id),) if state.kept_for == aid_id else ()
        case _:
            assert_never(command)
