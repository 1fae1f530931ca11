"""What a department is told of the case it has: pure, from facts alone. No other agency hears of a case."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from dispatch.partners import contracts
from dispatch.partners.contracts import IncidentMessage
from domain.casework import events as casework
from domain.event import Event
from domain.vocabulary import CasePhase, CaseStage, Lamp
from projections.case_card import lamp_at, phase_after

CASE_MESSAGES: dict[str, type[IncidentMessage]] = {
    casework.CaseAssigned.name: contracts.CaseAssigned,
    casework.CaseArbitrated.name: contracts.CaseAssigned,
    casework.LampTurned.name: contracts.CaseLampTurned,
    casework.CaseSupervised.name: contracts.CaseSupervised,
    casework.CaseChecked.name: contracts.CaseChecked,
    casework.CasePaused.name: contracts.CaseTimeChanged,
    casework.CaseResumed.name: contracts.CaseTimeChanged,
    casework.ExtensionGranted.name: contracts.CaseTimeChanged,
    casework.ExtensionRefused.name: contracts.CaseTimeChanged,
    casework.CaseVoided.name: contracts.CaseEnded,
    casework.CaseClosed.name: contracts.CaseEnded,
}
"""Facts of a case that its department hears of, and as what. What it said itself it knows."""
CASE_TOPICS: tuple[str, ...] = tuple(event.name for event in casework.EVENTS)


@dataclass(frozen=True, slots=True)
class SharedCase:
    """The incident's last case, and the agency that has it (None: nobody)."""

    case_id: UUID
    class_code: str
    phase: CasePhase = CasePhase.FILED
    agency: str | None = None
    lamp: Lamp = Lamp.GREEN
    handle_by: datetime | None = None


def case_after(before: SharedCase | None, case_id: UUID, event: Event) -> SharedCase | None:
    """The case after a fact of it. Total; a fact of a case that was never filed changes nothing."""
    if isinstance(event, casework.CaseFiled):
        return SharedCase(case_id, event.class_code)
    if before is None or before.case_id != case_id:
        return before
    after = replace(before, phase=phase_after(event) or before.phase)
    limit = casework.limit_in(event)
    if limit is not None:
        by = limit.red_at if limit.stage is CaseStage.HANDLE else None
        after = replace(after, lamp=lamp_at(limit), handle_by=by)
    elif casework.stopped_at(event) is not None:
        after = replace(after, handle_by=None)
    match event:
        case casework.CaseAssigned(department=department) | casework.CaseArbitrated(department=department):
            return replace(after, agency=department.agency)
        case casework.CaseReturned():
            return replace(after, agency=None)
        case casework.LampTurned(lamp=lamp, ended_at=None):
            return replace(after, lamp=lamp)
        case _:
            return after


def hears(case: SharedCase | None, event: Event) -> frozenset[str]:
    """The department that has it; a lamp of the checkers' time is none of its business, nor one that was missed."""
    if case is None or case.agency is None:
        return frozenset()
    if isinstance(event, casework.LampTurned) and (event.stage is CaseStage.CHECK or event.ended_at is not None):
        return frozenset()
    return frozenset({case.agency})


def public(case: SharedCase) -> dict[str, Any]:
    """The case as its department may know it."""
    shown = contracts.PublicCase(
        class_code=case.class_code, phase=case.phase.value, lamp=case.lamp.value, handle_by=case.handle_by
    )
    return shown.model_dump(mode="json", exclude_none=True)
