"""Rules of centers and agencies.

A center's path is root first and ends in itself; only the city center has no parent; lateral (functional) centers have
level 0. A center with open work cannot close, or an incident would be ownerless.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias, assert_never
from uuid import UUID

from domain.center.commands import (
    CenterCommand,
    ChangeGround,
    CloseCenter,
    EstablishCenter,
    MoveCenter,
    RegisterAgency,
)
from domain.center.events import (
    AgencyRegistered,
    Area,
    CenterClosed,
    CenterEstablished,
    CenterMoved,
    GroundChanged,
)
from domain.event import Event
from domain.refusals import Refusal
from domain.vocabulary import CenterKind

Decision: TypeAlias = tuple[Event, ...] | Refusal


@dataclass(frozen=True, slots=True)
class CenterState:
    """What a rule reads of a center. `area` and `path` are those of now; `established` is as it was said."""

    established: CenterEstablished | None = None
    closed: bool = False
    area: Area = ()
    path: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class AgencyState:
    """What a rule reads of an agency."""

    registered: AgencyRegistered | None = None


INITIAL = CenterState()
INITIAL_AGENCY = AgencyState()


def evolve(state: CenterState, event: Event) -> CenterState:
    """The center after a fact."""
    match event:
        case CenterEstablished():
            return CenterState(event, area=event.area, path=event.path)
        case CenterClosed():
            return replace(state, closed=True)
        case GroundChanged(area=area):
            return replace(state, area=area)
        case CenterMoved(path=path):
            return replace(state, path=path)
        case _:
            return state


def evolve_agency(state: AgencyState, event: Event) -> AgencyState:
    """The agency after a fact."""
    return AgencyState(event) if isinstance(event, AgencyRegistered) else state


def decide(center_id: UUID, command: CenterCommand, state: CenterState) -> Decision:
    """Facts, nothing, or a refusal."""
    match command:
        case EstablishCenter():
            return _establish(center_id, command.center, state)
        case CloseCenter():
            return _close(command, state)
        case ChangeGround():
            return _gone(state) or _change_ground(command, state)
        case MoveCenter():
            return _gone(state) or _move(center_id, command, state)
        case _:
            assert_never(command)


def decide_agency(command: RegisterAgency, state: AgencyState) -> Decision:
    """A repeat changes nothing; other content replaces what was registered."""
    return () if state.registered == command.agency else (command.agency,)


def _establish(center_id: UUID, center: CenterEstablished, state: CenterState) -> Decision:
    if state.established == center:
        return ()  # also when it was closed since: whoever loads the city again does not open it again
    if state.established is not None and state.established.code != center.code:
        return Refusal("center.code_is_permanent", f"{state.established.code} cannot become {center.code}.")
    if not center.path or center.path[-1] != center_id:
        return Refusal("center.path_must_end_in_itself", f"The path of {center.code} must be root first, itself last.")
    if (center.parent_id is None) != (center.kind is CenterKind.CITY):
        return Refusal("center.parent_missing", f"{center.code}: only the city center has no parent.")
    if center.parent_id is not None and center.path[-2:-1] != (center.parent_id,):
        return Refusal("center.path_must_pass_parent", f"The path of {center.code} must pass its parent.")
    return (center,)


def _close(command: CloseCenter, state: CenterState) -> Decision:
    if state.established is None:
        return Refusal("center.unknown", "No such center.")
    if state.closed:
        return ()
    left = {name: getattr(command, name) for name in LEFT if getattr(command, name)}
    if left:
        said = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in left.items())
        return Refusal(
            "center.has_open_work",
            f"{state.established.code} still has {said}. Transfer or hand over these first, then close it.",
            {name: str(count) for name, count in left.items()},
        )
    return (CenterClosed(valid_to=command.valid_to, reason=command.reason, effective_at=command.effective_at),)


LEFT = (
    "open_incidents",
    "open_cases",
    "waiting_orders",
    "open_aid",
    "shifts",
    "units",
    "centers_below",
)
"""What a center may not leave behind, as `CloseCenter` counts it."""


def _gone(state: CenterState) -> Refusal | None:
    if state.established is None:
        return Refusal("center.unknown", "No such center.")
    if state.closed:
        return Refusal("center.closed", f"{state.established.code} is closed. Name a center that is in being.")
    return None


def _change_ground(command: ChangeGround, state: CenterState) -> Decision:
    if command.area == state.area:
        return ()
    return (GroundChanged(**dict(command)),)


def _move(center_id: UUID, command: MoveCenter, state: CenterState) -> Decision:
    if command.path == state.path:
        return ()
    assert state.established is not None, "asked of a center in being"
    if state.established.kind is CenterKind.CITY:
        return Refusal("center.root_stays", "The city's center is the root of the tree. Move what is below it.")
    if command.path[-2:] != (command.parent_id, center_id) or len(set(command.path)) < len(command.path):
        return Refusal("center.path_must_pass_parent", "A center's path passes its parent and ends in itself, once.")
    return (CenterMoved(**dict(command)),)
