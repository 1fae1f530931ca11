"""Watches for people who are lost (flow F7): asked of centers, acknowledged by each, for a purpose and a time.

This is no search: nothing is matched by a machine. Whom it is about is sealed, and each reading is itself recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID, uuid5

from fastapi import Response
from pydantic import Field

from dispatch.api.access.permissions import Caller, CallerOf, covers
from dispatch.api.access.visibility import require_known, visible_state
from dispatch.api.http.conditions import Asked, CreationOf, MinPosition, StepOf
from dispatch.api.http.paging import PagingOf
from dispatch.api.http.shapes import (
    CENTER,
    INCIDENT,
    Body,
    Listing,
    Note,
    PlaceBody,
    Reason,
    Written,
    answers,
    examples,
)
from dispatch.api.http.writing import allowed, written
from dispatch.api.problems.problem import Problem, declared, not_found
from dispatch.api.routing import protected
from dispatch.api.wiring import Services, ServicesOf
from dispatch.handling.watches import WatchDesk
from domain.event import Personal
from domain.refusals import Refused
from domain.storable import StorableInstant
from domain.vocabulary import WatchOutcome, WatchSubject
from domain.watch.commands import AcknowledgeWatch, EndWatch, ExtendWatch, OpenWatch, ReadWatch, ReportSighting
from domain.watch.decider import WatchState
from domain.watch.events import WatchOpened
from projections.queries import watches as queries
from projections.watches import item

router = protected("watches")

VIEWS = ("watches",)
CHANGE = declared(404, 409)
Purpose = Annotated[str, Field(min_length=1, max_length=500, description="What for; it is recorded with your name.")]


WATCH_EXAMPLE = {
    "watch_id": "5b2f0a77-3c41-5d0e-9a55-0d6c1b8e4f21",
    "incident_id": INCIDENT,
    "subject": "elder",
    "purpose": "寻找走失老人",
    "center_ids": [CENTER],
    "expires_at": "2026-07-04T00:00:00Z",
    "outcome": None,
    "acknowledged": [{"center_id": CENTER, "at": "2026-07-03T12:10:00Z", "by": "7d3b0c52-2f3c-5a40-9a5e-1b6a0d5f7c21"}],
    "sightings": [],
    "reads": 2,
}


class OpenBody(Body):
    """Who is lost, what for, whom it asks and until when. The description is sealed before anything is stored."""

    model_config = examples(
        {
            "incident_id": INCIDENT,
            "subject": "elder",
            "description": "王大爷，78岁，蓝色外套，拄拐杖，走路慢",
            "purpose": "寻找走失老人",
            "center_ids": [CENTER],
            "last_seen": {"address": "人民公园西门"},
            "expires_at": "2026-07-04T08:00:00+08:00",
        }
    )

    incident_id: UUID
    subject: WatchSubject
    description: Annotated[str, Field(min_length=1, max_length=2_000)]
    purpose: Purpose
    center_ids: Annotated[tuple[UUID, ...], Field(max_length=200)] = Field(
        default=(), description="Who is asked, with all below; nobody named asks all of the city."
    )
    last_seen: PlaceBody | None = None
    expires_at: StorableInstant = Field(description="At most seven days ahead; it can be extended while it goes on.")


class ReadBody(Body):
    """What you need it for."""

    model_config = examples({"purpose": "告知当班监控员"})

    purpose: Purpose


class SightingBody(Body):
    """Where somebody was perhaps seen."""

    model_config = examples({"place": {"address": "地铁二号线春熙路站"}, "text": "衣着相符，正由民警上前询问"})

    place: PlaceBody
    camera_id: UUID | None = None
    text: Annotated[str, Field(min_length=1, max_length=2_000)]


class ExtendBody(Body):
    """Until when, and why."""

    model_config = examples({"expires_at": "2026-07-05T08:00:00+08:00", "reason": "尚未找到"})

    expires_at: StorableInstant
    reason: Reason


class EndBody(Body):
    """How it ended."""

    model_config = examples({"outcome": "found", "note": "已由家属接回"})

    outcome: WatchOutcome
    note: Note = None


@router.post("/watches", operation_id="watches_open", summary="Open a watch", responses=CHANGE, status_code=201)
async def open_watch(body: OpenBody, asked: CreationOf, response: Response) -> Written:
    """On an incident that you may see. It ends by itself."""
    services, caller = asked.services, asked.caller
    center = services.directory.center(caller.center_id) if caller.center_id is not None else None
    if center is None:
        raise Problem("forbidden", "A watch is opened by people of a center; your token names none.", roles=[])
    unknown = [number for number, one in enumerate(body.center_ids) if services.directory.center(one) is None]
    if unknown:
        errors = [(f"/center_ids/{number}", "there is no such center") for number in unknown]
        raise Problem("invalid", "A watch asks centers of this city; see `errors`.", errors=errors)
    request = asked.request("watches", body.model_dump(mode="json"), correlation_id=body.incident_id)
    await allowed(asked, request, visible_state(services, caller, body.incident_id))
    spot = body.last_seen.wgs84() if body.last_seen is not None else None
    opened = WatchOpened(
        incident_id=body.incident_id,
        subject=body.subject,
        description=Personal(subject_id=uuid5(request.request_id, "watched"), text=body.description),
        purpose=body.purpose,
        center_id=center.id,
        path=center.path,
        center_ids=body.center_ids,
        last_seen=None
        if body.last_seen is None
        else body.last_seen.place(within_city=spot is not None and bool(services.directory.locate(spot))),
        expires_at=body.expires_at,
    )
    watch_id = uuid5(request.request_id, "watch")
    command = OpenWatch(watch=opened, at=request.received_at)
    done = await written(asked, response, WatchDesk(services.scribe).execute(watch_id, command, request), views=VIEWS)
    response.headers["Location"] = f"/v1/watches/{watch_id}"
    return done


@router.get("/watches", operation_id="watches_list", summary="Watches that you are asked to keep")
async def list_watches(
    services: ServicesOf,
    caller: CallerOf,
    paging: PagingOf,
    *,
    in_force: bool = True,
    at: StorableInstant | None = None,
    incident_id: UUID | None = None,
    min_position: MinPosition = None,
) -> Listing:
    """Newest first: those that go on now (or `at` an instant); with `in_force=false` also those that are over."""
    await services.freshness.wait(min_position, list(VIEWS))
    filters = {"in_force": in_force, "at": at, "incident": incident_id, "center": caller.centers}
    page = paging.of("watches", filters)
    statement = queries.listed(
        _paths(services, caller),
        sight=caller.sight,
        at=at or services.clock.now() if in_force else at,
        incident_id=incident_id,
        before_position=page.after(int),
        limit=page.limit,
    )
    rows = await services.database.rows(statement)
    return Listing(items=[item(row) for row in page.cut(rows, "opened_position")])


@router.get(
    "/watches/{watch_id}",
    operation_id="watches_get",
    summary="One watch",
    responses={**declared(404), **answers(WATCH_EXAMPLE, "Who was asked, who acknowledged, what was seen.")},
)
async def get_watch(
    watch_id: UUID, services: ServicesOf, caller: CallerOf, min_position: MinPosition = None
) -> dict[str, Any]:
    """Who was asked, who acknowledged, what was seen. Whom it is about only a recorded reading tells."""
    await services.freshness.wait(min_position, list(VIEWS))
    paths = _paths(services, caller)
    row = await services.database.row(queries.one(watch_id, sight=caller.sight, paths=paths))
    if row is None or not _concerns(caller, paths, row["path"], row["center_ids"]):
        raise not_found("This watch")
    return item(row)


@router.post(
    "/watches/{watch_id}/acknowledge",
    operation_id="watches_acknowledge",
    summary="Your operators know",
    responses=CHANGE,
)
async def acknowledge(watch_id: UUID, asked: StepOf, response: Response) -> Written:
    """By each center that is asked."""
    center_id, at = await _center(asked, watch_id), asked.services.clock.now()
    request = asked.request(str(watch_id), None)
    work = WatchDesk(asked.services.scribe).execute(
        watch_id, AcknowledgeWatch(center_id=center_id, at=at), request, center_id=str(center_id)
    )
    return await written(asked, response, work, views=VIEWS)


@router.post(
    "/watches/{watch_id}/read",
    operation_id="watches_read",
    summary="Whom it is about",
    responses={**CHANGE, **answers({"watch_id": INCIDENT, "description": "蓝色外套"}, "In the clear.")},
)
async def read(watch_id: UUID, body: ReadBody, asked: CreationOf) -> dict[str, Any]:
    """That you looked, and what for, is recorded first. After the end it is told to nobody."""
    request = asked.request(str(watch_id), body.model_dump(mode="json"))
    command = ReadWatch(center_id=await _center(asked, watch_id), purpose=body.purpose, at=asked.services.clock.now())
    description = await WatchDesk(asked.services.scribe).read(watch_id, command, request)
    return {"watch_id": str(watch_id), "description": description}


@router.post(
    "/watches/{watch_id}/sightings",
    operation_id="watches_report_sighting",
    summary="Perhaps seen",
    responses=CHANGE,
    status_code=201,
)
async def report_sighting(watch_id: UUID, body: SightingBody, asked: CreationOf, response: Response) -> Written:
    """By any center that is asked, also a while too late."""
    services = asked.services
    request = asked.request(str(watch_id), body.model_dump(mode="json"))
    if body.camera_id is not None and services.directory.camera_by_id(body.camera_id) is None:
        raise not_found("This camera")
    spot = body.place.wgs84()
    sighting_id = uuid5(request.request_id, "sighting")
    command = ReportSighting(
        sighting_id=sighting_id,
        center_id=await _center(asked, watch_id),
        place=body.place.place(within_city=spot is not None and bool(services.directory.locate(spot))),
        camera_id=body.camera_id,
        text=body.text,
        at=services.clock.now(),
    )
    work = WatchDesk(services.scribe).execute(watch_id, command, request, sighting_id=str(sighting_id))
    return await written(asked, response, work, views=VIEWS)


@router.post("/watches/{watch_id}/extend", operation_id="watches_extend", summary="A while longer", responses=CHANGE)
async def extend(watch_id: UUID, body: ExtendBody, asked: StepOf, response: Response) -> Written:
    """By the center that opened it and those above, while it goes on."""
    await _center(asked, watch_id, owner=True)
    command = ExtendWatch(expires_at=body.expires_at, reason=body.reason, at=asked.services.clock.now())
    request = asked.request(str(watch_id), body.model_dump(mode="json"))
    return await written(
        asked, response, WatchDesk(asked.services.scribe).execute(watch_id, command, request), views=VIEWS
    )


@router.post("/watches/{watch_id}/end", operation_id="watches_end", summary="Found, or called off", responses=CHANGE)
async def end(watch_id: UUID, body: EndBody, asked: StepOf, response: Response) -> Written:
    """From here on nobody is told whom it was about."""
    await _center(asked, watch_id, owner=True)
    request = asked.request(str(watch_id), body.model_dump(mode="json"))
    work = WatchDesk(asked.services.scribe).execute(watch_id, EndWatch(outcome=body.outcome, note=body.note), request)
    return await written(asked, response, work, views=VIEWS)


def _paths(services: Services, caller: Caller) -> list[tuple[UUID, ...]] | None:
    """Of the caller's own center, first, and of those that it commands: who is asked above asks these. None: all."""
    if caller.sees_everything:
        return None
    own = caller.center_id if caller.center_id is not None else UUID(int=0)
    entries = {center_id: services.directory.center(center_id) for center_id in (own, *sorted(caller.commanded))}
    return [entry.path if entry is not None else (center_id,) for center_id, entry in entries.items()]


def _concerns(caller: Caller, paths: Sequence[Sequence[UUID]] | None, path: Any, center_ids: Any) -> bool:
    if paths is None or not center_ids or covers(caller, path):
        return True
    return any(not set(mine).isdisjoint(center_ids) for mine in paths)


async def _center(asked: Asked, watch_id: UUID, *, owner: bool = False) -> UUID:
    """The caller's center, if the watch asks it (or is its own). Raises `Problem` not_found, not_the_owner."""
    caller = asked.caller
    try:
        state: WatchState = (await WatchDesk(asked.services.scribe).state(watch_id)).state
    except Refused:
        raise not_found("This watch") from None
    opened = state.opened
    assert opened is not None, "a watch that exists was opened"
    # Who acts does so for its own center: that one which it commands is asked, too, is no errand of its own.
    own = (_paths(asked.services, caller) or [])[:1]
    if caller.center_id is None or not _concerns(caller, own or None, opened.path, opened.center_ids):
        raise not_found("This watch")
    if all(set(mine).isdisjoint(opened.center_ids) for mine in own):
        await require_known(asked.services, caller, opened.incident_id, "This watch")
    if owner and not covers(caller, opened.path):
        raise Problem(
            "not_the_owner",
            "The watch is another center's. Report what you see; that center decides when it ends.",
            owner_center_id=str(opened.center_id),
        )
    return caller.center_id
