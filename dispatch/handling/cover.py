"""People about move-ups: accepted, which posts the unit in the same decision, or declined; and sent home again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from dispatch.directory import Directory
from dispatch.handling.scribe import Change, Loaded, Outcome, Request, Scribe
from dispatch.handling.units import UnitMemory
from domain.assignment import decider as unit
from domain.assignment.commands import PostUnit
from domain.assignment.events import UnitPosted
from domain.cover.decider import INITIAL, AcceptMove, CoverCommand, CoverState, decide, evolve
from domain.identifiers import cover_of
from domain.policies.cover import Minimum
from domain.refusals import Refusal
from domain.rulebook.content import Rulebook


class CoverDesk:
    """Answers to suggestions. Raises `Refused`, `Conflict`, `Unavailable`."""

    def __init__(self, scribe: Scribe) -> None:
        self._scribe = scribe
        self._units = UnitMemory(scribe.baselines)

    async def state(self, stream_id: UUID) -> Loaded[CoverState]:
        """One minimum as decided so far; empty if it was never missed."""
        return await self._scribe.load(stream_id, INITIAL, evolve)

    async def answer(self, stream_id: UUID, command: CoverCommand, request: Request, reason: str) -> Outcome:
        """Accept or decline. A unit that was taken meanwhile is refused `unit.not_free`: nothing is recorded then."""

        async def attempt() -> tuple[Sequence[Change], Mapping[str, Any]] | Refusal:
            loaded = await self.state(stream_id)
            decided = decide(command, loaded.state)
            if isinstance(decided, Refusal):
                return decided
            changes = [Change(stream_id, loaded.version, decided)]
            found = loaded.state.suggested
            if decided and isinstance(command, AcceptMove):
                assert found is not None, "it was accepted"
                posting = UnitPosted(
                    center=found.center, place=found.place, reason=reason, suggestion_id=found.suggestion_id
                )
                loaded_unit = await self._units.load(found.unit_id)
                posted = unit.decide(PostUnit(posting=posting), loaded_unit.state)
                if isinstance(posted, Refusal):
                    self._units.forget(found.unit_id)
                    return posted
                changes.append(Change(found.unit_id, loaded_unit.version, posted))
            return changes, {"suggestion_id": str(command.suggestion_id)}

        return await self._scribe.decide(attempt, request)


def minima_of(rulebook: Rulebook, directory: Directory, version: Callable[[UUID], int] = lambda _: 0) -> list[Minimum]:
    """The rules whose center there is, in their order. `version` is asked where the stream of each stands."""
    found = []
    for rule in rulebook.cover:
        center = directory.center_by_code(rule.center_code)
        if center is not None:
            stream_id = cover_of(rulebook.city, rule.code)
            place = rule.standby if rule.standby is not None else center.location
            found.append(Minimum(rule, center.ownership, place, stream_id, version(stream_id)))
    return found
