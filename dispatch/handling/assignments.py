"""Decisions about units and assignments, on the unit's stream.

`assign` reads the incident when it decides, but takes no version of it: a busy incident would otherwise turn every
dispatcher's assignment stale (decision record 0004). If the incident ends in the milliseconds between, the unit has
an assignment to an ended incident, and is called back at once (`dispatch.workers.releaser`, decision record 0012).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeAlias
from uuid import UUID

from dispatch.directory import Directory
from dispatch.handling.scribe import Change, Loaded, Outcome, Request, Scribe, check_version
from dispatch.handling.units import UnitMemory
from dispatch.ports import UnitPosition, UnitPositions
from domain.assignment.commands import AssignUnit, ProgressCommand, UnitCommand
from domain.assignment.decider import UnitState, decide
from domain.event import Event
from domain.identifiers import assignment_id_for
from domain.incident import decider as incident
from domain.incident.admission import dispatch_refusal
from domain.refusals import Refusal, Refused
from domain.rulebook.content import Rulebook

Attempt: TypeAlias = tuple[Sequence[Change], Mapping[str, Any]] | Refusal


class AssignmentDesk:
    """Everything that may be asked of units. Raises `Refused`, `Conflict`, `Unavailable`.

    A stated version (`Request.expected_version`) is of the unit's stream.
    """

    def __init__(self, scribe: Scribe, directory: Directory, positions: UnitPositions) -> None:
        self._scribe = scribe
        self._directory = directory
        self._positions = positions
        self._units = UnitMemory(scribe.baselines)

    async def state(self, unit_id: UUID) -> Loaded[UnitState]:
        """The unit as decided so far. Refused `unit.unknown`."""
        loaded = await self._units.load(unit_id)
        if loaded.state.registration is None:
            raise Refused("unit.unknown", "There is no unit with this id. Check the id, or register the unit.")
        return loaded

    async def assign(
        self, unit_id: UUID, incident_id: UUID, request: Request, *, stacked: bool = False, recommended: bool = False
    ) -> Outcome:
        """Put a unit on an incident. The answer names the `assignment_id`.

        Of two dispatchers who take the unit at once, the second is refused `unit.already_assigned`, with the number of
        the incident that has it. An incident that is not live or not actual refuses.
        """
        rulebook = self._directory.rulebook()
        position = (await self._positions.get([unit_id])).get(unit_id)

        async def decided(unit: Loaded[UnitState]) -> Attempt:
            target = (await self._scribe.load(incident_id, incident.INITIAL, incident.evolve)).state
            refusal = dispatch_refusal(target)
            if refusal is not None:
                return refusal
            command = _assignment(unit, incident_id, target, rulebook, position, request)
            events = decide(command.model_copy(update={"stacked": stacked, "recommended": recommended}), unit.state)
            if isinstance(events, Refusal):
                return events
            change = replace(_change(unit, events, incident_id), rule_version=rulebook.version)
            return [change], _answer(unit_id, command.assignment_id, incident_id)

        return await self._decide(unit_id, decided, request)

    async def progress(self, unit_id: UUID, command: ProgressCommand, request: Request) -> Outcome:
        """A step of one assignment, said by the crew, by its agency or by a dispatcher. A repeat changes nothing."""

        async def decided(unit: Loaded[UnitState]) -> Attempt:
            events = decide(command, unit.state)
            if isinstance(events, Refusal):
                return events
            incident_id = unit.state.assignments[command.assignment_id].incident_id
            answer = _answer(unit_id, command.assignment_id, incident_id)
            return [_change(unit, events, incident_id)], answer

        return await self._decide(unit_id, decided, request)

    async def execute(self, unit_id: UUID, command: UnitCommand, request: Request) -> Outcome:
        """Any command about the unit itself: registration and duty (and, for loaders, ready-made assignments)."""

        async def decided(unit: Loaded[UnitState]) -> Attempt:
            events = decide(command, unit.state)
            if isinstance(events, Refusal):
                return events
            return [_change(unit, events, None)], {"unit_id": str(unit_id)}

        return await self._decide(unit_id, decided, request)

    async def _decide(
        self, unit_id: UUID, decided: Callable[[Loaded[UnitState]], Awaitable[Attempt]], request: Request
    ) -> Outcome:
        is_first = True

        async def attempt() -> Attempt:
            nonlocal is_first
            if not is_first:
                # Somebody was first, or what we remember is not what the log says: read it all.
                self._units.forget(unit_id)
            is_first = False
            unit = await self._units.load(unit_id)
            check_version(unit, request)
            return await decided(unit)

        return await self._scribe.decide(attempt, request)


def _assignment(
    unit: Loaded[UnitState],
    incident_id: UUID,
    target: incident.IncidentState,
    rulebook: Rulebook,
    position: UnitPosition | None,
    request: Request,
) -> AssignUnit:
    assert target.owner is not None, "an incident is never ownerless"
    allowed_s = rulebook.category(target.category).deadlines.acknowledge_within_s
    age_s = None if position is None else max(0.0, (request.received_at - position.reported_at).total_seconds())
    return AssignUnit(
        assignment_id=assignment_id_for(incident_id, unit.stream_id, unit.version),
        incident_id=incident_id,
        incident_number=target.number,
        incident_owner=target.owner,
        unit_id=unit.stream_id,
        position=position.point if position else None,
        position_age_s=age_s,
        acknowledge_by=request.received_at + timedelta(seconds=allowed_s),
    )


def _change(unit: Loaded[UnitState], events: tuple[Event, ...], incident_id: UUID | None) -> Change:
    return Change(unit.stream_id, unit.version, events, correlation_id=incident_id)


def _answer(unit_id: UUID, assignment_id: UUID, incident_id: UUID) -> dict[str, str]:
    return {"assignment_id": str(assignment_id), "unit_id": str(unit_id), "incident_id": str(incident_id)}
