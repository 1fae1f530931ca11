"""A unit may be kept for something: an operation, an event, a time of day.

While a reservation holds, the unit is offered to no incident, and assigned only by somebody who says why. Two may not
overlap. That its time has come and that it is over are facts of the timers; released before that, it is over at once.

Here too is where a unit stands by that covers a center which is not its own: of that there is one at a time.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

from domain.assignment.commands import (
    AssignUnit,
    PostUnit,
    RecallUnit,
    ReleaseReservation,
    ReservationCommand,
    ReserveUnit,
    StandbyCommand,
    TurnReservation,
)
from domain.assignment.events import ReservationBegan, ReservationExpired, ReservationReleased, UnitRecalled
from domain.assignment.state import Reservation, UnitState
from domain.event import Event
from domain.refusals import Refusal

Decision: TypeAlias = tuple[Event, ...] | Refusal

RESERVATIONS_MAX = 50
"""Open ones of a unit."""


def decide(command: ReservationCommand, state: UnitState) -> Decision:
    """Facts, nothing, or a refusal."""
    match command:
        case ReserveUnit():
            return _reserve(command, state)
        case ReleaseReservation(reservation_id=key, reason=reason):
            if key in state.past_reservations:
                return ()
            if key not in state.reservations:
                detail = f"Unit {state.call_sign} has no such reservation, or it ended long ago. Check the id."
                return Refusal("reservation.unknown", detail, {"reservation_id": str(key)})
            return (ReservationReleased(reservation_id=key, reason=reason),)
        case TurnReservation(reservation_id=key, noticed_at=now):
            found = state.reservations.get(key)
            return () if found is None else _turned(found, now)


def refusal(command: AssignUnit, state: UnitState) -> Refusal | None:
    """Why the unit may not be assigned: it is kept for something, and nobody said why that does not matter."""
    if command.at is None or command.override is not None:
        return None
    held = state.reserved_at(command.at)
    if held is None:
        return None
    until = held.ends_at.isoformat()
    detail = f"Unit {state.call_sign} is reserved until {until}: {_purpose(held)}. Choose another, or say why not."
    return Refusal("unit.reserved", detail, {**_about(held, state), "ends_at": until})


def post(command: StandbyCommand, state: UnitState) -> Decision:
    """To a place where it stands by, and home again."""
    match command:
        case RecallUnit(reason=reason, explanation=explanation):
            return () if state.posted is None else (UnitRecalled(reason=reason, explanation=explanation),)
        case PostUnit(posting=posting):
            if state.posted is not None:
                if state.posted.center.center_id == posting.center.center_id:
                    return ()
                detail = f"Unit {state.call_sign} stands by for another center. Recall it first."
                return Refusal("unit.posted_already", detail, {"call_sign": state.call_sign})
            is_kept = any(each.has_begun for each in state.reservations.values())
            if not state.on_duty or state.open_assignments or is_kept:
                detail = f"Unit {state.call_sign} is not free: it is off duty, on an incident, or reserved."
                return Refusal("unit.not_free", detail, {"call_sign": state.call_sign})
            return (posting,)


def _reserve(command: ReserveUnit, state: UnitState) -> Decision:
    wanted = command.reservation
    if wanted.reservation_id in state.reservations or wanted.reservation_id in state.past_reservations:
        return ()
    if not wanted.begins_at < wanted.ends_at or wanted.ends_at <= command.at:
        detail = "A reservation ends after it begins, and in the future."
        values = {"begins_at": wanted.begins_at.isoformat(), "ends_at": wanted.ends_at.isoformat()}
        return Refusal("reservation.no_period", detail, values)
    if len(state.reservations) >= RESERVATIONS_MAX:
        detail = f"A unit has at most {RESERVATIONS_MAX} reservations. Release one."
        return Refusal("reservation.too_many", detail, {"limit": str(RESERVATIONS_MAX)})
    for other in state.reservations.values():
        if wanted.begins_at < other.ends_at and other.begins_at < wanted.ends_at:
            span = f"from {other.begins_at.isoformat()} until {other.ends_at.isoformat()}"
            detail = f"Unit {state.call_sign} is reserved {span}: {_purpose(other)}. Choose another time or unit."
            return Refusal("reservation.overlaps", detail, _about(other, state))
    if wanted.begins_at > command.at:
        return (wanted,)
    return wanted, ReservationBegan(reservation_id=wanted.reservation_id, due_at=wanted.begins_at, late_s=0)


def _turned(found: Reservation, now: datetime) -> tuple[Event, ...]:
    """That it is over, or that it has begun; nothing too early."""
    late_s = (now - found.ends_at).total_seconds()
    if late_s >= 0:
        return (ReservationExpired(reservation_id=found.reservation_id, due_at=found.ends_at, late_s=late_s),)
    late_s = (now - found.begins_at).total_seconds()
    if late_s < 0 or found.has_begun:
        return ()
    return (ReservationBegan(reservation_id=found.reservation_id, due_at=found.begins_at, late_s=late_s),)


def _about(found: Reservation, state: UnitState) -> dict[str, str]:
    return {
        "call_sign": state.call_sign,
        "reservation_id": str(found.reservation_id),
        "purpose": _purpose(found)[:200],
    }


def _purpose(found: Reservation) -> str:
    return found.purpose if found.purpose is not None else "(not for all to know)"
