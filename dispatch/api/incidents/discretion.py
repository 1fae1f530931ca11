"""Units on restricted incidents: that a unit is busy everybody may know who may send it; with what, its own side only.

The crew's side (its base, and who speaks for its agency) sees the assignment and what a crew must know to act: number,
kind, severity and place, whoever may know of the incident itself. Everybody else sees that it is taken.
"""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from dispatch.api.access.permissions import Caller
from dispatch.api.access.visibility import hidden_among
from dispatch.api.problems.problem import not_found
from dispatch.api.wiring import Services
from dispatch.directory_entries import UnitEntry
from domain.refusals import Refusal, Refused
from projections.queries import board, units
from projections.shown import id_of, point

T = TypeVar("T")
Row = Mapping[str, Any]
NAMES = frozenset({"assignment_id", "incident_id", "incident_number"})
BUSY = "The unit is on another incident. Choose another unit, or ask its own center."


def is_of_the_crew(caller: Caller, *, agency: str, base_center_id: UUID) -> bool:
    """Whether the caller stands for the crew."""
    return caller.center_id == base_center_id or (caller.speaks_for_agency and caller.agency == agency)


async def known_assignments(services: Services, caller: Caller, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows of the roster as the caller may know them."""
    hidden = await _hidden(services, caller, rows)
    return [_known(caller, row, hidden) for row in rows]


async def orders_of_the_crew(services: Services, caller: Caller, row: Row) -> dict[str, Any]:
    """A row of the roster with what its crew must know of incidents that nobody else may know of."""
    hidden = await _hidden(services, caller, [row])
    known = _known(caller, row, hidden)
    if hidden and is_of_the_crew(caller, agency=row["agency"], base_center_id=row["base_center_id"]):
        known["assignments"] = [await _with_task(services, each, hidden) for each in known["assignments"]]
    return known


async def discreet(services: Services, caller: Caller, unit: UnitEntry, work: Awaitable[T]) -> T:
    """The work; a refusal that would name a hidden incident says no more than that the unit is taken."""
    try:
        return await work
    except Refused as refused:
        whole = Refusal(refused.code, refused.detail, refused.values)
        told = await discreetly(services, caller, unit, whole)
        if told is whole:
            raise
        raise Refused.by(told) from None


async def discreetly(services: Services, caller: Caller, unit: UnitEntry, refusal: Refusal) -> Refusal:
    """The refusal; one that would name a hidden incident says no more than that the unit is taken."""
    named = refusal.values.get("incident_id")
    if is_of_the_crew(caller, agency=unit.agency, base_center_id=unit.base.center_id) or named is None:
        return refusal
    if not await hidden_among(services, caller, [UUID(named)]):
        return refusal
    kept = {name: value for name, value in refusal.values.items() if name not in NAMES}
    return Refusal(refusal.code, BUSY, kept)


async def require_task(services: Services, caller: Caller, unit: UnitEntry, assignment_id: UUID) -> None:
    """404 unless the caller may know what the unit is on by this assignment, or stands for the crew."""
    if is_of_the_crew(caller, agency=unit.agency, base_center_id=unit.base.center_id):
        return
    row = await services.database.row(units.one(unit.id))
    tasks = row["assignments"] if row is not None else ()
    named = [id_of(each["incident_id"]) for each in tasks if each["assignment_id"] == str(assignment_id)]
    if await hidden_among(services, caller, named):
        raise not_found("This assignment")


async def _hidden(services: Services, caller: Caller, rows: Sequence[Row]) -> frozenset[UUID]:
    """Incidents that these units are on and of which the caller may not know."""
    named = {id_of(each["incident_id"]) for row in rows for each in row["assignments"]}
    return await hidden_among(services, caller, named)


def _known(caller: Caller, row: Row, hidden: Collection[UUID]) -> dict[str, Any]:
    if not hidden or is_of_the_crew(caller, agency=row["agency"], base_center_id=row["base_center_id"]):
        return dict(row)
    return {**row, "assignments": [_shown(each, hidden) for each in row["assignments"]]}


def _shown(assignment: Mapping[str, Any], hidden: Collection[UUID]) -> Mapping[str, Any]:
    if id_of(assignment["incident_id"]) not in hidden:
        return assignment
    return {name: None if name in NAMES else value for name, value in assignment.items()}


async def _with_task(services: Services, assignment: Mapping[str, Any], hidden: Collection[UUID]) -> Mapping[str, Any]:
    incident_id = id_of(assignment["incident_id"])
    row = await services.database.row(board.one(incident_id)) if incident_id in hidden else None
    if row is None:
        return assignment
    task = {name: row[name] for name in ("category", "severity", "priority")}
    return {**assignment, **task, "place": {"address": row["address"], "point": point(row["lon"], row["lat"])}}
