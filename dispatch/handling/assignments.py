"""Decisions about units and assignments, on the unit's stream.

`assign` reads the incident when it decides, but takes no version of it: a busy incident would otherwise turn every
dispatcher's assignment stale (decision record 0004). If the incident ends in the milliseconds between, the unit has
an assignment to an ended incident, and is called back at once (`dispatch.workers.releaser`, decision record 0012).

`divert` writes the incident that loses the unit too: what is decided about that one must know (decision record 0033).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeAlias
from uuid import UUID

from dispatch.directory import Directory
from dispatch.handling.merges import head_of
from dispatch.handling.scribe import Change, Loaded, Outcome, Request, Scribe, check_version, stale
from dispatch.handling.units import UnitMemory
from dispatch.ports import UnitPosition, UnitPositions
from domain.assignment.commands import (
    AssignUnit,
    DivertUnit,
    ProgressCommand,
    StackLimits,
    TakeFromStack,
    UnitCommand,
)
from domain.assignment.decider import UnitState, decide
from domain.event import Event
from domain.identifiers import assignment_id_for
from domain.incident import decider as incident
from domain.incident.admission import dispatch_refusal
from domain.policies import diversion
from domain.refusals import Refusal, Refused
from domain.rulebook.content import Rulebook

Attempt: TypeAlias = tuple[Sequence[Change], Mapping[str, Any]] | Refusal


@dataclass(frozen=True, slots=True)
class Diversion:
    """Which assignment ends, where the unit goes, why; and on which versions of the incidents that was decided.

    `override`: why, although the first incident is the more urgent one, or the unit is reserved.
    """

    assignment_id: UUID
    to_incident_id: UUID
    reason: str
    override: str | None = None
    from_version: int | None = None
    to_version: int | None = None


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
        self,
        unit_id: UUID,
        incident_id: UUID,
        request: Request,
        *,
        stacked: bool = False,
        recommended: bool = False,
        override: str | None = None,
    ) -> Outcome:
        """Put a unit on an incident. The answer names the `assignment_id`.

        Of two dispatchers who take the unit at once, the second is refused `unit.already_assigned`, with the number of
        the incident that has it. An incident that is not live or not actual refuses. `override` says why, although the
        unit is reserved.
        """
        rulebook = self._directory.rulebook()
        position = (await self._positions.get([unit_id])).get(unit_id)

        async def decided(unit: Loaded[UnitState]) -> Attempt:
            target = (await self._scribe.load(incident_id, incident.INITIAL, incident.evolve)).state
            refusal = dispatch_refusal(target)
            if refusal is not None:
                return refusal
            command = assignment(unit, incident_id, target, rulebook, position, request)
            asked = {"stacked": stacked, "recommended": recommended, "override": override}
            events = decide(command.model_copy(update=asked), unit.state)
            if isinstance(events, Refusal):
                return events
            change = replace(_change(unit, events, incident_id), rule_version=rulebook.version)
            return [change], _answer(unit_id, command.assignment_id, incident_id)

        return await self._decide(unit_id, decided, request)

    async def divert(self, unit_id: UUID, wanted: Diversion, request: Request) -> Outcome:
        """Take a unit off one incident and put it on another: both, or neither. The answer names both assignments.

        A stated version is the unit's; `wanted` may state those of the incidents. Refused `unit.needed_more` off the
        more urgent incident, unless `wanted.override` says why.
        """
        rulebook = self._directory.rulebook()
        position = (await self._positions.get([unit_id])).get(unit_id)

        async def decided(unit: Loaded[UnitState]) -> Attempt:
            found = unit.state.assignments.get(wanted.assignment_id)
            taker = await self._scribe.load(wanted.to_incident_id, incident.INITIAL, incident.evolve)
            _check(taker, wanted.to_version)
            refusal = dispatch_refusal(taker.state)
            if refusal is not None:
                return refusal
            to = assignment(unit, wanted.to_incident_id, taker.state, rulebook, position, request)
            command = DivertUnit(
                assignment_id=wanted.assignment_id,
                reason=wanted.reason,
                to=to.model_copy(update={"override": wanted.override}),
                tells_with_it=unit.state.agency in taker.state.agencies,
            )
            events = decide(command, unit.state)
            if isinstance(events, Refusal):
                return events
            assert found is not None, "it was diverted from something"
            giver = await self._scribe.load(found.incident_id, incident.INITIAL, incident.evolve)
            _check(giver, wanted.from_version)
            # Who decides about the incident is told, and that is the head of a merged one.
            head = await head_of(self._scribe, giver)
            refusal = diversion.refusal(unit.state, head.state, taker.state, wanted.override)
            if refusal is not None or head.stream_id == taker.stream_id:
                return refusal or diversion.on_it_already(unit.state, found)
            told = diversion.lost(
                unit_id, unit.state, found, wanted.to_incident_id, taker.state, wanted.reason, wanted.override
            )
            changes = [
                replace(_change(unit, events, wanted.to_incident_id), rule_version=rulebook.version),
                Change(head.stream_id, head.version, (told,), correlation_id=head.stream_id),
            ]
            return changes, {
                **_answer(unit_id, to.assignment_id, wanted.to_incident_id),
                "from_incident_id": str(giver.stream_id),
                "from_assignment_id": str(found.assignment_id),
            }

        return await self._decide(unit_id, decided, request)

    async def progress(self, unit_id: UUID, command: ProgressCommand | TakeFromStack, request: Request) -> Outcome:
        """A step of one assignment, said by the crew, by its agency or by a dispatcher. A repeat changes nothing."""

        async def decided(unit: Loaded[UnitState]) -> Attempt:
            events = decide(command, unit.state)
            if isinstance(events, Refusal):
                return events
            incident_id = unit.state.assignments[command.assignment_id].incident_id
            answer = _answer(unit_id, command.assignment_id, incident_id)
            return [_change(unit, events, incident_id)], answer

        return await self._decide(unit_id, decided, request)

    async def execute(self, unit_id: UUID, command: UnitCommand, request: Request, **answer: str) -> Outcome:
        """Any command about the unit itself: registration, duty, its stack, what it is kept for (and, for loaders,
        ready-made assignments). `answer` goes back to whoever asked."""

        async def decided(unit: Loaded[UnitState]) -> Attempt:
            events = decide(command, unit.state)
            if isinstance(events, Refusal):
                return events
            return [_change(unit, events, None)], {"unit_id": str(unit_id), **answer}

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

        # Each attempt looks at the stated version itself: a race that was lost on an incident is none on the unit.
        return await self._scribe.decide(attempt, replace(request, expected_version=None))


def assignment(
    unit: Loaded[UnitState],
    incident_id: UUID,
    target: incident.IncidentState,
    rulebook: Rulebook,
    position: UnitPosition | None,
    request: Request,
) -> AssignUnit:
    """The command that puts a unit on an incident, with what is known of where it is and by when it must answer."""
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
        limits=StackLimits(
            waiting_max=rulebook.stacking.waiting_max, may_wait=rulebook.stacking.may_wait(target.priority)
        ),
        at=request.received_at,
    )


def _check(loaded: Loaded[incident.IncidentState], version: int | None) -> None:
    """Raise `Conflict` if somebody decided on another version of the incident."""
    if version is not None and version != loaded.version:
        raise stale(loaded.stream_id, version, loaded.version)


def _change(unit: Loaded[UnitState], events: tuple[Event, ...], incident_id: UUID | None) -> Change:
    return Change(unit.stream_id, unit.version, events, correlation_id=incident_id)


def _answer(unit_id: UUID, assignment_id: UUID, incident_id: UUID) -> dict[str, str]:
    return {"assignment_id": str(assignment_id), "unit_id": str(unit_id), "incident_id": str(incident_id)}
