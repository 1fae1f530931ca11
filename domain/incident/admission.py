"""Which phase admits which command: the table that `domain.incident.decider` shows in its head, as data."""

from __future__ import annotations

from domain.incident.commands import (
    AbsorbIncident,
    AcceptForAgency,
    AcceptIncident,
    AcceptTransfer,
    AnyIncidentCommand,
    ChangeClearance,
    ClaimIncident,
    ClassifyIncident,
    CloseIncident,
    DeclineForAgency,
    DeclineTransfer,
    DismissIncident,
    EscalateIncident,
    LiftRestriction,
    LowerAlarm,
    MergeIncident,
    MoveIncident,
    OfferTransfer,
    RaiseAlarm,
    RaiseSeverity,
    RecordLateAnswer,
    ReleaseClaim,
    ReleaseIncident,
    RelocateIncident,
    ReopenIncident,
    ResolveIncident,
    RestrictIncident,
    RouteIncident,
    TimeOutTransfer,
    UnmergeIncident,
    VerifyIncident,
)
from domain.incident.state import IncidentState
from domain.refusals import Refusal
from domain.vocabulary import IncidentPhase, MessageStatus

LIVE = frozenset({IncidentPhase.OPEN, IncidentPhase.VERIFIED, IncidentPhase.ACCEPTED})
"""Somebody must still act."""
WORKED = LIVE | {IncidentPhase.RESOLVED}
"""The file is still being written."""
EVERY = frozenset(IncidentPhase)

ADMITTED: dict[type[AnyIncidentCommand], frozenset[IncidentPhase]] = {
    VerifyIncident: LIVE,
    DismissIncident: LIVE,
    ClassifyIncident: WORKED,
    RaiseSeverity: WORKED,
    RelocateIncident: WORKED,
    RouteIncident: LIVE,
    AcceptIncident: LIVE,
    ClaimIncident: WORKED,
    ReleaseClaim: EVERY,
    OfferTransfer: LIVE,
    MoveIncident: EVERY,
    AcceptTransfer: LIVE,
    DeclineTransfer: EVERY,
    TimeOutTransfer: EVERY,
    EscalateIncident: LIVE | {IncidentPhase.MERGED},
    RecordLateAnswer: EVERY,
    RaiseAlarm: LIVE,
    LowerAlarm: LIVE,
    AcceptForAgency: WORKED | {IncidentPhase.MERGED},
    DeclineForAgency: WORKED | {IncidentPhase.MERGED},
    ResolveIncident: frozenset({IncidentPhase.ACCEPTED}),
    CloseIncident: frozenset({IncidentPhase.RESOLVED}),
    ReopenIncident: frozenset({IncidentPhase.RESOLVED, IncidentPhase.CLOSED, IncidentPhase.DISMISSED}),
    MergeIncident: WORKED,
    AbsorbIncident: LIVE,
    UnmergeIncident: frozenset({IncidentPhase.MERGED}),
    ReleaseIncident: EVERY,
    RestrictIncident: EVERY,
    ChangeClearance: EVERY,
    LiftRestriction: EVERY,
}
LATE_IS_NOTHING: tuple[type[AnyIncidentCommand], ...] = (RouteIncident, EscalateIncident)
"""Commands of reactors that came after people had settled the matter: nothing is left to say, and nothing is wrong.

Not `RaiseSeverity`: silence there would hide a rise, so the reactor is told and opens a new incident instead.
"""


def unknown_incident() -> Refusal:
    """There is no such incident."""
    return Refusal("incident.unknown", "There is no incident with this id. Check the id, or search by its number.")


def phase_refusal(command: AnyIncidentCommand, state: IncidentState) -> Refusal:
    """The "no" of a phase that does not admit the command."""
    values = {"number": state.number, "phase": str(state.phase)}
    match state.phase:
        case IncidentPhase.MERGED:
            return merged(state)
        case IncidentPhase.CLOSED:
            return Refusal("incident.already_closed", f"Incident {state.number} is closed. Reopen it first.", values)
        case IncidentPhase.DISMISSED:
            detail = f"Incident {state.number} was dismissed. Reopen it first."
            return Refusal("incident.already_dismissed", detail, values)
        case _:
            return _too_early_or_late(command, state, values)


def _too_early_or_late(command: AnyIncidentCommand, state: IncidentState, values: dict[str, str]) -> Refusal:
    match command:
        case UnmergeIncident():
            return Refusal("incident.not_merged", f"Incident {state.number} is not merged; nothing to undo.", values)
        case ReopenIncident():
            return Refusal(
                "incident.not_ended", f"Incident {state.number} is {state.phase}: it need not reopen.", values
            )
        case CloseIncident():
            detail = f"Incident {state.number} is {state.phase}. Resolve it before closing it."
            return Refusal("incident.not_resolved", detail, values)
        case ResolveIncident() if state.phase is not IncidentPhase.RESOLVED:
            detail = f"Incident {state.number} is {state.phase}. Its owner must accept it before resolving it."
            return Refusal("incident.not_accepted", detail, values)
        case _:
            detail = f"Incident {state.number} is resolved. Reopen it to go on working on it."
            return Refusal("incident.already_resolved", detail, values)


def merged(state: IncidentState) -> Refusal:
    """A merged incident is decided on its head."""
    into = str(state.merge.into_incident_id) if state.merge else ""
    return Refusal(
        "incident.merged",
        f"Incident {state.number} is merged into {into}. Decide there, or undo the merge first.",
        {"number": state.number, "into_incident_id": into},
    )


def dispatch_refusal(state: IncidentState) -> Refusal | None:
    """Why nobody may be sent to this incident, or None if somebody may."""
    if state.phase is None:
        return unknown_incident()
    if state.status is not MessageStatus.ACTUAL:
        return not_actual(state)
    if state.phase in LIVE:
        return None
    if state.phase is IncidentPhase.RESOLVED:
        detail = f"Incident {state.number} is resolved. Reopen it to send somebody."
        return Refusal("incident.already_resolved", detail, {"number": state.number, "phase": str(state.phase)})
    return phase_refusal(VerifyIncident(), state)


def not_actual(state: IncidentState) -> Refusal:
    """An exercise or a test never sends anybody."""
    return Refusal(
        "incident.not_actual",
        f"Incident {state.number} has the status {state.status}. Only an actual incident sends or asks anybody to act.",
        {"number": state.number, "status": str(state.status)},
    )
