"""Watches, each on a stream of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from dispatch.handling.scribe import Change, Loaded, Outcome, Request, Scribe
from domain.refusals import Refusal, Refused
from domain.watch.commands import ReadWatch, WatchCommand
from domain.watch.decider import INITIAL, WatchState, decide, evolve


class WatchDesk:
    """Opens and keeps watches. Raises `Refused`, `Conflict`, `Unavailable`."""

    def __init__(self, scribe: Scribe) -> None:
        self._scribe = scribe

    async def state(self, watch_id: UUID) -> Loaded[WatchState]:
        """The watch as decided so far. Refused `watch.unknown`."""
        loaded = await self._scribe.load(watch_id, INITIAL, evolve)
        if loaded.state.opened is None:
            raise Refused("watch.unknown", "There is no such watch. Check its id.")
        return loaded

    async def execute(self, watch_id: UUID, command: WatchCommand, request: Request, **answer: str) -> Outcome:
        """Decide on the watch's own version, again if somebody was first: two sightings are no race."""
        request = replace(request, expected_version=None)

        async def attempt() -> tuple[Sequence[Change], Mapping[str, Any]] | Refusal:
            loaded = await self._scribe.load(watch_id, INITIAL, evolve)
            decided = decide(command, loaded.state)
            if isinstance(decided, Refusal):
                return decided
            changes = [Change(watch_id, loaded.version, decided)] if decided else []
            return changes, {"watch_id": str(watch_id), **answer}

        return await self._scribe.decide(attempt, request)

    async def read(self, watch_id: UUID, command: ReadWatch, request: Request) -> str | None:
        """Whom it is about; that somebody looked, and what for, is recorded first. None: the key was destroyed."""
        await self.execute(watch_id, command, request)
        opened = (await self.state(watch_id)).state.opened
        assert opened is not None, "just read"
        assert opened.description.sealed is not None, "nothing in the log is plain"
        return await self._scribe.sealer.open(opened.description.subject_id, opened.description.sealed)
