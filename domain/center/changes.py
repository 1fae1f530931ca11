"""Rules of changes of the tree: said ahead, applied when the instant has come, whole or not at all.

    command       none  scheduled  applied  refused  called off
    ScheduleTree  x     .          .        .        .
    ApplyTree     -     x          .        .        .
    RefuseTree    -     x          .        .        .
    CallOffTree   -     x          -        -        .

`x` decides, `.` says nothing, `-` is refused. What has happened was on the ground of then: a past instant is refused,
unless it is said to be a correction of the record.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, TypeAlias, assert_never

from pydantic import AwareDatetime, Field

from domain.center.events import (
    CORNERS_MAX,
    CenterChange,
    TreeChangeApplied,
    TreeChangeCalledOff,
    TreeChangeRefused,
    TreeChangeScheduled,
)
from domain.event import Event, Frozen
from domain.refusals import Refusal

Decision: TypeAlias = tuple[Event, ...] | Refusal


class ScheduleTree(Frozen):
    """Let the tree be another from an instant on."""

    change: TreeChangeScheduled
    asked_at: AwareDatetime


class ApplyTree(Frozen):
    """The instant has come."""

    applied_at: AwareDatetime


class RefuseTree(Frozen):
    """The instant has come and it cannot be."""

    code: str
    detail: str


class CallOffTree(Frozen):
    """Let it be after all."""

    reason: Annotated[str, Field(min_length=1, max_length=2_000)]


TreeCommand: TypeAlias = ScheduleTree | ApplyTree | RefuseTree | CallOffTree


@dataclass(frozen=True, slots=True)
class TreeChangeState:
    """What a rule reads. `scheduled` None: there is none."""

    scheduled: TreeChangeScheduled | None = None
    is_applied: bool = False
    is_refused: bool = False
    is_called_off: bool = False

    @property
    def waits(self) -> bool:
        """It is still to come."""
        return self.scheduled is not None and not (self.is_applied or self.is_refused or self.is_called_off)


INITIAL = TreeChangeState()


def evolve(state: TreeChangeState, event: Event) -> TreeChangeState:
    """The change after a fact. Never raises."""
    match event:
        case TreeChangeScheduled():
            return TreeChangeState(event)
        case TreeChangeApplied():
            return replace(state, is_applied=True)
        case TreeChangeRefused():
            return replace(state, is_refused=True)
        case TreeChangeCalledOff():
            return replace(state, is_called_off=True)
        case _:
            return state


def decide(command: TreeCommand, state: TreeChangeState) -> Decision:
    """Facts, nothing, or a refusal."""
    if isinstance(command, ScheduleTree):
        return () if state.scheduled is not None else _schedule(command)
    if state.scheduled is None:
        return Refusal("tree.unknown_change", "There is no such change of the tree. Look at /v1/tree/changes.")
    match command:
        case ApplyTree(applied_at=applied_at):
            return _apply(applied_at, state.scheduled) if state.waits else ()
        case RefuseTree(code=code, detail=detail):
            return (TreeChangeRefused(code=code, detail=detail),) if state.waits else ()
        case CallOffTree(reason=reason):
            if state.is_called_off:
                return ()
            if state.waits:
                return (TreeChangeCalledOff(reason=reason),)
            return Refusal("tree.already_decided", "It was applied or refused. Schedule another one that undoes it.")
        case _:
            assert_never(command)


def _schedule(command: ScheduleTree) -> Decision:
    change, at = command.change, command.change.effective_at.isoformat()
    if change.effective_at < command.asked_at and not change.is_correction:
        detail = f"{at} has passed, and what happened since was on the ground of then. Say a later one."
        return Refusal("tree.in_the_past", detail, {"effective_at": at})
    if change.is_correction and change.effective_at > command.asked_at:
        detail = f"{at} is still to come: nothing is to be corrected. Leave `is_correction` out."
        return Refusal("tree.correction_ahead", detail, {"effective_at": at})
    twice = _twice(change.changes)
    if twice is not None:
        detail = f"{twice} is named twice, or not told what is to become of it. Say all of a center in one place."
        return Refusal("tree.not_one_each", detail, {"center": twice})
    if sum(corners(one) for one in change.changes) > CORNERS_MAX:
        detail = (
            f"The grounds have more than {CORNERS_MAX} corners together. Simplify them, or change the tree in steps."
        )
        return Refusal("tree.too_large", detail, {"limit": str(CORNERS_MAX)})
    return (change,)


def _twice(changes: tuple[CenterChange, ...]) -> str | None:
    """The code of a center that is not named exactly once with something that is to become of it."""
    seen: set[str] = set()
    for one in changes:
        is_whole = not (one.opens is not None and (one.closes or one.area is not None or one.parent_id is not None))
        says = one.opens is not None or one.closes or one.area is not None or one.parent_id is not None
        if one.code in seen or not says or not is_whole:
            return one.code
        seen.add(one.code)
    return None


def corners(change: CenterChange) -> int:
    """How many a change has."""
    area = change.area if change.opens is None else change.opens.area
    return sum(len(ring) for polygon in area or () for ring in polygon)


def _apply(applied_at: datetime, change: TreeChangeScheduled) -> Decision:
    late_s = (applied_at - change.effective_at).total_seconds()
    if late_s < 0:
        return Refusal(
            "tree.not_yet",
            f"It is to be from {change.effective_at.isoformat()} on. Wait until then, or call it off.",
            {"effective_at": change.effective_at.isoformat()},
        )
    return (TreeChangeApplied(late_s=late_s),)
