"""Rules of centers and agencies.

A center's path is root first and ends in itself; only the city center has no parent; lateral (functional) centers have
level 0. A center with open work cannot close, or an incident would be ownerless.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, assert_never
from uuid import UUID

from domain.center.commands import CenterCommand, CloseCenter, EstablishCenter, RegisterAgency
from domain.center.events import AgencyRegistered, CenterClosed, CenterEstablished
from domain.event import Event
from domain.refusals import Refusal
from domain.vocabulary import CenterKind

Decision: TypeAlias = tuple[Event, ...] | Refusal


@dataclass(frozen=True, slots=True)
class CenterState:
    """What a rule reads of a center."""

    established: CenterEstablished | None = None
    closed: bool = False


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
            return CenterState(event)
        case CenterClosed():
            return CenterState(state.established, closed=True)
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
        case _:
            assert_never(command)


def decide_agency(command: RegisterAgency, state: AgencyState) -> Decision:
    """A repeat changes nothing; other content replaces what was registered."""
    return () if state.registered == command.agency else (command.agency,)


def _establish(center_id: UUID, center: CenterEstablished, state: CenterState) -> Decision:
    if state.established == center and not state.closed:
        return ()
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
    if command.open_incidents:
        return Refusal(
            "center.has_open_work",
            f"The center owns {command.open_incidents} open incidents. Transfer them first.",
            {"open_incidents": str(command.open_incidents)},
        )
    return (CenterClosed(valid_to=command.valid_to, reason=command.reason),)
