"""No unit stays booked on an incident that has ended.

An incident ends when it is resolved, closed or dismissed. Two ways could leave a unit there, and each has its answer:

- A person ends it while units are on it. That is refused, and the units are named (`still_committed`): the crew clears,
  or a dispatcher calls it back, and then the incident ends. Nobody but them knows whether the crew still needs help.
- A unit is sent in the very moment in which the incident ends: its assignment is on the unit's stream, the end is on
  the incident's, and neither waits for the other. Then the unit is called back, on the record (`called_back`).

The guests merged into an incident end with it, so their units count as its own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from domain.assignment.commands import CancelAssignment
from domain.assignment.decider import decide
from domain.assignment.state import Assignment, UnitState
from domain.casework.state import CaseState
from domain.event import Event, Explanation, Reason
from domain.refusals import Refusal
from domain.vocabulary import IncidentPhase

POLICY = "commitment"
ENDED = frozenset({IncidentPhase.RESOLVED, IncidentPhase.CLOSED, IncidentPhase.DISMISSED})
"""Nobody is needed there any more."""
UNITS_NAMED_MAX = 20
"""Call signs in a refusal; a flood has more, and nobody reads them all at once."""


@dataclass(frozen=True, slots=True)
class Commitment:
    """One open assignment and the unit that has it, as its stream said at `version`."""

    unit_id: UUID
    version: int
    unit: UnitState
    assignment: Assignment


@dataclass(frozen=True, slots=True)
class Ending:
    """How an incident ended: its number, the phase it is in, and the position of the fact that put it there."""

    number: str
    phase: IncidentPhase
    position: int


def commitments(unit_id: UUID, version: int, unit: UnitState, incident_ids: Collection[UUID]) -> tuple[Commitment, ...]:
    """What a unit still has on any of these incidents."""
    return tuple(
        Commitment(unit_id, version, unit, assignment)
        for assignment in unit.open_assignments
        if assignment.incident_id in incident_ids
    )


def still_committed(number: str, found: Sequence[Commitment], *, told: str | None = None) -> Refusal | None:
    """Why the incident cannot end yet, or None if it can.

    `told` is the agency that asked, when a partner did: it is told the call signs of its own units, and of others only
    how many there are.
    """
    if not found:
        return None
    named = sorted((each for each in found if told in (None, _agency(each))), key=lambda each: each.unit.call_sign)
    said = [f"{each.unit.call_sign} ({each.assignment.phase})" for each in named[:UNITS_NAMED_MAX]]
    unnamed = len(found) - len(said)
    if unnamed:
        said.append(f"{unnamed} more" if said else f"{unnamed} of other agencies")
    return Refusal(
        "incident.units_committed",
        f"Units are still on incident {number}: {', '.join(said)}. Clear them or call them back first.",
        {
            "number": number,
            "call_signs": ", ".join(each.unit.call_sign for each in named[:UNITS_NAMED_MAX]),
            "unit_count": str(len({each.unit_id for each in found})),
        },
    )


def still_in_casework(number: str, case_id: UUID, case: CaseState) -> Refusal:
    """Why the incident cannot be closed or dismissed: its case, or that of one merged into it, is open."""
    return Refusal(
        "incident.case_open",
        f"The case of {case.number} is {case.phase}. Close or void it before incident {number} ends.",
        {"number": number, "case_id": str(case_id), "case_number": case.number, "phase": str(case.phase)},
    )


def called_back(commitment: Commitment, ending: Ending) -> tuple[Event, ...]:
    """The unit is free again; nothing if it is already."""
    reason = Reason(code="commitment.incident_ended", values={"number": ending.number, "phase": str(ending.phase)})
    command = CancelAssignment(
        assignment_id=commitment.assignment.assignment_id,
        reason=f"案件{ending.number}已结束，无需到场。Incident {ending.number} is over: nobody is needed there.",
        explanation=Explanation(policy=POLICY, input_positions=(ending.position,), reasons=(reason,)),
    )
    decided = decide(command, commitment.unit)
    return () if isinstance(decided, Refusal) else decided


def _agency(commitment: Commitment) -> str | None:
    return commitment.unit.registration.agency if commitment.unit.registration else None
