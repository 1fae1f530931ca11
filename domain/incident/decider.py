"""What may become of an incident: command and state to facts, nothing, or a named refusal. Total.

Which phase admits which command (`domain.incident.admission` holds the table, a test compares the two).
`x` decides, `.` says nothing (it came too late, or it is so already), `-` is refused:

    command            open  verified  accepted  resolved  closed  dismissed  merged
    VerifyIncident     x     .         .         -         -       -          -
    DismissIncident    x     x         x         -         -       -          -
    ClassifyIncident   x     x         x         x         -       -          -
    RaiseSeverity      x     x         x         x         -       -          -
    RelocateIncident   x     x         x         x         -       -          -
    RouteIncident      x     x         x         .         .       .          .
    AcceptIncident     x     x         .         -         -       -          -
    ClaimIncident      x     x         x         x         -       -          -
    ReleaseClaim       x     x         x         x         x       x          x
    OfferTransfer      x     x         x         -         -       -          -
    MoveIncident       x     x         x         x         x       x          x
    AcceptTransfer     x     x         x         -         -       -          -
    DeclineTransfer    x     x         x         x         x       x          x
    TimeOutTransfer    x     x         x         x         x       x          x
    EscalateIncident   x     x         x         .         .       .          x
    RecordLateAnswer   x     x         x         x         x       x          x
    RaiseAlarm         x     x         x         -         -       -          -
    LowerAlarm         x     x         x         -         -       -          -
    AcceptForAgency    x     x         x         x         -       -          x
    DeclineForAgency   x     x         x         x         -       -          x
    ResolveIncident    -     -         x         -         -       -          -
    CloseIncident      -     -         -         x         -       -          -
    ReopenIncident     -     -         -         x         x       x          -
    MergeIncident      x     x         x         x         -       -          -
    AbsorbIncident     x     x         x         -         -       -          -
    UnmergeIncident    -     -         -         -         -       -          x
    ReleaseIncident    x     x         x         x         x       x          x
    RestrictIncident   x     x         x         x         x       x          x
    ChangeClearance    x     x         x         x         x       x          x
    LiftRestriction    x     x         x         x         x       x          x

Rules that the table does not show:
- Accepting implies verified. Reopening leads to `open`; the last owner has it, whatever routing says.
- Routing chooses the owner until a center has taken the incident or an offer is out; after that `incident.routed`
  repeats the owner it has, and only a transfer moves it. An accepted incident has no `accept_by`.
- Who is above both centers moves an incident in one decision: it is offered and taken in the same append, so it has
  exactly one owner at every position; an offer that waits is overtaken. Ended ones move too: who reopens one owns it.
- Accepting a transfer says three things: ownership moved, the taker accepted, the giver's operator no longer has it.
- A missed acceptance is escalated only until somebody accepted; a missed acknowledgement while the incident is live, or
  merged: the crew was sent to it and still owes its answer. What was answered too late is recorded in every phase.
- The alarm level rises by a person's word or by a rule about severity and missed deadlines, and falls by a person's
  word alone. It rises for an actual incident only: an exercise sends nobody.
- Severity falls by a person's classification and by nothing else; a rise never makes it less urgent.
- A merge may hide neither a worse severity nor an actual incident: the head must be at least as bad, and as real.
- An exercise or a test asks nobody to act: all its recipients are `informed`.
- A restricted incident stays with centers that know of it, whatever routing says (`domain.incident.restricting`).
"""

from __future__ import annotations

from typing import TypeAlias, assert_never

from domain.event import Event
from domain.incident import merging, ownership_moves, restricting
from domain.incident.admission import ADMITTED, LATE_IS_NOTHING, not_actual, phase_refusal, unknown_incident
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
    OpenIncident,
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
from domain.incident.events import (
    AgencyAccepted,
    AgencyDeclined,
    ClaimReleased,
    IncidentClaimed,
    IncidentClassified,
    IncidentClosed,
    IncidentDismissed,
    IncidentEscalated,
    IncidentOpened,
    IncidentRelocated,
    IncidentReopened,
    IncidentResolved,
    IncidentRouted,
    IncidentVerified,
    SeverityRaised,
)
from domain.incident.plan_events import AlarmLowered, AlarmRaised
from domain.incident.state import INITIAL, IncidentState, Missed, evolve
from domain.refusals import Refusal
from domain.vocabulary import AgencyRole, IncidentPhase, MessageStatus

__all__ = ["INITIAL", "Decision", "IncidentState", "decide", "evolve"]

Decision: TypeAlias = tuple[Event, ...] | Refusal


def decide(command: AnyIncidentCommand, state: IncidentState) -> Decision:
    """Facts (possibly none) or a refusal."""
    if isinstance(command, OpenIncident):
        return _open(command, state)
    if state.phase is None:
        return unknown_incident()
    if state.phase not in ADMITTED[type(command)]:
        return () if isinstance(command, LATE_IS_NOTHING) else phase_refusal(command, state)
    return _decide_existing(command, state)


def _decide_existing(  # noqa: C901  # one case a command, none nested
    command: AnyIncidentCommand, state: IncidentState
) -> Decision:
    match command:
        case OpenIncident():
            return _open(command, state)
        case VerifyIncident():
            return (IncidentVerified(note=command.note),) if state.phase is IncidentPhase.OPEN else ()
        case DismissIncident():
            return (IncidentDismissed(reason=command.reason, note=command.note),)
        case ClassifyIncident():
            return _classify(command, state)
        case RaiseSeverity():
            return _raise_severity(command, state)
        case RelocateIncident():
            return () if command.place == state.place else (IncidentRelocated(place=command.place),)
        case RouteIncident():
            return _route(command, state)
        case ClaimIncident():
            return (
                () if command.operator_id == state.claimed_by else (IncidentClaimed(operator_id=command.operator_id),)
            )
        case ReleaseClaim():
            return _release_claim(command, state)
        case AcceptIncident() | OfferTransfer() | AcceptTransfer() | DeclineTransfer() | TimeOutTransfer():
            return ownership_moves.decide(command, state)
        case MoveIncident():
            return ownership_moves.move(command, state)
        case EscalateIncident():
            return _escalate(command, state)
        case RecordLateAnswer():
            return _missed(command, state) if command.due_at < command.answered_at else ()
        case RaiseAlarm() | LowerAlarm():
            return _change_alarm(command, state)
        case AcceptForAgency() | DeclineForAgency():
            return _answer_for_agency(command, state)
        case ResolveIncident():
            return (IncidentResolved(disposition=command.disposition, note=command.note),)
        case CloseIncident():
            return (IncidentClosed(note=command.note),)
        case ReopenIncident():
            return (IncidentReopened(reason=command.reason),)
        case MergeIncident() | AbsorbIncident() | UnmergeIncident() | ReleaseIncident():
            return merging.decide(command, state)
        case RestrictIncident() | ChangeClearance() | LiftRestriction():
            return restricting.decide(command, state)
        case _:
            assert_never(command)


def _open(command: OpenIncident, state: IncidentState) -> Decision:
    if state.phase is not None:
        detail = f"This incident was opened before, as {state.number}."
        return Refusal("incident.already_opened", detail, {"number": state.number})
    return (IncidentOpened(**{name: getattr(command, name) for name in OpenIncident.model_fields}),)


def _classify(command: ClassifyIncident, state: IncidentState) -> Decision:
    same = (command.category, command.severity, command.priority) == (state.category, state.severity, state.priority)
    if same and command.note is None:
        return ()
    return (
        IncidentClassified(
            category=command.category, severity=command.severity, priority=command.priority, note=command.note
        ),
    )


def _raise_severity(command: RaiseSeverity, state: IncidentState) -> Decision:
    if command.severity <= state.severity:
        return ()
    return (
        SeverityRaised(
            from_severity=state.severity,
            to_severity=command.severity,
            priority=min(command.priority, state.priority),
            alert_position=command.alert_position,
            report_id=command.report_id,
            explanation=command.explanation,
        ),
    )


def _route(command: RouteIncident, state: IncidentState) -> Decision:
    asked = [recipient for recipient in command.recipients if recipient.role is not AgencyRole.INFORMED]
    if asked and state.status is not MessageStatus.ACTUAL:
        return not_actual(state)
    free = not state.settled and state.offer is None and state.knows(command.owner.center_id)
    owner = command.owner if free or state.owner is None else state.owner
    accept_by = None if state.phase is IncidentPhase.ACCEPTED else command.accept_by
    if (owner, command.recipients, accept_by) == (state.owner, state.recipients, state.accept_by):
        return ()
    return (
        IncidentRouted(
            owner=owner, recipients=command.recipients, accept_by=accept_by, explanation=command.explanation
        ),
    )


def _release_claim(command: ReleaseClaim, state: IncidentState) -> Decision:
    if state.claimed_by is None:
        return ()
    if state.claimed_by != command.operator_id:
        detail = f"Incident {state.number} is claimed by {state.claimed_by}. Claim it yourself to take it over."
        return Refusal("incident.claimed_by_another", detail, {"claimed_by": str(state.claimed_by)})
    return (ClaimReleased(operator_id=command.operator_id),)


def _escalate(command: EscalateIncident, state: IncidentState) -> Decision:
    if command.deadline == "accept" and state.phase in {IncidentPhase.ACCEPTED, IncidentPhase.MERGED}:
        return ()
    return _missed(command, state)


def _missed(command: EscalateIncident | RecordLateAnswer, state: IncidentState) -> Decision:
    if Missed(command.deadline, command.assignment_id, command.level, command.due_at) in state.missed:
        return ()
    late_s = (command.noticed_at - command.due_at).total_seconds()
    if late_s < 0:
        detail = f"The deadline of incident {state.number} is at {command.due_at.isoformat()}: not missed yet."
        return Refusal("incident.deadline_not_missed", detail, {"due_at": command.due_at.isoformat()})
    return (
        IncidentEscalated(
            level=command.level,
            deadline=command.deadline,
            to=command.to,
            assignment_id=command.assignment_id,
            due_at=command.due_at,
            late_s=late_s,
            next_due_at=command.next_due_at if isinstance(command, EscalateIncident) else None,
            explanation=command.explanation,
        ),
    )


def _change_alarm(command: RaiseAlarm | LowerAlarm, state: IncidentState) -> Decision:
    now, raises = state.alarm_level, isinstance(command, RaiseAlarm)
    if command.level == now:
        return ()
    if (command.level > now) is not raises:
        way = "lower it, with a reason" if raises else "raise it"
        detail = f"Incident {state.number} is at alarm level {now}. To bring it to {command.level}, {way}."
        return Refusal("incident.alarm_other_way", detail, {"number": state.number, "alarm_level": str(now)})
    if isinstance(command, LowerAlarm):
        lowered = AlarmLowered(
            from_level=now, to_level=command.level, plan=command.plan, wanted=command.wanted, reason=command.reason
        )
        return (lowered,)
    if state.status is not MessageStatus.ACTUAL:
        return not_actual(state)
    return (
        AlarmRaised(
            from_level=now,
            to_level=command.level,
            plan=command.plan,
            wanted=command.wanted,
            reason=command.reason,
            explanation=command.explanation,
        ),
    )


def _answer_for_agency(command: AcceptForAgency | DeclineForAgency, state: IncidentState) -> Decision:
    if command.agency not in state.agencies:
        detail = f"Incident {state.number} was never routed to {command.agency}."
        return Refusal("incident.agency_not_involved", detail, {"agency": command.agency})
    said_before = state.answers.get(command.agency)
    if isinstance(command, AcceptForAgency):
        if said_before == "accepted":
            return ()
        return (AgencyAccepted(agency=command.agency, reference=command.reference),)
    if said_before == "declined":
        return ()
    return (AgencyDeclined(agency=command.agency, reason=command.reason),)
