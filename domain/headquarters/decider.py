"""Rules of a temporary headquarters.

    command              none  open  over
    OpenHeadquarters     x     .     -
    ChangeHeadquarters   -     x     -
    ExtendHeadquarters   -     x     -
    TakeIncident         -     x     -
    GiveIncidentBack     -     x     -
    StandDown            -     x     .
    ExpireHeadquarters   -     x     .

`x` decides, `.` says nothing, `-` is refused. It takes only what a center that it commands owns. It ends only together
with every incident it has, each to an owner by name: that it ends and that they move is one append.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeAlias, assert_never
from uuid import UUID

from domain.event import Event
from domain.headquarters.commands import (
    ChangeHeadquarters,
    ExpireHeadquarters,
    ExtendHeadquarters,
    GiveIncidentBack,
    HeadquartersCommand,
    OpenHeadquarters,
    StandDown,
    TakeIncident,
)
from domain.headquarters.events import (
    HELD_MAX,
    HeadquartersChanged,
    HeadquartersExpired,
    HeadquartersExtended,
    HeadquartersOpened,
    HeadquartersStoodDown,
    IncidentGivenBack,
    IncidentTaken,
    Returned,
    Scope,
)
from domain.ownership import Ownership
from domain.refusals import Refusal

Decision: TypeAlias = tuple[Event, ...] | Refusal

LASTS_MAX = timedelta(days=30)
"""From now; it can be prolonged again and again, each time by somebody's word."""


@dataclass(frozen=True, slots=True)
class HeadquartersState:
    """What a rule reads. `opened` None: there is none."""

    opened: HeadquartersOpened | None = None
    scope: Scope | None = None
    commander_id: UUID | None = None
    deputy_ids: tuple[UUID, ...] = ()
    ends_at: datetime | None = None
    is_over: bool = False
    held: Mapping[UUID, IncidentTaken] = field(default_factory=dict)
    """What it took over and has not given back; whether it still owns each, the incident says."""

    @property
    def staff(self) -> frozenset[UUID]:
        """Who acts for it."""
        return frozenset(self.deputy_ids) | ({self.commander_id} if self.commander_id is not None else set())


INITIAL = HeadquartersState()


def evolve(state: HeadquartersState, event: Event) -> HeadquartersState:
    """The headquarters after a fact. Never raises."""
    match event:
        case HeadquartersOpened():
            return HeadquartersState(event, event.scope, event.commander_id, event.deputy_ids, event.ends_at)
        case HeadquartersChanged():
            return replace(state, scope=event.scope, commander_id=event.commander_id, deputy_ids=event.deputy_ids)
        case HeadquartersExtended(ends_at=ends_at):
            return replace(state, ends_at=ends_at)
        case IncidentTaken(incident_id=incident_id):
            return replace(state, held={**state.held, incident_id: event})
        case IncidentGivenBack(returned=returned):
            return replace(state, held={key: one for key, one in state.held.items() if key != returned.incident_id})
        case HeadquartersStoodDown() | HeadquartersExpired():
            return replace(state, is_over=True, held={})
        case _:
            return state


def decide(command: HeadquartersCommand, state: HeadquartersState) -> Decision:
    """Facts, nothing, or a refusal."""
    if isinstance(command, OpenHeadquarters):
        return _open(command, state)
    if state.opened is None:
        return unknown()
    if state.is_over:
        return () if isinstance(command, StandDown | ExpireHeadquarters) else _over(state.opened)
    match command:
        case ChangeHeadquarters():
            changed = HeadquartersChanged(**dict(command))
            same = (state.scope, state.commander_id, state.deputy_ids)
            return () if same == (command.scope, command.commander_id, command.deputy_ids) else (changed,)
        case ExtendHeadquarters():
            return _extend(command, state)
        case TakeIncident():
            return _take(command, state.opened, state)
        case GiveIncidentBack():
            return _give_back(command, state.opened)
        case StandDown():
            return _stand_down(command, state.opened)
        case ExpireHeadquarters():
            return _expire(command, state)
        case _:
            assert_never(command)


def unknown() -> Refusal:
    """There is none."""
    return Refusal("headquarters.unknown", "There is no headquarters with this code. Look at /v1/headquarters.")


def _open(command: OpenHeadquarters, state: HeadquartersState) -> Decision:
    wanted = command.headquarters
    if state.opened is not None:
        if state.opened == wanted and not state.is_over:
            return ()
        detail = f"There was or is a headquarters {wanted.code}. Give the new one another code."
        return Refusal("headquarters.code_taken", detail, {"headquarters": wanted.code})
    return _no_time(command.opened_at, wanted.ends_at) or (wanted,)


def _extend(command: ExtendHeadquarters, state: HeadquartersState) -> Decision:
    assert state.ends_at is not None, "one that was opened has an end"
    if command.ends_at == state.ends_at:
        return ()
    refusal = _no_time(command.extended_at, command.ends_at)
    if refusal is not None:
        return refusal
    if command.ends_at < state.ends_at:
        until = state.ends_at.isoformat()
        detail = f"The headquarters lasts until {until} already. To end it sooner, stand it down."
        return Refusal("headquarters.not_longer", detail, {"ends_at": until})
    return (HeadquartersExtended(ended_before_at=state.ends_at, ends_at=command.ends_at, reason=command.reason),)


def _no_time(now: datetime, ends_at: datetime) -> Refusal | None:
    if now < ends_at <= now + LASTS_MAX:
        return None
    detail = f"A headquarters lasts at most {LASTS_MAX.days} days from now, then it is prolonged. Choose `ends_at` so."
    return Refusal("headquarters.no_time", detail, {"ends_at": ends_at.isoformat()})


def _take(command: TakeIncident, opened: HeadquartersOpened, state: HeadquartersState) -> Decision:
    assert state.scope is not None, "one that was opened has a scope"
    if command.owner.center_id == opened.center.center_id:
        return ()
    if not set(state.scope.centers) & set(command.owner.path):
        detail = f"Incident {command.number} is of a center that it does not command. Ask its owner for a transfer."
        return Refusal("headquarters.not_commanded", detail, {"number": command.number})
    if len(state.held) >= HELD_MAX and command.incident_id not in state.held:
        detail = f"It has {HELD_MAX} incidents already. Give some back first."
        return Refusal("headquarters.too_many", detail, {"limit": str(HELD_MAX)})
    return (
        IncidentTaken(
            incident_id=command.incident_id, number=command.number, giver=command.owner, reason=command.reason
        ),
    )


def _give_back(command: GiveIncidentBack, opened: HeadquartersOpened) -> Decision:
    return _to_itself((command.returned,), opened.center) or (
        IncidentGivenBack(returned=command.returned, reason=command.reason),
    )


def _stand_down(command: StandDown, opened: HeadquartersOpened) -> Decision:
    left = {"cases": command.open_cases, "aid": command.open_aid, "shifts": command.on_shift}
    if any(left.values()):
        said = ", ".join(f"{count} {what}" for what, count in left.items() if count)
        detail = f"It still has open: {said}. End, hand over or withdraw these, then stand it down."
        return Refusal("headquarters.has_open_work", detail, {what: str(count) for what, count in left.items()})
    return _to_itself(command.returned, opened.center) or (
        HeadquartersStoodDown(reason=command.reason, returned=command.returned),
    )


def _to_itself(returned: tuple[Returned, ...], center: Ownership) -> Refusal | None:
    if all(center.center_id not in one.to.path for one in returned):
        return None
    detail = "What a headquarters has goes to a center that stays. Name another owner."
    return Refusal("headquarters.to_itself", detail, {"center_id": str(center.center_id)})


def _expire(command: ExpireHeadquarters, state: HeadquartersState) -> Decision:
    assert state.ends_at is not None, "one that was opened has an end"
    late_s = (command.noticed_at - state.ends_at).total_seconds()
    if late_s < 0:
        return ()
    return (HeadquartersExpired(due_at=state.ends_at, late_s=late_s, returned=command.returned),)


def _over(opened: HeadquartersOpened) -> Refusal:
    detail = f"The headquarters {opened.code} has stood down. Open another one for what is to be done now."
    return Refusal("headquarters.over", detail, {"headquarters": opened.code})
