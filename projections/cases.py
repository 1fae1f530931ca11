"""The list of cases: one row a case, with all that a desk filters, sorts or counts.

`parts` has an entry for each department that had it, since a case that bounced is counted for every one of them:
`{agency, center_id, assigned_at, is_binding, ended_at, outcome, is_late, reworks, extensions}`. `outcome` is null while
it has the case, then `handled`, `returned` or `voided`; `is_late` says that its time was used up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from domain.casework import events as casework
from domain.casework.limits import Limit
from domain.event import Event, Fact
from domain.ownership import Ownership
from domain.vocabulary import CasePhase, CaseStage, Lamp
from projections import case_tables
from projections.addressing import CASES, names
from projections.case_card import lamp_at, phase_after
from projections.projection import Key, Projection, Row
from projections.shown import columns_shown, id_text, instant

Change = dict[str, Any]
ENDED = frozenset({CasePhase.CLOSED, CasePhase.VOIDED})
DEPARTMENTS_MAX = 100
"""Departments kept in `parts`; after a few returns the arbiter ends the bouncing, so no case has as many."""


class Cases(Projection):
    """One row a case."""

    name = "cases"
    version = 1
    table = case_tables.cases
    topics = names(CASES)
    is_append_only = False

    def keys(self, fact: Fact[Event]) -> Sequence[Key]:
        """The case: all these facts are on its stream."""
        return ((fact.stream_id,),)

    def apply(self, key: Key, row: Row | None, fact: Fact[Event]) -> Row | None:
        """The case after the fact."""
        event = fact.event
        if row is None:
            return _filed(event, fact) if isinstance(event, casework.CaseFiled) else None
        after = {
            **row,
            **_timed(row, event),
            **_changed(row, event),
            "version": fact.version,
            "updated_at": max(row["updated_at"], fact.occurred_at),
            "updated_position": fact.position,
        }
        phase = phase_after(event)
        if phase is not None:
            after["phase"], after["is_open"] = phase.value, phase not in ENDED
        after["visible_center_ids"] = _visible(after)
        return after


def item(row: Row) -> dict[str, Any]:
    """A case as JSON shows it."""
    return _shown(row)


_HIDDEN = {"visible_center_ids", "supervision_path", "department_path"}
_shown = columns_shown(column for column in case_tables.cases.columns if column.name not in _HIDDEN)


def _filed(event: casework.CaseFiled, fact: Fact[Event]) -> Row:
    row: Change = {
        "case_id": fact.stream_id,
        "incident_id": event.incident_id,
        "incident_number": event.incident_number,
        "city": event.city,
        "occasion": event.occasion,
        "class_code": event.class_code,
        "category": event.category,
        "kind": event.kind.value,
        "major_code": event.major_code,
        "minor_code": event.minor_code,
        "severity": int(event.severity),
        "phase": CasePhase.FILED.value,
        "is_open": True,
        "supervision_center_id": event.supervision.center_id,
        "supervision_path": list(event.supervision.path),
        "arbiter_center_id": event.arbiter.center_id,
        **_nobody(),
        "is_binding": False,
        **_stopped(),
        "lamp": Lamp.GREEN.value,
        "left_s": None,
        "assumed_years": [],
        "handled_at": None,
        "paused_at": None,
        "paused_s": 0.0,
        "returns": 0,
        "reworks": 0,
        "extension_s": 0,
        "extension_asked": None,
        "supervisions": 0,
        "parts": [],
        "version": fact.version,
        "filed_at": event.filed_at,
        "filed_position": fact.position,
        "ended_at": None,
        "updated_at": fact.occurred_at,
        "updated_position": fact.position,
    }
    return {**row, "visible_center_ids": _visible(row)}


def _nobody() -> Change:
    return {"department_agency": None, "department_center_id": None, "department_path": []}


def _stopped() -> Change:
    return {"stage": None, "amber_at": None, "red_at": None}


def _visible(row: Mapping[str, Any]) -> list[Any]:
    """Supervision, department, and the arbiter from the moment it is asked."""
    asked = [row["arbiter_center_id"]] if row["phase"] == CasePhase.ARBITRATION.value or row["is_binding"] else []
    listed = [*row["supervision_path"], *row["department_path"], *asked]
    return list({each.int: each for each in listed}.values())


def _timed(row: Row, event: Event) -> Change:
    """The time that runs after the fact."""
    limit = casework.limit_in(event)
    if limit is not None:
        return _running(limit)
    return _stopped() if casework.stopped_at(event) is not None else {}


def _running(limit: Limit) -> Change:
    return {
        "stage": limit.stage.value,
        "amber_at": limit.amber_at,
        "red_at": limit.red_at,
        "lamp": lamp_at(limit).value,
        "left_s": None,
        "assumed_years": list(limit.assumed_years),
    }


def _changed(row: Row, event: Event) -> Change:  # noqa: C901  # one case a fact, none nested
    match event:
        case casework.CaseAssigned() | casework.CaseArbitrated():
            return _given(row, event)
        case casework.CaseReturned(returned_at=at, returns=returns):
            ended = _part_ended(row, "returned", at, is_late=_is_late(row, at))
            return {**_nobody(), "returns": returns, "extension_asked": None, "is_binding": False, **ended}
        case casework.CaseHandled(handled_at=at, left_s=left_s):
            ended = _part_ended(row, "handled", at, is_late=left_s < 0)
            return {"handled_at": at, "left_s": left_s, "extension_asked": None, **ended}
        case casework.CaseChecked(passed=False):
            reworked = {"outcome": None, "ended_at": None, "reworks": _count(row, "reworks") + 1}
            return {"reworks": row["reworks"] + 1, "handled_at": None, **_part(row, reworked)}
        case casework.CasePaused(paused_at=at, left_s=left_s):
            late = _part(row, {"is_late": True}) if left_s < 0 else {}
            return {"paused_at": at, "left_s": left_s, **late}
        case casework.CaseResumed(paused_s=paused_s):
            return {"paused_at": None, "paused_s": row["paused_s"] + paused_s}
        case casework.ExtensionRequested():
            asked = {"extra_s": event.extra_s, "reason": event.reason, "requested_at": instant(event.requested_at)}
            return {"extension_asked": asked}
        case casework.ExtensionGranted(extra_s=extra_s):
            in_time = {"extensions": _count(row, "extensions") + 1, "is_late": event.limit.red_at is None}
            extended = _part(row, in_time)
            return {"extension_asked": None, "extension_s": row["extension_s"] + extra_s, **extended}
        case casework.ExtensionRefused():
            return {"extension_asked": None}
        case casework.CaseVoided(voided_at=at):
            has_it = row["department_agency"] is not None and row["handled_at"] is None
            ended = _part_ended(row, "voided", at, is_late=_is_late(row, at)) if has_it else {}
            return {"ended_at": at, "extension_asked": None, **ended}
        case casework.CaseClosed(closed_at=at):
            return {"ended_at": at}
        case casework.CaseSupervised():
            return {"supervisions": row["supervisions"] + 1}
        case casework.LampTurned():
            return _lamp(row, event)
        case _:
            return {}


def _given(row: Row, event: casework.CaseAssigned | casework.CaseArbitrated) -> Change:
    center: Ownership = event.department.center
    is_binding = isinstance(event, casework.CaseArbitrated)
    part = {
        "agency": event.department.agency,
        "center_id": id_text(center.center_id),
        "assigned_at": instant(event.limit.since_at),
        "is_binding": is_binding,
        "ended_at": None,
        "outcome": None,
        "is_late": False,
        "reworks": 0,
        "extensions": 0,
    }
    return {
        "department_agency": event.department.agency,
        "department_center_id": center.center_id,
        "department_path": list(center.path),
        "is_binding": is_binding,
        "extension_s": 0,
        "extension_asked": None,
        "parts": [*row["parts"], part][-DEPARTMENTS_MAX:],
    }


def _lamp(row: Row, event: casework.LampTurned) -> Change:
    """A lamp of a time that still runs shows; a red one of the department's says that it is late."""
    change: Change = {} if event.ended_at is not None else {"lamp": event.lamp.value}
    has_used_all = event.lamp is Lamp.RED and event.stage is CaseStage.HANDLE
    if has_used_all and event.ended_at is None:
        change |= _part(row, {"is_late": True})
    return change


def _is_late(row: Row, at: datetime) -> bool:
    """Whether the last department's time was used up by then."""
    used_up = row["red_at"] is not None and row["red_at"] < at
    return used_up or (bool(row["parts"]) and bool(row["parts"][-1]["is_late"]))


def _part(row: Row, change: Change) -> Change:
    """The last department's entry, changed; nothing where no department ever had it."""
    parts = row["parts"]
    return {"parts": [*parts[:-1], {**parts[-1], **change}]} if parts else {}


def _part_ended(row: Row, outcome: str, at: datetime, **more: Any) -> Change:
    return _part(row, {"outcome": outcome, "ended_at": instant(at), **more})


def _count(row: Row, name: str) -> int:
    return int(row["parts"][-1][name]) if row["parts"] else 0
