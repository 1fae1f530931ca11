"""The checklist of an incident: which list binds it, and what is ticked off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from dispatch.directory import Directory
from dispatch.handling.scribe import Change, Outcome, Request, Scribe, as_fact
from domain.checklist.decider import INITIAL, ChecklistCommand, TickItem, decide, evolve
from domain.event import Event, Fact
from domain.identifiers import checklist_of
from domain.incident.decider import INITIAL as INITIAL_INCIDENT
from domain.incident.decider import evolve as evolve_incident
from domain.incident.events import IncidentClassified, IncidentOpened, IncidentRouted
from domain.policies.plans import checklist_of as checklist_at
from domain.refusals import Refusal, Refused
from domain.rulebook.plans import ChecklistItem


@dataclass(frozen=True, slots=True)
class Pinned:
    """The list that binds an incident. `rule_version` None: it is not routed yet, and nothing binds it."""

    category: str
    rule_version: int | None
    items: tuple[ChecklistItem, ...]


class ChecklistDesk:
    """Ticks items off. Raises `Refused`, `Conflict`, `Unavailable`."""

    def __init__(self, scribe: Scribe, directory: Directory) -> None:
        self._scribe = scribe
        self._directory = directory

    async def pinned(self, incident_id: UUID) -> Pinned:
        """The list of the version by which the incident was first routed as what it is.

        A later version changes nothing for incidents that are under way; another category is another list. A plan adds
        what belongs to the alarm level.
        """
        category, version, state = "", None, INITIAL_INCIDENT
        for row in await self._scribe.log.read_stream(incident_id):
            fact = as_fact(row)
            category, version = _after(fact, category, version)
            state = evolve_incident(state, fact.event)
        if version is None:
            return Pinned(category, None, ())
        items = checklist_at(self._directory.rulebook(version), category, state.severity, state.alarm_level)
        return Pinned(category, version, items)

    async def tick(self, incident_id: UUID, item: str, request: Request, *, note: str | None = None) -> Outcome:
        """Say that an item is done. Refused `checklist.item_unknown`."""
        listed = frozenset(each.code for each in (await self.pinned(incident_id)).items)
        if item not in listed:
            # Decided here as well: an item that no list could have is no command.
            detail = f"The incident's checklist has no item {item}. Read the list, then tick what is on it."
            raise Refused("checklist.item_unknown", detail, item=item)
        return await self.execute(TickItem(incident_id=incident_id, item=item, listed=listed, note=note), request)

    async def execute(self, command: ChecklistCommand, request: Request) -> Outcome:
        """Decide on the list's own version, again if somebody was first."""
        request = replace(request, expected_version=None)

        async def attempt() -> tuple[Sequence[Change], Mapping[str, Any]] | Refusal:
            loaded = await self._scribe.load(checklist_of(command.incident_id), INITIAL, evolve)
            decided = decide(command, loaded.state)
            if isinstance(decided, Refusal):
                return decided
            answer = {"incident_id": str(command.incident_id), "item": command.item}
            if not decided:
                return [], answer
            changed = Change(loaded.stream_id, loaded.version, decided, correlation_id=command.incident_id)
            return [changed], answer

        return await self._scribe.decide(attempt, request)


def _after(fact: Fact[Event], category: str, version: int | None) -> tuple[str, int | None]:
    match fact.event:
        case IncidentOpened(category=opened):
            return opened, None
        case IncidentClassified(category=other) if other != category:
            return other, None
        case IncidentRouted() if version is None:
            return category, fact.envelope.rule_version
        case _:
            return category, version
