"""What people decide about cases. Each decision states the version it was made on, and a key that makes it repeatable.

Who may: the supervision center (which filed it, or owns the incident now) assigns, checks and closes, its supervisors
approve, press and void; the department itself handles, returns and asks, and nobody does so in its name; the arbiter,
or a center above it, arbitrates.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, TypeAlias
from uuid import UUID

from fastapi import Response
from pydantic import Field

from dispatch.api.access.permissions import Caller, covers
from dispatch.api.access.visibility import require_owner, state_centers, visible_state
from dispatch.api.http.conditions import Asked, DispatchingOf
from dispatch.api.http.shapes import CENTER, Body, MediaBody, Note, Reason, Written, examples
from dispatch.api.http.writing import allowed, written
from dispatch.api.problems.problem import Problem, declared, not_found
from dispatch.api.routing import protected
from domain.casework import commands as ask
from domain.casework.decider import CaseState
from domain.incident.decider import IncidentState
from domain.refusals import Refused
from domain.vocabulary import CasePhase

router = protected("cases")

VIEWS = ("cases", "incident_cards", "timeline")
DECISION = declared(404, 409, 412, 428)
EVIDENCE_MAX = 20

Who: TypeAlias = Callable[[Caller, CaseState, IncidentState], bool]
"""Whether a decision is the caller's to make."""


class Filing(Body):
    """The class of the case; the incident must be of the class's category."""

    model_config = examples({"class_code": "urban.exposed_refuse", "note": "街口垃圾堆积，居民反映两次"})

    class_code: Annotated[str, Field(min_length=1, max_length=100)]
    note: Note = None


class Assigning(Body):
    """Which department: an agency, one center of it, or the one that the class says."""

    model_config = examples({"agency": "urban_management"}, {"center_id": CENTER, "note": "请今日处置"}, {})

    agency: Annotated[str | None, Field(min_length=1, max_length=50)] = None
    center_id: UUID | None = None
    note: Note = None


class Arbitration(Body):
    """Whose it is, and why. Binding."""

    model_config = examples({"agency": "landscape", "reason": "绿地范围，由公园城市局处置"})

    agency: Annotated[str | None, Field(min_length=1, max_length=50)] = None
    center_id: UUID | None = None
    reason: Reason


class Because(Body):
    """A decision that others must be able to understand."""

    model_config = examples({"reason": "不属本部门职责，应为小区物业管理范围"})

    reason: Reason


class Handling(Body):
    """What was done, with what shows it: referenced and, if possible, hashed."""

    model_config = examples(
        {
            "outcome": "垃圾已清运，地面已冲洗",
            "evidence": [
                {
                    "uri": "https://evidence.example.invalid/photos/9917",
                    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                    "media_type": "image/jpeg",
                }
            ],
        }
    )

    outcome: Reason
    evidence: Annotated[tuple[MediaBody, ...], Field(max_length=EVIDENCE_MAX)] = ()


class Checking(Body):
    """Whether it is done indeed. What is not goes back to the same department."""

    model_config = examples({"passed": True}, {"passed": False, "note": "仍有积存垃圾"})

    passed: bool
    note: Note = None
    evidence: Annotated[tuple[MediaBody, ...], Field(max_length=EVIDENCE_MAX)] = ()


class MoreTime(Body):
    """How much more time is asked for, in seconds of the class's own counting, and why."""

    model_config = examples({"extra_s": 7_200, "reason": "需调用吊车"})

    extra_s: Annotated[int, Field(ge=1, le=7_776_000)]
    reason: Reason


class Demand(Body):
    """What a leader wants."""

    model_config = examples({"demand": "今日18时前必须处置完毕并上报"})

    demand: Reason


class Closing(Body):
    """A decision that needs no words, and may have some."""

    model_config = examples({"note": "核查通过，结案"}, {})

    note: Note = None


def of_supervision(caller: Caller, case: CaseState, incident: IncidentState) -> bool:
    """The center that filed it or owns the incident now, or one above."""
    owner = incident.owner.path if incident.owner is not None else ()
    filed = case.supervision.path if case.supervision is not None else ()
    return covers(caller, filed) or covers(caller, owner)


def of_department(caller: Caller, case: CaseState, incident: IncidentState) -> bool:  # noqa: ARG001  # one signature
    """The department that has it, and nobody in its name."""
    if case.department is None:
        return False
    speaks = caller.speaks_for_agency and caller.agency == case.department.agency
    return caller.center_id == case.department.center.center_id or speaks


def of_arbiter(caller: Caller, case: CaseState, incident: IncidentState) -> bool:  # noqa: ARG001  # one signature
    """The arbiter's center, or one above."""
    return case.arbiter is not None and covers(caller, case.arbiter.path)


NOT_YOURS: dict[Who, str] = {
    of_supervision: "the center that filed the case, or owns its incident",
    of_department: "the department that has the case",
    of_arbiter: "the arbiter of the case",
}


async def _checked(asked: Asked, case_id: UUID, who: Who) -> CaseState:
    """The case, if the decision is the caller's. 404 for what is not in sight, 403 for what is another's to decide."""
    services, caller = asked.services, asked.caller
    try:
        case = (await services.cases.state(case_id)).state
    except Refused:
        raise not_found("This case") from None
    assert case.incident_id is not None, "a case that was filed"
    incident = (await services.incidents.state(case.incident_id)).state
    if not _knows(caller, case, incident):
        raise not_found("This case")
    if who(caller, case, incident):
        return case
    centers = state_centers(incident) | {*_path(case.supervision)}
    centers |= {*_path(case.department.center)} if case.department is not None else set()
    if case.phase is CasePhase.ARBITRATION or case.is_binding:
        centers |= {*_path(case.arbiter)}
    if caller.center_id not in centers:
        raise not_found("This case")
    raise Problem("case.not_yours", f"This decision is for {NOT_YOURS[who]}. Ask it, or add a note to the incident.")


def _knows(caller: Caller, case: CaseState, incident: IncidentState) -> bool:
    """Whether a restricted incident's case is known to the caller: with the incident, or for being to act on it."""
    if incident.restriction is None or caller.center_id in incident.restriction.center_ids:
        return True
    is_arbiter = case.arbiter is not None and case.arbiter.center_id == caller.center_id
    return is_arbiter or of_department(caller, case, incident)


def _path(ownership: object) -> tuple[UUID, ...]:
    return tuple(getattr(ownership, "path", ()))


async def _execute(
    asked: Asked,
    response: Response,
    case_id: UUID,
    body: Body | None,
    who: Who,
    command_at: Callable[[CaseState, datetime], ask.CaseCommand],
) -> Written:
    request = asked.request(str(case_id), body.model_dump(mode="json") if body is not None else None)
    await allowed(asked, request, _checked(asked, case_id, who))
    work = asked.services.cases.execute(case_id, command_at, request)
    return await written(asked, response, work, stream_id=case_id, views=VIEWS)


def _approver(asked: Asked) -> UUID:
    if asked.caller.operator_id is None:
        raise Problem("forbidden", "Only an operator can approve or press; your token names none.", roles=[])
    return asked.caller.operator_id


@router.post(
    "/incidents/{incident_id}/cases",
    operation_id="cases_file",
    summary="File a case",
    responses=DECISION,
    status_code=201,
)
async def file(incident_id: UUID, body: Filing, asked: DispatchingOf, response: Response) -> Written:
    """立案. Make a case of an incident that your center owns. If-Match is the incident's; the ETag is the case's."""
    request = asked.request(str(incident_id), body.model_dump(mode="json"), correlation_id=incident_id)

    async def check() -> None:
        require_owner(asked.caller, (await visible_state(asked.services, asked.caller, incident_id)).state)

    await allowed(asked, request, check())
    work = asked.services.cases.file(incident_id, body.class_code, request, note=body.note)
    done = await written(asked, response, work, stream_id=incident_id, views=VIEWS)
    case_id = UUID(str((done.model_extra or {})["case_id"]))
    head = (await asked.services.log.heads([case_id]))[case_id]
    response.headers["Location"] = f"/v1/cases/{case_id}"
    response.headers["ETag"] = f'"{head.version}"'
    return done


@router.post("/cases/{case_id}/assign", operation_id="cases_assign", summary="Assign it", responses=DECISION)
async def assign(case_id: UUID, body: Assigning, asked: DispatchingOf, response: Response) -> Written:
    """派遣. A department gets it, and its time runs."""

    def command(case: CaseState, at: datetime) -> ask.CaseCommand:
        department = asked.services.cases.department(case, agency=body.agency, center_id=body.center_id)
        return ask.AssignCase(department=department, assigned_at=at, note=body.note)

    return await _execute(asked, response, case_id, body, of_supervision, command)


@router.post("/cases/{case_id}/return", operation_id="cases_return", summary="Return it", responses=DECISION)
async def give_back(case_id: UUID, body: Because, asked: DispatchingOf, response: Response) -> Written:
    """回退. The department says: not ours. After too many returns the arbiter decides."""
    return await _execute(
        asked,
        response,
        case_id,
        body,
        of_department,
        lambda _, at: ask.ReturnCase(reason=body.reason, returned_at=at),
    )


@router.post("/cases/{case_id}/arbitrate", operation_id="cases_arbitrate", summary="Arbitrate it", responses=DECISION)
async def arbitrate(case_id: UUID, body: Arbitration, asked: DispatchingOf, response: Response) -> Written:
    """The arbiter says whose it is. Binding."""

    def command(case: CaseState, at: datetime) -> ask.CaseCommand:
        department = asked.services.cases.department(case, agency=body.agency, center_id=body.center_id)
        return ask.ArbitrateCase(department=department, arbitrated_at=at, reason=body.reason)

    return await _execute(asked, response, case_id, body, of_arbiter, command)


@router.post("/cases/{case_id}/handle", operation_id="cases_handle", summary="It is handled", responses=DECISION)
async def handle(case_id: UUID, body: Handling, asked: DispatchingOf, response: Response) -> Written:
    """处置. The department says that it is done; the supervision center checks."""
    evidence = tuple(each.reference() for each in body.evidence)
    return await _execute(
        asked,
        response,
        case_id,
        body,
        of_department,
        lambda _, at: ask.HandleCase(outcome=body.outcome, evidence=evidence, handled_at=at),
    )


@router.post("/cases/{case_id}/check", operation_id="cases_check", summary="Check it", responses=DECISION)
async def check(case_id: UUID, body: Checking, asked: DispatchingOf, response: Response) -> Written:
    """核查. Passed, or back to the same department."""
    evidence = tuple(each.reference() for each in body.evidence)
    return await _execute(
        asked,
        response,
        case_id,
        body,
        of_supervision,
        lambda _, at: ask.CheckCase(passed=body.passed, evidence=evidence, checked_at=at, note=body.note),
    )


@router.post("/cases/{case_id}/close", operation_id="cases_close", summary="Close it", responses=DECISION)
async def close(case_id: UUID, body: Closing, asked: DispatchingOf, response: Response) -> Written:
    """结案. After a check that passed. The incident is resolved and closed by itself."""
    return await _execute(
        asked, response, case_id, body, of_supervision, lambda _, at: ask.CloseCase(closed_at=at, note=body.note)
    )


@router.post("/cases/{case_id}/pause", operation_id="cases_pause", summary="Pause it", responses=DECISION)
async def pause(case_id: UUID, body: Because, asked: DispatchingOf, response: Response) -> Written:
    """挂账. A supervisor stops the department's time, with a reason."""
    by = _approver(asked)
    return await _execute(
        asked,
        response,
        case_id,
        body,
        of_supervision,
        lambda _, at: ask.PauseCase(reason=body.reason, approved_by=by, paused_at=at),
    )


@router.post("/cases/{case_id}/resume", operation_id="cases_resume", summary="Resume it", responses=DECISION)
async def resume(case_id: UUID, asked: DispatchingOf, response: Response) -> Written:
    """The department's time runs again, from what was left."""
    return await _execute(asked, response, case_id, None, of_supervision, lambda _, at: ask.ResumeCase(resumed_at=at))


@router.post(
    "/cases/{case_id}/extension", operation_id="cases_request_extension", summary="Ask for time", responses=DECISION
)
async def request_extension(case_id: UUID, body: MoreTime, asked: DispatchingOf, response: Response) -> Written:
    """延时. The department asks, before its time is up."""
    return await _execute(
        asked,
        response,
        case_id,
        body,
        of_department,
        lambda _, at: ask.RequestExtension(extra_s=body.extra_s, reason=body.reason, requested_at=at),
    )


@router.post(
    "/cases/{case_id}/extension/grant", operation_id="cases_grant_extension", summary="Give time", responses=DECISION
)
async def grant_extension(case_id: UUID, asked: DispatchingOf, response: Response) -> Written:
    """What was asked for."""
    by = _approver(asked)
    return await _execute(
        asked, response, case_id, None, of_supervision, lambda _, at: ask.GrantExtension(approved_by=by, granted_at=at)
    )


@router.post(
    "/cases/{case_id}/extension/refuse", operation_id="cases_refuse_extension", summary="Give none", responses=DECISION
)
async def refuse_extension(case_id: UUID, body: Because, asked: DispatchingOf, response: Response) -> Written:
    """The time stays what it is."""
    by = _approver(asked)
    return await _execute(
        asked,
        response,
        case_id,
        body,
        of_supervision,
        lambda *_: ask.RefuseExtension(reason=body.reason, refused_by=by),
    )


@router.post("/cases/{case_id}/void", operation_id="cases_void", summary="Void it", responses=DECISION)
async def void(case_id: UUID, body: Because, asked: DispatchingOf, response: Response) -> Written:
    """作废. It should not have been a case; another may be filed."""
    return await _execute(
        asked, response, case_id, body, of_supervision, lambda _, at: ask.VoidCase(reason=body.reason, voided_at=at)
    )


@router.post("/cases/{case_id}/supervise", operation_id="cases_supervise", summary="Press", responses=DECISION)
async def supervise(case_id: UUID, body: Demand, asked: DispatchingOf, response: Response) -> Written:
    """督办. A leader presses; everybody who works on it sees that."""
    by = _approver(asked)
    return await _execute(
        asked,
        response,
        case_id,
        body,
        of_supervision,
        lambda *_: ask.SuperviseCase(demand=body.demand, supervised_by=by),
    )
