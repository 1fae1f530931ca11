"""Decisions about urban-management cases: load the stream, let the decider decide, record once.

Filing reads the incident when it decides, but takes no version of it: its id names the case's stream, and of two who
file at once the second finds a stream that is there. If the incident ends in the milliseconds between, the case is open
on an ended incident; it has its own time and its own center, and is closed or voided like any other (decision 0023).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from dispatch.directory import Directory
from dispatch.directory_entries import CenterEntry
from dispatch.handling.open_cases import CASES_MAX, last_case
from dispatch.handling.scribe import Change, Loaded, Outcome, Request, Scribe, check_version
from dispatch.working_days import counting_of
from domain.casework.admission import unknown_case
from domain.casework.commands import CaseCommand, FileCase
from domain.casework.decider import INITIAL, CaseState, decide, evolve
from domain.casework.events import CaseTerms, Department
from domain.identifiers import case_id_for
from domain.incident import decider as incident
from domain.incident.admission import WORKED, not_actual, phase_refusal, unknown_incident
from domain.incident.commands import ClaimIncident
from domain.refusals import Refusal, Refused
from domain.rulebook.content import CaseClass, Rulebook
from domain.vocabulary import CasePhase, MessageStatus, Severity
from domain.working_time import AroundTheClock

ARBITER_AGENCY = "urban_management"
"""Whose center arbitrates unless the rulebook names another."""

Attempt: TypeAlias = tuple[Sequence[Change], Mapping[str, Any]] | Refusal


class CaseDesk:
    """Everything that may be asked of cases. Raises `Refused`, `Conflict`, `Unavailable`."""

    def __init__(self, scribe: Scribe, directory: Directory) -> None:
        self._scribe = scribe
        self._directory = directory

    async def state(self, case_id: UUID) -> Loaded[CaseState]:
        """The case as decided so far, with the version that is its ETag. Refused `case.unknown`."""
        loaded = await self._scribe.load(case_id, INITIAL, evolve)
        if loaded.state.phase is None:
            raise Refused.by(unknown_case())
        return loaded

    async def file(self, incident_id: UUID, class_code: str, request: Request, *, note: str | None = None) -> Outcome:
        """Make a case of an incident. The stated version, if any, is the incident's. The answer names the `case_id`."""
        rulebook = self._directory.rulebook()

        async def attempt() -> Attempt:
            target = await self._scribe.load(incident_id, incident.INITIAL, incident.evolve)
            check_version(target, request)
            before = await last_case(self._scribe, incident_id)
            refusal = _not_fileable(target.state, before) or _unfit_class(class_code, target.state, rulebook)
            if refusal is not None:
                return refusal
            command = self._filing(target, rulebook, class_code, request, before)
            decided = decide(command.model_copy(update={"note": note}), INITIAL, AroundTheClock())
            if isinstance(decided, Refusal):
                return decided
            case_id = case_id_for(incident_id, command.occasion)
            change = Change(case_id, 0, decided, correlation_id=incident_id, rule_version=rulebook.version)
            return [change], {"incident_id": str(incident_id), "case_id": str(case_id)}

        # The stated version was of the incident, and is compared above; a lost race for the case is decided anew.
        return await self._scribe.decide(attempt, replace(request, expected_version=None))

    async def execute(
        self, case_id: UUID, command_at: Callable[[CaseState, datetime], CaseCommand], request: Request
    ) -> Outcome:
        """Decide one command, which is made of the case as it is and the instant of the request."""

        async def attempt() -> Attempt:
            loaded = await self.state(case_id)
            check_version(loaded, request)
            state = loaded.state
            assert state.terms is not None, "a case that was filed"
            rulebook = self._directory.rulebook()
            counting = counting_of(state.terms.counting, rulebook)
            decided = decide(command_at(state, request.received_at), state, counting)
            if isinstance(decided, Refusal):
                return decided
            change = Change(
                case_id, loaded.version, decided, correlation_id=state.incident_id, rule_version=rulebook.version
            )
            return [change], {"incident_id": str(state.incident_id), "case_id": str(case_id)}

        return await self._scribe.decide(attempt, request)

    def department(self, case: CaseState, *, agency: str | None, center_id: UUID | None) -> Department:
        """Who is meant: that center, or that agency's own center, or the department of the case's class.

        Refused `case.unknown_department` where the city has none such.
        """
        if center_id is not None:
            center = self._directory.center(center_id)
            named = agency or (center.agency if center is not None else None)
            if center is None or named is None or (center.agency is not None and named != center.agency):
                raise _no_department(str(center_id))
        else:
            found = self._directory.rulebook().case_class(case.class_code)
            named = agency or (found.department if found is not None else None)
            center = self._directory.functional_center(named) if named is not None else None
            if center is None or named is None:
                raise _no_department(str(named))
        if self._directory.agency(named) is None:
            raise _no_department(named)
        return Department(agency=named, center=center.ownership)

    def _filing(
        self,
        target: Loaded[incident.IncidentState],
        rulebook: Rulebook,
        class_code: str,
        request: Request,
        before: Loaded[CaseState] | None,
    ) -> FileCase:
        state, found = target.state, rulebook.case_class(class_code)
        assert found is not None, "refused before"
        assert state.owner is not None, "an incident is never ownerless"
        occasion = 0 if before is None else _next_occasion(target.stream_id, before.stream_id)
        return FileCase(
            incident_id=target.stream_id,
            incident_number=state.number,
            city=rulebook.city,
            occasion=occasion,
            class_code=class_code,
            category=found.category,
            kind=found.kind,
            major_code=found.major_code,
            minor_code=found.minor_code,
            severity=state.severity,
            supervision=state.owner,
            arbiter=self._arbiter(rulebook).ownership,
            terms=terms_of(found, state.severity),
            filed_at=request.received_at,
            incident_reopenings=state.reopenings,
        )

    def _arbiter(self, rulebook: Rulebook) -> CenterEntry:
        code = rulebook.casework.arbiter_center_code
        named = self._directory.center_by_code(code) if code is not None else None
        return named or self._directory.functional_center(ARBITER_AGENCY) or self._directory.root()


def terms_of(found: CaseClass, severity: Severity) -> CaseTerms:
    """What a class allows for a severity."""
    return CaseTerms(
        counting=found.counting,
        handle_within_s=found.handle_within(severity),
        check_within_s=found.check_within_s,
        may_pause=found.may_pause,
        extension_s_max=found.extension_s_max,
        returns_max=found.returns_max,
    )


def _not_fileable(state: incident.IncidentState, before: Loaded[CaseState] | None) -> Refusal | None:
    """Why no case can be made of the incident now."""
    if state.phase is None:
        return unknown_incident()
    if state.status is not MessageStatus.ACTUAL:
        return not_actual(state)
    if state.phase not in WORKED:
        return phase_refusal(ClaimIncident(operator_id=UUID(int=0)), state)
    if before is None:
        return None
    values = {"number": state.number, "case_id": str(before.stream_id), "phase": str(before.state.phase)}
    if before.state.is_open:
        detail = f"Incident {state.number} has a case that is {before.state.phase}. Go on with that one."
        return Refusal("case.already_open", detail, values)
    if before.state.phase is CasePhase.CLOSED and state.reopenings <= before.state.incident_reopenings:
        detail = f"The case of {state.number} was closed. Reopen the incident before another one is filed."
        return Refusal("case.not_reopened", detail, values)
    if before.stream_id == case_id_for(before.state.incident_id or UUID(int=0), CASES_MAX - 1):
        detail = f"Incident {state.number} has had {CASES_MAX} cases, the most there may be. Report it anew."
        return Refusal("case.too_many", detail, values)
    return None


def _unfit_class(class_code: str, state: incident.IncidentState, rulebook: Rulebook) -> Refusal | None:
    """Why the class does not fit the incident."""
    found = rulebook.case_class(class_code)
    if found is None:
        detail = f"The rulebook has no class {class_code} of cases. Choose one of its classes."
        return Refusal("case.unknown_class", detail, {"class_code": class_code})
    if found.category != state.category:
        detail = (
            f"Cases of the class {class_code} are made of {found.category}; incident {state.number} is "
            f"{state.category}. Classify the incident first, so that the right agencies are told."
        )
        return Refusal("case.other_category", detail, {"category": found.category})
    return None


def _next_occasion(incident_id: UUID, before: UUID) -> int:
    return next(n + 1 for n in range(CASES_MAX) if case_id_for(incident_id, n) == before)


def _no_department(named: str) -> Refused:
    detail = f"{named} is no department of this city: an agency with a center of its own, or a center with its agency."
    return Refused("case.unknown_department", detail, named=named)
