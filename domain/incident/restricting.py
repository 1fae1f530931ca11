"""Who may know of an incident: the label of a restricted operation, put on by persons, or at its opening by what they
said before of where and when all is that operation's; taken off by persons.

The owner is always one of those who know, or nobody who must act would: an incident is restricted only under an owner
of the operation, offered only within it, and a center that owns one of its incidents cannot leave. One incident has one
label at most. Whom an operation lets know is the operation's to say (`domain.operation`); both streams are written
together (`dispatch.handling.restrictions`).
"""

from __future__ import annotations

from typing import TypeVar, assert_never
from uuid import UUID

from domain.event import Event
from domain.incident.commands import ChangeClearance, LabelCommand, LiftRestriction, RestrictIncident
from domain.incident.restriction_events import ClearanceChanged, IncidentRestricted, RestrictionLifted
from domain.incident.state import IncidentState
from domain.refusals import Refusal

T = TypeVar("T", UUID, str)


def decide(command: LabelCommand, state: IncidentState) -> tuple[Event, ...] | Refusal:
    """Facts, nothing, or a refusal."""
    match command:
        case RestrictIncident():
            return _restrict(command, state)
        case ChangeClearance():
            return _change(command, state)
        case LiftRestriction():
            return _lift(command, state)
        case _:
            assert_never(command)


def outside(center_id: UUID, state: IncidentState) -> Refusal | None:
    """Why a center cannot be handed the incident: it may not know of it."""
    if state.knows(center_id):
        return None
    detail = (
        f"Incident {state.number} belongs to a restricted operation in which that center takes no part. "
        "Let it take part first."
    )
    return Refusal("incident.not_cleared", detail, {"center_id": str(center_id)})


def apart(state: IncidentState, other_operation_id: UUID | None) -> Refusal | None:
    """Why it cannot be merged with an incident of that operation (None: of none): each would tell of the other."""
    own = state.restriction.operation_id if state.restriction is not None else None
    if own == other_operation_id:
        return None
    detail = (
        f"Incident {state.number} and the other one are not known to the same people. "
        "Attach both to the operation, or take both off it, before merging them."
    )
    return Refusal("incident.merge_across_restriction", detail, {"number": state.number})


def _restrict(command: RestrictIncident, state: IncidentState) -> tuple[Event, ...] | Refusal:
    before = state.restriction
    if before is not None and before.operation_id == command.operation_id:
        said = {"center_ids": command.center_ids, "agencies": command.agencies}
        return _change(ChangeClearance(operation_id=before.operation_id, **said), state)
    if before is not None:
        detail = f"Incident {state.number} belongs to a restricted operation already. Take it off that one first."
        return Refusal("incident.already_restricted", detail, {"number": state.number})
    if not _owner_is_in(command.center_ids, state):
        return _owner_outside(state)
    return (
        IncidentRestricted(
            operation_id=command.operation_id,
            center_ids=_ordered(command.center_ids),
            agencies=_ordered(command.agencies),
            reason=command.reason,
            explanation=command.explanation,
        ),
    )


def _change(command: ChangeClearance, state: IncidentState) -> tuple[Event, ...] | Refusal:
    """Of an incident that was taken off meanwhile there is nothing to say."""
    before = state.restriction
    if before is None or before.operation_id != command.operation_id:
        return ()
    if (before.center_ids, before.agencies) == (frozenset(command.center_ids), frozenset(command.agencies)):
        return ()
    if not _owner_is_in(command.center_ids, state):
        return _owner_outside(state)
    return (
        ClearanceChanged(
            operation_id=command.operation_id,
            center_ids=_ordered(command.center_ids),
            agencies=_ordered(command.agencies),
        ),
    )


def _lift(command: LiftRestriction, state: IncidentState) -> tuple[Event, ...] | Refusal:
    before = state.restriction
    if before is None or before.operation_id != command.operation_id:
        return ()
    return (RestrictionLifted(operation_id=command.operation_id, reason=command.reason),)


def _owner_is_in(center_ids: tuple[UUID, ...], state: IncidentState) -> bool:
    return state.owner is not None and state.owner.center_id in center_ids


def _owner_outside(state: IncidentState) -> Refusal:
    owner = str(state.owner.center_id) if state.owner is not None else ""
    detail = (
        f"Incident {state.number} is owned by center {owner}, which has no part in the operation: nobody who must act "
        "would know of it. Let that center take part, or have the incident transferred first."
    )
    return Refusal("incident.owner_not_cleared", detail, {"owner_center_id": owner})


def _ordered(found: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(sorted(set(found)))
