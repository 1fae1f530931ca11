"""Temporary headquarters (flows F16 to F19): formed by the city above the centers it names, for a time.

While it is open its commander and deputies see what these centers see, decide about their incidents and orders as any
center above them does, and may take an incident over. When it ends, all it took goes to owners by name at once.
"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Response
from pydantic import Field

from dispatch.api.access.permissions import Caller, CallerOf, covers
from dispatch.api.access.visibility import hidden_among, visible_state
from dispatch.api.centers.open_items import open_items_of
from dispatch.api.headquarters.headquarters_bodies import (
    ChangeBody,
    ExtensionBody,
    GiveBackBody,
    OpenBody,
    StandDownBody,
    TakeBody,
)
from dispatch.api.http.conditions import CreationOf
from dispatch.api.http.histories import Language, history_of
from dispatch.api.http.paging import PagingOf
from dispatch.api.http.shapes import CENTER, Listing, Written, answers, converted
from dispatch.api.http.writing import INCIDENT_VIEWS, allowed, written
from dispatch.api.problems.problem import Problem, declared, not_found
from dispatch.api.routing import protected
from dispatch.api.wiring import Services, ServicesOf
from dispatch.directory_entries import HeadquartersEntry
from dispatch.handling.headquarters import HeadquartersDesk, HeadquartersDraft, Leftover, scope_of
from domain.headquarters.commands import ChangeHeadquarters, ExtendHeadquarters
from domain.headquarters.events import Scope
from domain.vocabulary import CoordinateSystem
from projections.queries.sight import EVERYTHING
from projections.shown import shown

router = protected("headquarters")

STEP = declared(404, 409)
Code = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,60}$")]
EXAMPLE = {
    "code": "flood-2026-07-03",
    "center_id": CENTER,
    "name_zh": "7·3汛期前线指挥部",
    "name_en": "Headquarters of the flood of 3 July",
    "purpose": "统一指挥抢险、转移和交通管制",
    "is_open": True,
    "ends_at": "2026-07-04T12:00:00Z",
    "centers": [CENTER],
    "agencies": ["flood_control"],
    "area": None,
    "commander_id": "7d3b0c52-2f3c-5a40-9a5e-1b6a0d5f7c21",
    "deputy_ids": [],
    "held": [{"incident_id": "0198a0b2-5a49-8d0c-9e66-1f5e2a7b3c4d", "number": "CD-20260703-0042", "giver": CENTER}],
}


# --- Opening and changing: the city's ---------------------------------------------------------------------------------


@router.post(
    "/headquarters", operation_id="headquarters_open", summary="Form a headquarters", responses=STEP, status_code=201
)
async def open_headquarters(body: OpenBody, asked: CreationOf, response: Response) -> Written:
    """By a supervisor of the city's center. It is a center of the tree from here on, and commands whom it names, the
    centers of the agencies it names, and those whose ground meets the area, with all below them.
    """
    services = asked.services
    _require_city(services, asked.caller)
    draft = HeadquartersDraft(
        code=body.code,
        name_zh=body.name_zh,
        name_en=body.name_en,
        purpose=body.purpose,
        scope=_scope(services, body),
        commander_id=body.commander_id,
        deputy_ids=body.deputy_ids,
        ends_at=body.ends_at,
        location=converted(body.location, CoordinateSystem.WGS84) if body.location is not None else None,
    )
    _require_people(services, body)
    request = asked.request(f"headquarters/{body.code}", body.model_dump(mode="json"))
    done = await written(asked, response, _desk(services).open(draft, request), views=())
    await services.directory.catch_up()
    response.headers["Location"] = f"/v1/headquarters/{body.code}"
    return done


@router.post(
    "/headquarters/{code}/change",
    operation_id="headquarters_change",
    summary="Change whom it commands and who acts for it",
    responses=STEP,
)
async def change(code: Code, body: ChangeBody, asked: CreationOf, response: Response) -> Written:
    """By a supervisor of the city's center: the whole scope and all who act for it, as they are to be."""
    services = asked.services
    _require_city(services, asked.caller)
    entry = await _entry(services, code)
    _require_people(services, body)
    command = ChangeHeadquarters(
        scope=_scope(services, body),
        commander_id=body.commander_id,
        deputy_ids=body.deputy_ids,
        reason=body.reason,
    )
    request = asked.request(f"headquarters/{code}", body.model_dump(mode="json"))
    done = await written(asked, response, _desk(services).execute(entry.id, command, request), views=())
    await services.directory.catch_up()
    return done


@router.post(
    "/headquarters/{code}/extend",
    operation_id="headquarters_extend",
    summary="Let it last longer",
    responses=STEP,
)
async def extend(code: Code, body: ExtensionBody, asked: CreationOf, response: Response) -> Written:
    """By a supervisor of the city's center. Without it the headquarters ends by itself when its time is over."""
    services = asked.services
    _require_city(services, asked.caller)
    entry = await _entry(services, code)
    request = asked.request(f"headquarters/{code}", body.model_dump(mode="json"))
    command = ExtendHeadquarters(extended_at=request.received_at, ends_at=body.ends_at, reason=body.reason)
    done = await written(asked, response, _desk(services).execute(entry.id, command, request), views=())
    await services.directory.catch_up()
    return done


@router.post(
    "/headquarters/{code}/stand-down",
    operation_id="headquarters_stand_down",
    summary="Stand it down",
    responses=STEP,
)
async def stand_down(code: Code, body: StandDownBody, asked: CreationOf, response: Response) -> Written:
    """By the city, or by a supervisor who acts for it. Every incident it has goes back to the center it was taken from,
    or to the one that `to` names, in the same append: none is nobody's at any moment. Orders it issued stay in force
    and are the city's to change.
    """
    services = asked.services
    entry = await _acting(services, asked.caller, code)
    wanted = {one: services.directory.center(center_id) for one, center_id in body.to.items()}
    to = {one: center for one, center in wanted.items() if center is not None}
    if len(to) < len(wanted):
        errors = [(f"/to/{one}", "there is no such center") for one, center in wanted.items() if center is None]
        raise Problem("invalid", "Incidents go to centers that exist.", errors=errors)
    request = asked.request(f"headquarters/{code}", body.model_dump(mode="json"))
    left = NOTHING if entry.is_over else await allowed(asked, request, _left(services, entry))
    work = _desk(services).stand_down(entry.id, body.reason, request, to=to, left=left or NOTHING)
    done = await written(asked, response, work, views=INCIDENT_VIEWS)
    await services.directory.catch_up()
    return done


NOTHING = Leftover()


async def _left(services: Services, entry: HeadquartersEntry) -> Leftover:
    tip = (await services.log.tip()).position
    # All of it keeps the headquarters from ending, whoever may know of it.
    items = await open_items_of(services, entry.center_id, tip, EVERYTHING)
    await services.directory.reach(tip)
    on_shift = sum(one.on_shift_at == entry.center_id for one in services.directory.operators.values())
    return Leftover(cases=len(items.cases), aid=len(items.aid), on_shift=on_shift)


# --- Incidents --------------------------------------------------------------------------------------------------------


@router.post(
    "/headquarters/{code}/incidents/{incident_id}/take",
    operation_id="headquarters_take",
    summary="Take an incident over",
    responses=STEP,
)
async def take(code: Code, incident_id: UUID, body: TakeBody, asked: CreationOf, response: Response) -> Written:
    """By those who act for it. The owner is not asked; it sees who took it and why, and gets it back in the end."""
    services = asked.services
    entry = await _acting(services, asked.caller, code)
    request = asked.request(f"headquarters/{code}/{incident_id}", body.model_dump(mode="json"))
    await allowed(asked, request, visible_state(services, asked.caller, incident_id))
    work = _desk(services).take(entry.id, incident_id, body.reason, request)
    return await written(asked, response, work, stream_id=incident_id, views=INCIDENT_VIEWS)


@router.post(
    "/headquarters/{code}/incidents/{incident_id}/give-back",
    operation_id="headquarters_give_back",
    summary="Give an incident back",
    responses=STEP,
)
async def give_back(
    code: Code, incident_id: UUID, body: GiveBackBody, asked: CreationOf, response: Response
) -> Written:
    """By those who act for it: to the center it was taken from, or to the one that is named."""
    services = asked.services
    entry = await _acting(services, asked.caller, code)
    to = services.directory.center(body.to_center_id) if body.to_center_id is not None else None
    if to is None and body.to_center_id is not None:
        raise not_found("The center that is to have it")
    request = asked.request(f"headquarters/{code}/{incident_id}", body.model_dump(mode="json"))
    await allowed(asked, request, visible_state(services, asked.caller, incident_id))
    work = _desk(services).give_back(entry.id, incident_id, to, body.reason, request)
    return await written(asked, response, work, stream_id=incident_id, views=INCIDENT_VIEWS)


# --- Reading ----------------------------------------------------------------------------------------------------------


@router.get("/headquarters", operation_id="headquarters_list", summary="Headquarters of the city")
async def list_headquarters(services: ServicesOf, *, is_open: bool | None = None) -> Listing:
    """In the order of their codes. Who commands whom is no secret among the people of the city."""
    found = sorted(services.directory.headquarters.values(), key=lambda one: one.code)
    items = [_line(services, one) for one in found if is_open is None or one.is_over is not is_open]
    return Listing(items=items, position=services.directory.position)


@router.get(
    "/headquarters/{code}",
    operation_id="headquarters_get",
    summary="One headquarters",
    responses={**declared(404), **answers(EXAMPLE, "ETag: the version of its stream.")},
)
async def get_headquarters(code: Code, response: Response, services: ServicesOf, caller: CallerOf) -> dict[str, Any]:
    """With its scope and who acts for it; what it took over is shown to those above and to who acts for it."""
    entry = await _entry(services, code)
    loaded = await _desk(services).state(entry.id)
    state = loaded.state
    assert state.opened is not None, "the desk refuses what was never opened"
    response.headers["ETag"] = f'"{loaded.version}"'
    scope = state.scope or state.opened.scope
    held = None
    if covers(caller, state.opened.center.path):
        hidden = await hidden_among(services, caller, state.held)
        held = [
            {"incident_id": one.incident_id, "number": one.number, "giver": one.giver.center_id}
            for one in state.held.values()
            if one.incident_id not in hidden
        ]
    area = [[[list(corner) for corner in ring]] for ring in scope.area]
    document: dict[str, Any] = shown(
        {
            **_line(services, entry),
            "purpose": state.opened.purpose,
            "centers": list(scope.centers),
            "agencies": list(scope.agencies),
            "area": {"type": "MultiPolygon", "coordinates": area} if area else None,
            "commander_id": state.commander_id,
            "deputy_ids": list(state.deputy_ids),
            "held": held,
        }
    )
    return document


@router.get(
    "/headquarters/{code}/history",
    operation_id="headquarters_history",
    summary="What happened to it, in sentences",
    responses=declared(404),
)
async def get_history(
    code: Code,
    services: ServicesOf,
    caller: CallerOf,
    paging: PagingOf,
    language: Language = "zh",
) -> Listing:
    """Every fact about it from the log, oldest first, for those above and for who acts for it."""
    entry = await _entry(services, code)
    center = services.directory.known_center(entry.center_id)
    acted = caller.operator_id in entry.staff
    if center is None or not (acted or covers(caller, center.path)):
        raise not_found("This headquarters")
    return await history_of(services, caller, paging, entry.id, language)


# --- Who ------------------------------------------------------------------------------------------------------------


def _desk(services: Services) -> HeadquartersDesk:
    return HeadquartersDesk(services.scribe, services.directory)


def _line(services: Services, entry: HeadquartersEntry) -> dict[str, Any]:
    center = services.directory.known_center(entry.center_id)
    document: dict[str, Any] = shown(
        {
            "code": entry.code,
            "center_id": entry.center_id,
            "name_zh": center.name_zh if center is not None else entry.code,
            "name_en": center.name_en if center is not None else entry.code,
            "is_open": not entry.is_over,
            "ends_at": entry.ends_at,
        }
    )
    return document


async def _entry(services: Services, code: str) -> HeadquartersEntry:
    """Raises `Problem` not_found."""
    entry = services.directory.headquarters_by_code(code)
    if entry is None:
        await services.directory.catch_up()
        entry = services.directory.headquarters_by_code(code)
    if entry is None:
        raise not_found("This headquarters")
    return entry


async def _acting(services: Services, caller: Caller, code: str) -> HeadquartersEntry:
    """Raises `Problem` not_found, and not_the_owner to whom neither acts for it nor stands above it."""
    entry = await _entry(services, code)
    is_city = caller.center_id == services.directory.root().id
    if is_city or (caller.operator_id is not None and caller.operator_id in entry.staff):
        return entry
    raise Problem(
        "not_the_owner",
        "This is for those who act for the headquarters. Ask its commander, or the city, to name you.",
        owner_center_id=str(entry.center_id),
    )


def _require_city(services: Services, caller: Caller) -> None:
    """Raises `Problem` forbidden: a headquarters stands above centers, so only who is above all of them forms one."""
    if caller.center_id != services.directory.root().id:
        detail = "A headquarters is formed, changed and prolonged by supervisors of the city's own center."
        raise Problem("forbidden", detail, roles=["supervisor"])


def _require_people(services: Services, body: OpenBody | ChangeBody) -> None:
    named = [("/commander_id", body.commander_id)]
    named += [(f"/deputy_ids/{number}", one) for number, one in enumerate(body.deputy_ids)]
    unknown = [where for where, one in named if services.directory.operator(one) is None]
    errors = [(where, "nobody is enrolled under this id") for where in unknown]
    if errors:
        raise Problem("invalid", "Who acts for a headquarters is enrolled in the city.", errors=errors)


def _scope(services: Services, body: OpenBody | ChangeBody) -> Scope:
    """Raises `Problem` invalid for who does not exist, and for nobody at all."""
    directory = services.directory
    errors = [
        (f"/centers/{number}", "there is no such center")
        for number, one in enumerate(body.centers)
        if directory.center(one) is None
    ]
    errors += [
        (f"/agencies/{number}", "this agency has no center of its own")
        for number, one in enumerate(body.agencies)
        if directory.functional_center(one) is None
    ]
    rings = body.rings()
    centers = scope_of(directory, body.centers, body.agencies, directory.touched_by(rings))
    if not centers and not errors:
        errors = [("/centers", "name a center or an agency, or an area in which a center has ground")]
    if errors:
        raise Problem("invalid", "A headquarters commands centers that exist; see `errors`.", errors=errors)
    return Scope(centers=centers, agencies=body.agencies, area=rings)
