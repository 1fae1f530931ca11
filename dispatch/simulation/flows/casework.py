"""Urban-management cases: filed, assigned, returned, arbitrated, paused, extended, handled, checked, closed, voided."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import ClassVar, TypeAlias
from uuid import UUID

from dispatch.handling.reports import ReportDraft
from dispatch.handling.scribe import Outcome, Request
from dispatch.simulation.city import SPOTS, rules
from dispatch.simulation.flows.flow import ASTRAY, Acts, Flow
from dispatch.simulation.people import Row
from dispatch.simulation.serving import ApiProcess
from domain.casework import commands as ask
from domain.casework.decider import CaseState
from domain.event import Place
from domain.vocabulary import CasePhase, IncidentPhase, Severity

WORKED = (IncidentPhase.OPEN, IncidentPhase.VERIFIED, IncidentPhase.ACCEPTED, IncidentPhase.RESOLVED)
DEPARTMENTS = (None, None, "urban_management", "flood_control", "fire")
"""Whom a case is given to: mostly the department of its class."""
Make: TypeAlias = Callable[[ApiProcess, CaseState, datetime], ask.CaseCommand]


class Casework(Flow):
    """Supervision, departments and the arbiter, whoever has the next word."""

    async def file(self) -> None:
        """Make a case of an incident, or report something that could become one."""
        classes = rules(1).case_classes
        categories = {each.category for each in classes}
        row = self.row("board", lambda row: row["category"] in categories and row["phase"] in WORKED)
        if row is None or self.chance.happens(0.15):
            return await self._report(self.chance.one_of(classes).category)
        fitting = [each.code for each in classes if each.category == row["category"]]
        wanted = [each.code for each in classes] if self.chance.happens(ASTRAY) else fitting
        class_code, incident_id = self.chance.one_of(wanted), row["incident_id"]
        await self.seat.command(
            "file a case",
            {"incident": incident_id, "class": class_code},
            lambda api, asked: api.cases.file(incident_id, class_code, asked),
            expected_version=self.stated(row, "decision_version"),
        )
        return None

    async def _report(self, category: str) -> None:
        center_id = self.center().center_id
        told = ReportDraft(
            channel="hotline_12345",
            category=category,
            text="somebody wrote",
            center_id=center_id,
            severity=Severity(self.chance.whole(1, 4)),
            place=Place(point=self.chance.one_of(SPOTS)),
        )
        await self.seat.command("report", {"report": category}, lambda api, asked: api.reports.file_report(told, asked))

    async def go_on(self) -> None:
        """What the case's phase asks for, or now and then what it does not admit."""
        row = self.row("cases", lambda row: bool(row["is_open"])) or self.row("cases")
        if row is None:
            return await self.file()
        admitted = self._STEPS[CasePhase(row["phase"])]
        if row["extension_asked"] is not None and self.chance.happens(0.6):
            admitted = {Casework._grant: 1, Casework._refuse: 1}
        if self.chance.happens(ASTRAY):
            admitted = dict.fromkeys(self._EVERY, 1)
        step = self.chance.weighted(admitted)
        make = step(self, row)
        case_id: UUID = row["case_id"]

        async def run(api: ApiProcess, asked: Request) -> Outcome:
            return await api.cases.execute(case_id, lambda case, at: make(api, case, at), asked)

        name = step.__name__.removeprefix("_")
        await self.seat.command(f"case {name}", {"case": case_id, "step": name}, run, expected_version=self.stated(row))
        return None

    acts: ClassVar[Acts] = {file: 2, go_on: 7}

    def _assign(self, _row: Row) -> Make:
        agency = self.chance.one_of(DEPARTMENTS)
        return lambda api, case, at: ask.AssignCase(
            department=api.cases.department(case, agency=agency, center_id=None), assigned_at=at
        )

    def _arbitrate(self, _row: Row) -> Make:
        agency = self.chance.one_of(DEPARTMENTS)
        return lambda api, case, at: ask.ArbitrateCase(
            department=api.cases.department(case, agency=agency, center_id=None),
            arbitrated_at=at,
            reason="it is theirs",
        )

    def _return(self, _row: Row) -> Make:
        return lambda _api, _case, at: ask.ReturnCase(reason="not ours", returned_at=at)

    def _handle(self, _row: Row) -> Make:
        return lambda _api, _case, at: ask.HandleCase(outcome="swept", handled_at=at)

    def _check(self, _row: Row) -> Make:
        passed = self.chance.happens(0.65)
        return lambda _api, _case, at: ask.CheckCase(passed=passed, checked_at=at)

    def _pause(self, row: Row) -> Make:
        by = self._leader(row)
        return lambda _api, _case, at: ask.PauseCase(reason="it rains", approved_by=by, paused_at=at)

    def _resume(self, _row: Row) -> Make:
        return lambda _api, _case, at: ask.ResumeCase(resumed_at=at)

    def _extend(self, _row: Row) -> Make:
        extra_s = self.chance.whole(2, 10)
        return lambda _api, _case, at: ask.RequestExtension(extra_s=extra_s, reason="a crane", requested_at=at)

    def _grant(self, row: Row) -> Make:
        by = self._leader(row)
        return lambda _api, _case, at: ask.GrantExtension(approved_by=by, granted_at=at)

    def _refuse(self, row: Row) -> Make:
        by = self._leader(row)
        return lambda _api, _case, _at: ask.RefuseExtension(reason="no", refused_by=by)

    def _void(self, _row: Row) -> Make:
        return lambda _api, _case, at: ask.VoidCase(reason="twice", voided_at=at)

    def _supervise(self, row: Row) -> Make:
        by = self._leader(row)
        return lambda _api, _case, _at: ask.SuperviseCase(demand="today", supervised_by=by)

    def _close(self, _row: Row) -> Make:
        return lambda _api, _case, at: ask.CloseCase(closed_at=at)

    def _leader(self, row: Row) -> UUID:
        return self.operator(row["supervision_center_id"])

    _EVERY = (
        _assign, _arbitrate, _return, _handle, _check, _pause, _resume, _extend, _grant, _refuse, _void, _supervise,
        _close,
    )  # fmt: skip
    _STEPS: Mapping[CasePhase, Mapping[Callable[[Casework, Row], Make], int]] = {
        CasePhase.FILED: {_assign: 12, _supervise: 1, _void: 1},
        CasePhase.RETURNED: {_assign: 12, _supervise: 1, _void: 1},
        CasePhase.ASSIGNED: {_handle: 7, _return: 6, _pause: 3, _extend: 4, _supervise: 1, _void: 1},
        CasePhase.ARBITRATION: {_arbitrate: 12, _supervise: 1},
        CasePhase.PAUSED: {_resume: 6, _refuse: 1},
        CasePhase.HANDLED: {_check: 9, _supervise: 1},
        CasePhase.PASSED: {_close: 6, _supervise: 1},
        CasePhase.CLOSED: {_assign: 1},
        CasePhase.VOIDED: {_assign: 1},
    }
