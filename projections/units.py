"""The unit roster: who is there and what each is doing. The status is derived here, never written by anybody."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from domain.assignment import events as assignment
from domain.event import Event, Fact
from domain.vocabulary import AssignmentPhase, UnitStatus
from projections import tables
from projections.addressing import names
from projections.projection import Key, Projection, Row
from projections.shown import instant, point, shown

PROGRESS: Mapping[str, UnitStatus] = {
    AssignmentPhase.MADE: UnitStatus.ASSIGNED,
    AssignmentPhase.ACKNOWLEDGED: UnitStatus.ASSIGNED,
    AssignmentPhase.EN_ROUTE: UnitStatus.EN_ROUTE,
    AssignmentPhase.ON_SCENE: UnitStatus.ON_SCENE,
}
_RANK = {phase: rank for rank, phase in enumerate(PROGRESS)}


class Units(Projection):
    """One row a unit."""

    name = "units"
    version = 2
    table = tables.units
    topics = names(assignment.EVENTS)
    is_append_only = False

    def keys(self, fact: Fact[Event]) -> Sequence[Key]:
        """The unit: all these facts are on its stream."""
        return ((fact.stream_id,),)

    def apply(self, key: Key, row: Row | None, fact: Fact[Event]) -> Row | None:
        """The unit after the fact."""
        event = fact.gist()
        if row is None:
            return _registered(event, fact) if isinstance(event, assignment.UnitRegistered) else None
        after = {
            **row,
            **_changed(row, event, fact),
            "version": fact.version,
            "updated_at": max(row["updated_at"], fact.occurred_at),
            "updated_position": fact.position,
        }
        after["status"] = status_of(is_on_duty=after["is_on_duty"], assignments=after["assignments"]).value
        return after


def status_of(*, is_on_duty: bool, assignments: Sequence[Mapping[str, Any]]) -> UnitStatus:
    """The furthest open assignment says it; without one, duty does."""
    if assignments:
        return PROGRESS[max((entry["phase"] for entry in assignments), key=_RANK.__getitem__)]
    return UnitStatus.AVAILABLE if is_on_duty else UnitStatus.OFF_DUTY


def item(row: Row) -> dict[str, Any]:
    """A unit as JSON shows it."""
    listed: dict[str, Any] = shown({name: value for name, value in row.items() if name not in ("home_lon", "home_lat")})
    listed["home"] = point(row["home_lon"], row["home_lat"])
    listed["reservations"] = [{**one, **_SECRET} if one["is_restricted"] else one for one in row["reservations"]]
    return listed


def kept_for(row: Row, operation_id: UUID) -> list[dict[str, Any]]:
    """What a unit is kept for of one operation, as that shows it."""
    return [
        {"unit_id": str(row["unit_id"]), "call_sign": row["call_sign"], "agency": row["agency"], **one}
        for one in row["reservations"]
        if one["operation_id"] == str(operation_id)
    ]


_SECRET = {"purpose": None, "operation_id": None, "place": None}
"""What a roster does not show of a reservation for a restricted operation."""


def _registered(event: assignment.UnitRegistered, fact: Fact[Event]) -> Row:
    return {
        "unit_id": fact.stream_id,
        "city": event.city,
        "call_sign": event.call_sign,
        "agency": event.agency,
        "kind": event.kind.value,
        "skills": list(event.skills),
        "base_center_id": event.base.center_id,
        "base_path": list(event.base.path),
        "home_lon": event.home.lon,
        "home_lat": event.home.lat,
        "is_on_duty": False,
        "status": UnitStatus.OFF_DUTY.value,
        "assignments": [],
        "reservations": [],
        "posted": None,
        "version": fact.version,
        "updated_at": fact.occurred_at,
        "updated_position": fact.position,
    }


def _changed(row: Row, event: Event, fact: Fact[Event]) -> dict[str, Any]:
    match event:
        case assignment.UnitWentOnDuty():
            return {"is_on_duty": True}
        case assignment.UnitWentOffDuty():
            return {"is_on_duty": False}
        case assignment.AssignmentMade():
            return {"assignments": [*_without(row, str(event.assignment_id)), _assignment(event, fact)]}
        case assignment.UnitPosted():
            return {"posted": _posted(event, fact)}
        case assignment.UnitRecalled():
            return {"posted": None}
        case _:
            step = _STEPS.get(event.name)
            return {} if step is None else step(row, event)


def _assignment(event: assignment.AssignmentMade, fact: Fact[Event]) -> dict[str, Any]:
    return {
        "assignment_id": str(event.assignment_id),
        "incident_id": str(event.incident_id),
        "incident_number": event.incident_number,
        "phase": AssignmentPhase.MADE.value,
        "stacked": event.stacked,
        "waits": event.stack_place if event.stacked else None,
        "made_at": instant(fact.occurred_at),
    }


def _posted(event: assignment.UnitPosted, fact: Fact[Event]) -> dict[str, Any]:
    return {
        "center_id": str(event.center.center_id),
        "place": point(event.place.lon, event.place.lat),
        "reason": event.reason,
        "since": instant(fact.occurred_at),
    }


def _without(row: Row, assignment_id: str) -> list[Any]:
    return [entry for entry in row["assignments"] if entry["assignment_id"] != assignment_id]


def _moved_to(phase: AssignmentPhase) -> Callable[[Row, Any], dict[str, Any]]:
    is_waiting = phase is AssignmentPhase.ACKNOWLEDGED
    now = {"phase": phase.value} if is_waiting else {"phase": phase.value, "waits": None}

    def moved(row: Row, event: Any) -> dict[str, Any]:
        return {
            "assignments": [
                {**entry, **now} if entry["assignment_id"] == str(event.assignment_id) else entry
                for entry in row["assignments"]
            ]
        }

    return moved


def _ended(row: Row, event: Any) -> dict[str, Any]:
    return {"assignments": _without(row, str(event.assignment_id))}


def _in_stack(row: Row, event: assignment.AssignmentWaits | assignment.AssignmentPromoted) -> dict[str, Any]:
    """How many come before it, itself counted; null: it does not wait."""
    place = event.place if isinstance(event, assignment.AssignmentWaits) else None
    return {
        "assignments": [
            {**entry, "waits": place} if entry["assignment_id"] == str(event.assignment_id) else entry
            for entry in row["assignments"]
        ]
    }


def _reserved(row: Row, event: assignment.UnitReserved) -> dict[str, Any]:
    place = event.place
    spot = None if place is None else place.point
    kept = {
        "reservation_id": str(event.reservation_id),
        "purpose": event.purpose,
        "center_id": str(event.center.center_id),
        "begins_at": instant(event.begins_at),
        "ends_at": instant(event.ends_at),
        "operation_id": None if event.operation_id is None else str(event.operation_id),
        "place": None if place is None else {"address": place.address, "point": spot and point(spot.lon, spot.lat)},
        "is_restricted": event.is_restricted,
        "has_begun": False,
    }
    others = _other_reservations(row, event.reservation_id)
    return {"reservations": sorted([*others, kept], key=lambda one: (one["begins_at"], one["reservation_id"]))}


def _began(row: Row, event: assignment.ReservationBegan) -> dict[str, Any]:
    return {
        "reservations": [
            {**one, "has_begun": True} if one["reservation_id"] == str(event.reservation_id) else one
            for one in row["reservations"]
        ]
    }


def _not_reserved(row: Row, event: assignment.ReservationReleased | assignment.ReservationExpired) -> dict[str, Any]:
    return {"reservations": _other_reservations(row, event.reservation_id)}


def _other_reservations(row: Row, reservation_id: UUID) -> list[Any]:
    return [one for one in row["reservations"] if one["reservation_id"] != str(reservation_id)]


_STEPS: Mapping[str, Callable[[Row, Any], dict[str, Any]]] = {
    assignment.AssignmentAcknowledged.name: _moved_to(AssignmentPhase.ACKNOWLEDGED),
    assignment.UnitEnRoute.name: _moved_to(AssignmentPhase.EN_ROUTE),
    assignment.UnitOnScene.name: _moved_to(AssignmentPhase.ON_SCENE),
    assignment.AssignmentDeclined.name: _ended,
    assignment.AssignmentCleared.name: _ended,
    assignment.AssignmentCancelled.name: _ended,
    assignment.AssignmentWaits.name: _in_stack,
    assignment.AssignmentPromoted.name: _in_stack,
    assignment.UnitReserved.name: _reserved,
    assignment.ReservationBegan.name: _began,
    assignment.ReservationReleased.name: _not_reserved,
    assignment.ReservationExpired.name: _not_reserved,
}
