"""The cases of an incident, by the log up to now: their ids follow from the incident's, so nothing is searched for."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from dispatch.handling.scribe import Loaded, Scribe
from domain.casework.decider import INITIAL, CaseState, evolve
from domain.identifiers import case_id_for

CASES_MAX = 50
"""Cases of one incident, one after the other; more than any story has."""
AT_ONCE = 5
"""Ids that are asked for in one look: nearly every incident has no case or one."""


async def cases_of(scribe: Scribe, incident_ids: Iterable[UUID]) -> list[UUID]:
    """Ids of the last case of each incident that ever had one."""
    last: dict[UUID, UUID] = {}
    asked, began = list(incident_ids), 0
    while asked and began < CASES_MAX:
        ids = {case_id_for(each, began + n): each for each in asked for n in range(AT_ONCE)}
        heads = await scribe.log.heads([*ids])
        last |= {incident_id: case_id for case_id, incident_id in ids.items() if case_id in heads}
        began += AT_ONCE
        asked = [each for each in asked if last.get(each) == case_id_for(each, began - 1)]
    return list(last.values())


async def last_case(scribe: Scribe, incident_id: UUID) -> Loaded[CaseState] | None:
    """The last case of an incident; None if it never had one."""
    found = await cases_of(scribe, [incident_id])
    return await scribe.load(found[0], INITIAL, evolve) if found else None


async def open_case(scribe: Scribe, incident_ids: Iterable[UUID]) -> Loaded[CaseState] | None:
    """A case of one of these incidents that is neither closed nor voided."""
    for case_id in await cases_of(scribe, incident_ids):
        case = await scribe.load(case_id, INITIAL, evolve)
        if case.state.is_open:
            return case
    return None
