"""Commands of the rulebook, recorded on the city's one rulebook stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dispatch.handling.scribe import Change, Outcome, Request, Scribe, stale
from domain.identifiers import rulebook_stream
from domain.refusals import Refusal
from domain.rulebook.commands import RulebookCommand
from domain.rulebook.decider import INITIAL, State, decide, evolve


class RulebookHandler:
    """Publishes and activates the rulebooks of one city."""

    def __init__(self, scribe: Scribe, city: str) -> None:
        self._scribe = scribe
        self._stream_id = rulebook_stream(city)

    async def handle(self, command: RulebookCommand, request: Request) -> Outcome:
        """Decide and record. Raises `Refused`, `Conflict` (`stale_version`, `key_reused`), `Unavailable`."""

        async def attempt() -> tuple[Sequence[Change], Mapping[str, Any]] | Refusal:
            loaded = await self._scribe.load(self._stream_id, INITIAL, evolve)
            if request.expected_version is not None and request.expected_version != loaded.version:
                raise stale(self._stream_id, request.expected_version, loaded.version)
            decided = decide(command, loaded.state)
            if isinstance(decided, Refusal):
                return decided
            after = _after(loaded.state, decided)
            answer = {"active_version": after.active_version, "latest_version": len(after.published)}
            return [Change(self._stream_id, loaded.version, decided)], answer

        return await self._scribe.decide(attempt, request)


def _after(state: State, events: Sequence[Any]) -> State:
    for event in events:
        state = evolve(state, event)
    return state
