"""Mutual aid between centers: asked, acknowledged, accepted or declined, committed, released (EDXL-RM's words).

Nothing here moves a unit: a committed unit is assigned to an incident like any other, by whoever may assign it.
"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID, uuid5

from fastapi import Query, Response
from pydantic import Field

from dispatch.api.access.permissions import CallerOf, covers
from dispatch.api.access.visibility import require_known, visible_state, withheld
from dispatch.api.centers.centers import center_of
from dispatch.api.http.conditions import Asked, CreationOf, DecisionOf, MinPosition
from dispatch.api.http.histories import Language, history_of
from dispatch.api.http.paging import PagingOf
from dispatch.api.http.shapes import (
    CENTER,
    INCIDENT,
    Body,
    Listing,
    Note,
    Reason,
    Written,
    answers,
    examples,
)
from dispatch.api.http.writing import allowed, written
from dispatch.api.problems.problem import Problem, declared, not_found
from dispatch.api.routing import protected
from dispatch.api.wiring import ServicesOf
from dispatch.handling.aid import AidDesk
from domain.aid.commands import (
    AcceptAid,
    AcknowledgeAid,
    AidCommand,
    CommitUnits,
    DeclineAid,
    ReleaseUnits,
    RequestAid,
    WithdrawAid,
)
from domain.aid.decider import AidPhase
from domain.aid.events import UNITS_MAX, AidRequested, LentUnit, WantedUnits
from domain.ownership import Ownership
from domain.storable import StorableInstant
from domain.vocabulary import UnitKind
from projections.aid import item
from projections.queries import aid as queries

router = protected("aid")

VIEWS = ("aid",)
DECISION = declared(404, 409, 412, 428)
UNIT = "5b2f0a77-3c41-5d0e-9a55-0d6c1b8e4f21"
AID_EXAMPLE = {
    "aid_id": "7d3b0c52-2f3c-5a40-9a5e-1b6a0d5f7c21",
    "asked_center_id": CENTER,
    "phase": "committed",
    "wanted": [{"kind": "patrol_car", "count": 2}],
    "reason": "主干道积水，需两辆巡逻车疏导",
    "is_overdue": False,
    "units": [{"unit_id": UNIT, "call_sign": "武侯01", "committed_at": "2026-07-03T12:10:00Z", "released_at": None}],
}


class WantedBody(Body):
    """So many of a kind."""

    kind: UnitKind
    count: Annotated[int, Field(ge=1, le=100)]


class AskBody(Body):
    """Whom, for what, why, answered by when, needed until when."""

    model_config = examples(
        {
            "to_center_id": CENTER,
            "wanted": [{"kind": "patrol_car", "count": 2}],
            "reason": "主干道积水，需两辆巡逻车疏导",
            "answer_by": "2026-07-03T20:15:00+08:00",
            "ends_at": "2026-07-04T02:00:00+08:00",
            "incident_id": INCIDENT,
        }
    )

    to_center_id: UUID
    wanted: Annotated[tuple[WantedBody, ...], Field(min_length=1, max_length=20)]
    reason: Reason
    answer_by: StorableInstant
    ends_at: StorableInstant
    incident_id: UUID | None = None


class AcceptBody(Body):
    """With a word, if you like."""

    model_config = examples({"note": "十分钟内派车"})

    note: Note = None


class ReasonBody(Body):
    """Why."""

    model_config = examples({"reason": "本区警力不足"})

    reason: Reason


class UnitsBody(Body):
    """Which units."""

    model_config = examples({"unit_ids": [UNIT]})

    unit_ids: Annotated[tuple[UUID, ...], Field(min_length=1, max_length=UNITS_MAX)]


class ReleaseBody(Body):
    """Which units; nobody named: all of them."""

    model_config = examples({"unit_ids": [UNIT], "note": "积水已退"})

    unit_ids: Annotated[tuple[UUID, ...], Field(max_length=UNITS_MAX)] = ()
    note: Note = None


@router.post("/aid", operation_id="aid_ask", summary="Ask for aid", responses=declared(404, 409), status_code=201)
async def ask(body: AskBody, asked: CreationOf, response: Response) -> Written:
    """By your center, of any other one."""
    services, caller = asked.services, asked.caller
    center = services.directory.center(caller.center_id) if caller.center_id is not None else None
    if center is None:
        raise Problem("forbidden", "Aid is asked for by people of a center; your token names none.", roles=[])
    other = services.directory.center(body.to_center_id)
    if other is None:
        errors = [("/to_center_id", "there is no such center")]
        raise Problem("invalid", "Aid is asked of a center of this city.", errors=errors)
    request = asked.request("aid", body.model_dump(mode="json"), correlation_id=body.incident_id)
    if body.incident_id is not None:
        await allowed(asked, request, visible_state(services, caller, body.incident_id))
    requested = AidRequested(
        asker=Ownership(center_id=center.id, path=center.path),
        asked=Ownership(center_id=other.id, path=other.path),
        wanted=tuple(WantedUnits(kind=one.kind, count=one.count) for one in body.wanted),
        reason=body.reason,
        answer_by=body.answer_by,
        ends_at=body.ends_at,
        incident_id=body.incident_id,
    )
    aid_id = uuid5(request.request_id, "aid")
    work = AidDesk(services.scribe).execute(aid_id, RequestAid(aid=requested, at=request.received_at), request)
    done = await written(asked, response, work, stream_id=aid_id, views=VIEWS)
    response.headers["Location"] = f"/v1/aid/{aid_id}"
    return done


@router.get("/centers/{center}/aid", operation_id="aid_list", summary="Aid of a center", responses=declared(404))
async def list_aid(
    center: str,
    services: ServicesOf,
    caller: CallerOf,
    paging: PagingOf,
    phase: AidPhase | None = None,
    overdue: Annotated[bool | None, Query(description="true: an answer was missed and still lacks.")] = None,
    min_position: MinPosition = None,
) -> Listing:
    """What it and those below it asked for, and what they are asked for: newest first."""
    entry = center_of(services, caller, center)
    await services.freshness.wait(min_position, list(VIEWS))
    filters = {"center": entry.id, "phase": phase, "overdue": overdue}
    page = paging.of("aid", filters)
    statement = queries.listed(
        entry.id,
        sight=caller.sight,
        phase=phase,
        is_overdue=overdue,
        before_position=page.after(int),
        limit=page.limit,
    )
    rows = await services.database.rows(statement)
    return Listing(items=[item(row) for row in page.cut(rows, "requested_position")])


@router.get(
    "/aid/{aid_id}",
    operation_id="aid_get",
    summary="One request for aid",
    responses={**declared(404), **answers(AID_EXAMPLE, "ETag: the version to decide on.")},
)
async def get_aid(
    aid_id: UUID, response: Response, services: ServicesOf, caller: CallerOf, min_position: MinPosition = None
) -> dict[str, Any]:
    """The same for who asks and who is asked."""
    await services.freshness.wait(min_position, list(VIEWS))
    row = await services.database.row(queries.one(aid_id, sight=caller.sight))
    if row is None or not covers(caller, row["visible_center_ids"]):
        raise not_found("This request for aid")
    response.headers["ETag"] = f'"{row["version"]}"'
    return item(row)


@router.get(
    "/aid/{aid_id}/history",
    operation_id="aid_history",
    summary="What happened to it, in sentences",
    responses=declared(404),
)
async def get_history(
    aid_id: UUID,
    services: ServicesOf,
    caller: CallerOf,
    paging: PagingOf,
    language: Language = "zh",
) -> Listing:
    """Every fact about it from the log, oldest first, for both sides and all above them."""
    requested = (await AidDesk(services.scribe).state(aid_id)).requested
    if requested is None or not covers(caller, [*requested.asker.path, *requested.asked.path]):
        raise not_found("This request for aid")
    if caller.center_id != requested.asked.center_id:
        await require_known(services, caller, requested.incident_id, "This request for aid")
    return await history_of(services, caller, paging, aid_id, language, said=withheld)


@router.post("/aid/{aid_id}/acknowledge", operation_id="aid_acknowledge", summary="It was read", responses=DECISION)
async def acknowledge(aid_id: UUID, asked: DecisionOf, response: Response) -> Written:
    """By the asked center. No answer yet."""
    await _of(asked, aid_id, asked=True)
    return await _execute(asked, response, aid_id, AcknowledgeAid(), None)


@router.post("/aid/{aid_id}/accept", operation_id="aid_accept", summary="We help", responses=DECISION)
async def accept(aid_id: UUID, body: AcceptBody, asked: DecisionOf, response: Response) -> Written:
    """By the asked center. Which units, a commitment says."""
    await _of(asked, aid_id, asked=True)
    return await _execute(asked, response, aid_id, AcceptAid(note=body.note, at=asked.services.clock.now()), body)


@router.post("/aid/{aid_id}/decline", operation_id="aid_decline", summary="We cannot help", responses=DECISION)
async def decline(aid_id: UUID, body: ReasonBody, asked: DecisionOf, response: Response) -> Written:
    """By the asked center."""
    await _of(asked, aid_id, asked=True)
    return await _execute(asked, response, aid_id, DeclineAid(reason=body.reason, at=asked.services.clock.now()), body)


@router.post("/aid/{aid_id}/commit", operation_id="aid_commit", summary="These units", responses=DECISION)
async def commit(aid_id: UUID, body: UnitsBody, asked: DecisionOf, response: Response) -> Written:
    """By the asked center: units of its own or of centers below it, kept for no other asker. More can follow."""
    center_id = await _of(asked, aid_id, asked=True)
    found = [asked.services.directory.unit(unit_id) for unit_id in body.unit_ids]
    units = [one for one in found if one is not None and center_id in one.base.path]
    if len(units) < len(found):
        errors = [
            (f"/unit_ids/{number}", "not a unit of the asked center")
            for number, one in enumerate(found)
            if one is None or center_id not in one.base.path
        ]
        raise Problem("invalid", "Only units of the asked center, or of one below it, are committed.", errors=errors)
    lent = tuple(LentUnit(unit_id=one.id, call_sign=one.call_sign) for one in units)
    return await _execute(asked, response, aid_id, CommitUnits(units=lent, at=asked.services.clock.now()), body)


@router.post("/aid/{aid_id}/release", operation_id="aid_release", summary="Not kept any more", responses=DECISION)
async def release(aid_id: UUID, body: ReleaseBody, asked: DecisionOf, response: Response) -> Written:
    """By either side: the asker lets them go, or the giver needs them back."""
    center_id = await _of(asked, aid_id, asked=None)
    command = ReleaseUnits(center_id=center_id, unit_ids=body.unit_ids, note=body.note)
    return await _execute(asked, response, aid_id, command, body)


@router.post("/aid/{aid_id}/withdraw", operation_id="aid_withdraw", summary="Not needed", responses=DECISION)
async def withdraw(aid_id: UUID, body: ReasonBody, asked: DecisionOf, response: Response) -> Written:
    """By the asker, until units are committed: those are released."""
    await _of(asked, aid_id, asked=False)
    return await _execute(asked, response, aid_id, WithdrawAid(reason=body.reason, at=asked.services.clock.now()), body)


async def _execute(asked: Asked, response: Response, aid_id: UUID, command: AidCommand, body: Body | None) -> Written:
    request = asked.request(str(aid_id), None if body is None else body.model_dump(mode="json"))
    work = AidDesk(asked.services.scribe).execute(aid_id, command, request)
    return await written(asked, response, work, stream_id=aid_id, views=VIEWS)


async def _of(ask: Asked, aid_id: UUID, *, asked: bool | None) -> UUID:
    """The center of the side that the caller speaks for: the asked one, the asker, or (None) either.

    Raises `Problem` not_found for a missing and for a foreign one alike, not_the_owner for the other side's step.
    """
    requested = (await AidDesk(ask.services.scribe).state(aid_id)).requested
    if requested is None or not covers(ask.caller, [*requested.asker.path, *requested.asked.path]):
        raise not_found("This request for aid")
    if ask.caller.center_id != requested.asked.center_id:
        await require_known(ask.services, ask.caller, requested.incident_id, "This request for aid")
    sides = [requested.asked, requested.asker] if asked is None else [requested.asked if asked else requested.asker]
    for side in sides:
        if covers(ask.caller, side.path):
            return side.center_id
    raise Problem(
        "not_the_owner",
        "This step is the other center's. Only the asked center answers, only the asker withdraws.",
        owner_center_id=str(sides[0].center_id),
    )
