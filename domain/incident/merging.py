"""A merge is a pointer from one incident to its head. Nothing moves, so undoing it is exact.

Cycles cannot be seen from one stream: `dispatch.handling.incidents` walks the heads and asks `cycle` first. Both
halves are recorded together, each with the version it was decided on, so two merges that race cannot close a ring.
"""

from __future__ import annotations

from typing import assert_never

from domain.event import Event
from domain.incident import restricting
from domain.incident.commands import AbsorbIncident, MergeIncident, PairCommand, ReleaseIncident, UnmergeIncident
from domain.incident.events import IncidentAbsorbed, IncidentMerged, IncidentReleased, IncidentUnmerged
from domain.incident.state import IncidentState
from domain.refusals import Refusal
from domain.vocabulary import MessageStatus


def decide(command: PairCommand, state: IncidentState) -> tuple[Event, ...] | Refusal:
    """One half of a merge or of its undoing."""
    match command:
        case MergeIncident():
            return merge(command, state)
        case AbsorbIncident():
            return absorb(command, state)
        case UnmergeIncident():
            return unmerge(command, state)
        case ReleaseIncident():
            return release(command, state)
        case _:
            assert_never(command)


def merge(command: MergeIncident, state: IncidentState) -> tuple[Event, ...] | Refusal:
    """This incident points to its head from here on."""
    if command.into_severity < state.severity:
        return Refusal(
            "incident.merge_hides_severity",
            f"Incident {state.number} is worse than the one it would be merged into. Merge the other way round, or "
            "classify the head first.",
            {"severity": state.severity.name.lower(), "into_severity": command.into_severity.name.lower()},
        )
    if state.status is MessageStatus.ACTUAL and command.into_status is not MessageStatus.ACTUAL:
        return Refusal(
            "incident.merge_hides_actual",
            f"Incident {state.number} is real; the one it would be merged into is a {command.into_status}.",
            {"into_status": str(command.into_status)},
        )
    refusal = restricting.apart(state, command.into_operation_id)
    if refusal is not None:
        return refusal
    return (
        IncidentMerged(
            merge_id=command.merge_id,
            into_incident_id=command.into_incident_id,
            into_version=command.into_version,
            note=command.note,
        ),
    )


def absorb(command: AbsorbIncident, state: IncidentState) -> tuple[Event, ...] | Refusal:
    """The head's half."""
    if command.merge_id in state.absorbed:
        return ()
    return (
        IncidentAbsorbed(
            merge_id=command.merge_id, incident_id=command.incident_id, incident_version=command.incident_version
        ),
    )


def unmerge(command: UnmergeIncident, state: IncidentState) -> tuple[Event, ...] | Refusal:
    """This incident is itself again, in the phase it had."""
    if state.merge is None or state.merge.merge_id != command.merge_id:
        detail = f"Incident {state.number} is not part of this merge."
        return Refusal("incident.not_merged", detail, {"merge_id": str(command.merge_id)})
    return (
        IncidentUnmerged(merge_id=command.merge_id, from_incident_id=state.merge.into_incident_id, note=command.note),
    )


def release(command: ReleaseIncident, state: IncidentState) -> tuple[Event, ...] | Refusal:
    """The former head's half."""
    if state.absorbed.get(command.merge_id) != command.incident_id:
        detail = f"Incident {state.number} has not absorbed {command.incident_id} in this merge."
        return Refusal("incident.not_absorbed", detail, {"merge_id": str(command.merge_id)})
    return (IncidentReleased(merge_id=command.merge_id, incident_id=command.incident_id),)


def cycle(number: str, into_number: str) -> Refusal:
    """The head would point, over other merges, to the incident itself."""
    return Refusal(
        "incident.merge_cycle",
        f"{into_number} is already merged, directly or over others, into {number}. Undo that merge first.",
        {"number": number, "into_number": into_number},
    )
