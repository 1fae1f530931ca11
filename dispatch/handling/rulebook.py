"""Commands of the rulebook, recorded on the city's one rulebook stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from dispatch.directory import Directory
from dispatch.handling.scribe import Change, Outcome, Request, Scribe, stale
from dispatch.working_days import KNOWN_YEARS, needs_holidays_of
from domain.identifiers import rulebook_stream
from domain.refusals import Refusal, Refused
from domain.rulebook.commands import RulebookCommand
from domain.rulebook.content import Rulebook
from domain.rulebook.decider import INITIAL, State, decide, evolve
from domain.rulebook.plans import AlarmLevel


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
    named += [(f"/case_classes/{number}/department", each.department) for number, each in enumerate(rules.case_classes)]
    for number, defined in enumerate(rules.service_times):
        named += [(f"/service_times/{number}/agencies/{index}", code) for index, code in enumerate(defined.agencies)]
    for place, level in _levels(rules):
        named += [(f"{place}/response/{index}/agency", rule.agency) for index, rule in enumerate(level.response)]
        named += [(f"{place}/agencies/{index}/agency", rule.agency) for index, rule in enumerate(level.agencies)]
    arbiter = rules.casework.arbiter_center_code
    if arbiter is not None and directory.center_by_code(arbiter) is None:
        found.append(("/casework/arbiter_center_code", f"there is no center {arbiter}"))
    for number, cover in enumerate(rules.cover):
        if directory.center_by_code(cover.center_code) is None:
            found.append((f"/cover/{number}/center_code", f"there is no center {cover.center_code}"))
        named += [(f"/cover/{number}/agency", cover.agency)] if cover.agency is not None else []
    found += [(where, f"there is no agency {code}") for where, code in named if directory.agency(code) is None]
    return [*found, *_unmanned(rules, directory)]


def _levels(rules: Rulebook) -> Iterator[tuple[str, AlarmLevel]]:
    """Every alarm level of every plan, with its JSON pointer."""
    for number, plan in enumerate(rules.plans):
        for index, level in enumerate(plan.levels):
            yield f"/plans/{number}/levels/{index}", level


def _unmanned(rules: Rulebook, directory: Directory) -> Iterator[tuple[str, str]]:
    """What plans ask for and no registered unit could ever be. A city without any unit yet is not asked."""
    if not directory.units:
        return
    for place, level in _levels(rules):
        for index, rule in enumerate(level.response):
            ours = [each for each in directory.units.values() if each.agency == rule.agency]
            kinds = ", ".join(rule.unit_kinds)
            of_kind = [each for each in ours if each.kind in rule.unit_kinds]
            if directory.agency(rule.agency) is not None and not of_kind:
                yield f"{place}/response/{index}/unit_kinds", f"{rule.agency} has no unit of the kind {kinds}"
            elif of_kind and not any(set(rule.skills) <= set(each.skills) for each in of_kind):
                skills = ", ".join(rule.skills)
                yield f"{place}/response/{index}/skills", f"no {kinds} of {rule.agency} has all of: {skills}"


def require_known_holidays(rules: Rulebook, at: datetime) -> None:
    """Refused `rulebook.holidays_unknown` where these rules count working days of a year that the calendar lacks."""
    year = at.astimezone(ZoneInfo(rules.time_zone)).year
    if needs_holidays_of(rules, year):
        raise Refused(
            "rulebook.holidays_unknown",
            f"The calendar of working days ends with {max(KNOWN_YEARS)}; these rules count working days of {year}. "
            "Renew the package chinesecalendar, or set casework.holidays to none.",
            year=str(year),
            known_to=str(max(KNOWN_YEARS)),
        )


class RulebookHandler:
    """Publishes and activates the rulebooks of one city."""

    def __init__(self, scribe: Scribe, city: str) -> None:
        self._scribe = scribe
        self._stream_id = rulebook_stream(city)

    async def scheduled(self) -> Mapping[int, datetime]:
        """Version → from when on it is to decide."""
        return (await self._scribe.load(self._stream_id, INITIAL, evolve)).state.scheduled

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
