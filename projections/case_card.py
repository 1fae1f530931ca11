"""What the facts of a case add to its incident's card: a link, its phase, who has it and its lamp.

A card on which no case was ever filed has no such list at all, as it was before there were cases.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from domain.casework import events as casework
from domain.casework.limits import Limit
from domain.event import Event, Fact
from domain.vocabulary import CasePhase, Lamp
from projections.shown import id_text, instant

Document: TypeAlias = Mapping[str, Any]
Change: TypeAlias = dict[str, Any]
Rule: TypeAlias = Callable[[Document, Any, Fact[Event]], Change]

PHASES: Mapping[str, CasePhase] = {
    casework.CaseAssigned.name: CasePhase.ASSIGNED,
    casework.CaseArbitrated.name: CasePhase.ASSIGNED,
    casework.CaseReturned.name: CasePhase.RETURNED,
    casework.CaseSentToArbiter.name: CasePhase.ARBITRATION,
    casework.CaseHandled.name: CasePhase.HANDLED,
    casework.CasePaused.name: CasePhase.PAUSED,
    casework.CaseResumed.name: CasePhase.ASSIGNED,
    casework.CaseVoided.name: CasePhase.VOIDED,
    casework.CaseClosed.name: CasePhase.CLOSED,
}
"""The phase a fact leads to; a check leads to two."""


def phase_after(event: Event) -> CasePhase | None:
    """The phase a fact leads to; None if it stays."""
    if isinstance(event, casework.CaseChecked):
        return CasePhase.PASSED if event.passed else CasePhase.ASSIGNED
    return PHASES.get(event.name)


def lamp_at(limit: Limit) -> Lamp:
    """The lamp with which a limit begins: what was used before it stays used."""
    if limit.red_at is None:
        return Lamp.RED
    return Lamp.AMBER if limit.amber_at is None else Lamp.GREEN


def _filed(document: Document, event: casework.CaseFiled, fact: Fact[Event]) -> Change:
    entry = {
        "case_id": id_text(fact.stream_id),
        "class_code": event.class_code,
        "phase": CasePhase.FILED.value,
        "lamp": Lamp.GREEN.value,
        "department_agency": None,
        "filed_at": instant(event.filed_at),
    }
    return {"cases": [*document.get("cases", []), entry]}


def _changed(document: Document, event: Any, fact: Fact[Event]) -> Change:
    change: Change = {}
    phase, limit = phase_after(event), casework.limit_in(event)
    if phase is not None:
        change["phase"] = phase.value
    if limit is not None:
        change["lamp"] = lamp_at(limit).value
    if isinstance(event, casework.LampTurned) and event.ended_at is None:
        change["lamp"] = event.lamp.value
    if isinstance(event, casework.CaseAssigned | casework.CaseArbitrated):
        change["department_agency"] = event.department.agency
    elif isinstance(event, casework.CaseReturned):
        change["department_agency"] = None
    case_id = id_text(fact.stream_id)
    listed = document.get("cases")
    if not change or not listed:
        return {}
    return {"cases": [{**entry, **change} if entry["case_id"] == case_id else entry for entry in listed]}


CASE_RULES: Mapping[str, Rule] = {
    **dict.fromkeys((event.name for event in casework.EVENTS), _changed),
    casework.CaseFiled.name: _filed,
}
