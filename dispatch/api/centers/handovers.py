"""Hand-overs of shifts: what is open is listed by us, not by memory, and signed for by whoever comes on duty."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated, Any
from uuid import UUID, uuid5

from fastapi import Query, Response
from pydantic import Field

from dispatch.api.access.matrix import DECIDERS
from dispatch.api.access.permissions import Caller, CallerOf, covers
from dispatch.api.centers.centers import center_of
from dispatch.api.centers.open_items import open_items_of
from dispatch.api.http.conditions import Asked, CreationOf, DecisionOf, MinPosition
from dispatch.api.http.histories import Language, hidden_in, history_of, without_hidden
from dispatch.api.http.paging import PagingOf
from dispatch.api.http.shapes import (
    INCIDENT,
    Body,
    Listing,
    Note,
    Reason,
    Written,
    answers,
    examples,
)
from dispatch.api.http.writing import INCIDENT_VIEWS, allowed, written
from dispatch.api.problems.problem import Problem, declared, not_found
from dispatch.api.routing import protected
from dispatch.api.wiring import Services, ServicesOf
from dispatch.handling.handovers import HandoverDesk
from dispatch.handling.operators import OperatorDesk
from domain.handover.commands import DeclineHandover, OfferHandover, OpenItems, SignHandover
from domain.ownership import Ownership
from domain.refusals import Refused
from domain.vocabulary import ClaimsOnSigning, Role
from projections.handovers import COUNTED, item, line
from projections.queries import handovers as queries
from projections.queries.sight import Sight
from projections.shown import shown

router = protected("handovers")

VIEWS = ("handovers",)
DECISION = declared(404, 409, 412, 428)
NOTES_MAX = 500

TAKER = "7d3b0c52-2f3c-5a40-9a5e-1b6a0d5f7c21"
OPEN_EXAMPLE = {
    "incidents": [
        {
            "incident_id": INCIDENT,
            "number": "CD-20260703-0042",
            "category": "traffic.accident",
            "severity": 3,
            "priority": 3,
            "phase": "accepted",
            "is_exercise": False,
            "claimed_by": TAKER,
            "note": None,
        }
    ],
    "incidents_position": 18250,
    "orders": [],
    "orders_position": 18250,
    "cases": [],
    "cases_position": 18250,
    "aid": [],
    "aid_position": 18250,
}


class OfferBody(Body):
    """Who takes over, with a word on the whole and on single items. What is open is listed by us."""

    model_config = examples(
        {"taker_id": TAKER, "notes": {INCIDENT: "拖车已叫，预计20分钟到"}, "note": "夜班无其他特别事项"}
    )

    taker_id: UUID
    notes: Annotated[dict[UUID, Annotated[str, Field(min_length=1, max_length=2_000)]], Field(max_length=NOTES_MAX)] = (
        Field(default={}, description="By the id of the incident, order, case or request for aid.")
    )
    note: Note = None


class SignBody(Body):
    """Whether the giver's incidents become yours, or nobody's until somebody claims them."""

    model_config = examples({"claims": "take"})

    claims: ClaimsOnSigning = ClaimsOnSigning.RELEASE


class DeclineBody(Body):
    """Why not."""

    model_config = examples({"reason": "清单与现场情况不符，请核对后重新交接"})

    reason: Reason


@router.get(
    "/centers/{center}/open-items",
    operation_id="centers_open_items",
    summary="What is open at a center",
    responses={**declared(404), **answers(OPEN_EXAMPLE, "What a hand-over made now would list.")},
)
async def get_open_items(
    center: str, services: ServicesOf, caller: CallerOf, min_position: MinPosition = None
) -> dict[str, Any]:
    """Incidents it owns, orders it has not acknowledged, cases it has a part in, aid it owes or waits for; nothing of
    centers below."""
    entry = center_of(services, caller, center)
    found = await open_items_of(services, entry.id, min_position, caller.sight)
    document: dict[str, Any] = shown(found.model_dump(mode="json"))
    return document


@router.post(
    "/centers/{center}/handovers",
    operation_id="handovers_offer",
    summary="Hand a shift over",
    responses=declared(404, 409),
    status_code=201,
)
async def offer(center: str, body: OfferBody, asked: CreationOf, response: Response) -> Written:
    """By somebody on shift at the center, to somebody of the same center. It counts once it is signed."""
    services, caller = asked.services, asked.caller
    entry = center_of(services, caller, center)
    giver_id = _operator(asked)
    request = asked.request(str(entry.id), body.model_dump(mode="json"))
    handover_id = uuid5(request.request_id, "handover")
    taker = services.directory.operator(body.taker_id)
    may_decide = taker is not None and not DECIDERS.isdisjoint(taker.roles)
    # Everything recorded by now is on the list: whoever just closed an incident does not hand it over.
    tip = (await services.log.tip()).position
    items = await allowed(asked, request, open_items_of(services, entry.id, tip, Sight(center_id=entry.id)))
    command = OfferHandover(
        center=Ownership(center_id=entry.id, path=entry.path),
        giver_id=giver_id,
        giver_on_shift_at=await OperatorDesk(services.scribe).on_shift_at(giver_id),
        taker_id=body.taker_id,
        taker_center_id=taker.center_id if taker is not None and may_decide else None,
        items=items or OpenItems(incidents_position=0, orders_position=0, cases_position=0),
        notes=body.notes,
        note=body.note,
    )
    work = HandoverDesk(services.scribe).execute(handover_id, command, request)
    done = await written(asked, response, work, stream_id=handover_id, views=VIEWS)
    response.headers["Location"] = f"/v1/handovers/{handover_id}"
    return done


@router.get(
    "/centers/{center}/handovers",
    operation_id="handovers_list",
    summary="Hand-overs of a center",
    responses=declared(404),
)
async def list_handovers(
    center: str,
    services: ServicesOf,
    caller: CallerOf,
    paging: PagingOf,
    unsigned: Annotated[bool | None, Query(description="true: offered and not answered yet.")] = None,
    min_position: MinPosition = None,
) -> Listing:
    """Of the center and those below it, newest first; the items stand on each hand-over's own page."""
    entry = center_of(services, caller, center)
    await services.freshness.wait(min_position, list(VIEWS))
    filters = {"center": entry.id, "unsigned": unsigned}
    page = paging.of("handovers", filters)
    statement = queries.listed(entry.id, is_unsigned=unsigned, before_position=page.after(int), limit=page.limit)
    rows = await services.database.rows(statement)
    shown = await _with_aid(services, caller, page.cut(rows, "offered_position"))
    return Listing(items=[line(row) for row in await _known(services, caller, shown)])


@router.get(
    "/handovers/{handover_id}",
    operation_id="handovers_get",
    summary="One hand-over",
    responses={
        **declared(404),
        **answers({"handover_id": TAKER, "state": "offered", **OPEN_EXAMPLE}, "ETag: what to sign."),
    },
)
async def get_handover(
    handover_id: UUID, response: Response, services: ServicesOf, caller: CallerOf, min_position: MinPosition = None
) -> dict[str, Any]:
    """With every item as it was when it was offered. Sign with its ETag as If-Match."""
    await services.freshness.wait(min_position, list(VIEWS))
    row = await services.database.row(queries.one(handover_id))
    if row is None or not covers(caller, row["path"]):
        raise not_found("This hand-over")
    response.headers["ETag"] = f'"{row["version"]}"'
    offered = (await HandoverDesk(services.scribe).state(handover_id)).state.offered
    assert offered is not None, "what has a row was offered"
    aid = [one.model_dump(mode="json") for one in offered.aid]
    [known] = await _known(services, caller, [{**row, "aid": aid}])
    return {**item(known), "aid": shown(known["aid"])}


@router.get(
    "/handovers/{handover_id}/history",
    operation_id="handovers_history",
    summary="What happened to it, in sentences",
    responses=declared(404),
)
async def get_history(
    handover_id: UUID,
    services: ServicesOf,
    caller: CallerOf,
    paging: PagingOf,
    language: Language = "zh",
) -> Listing:
    """Every fact about it from the log, oldest first."""
    await _visible(services, caller, handover_id)
    return await history_of(services, caller, paging, handover_id, language)


@router.post(
    "/handovers/{handover_id}/sign", operation_id="handovers_sign", summary="Sign for what is open", responses=DECISION
)
async def sign(handover_id: UUID, body: SignBody, asked: DecisionOf, response: Response) -> Written:
    """By the one who is named, on shift at the center. The giver's claims are released in the same moment."""
    services, operator_id = asked.services, _operator(asked)
    center_id, giver_id = await _visible(asked.services, asked.caller, handover_id)
    claimed = await services.database.rows(queries.claimed(center_id, giver_id))
    command = SignHandover(
        operator_id=operator_id,
        on_shift_at=await OperatorDesk(services.scribe).on_shift_at(operator_id),
        claims=body.claims,
    )
    request = asked.request(str(handover_id), body.model_dump(mode="json"))
    work = HandoverDesk(services.scribe).sign(
        handover_id, command, request, claimed=[row["incident_id"] for row in claimed]
    )
    return await written(asked, response, work, stream_id=handover_id, views=(*VIEWS, *INCIDENT_VIEWS))


@router.post(
    "/handovers/{handover_id}/decline",
    operation_id="handovers_decline",
    summary="Do not take it",
    responses=DECISION,
)
async def decline(handover_id: UUID, body: DeclineBody, asked: DecisionOf, response: Response) -> Written:
    """By the one who is named; or by a supervisor of the center, or of one above it, who calls it off."""
    operator_id = _operator(asked)
    await _visible(asked.services, asked.caller, handover_id)
    command = DeclineHandover(
        operator_id=operator_id, is_supervisor=asked.caller.is_any(Role.SUPERVISOR), reason=body.reason
    )
    request = asked.request(str(handover_id), body.model_dump(mode="json"))
    work = HandoverDesk(asked.services.scribe).execute(handover_id, command, request)
    return await written(asked, response, work, stream_id=handover_id, views=VIEWS)


async def _with_aid(services: Services, caller: Caller, rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Rows with their requests for aid, which only the log has, where their number may hold what is hidden."""
    found = []
    for row in rows:
        aid: list[Any] | None = []
        if row["counts"].get("aid") and not caller.sees_everything:
            offered = (await HandoverDesk(services.scribe).state(row["handover_id"])).state.offered
            aid = None if offered is None else [one.model_dump(mode="json") for one in offered.aid]
        found.append({**row, "aid": aid} if aid else dict(row))
    return found


async def _known(services: Services, caller: Caller, rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Rows of hand-overs without the items of which the caller may not know, and without their number."""
    lists = [{name: row[name] for name in (*COUNTED, "claims_moved") if name in row} for row in rows]
    hidden = await hidden_in(services, caller, lists)
    return [{**row, **_without(row, found, hidden)} for row, found in zip(rows, lists, strict=True)]


def _without(row: Any, lists: dict[str, Any], hidden: Collection[UUID]) -> dict[str, Any]:
    known = without_hidden(lists, hidden) or lists
    counts = {name: len(known[name]) for name in COUNTED if name in known and name in row["counts"]}
    return {**known, "counts": {**row["counts"], **counts}} if hidden else {}


async def _visible(services: Services, caller: Caller, handover_id: UUID) -> tuple[UUID, UUID]:
    """Center and giver. Raises `Problem` not_found for a missing and for a foreign one alike."""
    try:
        offered = (await HandoverDesk(services.scribe).state(handover_id)).state.offered
    except Refused:
        raise not_found("This hand-over") from None
    assert offered is not None, "the desk refuses what was never offered"
    if not covers(caller, offered.path):
        raise not_found("This hand-over")
    return offered.center_id, offered.giver_id


def _operator(asked: Asked) -> UUID:
    if asked.caller.operator_id is None:
        raise Problem("forbidden", "Only an operator hands over or takes over; your token names none.", roles=[])
    return asked.caller.operator_id
