"""Commands of the rulebook, recorded on the city's one rulebook stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from dispatch.directory import Directory
from dispatch.handling.scribe import Change, Outcome, Request, Scribe, stale
from domain.identifiers import rulebook_stream
from domain.refusals import Refusal
from domain.rulebook.commands import RulebookCommand
from domain.rulebook.content import Rulebook
from domain.rulebook.decider import INITIAL, State, decide, evolve


def unfit(rules: Rulebook, directory: Directory) -> list[tuple[str, str]]:
    """What these rules name that this city does not have: JSON pointers and why. Empty: they can be put in force.

    A version is right in itself and may still be of no use here: with a zone that no clock knows no incident could be
    numbered any more, and an agency that is spelt wrong would be alarmed for ever without hearing of it.
    """
    found = []
    try:
        ZoneInfo(rules.time_zone)
    except (OSError, ValueError, KeyError):
        found.append(("/time_zone", f"{rules.time_zone} is no zone of the IANA database"))
    if directory.center_by_code(rules.catch_all_center_code) is None:
        found.append(("/catch_all_center_code", f"there is no center {rules.catch_all_center_code}"))
    named = [("/territorial_agency", rules.territorial_agency)]
    for number, category in enumerate(rules.categories):
        asked = {"agencies": [rule.agency for rule in category.agencies]}
        asked["response"] = [rule.agency for rule in category.response]
        for member, codes in asked.items():
            named += [(f"/categories/{number}/{member}/{index}/agency", code) for index, code in enumerate(codes)]
    found += [(where, f"there is no agency {code}") for where, code in named if directory.agency(code) is None]
    return found


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
