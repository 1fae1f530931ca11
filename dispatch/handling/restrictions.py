"""Incidents of a restricted operation: attached and detached by persons, known to whom the operation is known.

The operation says who knows, the incident says that it is one of its; both are written in one command, each with the
version it was decided on, and so is a member that joins or leaves with every incident it then learns of or forgets. No
reader ever finds the one without the other. What was merged into an incident is attached with it: a guest's row names
its head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias
from uuid import UUID

from dispatch.directory import Directory
from dispatch.handling.labels import known_to
from dispatch.handling.merges import with_guests
from dispatch.handling.scribe import Change, Loaded, Outcome, Request, Scribe, check_version
from domain.event import Event
from domain.incident import decider as incidents
from domain.incident.admission import merged, unknown_incident
from domain.incident.commands import ChangeClearance, LabelCommand, LiftRestriction, RestrictIncident
from domain.incident.state import IncidentState
from domain.operation import decider as operations
from domain.operation.commands import AddMember, AttachIncident, DetachIncident, RemoveMember
from domain.operation.decider import OperationState
from domain.refusals import Refusal
from domain.vocabulary import IncidentPhase

Attempt: TypeAlias = tuple[Sequence[Change], Mapping[str, Any]] | Refusal


class RestrictionDesk:
    """What concerns an operation and its incidents at once. Raises `Refused`, `Conflict`, `Unavailable`."""

    def __init__(self, scribe: Scribe, directory: Directory) -> None:
        self._scribe = scribe
        self._directory = directory

    async def attach(self, operation_id: UUID, incident_id: UUID, reason: str, request: Request) -> Outcome:
        """Attach an incident, with all that was merged into it. Attached twice is attached once."""

        async def attempt() -> Attempt:
            operation, together = await self._loaded(operation_id, incident_id)
            refusal = _not_itself(together[incident_id].state)
            if refusal is not None:
                return refusal
            label = RestrictIncident(
                operation_id=operation_id, reason=reason, **known_to(operation.state, self._directory)
            )
            halves = _of_operation(operation, [AttachIncident(incident_id=one) for one in together])
            return _all(halves, _of_incidents(together, label), _answer(operation_id, incident_id))

        return await self._scribe.decide(attempt, request)

    async def detach(self, operation_id: UUID, incident_id: UUID, reason: str, request: Request) -> Outcome:
        """Take it off again, with all that was merged into it."""

        async def attempt() -> Attempt:
            operation, together = await self._loaded(operation_id, incident_id)
            refusal = _not_itself(together[incident_id].state)
            if refusal is not None:
                return refusal
            label = LiftRestriction(operation_id=operation_id, reason=reason)
            halves = _of_operation(operation, [DetachIncident(incident_id=one) for one in together])
            return _all(halves, _of_incidents(together, label), _answer(operation_id, incident_id))

        return await self._scribe.decide(attempt, request)

    async def member(self, operation_id: UUID, command: AddMember | RemoveMember, request: Request) -> Outcome:
        """Let a center take part, or no more: it learns of the operation's incidents, or they are gone for it."""

        async def attempt() -> Attempt:
            operation = await self._scribe.load(operation_id, operations.INITIAL, operations.evolve)
            check_version(operation, request)
            halves = _of_operation(operation, [command])
            answer = {"operation_id": str(operation_id)}
            if isinstance(halves, Refusal) or not halves:
                return halves if isinstance(halves, Refusal) else ([], answer)
            after = operation.state
            for event in halves[0].events:
                after = operations.evolve(after, event)
            label = ChangeClearance(operation_id=operation_id, **known_to(after, self._directory))
            own = await self._scribe.load_many(sorted(after.incidents), incidents.INITIAL, incidents.evolve)
            return _all(halves, _of_incidents(own, label), answer)

        return await self._scribe.decide(attempt, request)

    async def _loaded(
        self, operation_id: UUID, incident_id: UUID
    ) -> tuple[Loaded[OperationState], Mapping[UUID, Loaded[IncidentState]]]:
        operation = await self._scribe.load(operation_id, operations.INITIAL, operations.evolve)
        incident = await self._scribe.load(incident_id, incidents.INITIAL, incidents.evolve)
        together = await with_guests(self._scribe, incident)
        return operation, dict(sorted(together.items()))


def _not_itself(state: IncidentState) -> Refusal | None:
    if state.phase is None:
        return unknown_incident()
    return merged(state) if state.phase is IncidentPhase.MERGED else None


def _of_operation(
    operation: Loaded[OperationState], commands: Sequence[AttachIncident | DetachIncident | AddMember | RemoveMember]
) -> list[Change] | Refusal:
    """The operation's half: at most one change."""
    state, events = operation.state, list[Event]()
    for command in commands:
        decided = operations.decide(command, state)
        if isinstance(decided, Refusal):
            return decided
        for event in decided:
            state = operations.evolve(state, event)
        events += decided
    return [Change(operation.stream_id, operation.version, tuple(events))] if events else []


def _of_incidents(loaded: Mapping[UUID, Loaded[IncidentState]], command: LabelCommand) -> list[Change] | Refusal:
    changes = []
    for incident_id, each in loaded.items():
        decided = incidents.decide(command, each.state)
        if isinstance(decided, Refusal):
            return decided
        if decided:
            changes.append(Change(incident_id, each.version, decided, correlation_id=incident_id))
    return changes


def _all(
    of_operation: list[Change] | Refusal, of_incidents: list[Change] | Refusal, answer: Mapping[str, Any]
) -> Attempt:
    """Both halves, or the first refusal."""
    if isinstance(of_operation, Refusal):
        return of_operation
    if isinstance(of_incidents, Refusal):
        return of_incidents
    return [*of_operation, *of_incidents], answer


def _answer(operation_id: UUID, incident_id: UUID) -> dict[str, str]:
    return {"operation_id": str(operation_id), "incident_id": str(incident_id)}
