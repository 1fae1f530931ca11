"""Rules of mutual aid.

    command             requested  acknowledged  accepted  committed  released  declined  withdrawn
    AcknowledgeAid      x          .             .         .          .         .         -
    AcceptAid           x          x             .         .          .         -         -
    DeclineAid          x          x             -         -          -         .         -
    CommitUnits         -          -             x         x          -         -         -
    ReleaseUnits        -          -             -         x          .         -         -
    WithdrawAid         x          x             x         -          -         -         .
    RecordMissedAnswer  x          x             .         .          .         .         .

`x` decides, `.` says nothing, `-` is refused. An acceptance commits nothing, a commitment accepts nothing. After its
`ends_at` nothing is accepted or committed any more; what is committed then is still released by somebody's word. An
answer after `answer_by` was missed first, whether the timer looked in between or not. For whom else a unit is kept, its
own stream says (`domain.aid.lending`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias, assert_never
from uuid import UUID

from domain.aid.commands import (
    AcceptAid,
    AcknowledgeAid,
    AidCommand,
    CommitUnits,
    DeclineAid,
    RecordMissedAnswer,
    ReleaseUnits,
    RequestAid,
    WithdrawAid,
)
from domain.aid.events import (
    UNITS_MAX,
    AidAccepted,
    AidAcknowledged,
    AidAnswerMissed,
    AidCommitted,
    AidDeclined,
    AidReleased,
    AidRequested,
    AidWithdrawn,
)
from domain.event import Event
from domain.refusals import Refusal
from domain.word import Word

Decision: TypeAlias = tuple[Event, ...] | Refusal


class AidPhase(Word):
    """Life of a request for mutual aid (EDXL-RM): read is not promised, promised is not committed units."""

    REQUESTED = "requested"
    ACKNOWLEDGED = "acknowledged"
    ACCEPTED = "accepted"
    COMMITTED = "committed"
    RELEASED = "released"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class AidState:
    """What a rule reads. `requested` None: there is none."""

    requested: AidRequested | None = None
    phase: AidPhase = AidPhase.REQUESTED
    lent: frozenset[UUID] = frozenset()
    is_missed: bool = False


INITIAL = AidState()
WAITING = frozenset({AidPhase.REQUESTED, AidPhase.ACKNOWLEDGED})
OPEN = WAITING | {AidPhase.ACCEPTED, AidPhase.COMMITTED}
"""Somebody still waits for an answer or for units, or has some."""


def evolve(state: AidState, event: Event) -> AidState:
    """The request after a fact. Never raises."""
    match event:
        case AidRequested():
            return AidState(event)
        case AidAcknowledged():
            return replace(state, phase=AidPhase.ACKNOWLEDGED)
        case AidAccepted():
            return replace(state, phase=AidPhase.ACCEPTED)
        case AidDeclined():
            return replace(state, phase=AidPhase.DECLINED)
        case AidCommitted(units=units):
            return replace(state, phase=AidPhase.COMMITTED, lent=state.lent | {one.unit_id for one in units})
        case AidReleased(unit_ids=unit_ids):
            left = state.lent - set(unit_ids)
            return replace(state, phase=state.phase if left else AidPhase.RELEASED, lent=left)
        case AidWithdrawn():
            return replace(state, phase=AidPhase.WITHDRAWN)
        case AidAnswerMissed():
            return replace(state, is_missed=True)
        case _:
            return state


def decide(command: AidCommand, state: AidState) -> Decision:  # noqa: C901  # one case a command, none nested
    """Facts, nothing, or a refusal."""
    if isinstance(command, RequestAid):
        return () if state.requested is not None else _request(command)
    aid, phase = state.requested, state.phase
    if aid is None:
        return Refusal("aid.unknown", "There is no such request for aid. Check its id.")
    center_id = aid.asked.center_id
    match command:
        case AcknowledgeAid():
            if phase is AidPhase.WITHDRAWN:
                return _not_possible(phase)
            return (AidAcknowledged(center_id=center_id),) if phase is AidPhase.REQUESTED else ()
        case AcceptAid():
            if phase in {AidPhase.ACCEPTED, AidPhase.COMMITTED, AidPhase.RELEASED}:
                return ()
            accepted = AidAccepted(center_id=center_id, note=command.note)
            if phase not in WAITING:
                return _not_possible(phase)
            return _in_time(aid, command.at, (*_missed(state, command.at), accepted))
        case DeclineAid():
            if phase is AidPhase.DECLINED:
                return ()
            declined = AidDeclined(center_id=center_id, reason=command.reason)
            return (*_missed(state, command.at), declined) if phase in WAITING else _not_possible(phase)
        case CommitUnits():
            return _commit(command, aid, state)
        case ReleaseUnits():
            return _release(command, state)
        case WithdrawAid():
            if phase is AidPhase.WITHDRAWN:
                return ()
            if phase not in WAITING | {AidPhase.ACCEPTED}:
                return _not_possible(phase)
            withdrawn = AidWithdrawn(center_id=aid.asker.center_id, reason=command.reason)
            return (*_missed(state, command.at), withdrawn)
        case RecordMissedAnswer():
            late_s = (command.noticed_at - aid.answer_by).total_seconds()
            if phase not in WAITING or state.is_missed or late_s < 0:
                return ()
            return (AidAnswerMissed(due_at=aid.answer_by, late_s=late_s),)
        case _:
            assert_never(command)


def _request(command: RequestAid) -> Decision:
    aid = command.aid
    if aid.asker.center_id == aid.asked.center_id:
        return Refusal("aid.to_self", "A center's own units need no asking. Assign them, or ask another center.")
    if not command.at < aid.answer_by <= aid.ends_at:
        detail = "An answer is due after now, and by the time until which the units are needed."
        return Refusal(
            "aid.no_time", detail, {"answer_by": aid.answer_by.isoformat(), "ends_at": aid.ends_at.isoformat()}
        )
    return (aid,)


def _missed(state: AidState, at: datetime) -> tuple[Event, ...]:
    """That nobody answered in time, if that is so at `at` and was not said yet."""
    aid = state.requested
    assert aid is not None, "asked of a request that was made"
    late_s = (at - aid.answer_by).total_seconds()
    if state.phase not in WAITING or state.is_missed or late_s <= 0:
        return ()
    return (AidAnswerMissed(due_at=aid.answer_by, late_s=late_s),)


def _commit(command: CommitUnits, aid: AidRequested, state: AidState) -> Decision:
    if state.phase not in {AidPhase.ACCEPTED, AidPhase.COMMITTED}:
        return _not_possible(state.phase)
    new = {one.unit_id: one for one in command.units if one.unit_id not in state.lent}
    if not new:
        return ()
    if len(state.lent) + len(new) > UNITS_MAX:
        detail = f"At most {UNITS_MAX} units are lent for one request. Have another one made."
        return Refusal("aid.too_many", detail, {"limit": str(UNITS_MAX)})
    return _in_time(aid, command.at, (AidCommitted(center_id=aid.asked.center_id, units=tuple(new.values())),))


def _release(command: ReleaseUnits, state: AidState) -> Decision:
    if state.phase is AidPhase.RELEASED:
        return ()
    if state.phase is not AidPhase.COMMITTED:
        return _not_possible(state.phase)
    strange = set(command.unit_ids) - state.lent
    if strange:
        unit_id = str(min(strange))
        return Refusal("aid.not_committed", f"Unit {unit_id} is not committed here.", {"unit_id": unit_id})
    unit_ids = tuple(dict.fromkeys(command.unit_ids)) or tuple(sorted(state.lent))
    return (AidReleased(center_id=command.center_id, unit_ids=unit_ids, note=command.note),)


def _in_time(aid: AidRequested, at: datetime, events: tuple[Event, ...]) -> Decision:
    if at < aid.ends_at:
        return events
    ends_at = aid.ends_at.isoformat()
    return Refusal("aid.over", f"The units were needed until {ends_at}. Have it asked anew.", {"ends_at": ends_at})


def _not_possible(phase: AidPhase) -> Refusal:
    detail = f"The request is {phase.value}; read it again to see what can be done now."
    return Refusal("aid.not_possible", detail, {"phase": phase.value})
