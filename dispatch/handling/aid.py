"""Requests for mutual aid, each on a stream of its own; and for which of them a unit is kept, on the unit's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from dispatch.handling.scribe import Change, Outcome, Request, Scribe, check_version
from domain.aid import lending
from domain.aid.commands import AidCommand
from domain.aid.decider import INITIAL, AidState, decide, evolve
from domain.aid.events import AidCommitted, AidReleased
from domain.aid.lending import FreeUnit, KeepUnit, LendingCommand
from domain.event import Event
from domain.identifiers import lending_of
from domain.refusals import Refusal


class AidDesk:
    """Asks and answers. Raises `Refused`, `Conflict`, `Unavailable`."""

    def __init__(self, scribe: Scribe) -> None:
        self._scribe = scribe

    async def state(self, aid_id: UUID) -> AidState:
        """The request as decided so far; `requested` None if there is none."""
        return (await self._scribe.load(aid_id, INITIAL, evolve)).state

    async def execute(self, aid_id: UUID, command: AidCommand, request: Request) -> Outcome:
        """Decide on the version the caller saw. Units that are committed or released are kept or freed in the same
        append; a stated version is the request's, and somebody who is first on a unit only has it decided anew.
        """

        async def attempt() -> tuple[Sequence[Change], Mapping[str, Any]] | Refusal:
            loaded = await self._scribe.load(aid_id, INITIAL, evolve)
            check_version(loaded, request)
            decided = decide(command, loaded.state)
            if isinstance(decided, Refusal):
                return decided
            changes = [Change(aid_id, loaded.version, decided)]
            for unit_id, asked in _lendings(aid_id, decided):
                unit = await self._scribe.load(lending_of(unit_id), lending.INITIAL, lending.evolve)
                said = lending.decide(asked, unit.state)
                if isinstance(said, Refusal):
                    return said
                changes.append(Change(unit.stream_id, unit.version, said))
            return changes, {"aid_id": str(aid_id)}

        return await self._scribe.decide(attempt, replace(request, expected_version=None))


def _lendings(aid_id: UUID, decided: Sequence[Event]) -> list[tuple[UUID, LendingCommand]]:
    """What follows for units."""
    found: list[tuple[UUID, LendingCommand]] = []
    for event in decided:
        match event:
            case AidCommitted(units=units):
                found += [(one.unit_id, KeepUnit(unit=one, aid_id=aid_id)) for one in units]
            case AidReleased(unit_ids=unit_ids):
                found += [(unit_id, FreeUnit(unit_id=unit_id, aid_id=aid_id)) for unit_id in unit_ids]
            case _:
                pass
    return found
