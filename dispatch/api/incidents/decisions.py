"""What people decide about incidents. Each decision states the version it was made on; the answer gives the new one.

Notes and evidence are no decisions: they are welcome at any time and make nobody's decision stale.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

from fastapi import Response
from pydantic import Field

from dispatch.api.access.permissions import covers
from dispatch.api.access.visibility import require_owner, visible_state
from dispatch.api.http.conditions import Asked, CreationOf, DecisionOf, DispatchingOf, StepOf
from dispatch.api.http.shapes import CENTER, INCIDENT, Body, MediaBody, Note, PlaceBody, Reason, Written, examples
from dispatch.api.http.writing import allowed, until_routed, written
from dispatch.api.problems.problem import Problem, declared, not_found
from dispatch.api.routing import protected
from dispatch.handling.scribe import Loaded, Request
from domain.incident.commands import (
    AcceptIncident,
    AcceptTransfer,
    ClaimIncident,
    ClassifyIncident,
    CloseIncident,
    DeclineTransfer,
    DismissIncident,
    IncidentCommand,
    ReleaseClaim,
    RelocateIncident,
    ReopenIncident,
    ResolveIncident,
    VerifyIncident,
)
from domain.incident.decider import IncidentState
from domain.vocabulary import DismissReason, Disposition, Severity

router = protected("decisions")

DECISION = declared(404, 409, 412, 428)
ADDITION = declared(404, 409)
NOBODY = UUID(int=0)
"""In a command that is only the repeat of one that was answered: nothing is decided about it."""


class NoteOnly(Body):
    """A decision that needs no words, and may have some."""

    model_config = examples({"note": "现场视频确认，两车追尾"}, {})

    note: Note = None


class Dismissal(Body):
    """Why it needs no answer."""

    model_config = examples({"reason": "false_alarm", "note": "树影晃动"})

    reason: DismissReason
    note: Note = None


class Classification(Body):
    """What it is, how bad, how urgent (0 most, 10 least). The only way severity can fall."""

    model_config = examples({"category": "traffic.accident", "severity": 3, "priority": 2})

    category: Annotated[str, Field(max_length=100)]
    severity: Severity
    priority: Annotated[int, Field(ge=0, le=10)]
    note: Note = None


class WithReason(Body):
    """A decision that others must be able to understand."""

    model_config = examples({"reason": "辖区不符，请锦江区处理"})

    reason: Reason


class TransferBody(Body):
    """To whom, and why. The giver owns the incident until the other accepts."""

    model_config = examples({"to_center_id": CENTER, "reason": "事发地在贵辖区"})

    to_center_id: UUID
    reason: Reason


class Resolution(Body):
    """How it ended."""

    model_config = examples({"disposition": "handled", "note": "车辆已拖离，恢复通行"})

    disposition: Disposition
    note: Note = None


class MergeBody(Body):
    """The incident that this one is the same as."""

    model_config = examples({"into_incident_id": INCIDENT, "note": "同一起事故，两个摄像机"})

    into_incident_id: UUID
    note: Note = None


class NoteBody(Body):
    """Something to write down."""

    model_config = examples({"text": "已电话通知值班领导"})

    text: Annotated[str, Field(min_length=1, max_length=4_000)]


class EvidenceBody(Body):
    """A clip, a picture or a document, referenced and, if possible, hashed."""

    model_config = examples(
        {
            "media": {
                "uri": "https://evidence.example.invalid/clips/7781",
                "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            },
            "description": "事故前后两分钟",
        }
    )

    media: MediaBody
    description: Note = None


async def _owned(asked: Asked, incident_id: UUID) -> Loaded[IncidentState]:
    loaded = await visible_state(asked.services, asked.caller, incident_id)
    require_owner(asked.caller, loaded.state)
    return loaded


async def _seen(asked: Asked, incident_id: UUID) -> Loaded[IncidentState]:
    return await visible_state(asked.services, asked.caller, incident_id)


def _request(asked: Asked, incident_id: UUID, body: Body | None) -> Request:
    meaning = body.model_dump(mode="json") if body is not None else None
    return asked.request(str(incident_id), meaning, correlation_id=incident_id)


async def _execute(
    asked: Asked,
    response: Response,
    incident_id: UUID,
    command: IncidentCommand,
    body: Body | None,
    *,
    check: Callable[[Asked, UUID], Awaitable[object]] | None = _owned,
) -> Written:
    request = _request(asked, incident_id, body)
    if check is not None:
        await allowed(asked, request, check(asked, incident_id))
    work = asked.services.incidents.execute(incident_id, command, request)
    return await written(asked, response, work, stream_id=incident_id)


@router.post("/incidents/{incident_id}/verify", operation_id="incidents_verify", responses=DECISION)
async def verify(incident_id: UUID, body: NoteOnly, asked: DecisionOf, response: Response) -> Written:
    """Somebody looked and it is real."""
    return await _execute(asked, response, incident_id, VerifyIncident(note=body.note), body)


@router.post("/incidents/{incident_id}/dismiss", operation_id="incidents_dismiss", responses=DECISION)
async def dismiss(incident_id: UUID, body: Dismissal, asked: DecisionOf, response: Response) -> Written:
    """It needs no answer. A duplicate is merged instead."""
    command = DismissIncident(reason=body.reason, note=body.note)
    return await _execute(asked, response, incident_id, command, body)


@router.post("/incidents/{incident_id}/classify", operation_id="incidents_classify", responses=DECISION)
async def classify(incident_id: UUID, body: Classification, asked: DecisionOf, response: Response) -> Written:
    """Set category, severity and priority; routing follows."""
    done = await _execute(asked, response, incident_id, ClassifyIncident(**body.model_dump()), body)
    return await until_routed(asked, done)


@router.post("/incidents/{incident_id}/relocate", operation_id="incidents_relocate", responses=DECISION)
async def relocate(incident_id: UUID, body: PlaceBody, asked: DecisionOf, response: Response) -> Written:
    """Set or correct the place; routing follows."""
    point = body.wgs84()
    within = point is not None and bool(asked.services.directory.locate(point))
    command = RelocateIncident(place=body.place(within_city=within))
    done = await _execute(asked, response, incident_id, command, body)
    return await until_routed(asked, done)


@router.post("/incidents/{incident_id}/accept", operation_id="incidents_accept", responses=DECISION)
async def accept(incident_id: UUID, asked: DecisionOf, response: Response) -> Written:
    """The owning center says: ours."""
    loaded = await allowed(asked, _request(asked, incident_id, None), _owned(asked, incident_id))
    owner = loaded.state.owner if loaded is not None else None
    command = AcceptIncident(center_id=owner.center_id if owner is not None else NOBODY)
    return await _execute(asked, response, incident_id, command, None, check=None)


@router.post("/incidents/{incident_id}/claim", operation_id="incidents_claim", responses=DECISION)
async def claim(incident_id: UUID, asked: DecisionOf, response: Response) -> Written:
    """I have it: others see it at once. It is no lock."""
    command = ClaimIncident(operator_id=_operator(asked))
    return await _execute(asked, response, incident_id, command, None, check=_seen)


@router.post("/incidents/{incident_id}/release-claim", operation_id="incidents_release_claim", responses=DECISION)
async def release_claim(incident_id: UUID, asked: DecisionOf, response: Response) -> Written:
    """Somebody else may have it."""
    command = ReleaseClaim(operator_id=_operator(asked))
    return await _execute(asked, response, incident_id, command, None, check=_seen)


@router.post(
    "/incidents/{incident_id}/transfers",
    operation_id="incidents_offer_transfer",
    responses=DECISION,
    status_code=201,
)
async def offer_transfer(incident_id: UUID, body: TransferBody, asked: DispatchingOf, response: Response) -> Written:
    """Ask another center to take it. Until it does, the giver owns it."""
    request = _request(asked, incident_id, body)
    await allowed(asked, request, _owned(asked, incident_id))
    work = asked.services.incidents.offer_transfer(
        incident_id, to_center_id=body.to_center_id, reason=body.reason, request=request
    )
    return await written(asked, response, work, stream_id=incident_id)


@router.post(
    "/incidents/{incident_id}/transfers/{transfer_id}/accept",
    operation_id="incidents_accept_transfer",
    responses=DECISION,
)
async def accept_transfer(incident_id: UUID, transfer_id: UUID, asked: DecisionOf, response: Response) -> Written:
    """The addressed center takes it."""
    request = _request(asked, incident_id, None)
    to_center_id = await allowed(asked, request, _addressed(asked, incident_id, transfer_id))
    command = AcceptTransfer(transfer_id=transfer_id, center_id=to_center_id or NOBODY)
    return await _execute(asked, response, incident_id, command, None, check=None)


@router.post(
    "/incidents/{incident_id}/transfers/{transfer_id}/decline",
    operation_id="incidents_decline_transfer",
    responses=DECISION,
)
async def decline_transfer(
    incident_id: UUID, transfer_id: UUID, body: WithReason, asked: DecisionOf, response: Response
) -> Written:
    """The addressed center does not take it; the giver keeps it."""
    request = _request(asked, incident_id, body)
    to_center_id = await allowed(asked, request, _addressed(asked, incident_id, transfer_id))
    command = DeclineTransfer(transfer_id=transfer_id, center_id=to_center_id or NOBODY, reason=body.reason)
    return await _execute(asked, response, incident_id, command, body, check=None)


@router.post("/incidents/{incident_id}/resolve", operation_id="incidents_resolve", responses=DECISION)
async def resolve(incident_id: UUID, body: Resolution, asked: DecisionOf, response: Response) -> Written:
    """What had to be done is done."""
    command = ResolveIncident(disposition=body.disposition, note=body.note)
    return await _execute(asked, response, incident_id, command, body)


@router.post("/incidents/{incident_id}/close", operation_id="incidents_close", responses=DECISION)
async def close(incident_id: UUID, body: NoteOnly, asked: DecisionOf, response: Response) -> Written:
    """The file is closed."""
    return await _execute(asked, response, incident_id, CloseIncident(note=body.note), body)


@router.post("/incidents/{incident_id}/reopen", operation_id="incidents_reopen", responses=DECISION)
async def reopen(incident_id: UUID, body: WithReason, asked: DecisionOf, response: Response) -> Written:
    """It came back, or was closed in error."""
    return await _execute(asked, response, incident_id, ReopenIncident(reason=body.reason), body)


@router.post("/incidents/{incident_id}/merge", operation_id="incidents_merge", responses=DECISION)
async def merge(incident_id: UUID, body: MergeBody, asked: DispatchingOf, response: Response) -> Written:
    """This incident is the same as another: nothing moves, and it can be undone."""
    request = _request(asked, incident_id, body)
    await allowed(asked, request, _owned(asked, incident_id))
    await allowed(asked, request, _seen(asked, body.into_incident_id))
    work = asked.services.incidents.merge(incident_id, body.into_incident_id, request, note=body.note)
    return await written(asked, response, work, stream_id=incident_id)


@router.post("/incidents/{incident_id}/unmerge", operation_id="incidents_unmerge", responses=DECISION)
async def unmerge(incident_id: UUID, body: NoteOnly, asked: DecisionOf, response: Response) -> Written:
    """The merge was wrong: the incident is itself again, in the phase it had."""
    request = _request(asked, incident_id, body)
    await allowed(asked, request, _owned(asked, incident_id))
    work = asked.services.incidents.unmerge(incident_id, request, note=body.note)
    return await written(asked, response, work, stream_id=incident_id)


@router.post("/incidents/{incident_id}/notes", operation_id="incidents_add_note", responses=ADDITION, status_code=201)
async def add_note(incident_id: UUID, body: NoteBody, asked: CreationOf, response: Response) -> Written:
    """Write something down, in any phase."""
    request = _request(asked, incident_id, body)
    seen = await allowed(asked, request, _seen(asked, incident_id))
    work = asked.services.incidents.add_note(incident_id, body.text, request, is_known=seen is not None)
    return await written(asked, response, work)


@router.post(
    "/incidents/{incident_id}/notes/{note_id}/strike", operation_id="incidents_strike_note", responses=ADDITION
)
async def strike_note(incident_id: UUID, note_id: UUID, body: WithReason, asked: StepOf, response: Response) -> Written:
    """A wrong note is struck, never deleted."""
    request = asked.request(f"{incident_id}/{note_id}", body.model_dump(mode="json"), correlation_id=incident_id)
    await allowed(asked, request, _seen(asked, incident_id))
    work = asked.services.incidents.strike_note(incident_id, note_id, body.reason, request)
    return await written(asked, response, work)


@router.post(
    "/incidents/{incident_id}/evidence",
    operation_id="incidents_attach_evidence",
    responses=ADDITION,
    status_code=201,
)
async def attach_evidence(incident_id: UUID, body: EvidenceBody, asked: CreationOf, response: Response) -> Written:
    """Refer to a clip, a picture or a document; nothing is copied here."""
    request = _request(asked, incident_id, body)
    await allowed(asked, request, _seen(asked, incident_id))
    work = asked.services.incidents.attach_evidence(
        incident_id, body.media.reference(), request, description=body.description
    )
    return await written(asked, response, work)


def _operator(asked: Asked) -> UUID:
    if asked.caller.operator_id is None:
        raise Problem("forbidden", "Only an operator can have an incident; your token names none.", roles=[])
    return asked.caller.operator_id


async def _addressed(asked: Asked, incident_id: UUID, transfer_id: UUID) -> UUID:
    """The center a transfer is offered to, if the caller may answer for it."""
    state = (await visible_state(asked.services, asked.caller, incident_id)).state
    if state.offer is None or state.offer.transfer_id != transfer_id:
        # Let the decider say what became of it: answered, timed out, or never made.
        center_id = asked.caller.center_id
        if center_id is None:
            raise not_found("This transfer")
        return center_id
    if not covers(asked.caller, state.offer.to.path):
        raise Problem(
            "not_the_owner",
            "The transfer is offered to another center; only that center can answer it.",
            to_center_id=str(state.offer.to.center_id),
        )
    return state.offer.to.center_id
