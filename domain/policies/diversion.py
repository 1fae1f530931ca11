"""May a unit be taken off one incident for another? Not off the more urgent one, unless a supervisor says why.

Both incidents are as they were read. The one that loses the unit is told on its own stream, in the same decision, so
whoever decides about it has seen that; the one that gets it is not written, as with every assignment.
"""

from __future__ import annotations

from uuid import UUID

from domain.assignment.stack import about
from domain.assignment.state import Assignment, UnitState
from domain.incident.decider import IncidentState
from domain.incident.diversion import UnitDiverted
from domain.refusals import Refusal


def on_it_already(unit: UnitState, assignment: Assignment) -> Refusal:
    """The incident was merged into the one that is to get the unit: it has it."""
    detail = f"Unit {unit.call_sign} is there already: {assignment.incident_number} was merged into that incident."
    return Refusal("unit.already_on_incident", detail, about(unit, assignment))


def refusal(unit: UnitState, giver: IncidentState, taker: IncidentState, override: str | None) -> Refusal | None:
    """Why the unit stays where it is; None if it may go. `giver` is the head of a merged incident."""
    if override is not None or giver.priority >= taker.priority:
        return None
    return Refusal(
        "unit.needed_more",
        f"Incident {giver.number} (priority {giver.priority}) is more urgent than {taker.number} ({taker.priority}). "
        "Choose another unit, or have a supervisor say why not.",
        {
            "call_sign": unit.call_sign,
            "incident_number": giver.number,
            "priority": str(giver.priority),
            "other_number": taker.number,
            "other_priority": str(taker.priority),
        },
    )


def lost(
    unit_id: UUID,
    unit: UnitState,
    assignment: Assignment,
    taker_id: UUID,
    taker: IncidentState,
    reason: str,
    override: str | None,
) -> UnitDiverted:
    """What the incident that loses the unit is told."""
    return UnitDiverted(
        unit_id=unit_id,
        call_sign=unit.call_sign,
        agency=unit.agency,
        assignment_id=assignment.assignment_id,
        to_incident_id=taker_id,
        to_number=taker.number,
        reason=reason,
        override=override,
    )
