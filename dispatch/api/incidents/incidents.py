"""Looking at incidents: lists, the card, the timeline in sentences, search."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Header, Query, Response

from dispatch.api.access.permissions import Caller, CallerOf
from dispatch.api.access.visibility import hidden_among, names_hidden_in, row_is_visible, unnamed, visible_row
from dispatch.api.http.conditions import MinPosition
from dispatch.api.http.names import DirectoryNames
from dispatch.api.http.paging import Page, PagingOf
from dispatch.api.http.shapes import LIMIT, Limit, Listing
from dispatch.api.incidents.boards import BY_URGENCY
from dispatch.api.partners.partner_view import partner_items
from dispatch.api.problems.problem import Problem, declared, not_found
from dispatch.api.routing import protected
from dispatch.api.wiring import Services, ServicesOf
from projections import cards, texts, timeline
from projections.board import item
from projections.cameras import item as camera_item
from projections.queries import board, cameras, incidents, search
from projections.queries.progress import position as position_of

router = protected("incidents")

NEWEST_FIRST = ("opened_position",)
ALERTS_ON_CARD = 50
CAMERA_RADIUS_M = 300.0
OTHER_INCIDENTS = {
    "incident.merged": "into_incident_id",
    "incident.absorbed": "incident_id",
    "incident.unmerged": "from_incident_id",
    "incident.released": "incident_id",
}
"""Facts that name another incident, and where."""
ELSEWHERE = {"assignment.made", "assignment.cancelled", "assignment.promoted", "incident.unit_diverted"}
"""Facts that say what else a unit was or is on. They stand, without the name of an incident that is hidden."""
ANOTHER = {"zh": "另一事件", "en": "another incident"}

IfNoneMatch = Annotated[
    str | None, Header(alias="If-None-Match", description="The ETag you have; 304 if it is still the one.")
]


@router.get("/incidents", operation_id="incidents_list", summary="Incidents you may see")
async def list_incidents(
    services: ServicesOf,
    caller: CallerOf,
    paging: PagingOf,
    number: Annotated[str | None, Query(max_length=50, description="As people say it on the radio.")] = None,
    camera_id: UUID | None = None,
    state: Annotated[Literal["open", "ended"], Query(description="On a board, or gone from it.")] = "open",
    min_position: MinPosition = None,
) -> Listing:
    """Open ones most urgent first; ended ones, and those of one camera, newest first."""
    await services.freshness.wait(min_position, ["board"])
    filters = {"number": number, "camera": camera_id, "state": state, "center": caller.centers}
    page = paging.of("incidents", filters)
    statement, order = _listing(services, caller, number, camera_id, state, page)
    async with services.database.snapshot() as moment:
        reached = await moment.row(position_of(["board"]))
        rows = await moment.rows(statement)
    shown = [item(row) for row in page.cut(rows, *order) if row_is_visible(services, caller, row)]
    return Listing(items=shown, position=_first(reached))


def _listing(
    services: Services,
    caller: Caller,
    number: str | None,
    camera_id: UUID | None,
    state: str,
    page: Page,
) -> tuple[Any, tuple[str, ...]]:
    """The statement, and the columns that it is in order of. What a caller may not see is dropped after it, too."""
    if number is not None:
        return board.by_number(services.directory.city, number, sight=caller.sight), NEWEST_FIRST
    if camera_id is not None:
        before = page.after(int)
        return board.by_camera(camera_id, sight=caller.sight, before_position=before, limit=page.limit), NEWEST_FIRST
    center_id = services.directory.root().id if caller.sees_everything else caller.center_id
    if center_id is None:
        raise Problem("forbidden", "Your token names no center, so no list is yours. Ask for an incident by its id.")
    also = sorted(caller.commanded)
    if state == "ended":
        before = page.after(int)
        ended = board.ended(center_id, sight=caller.sight, also=also, before_position=before, limit=page.limit)
        return ended, NEWEST_FIRST
    at = page.after(int, int)
    if caller.sees_everything:
        return board.for_city(sight=caller.sight, cursor=at, limit=page.limit), BY_URGENCY
    return board.for_center(center_id, sight=caller.sight, also=also, cursor=at, limit=page.limit), BY_URGENCY


@router.get(
    "/incidents/{incident_id}",
    operation_id="incidents_get",
    summary="The card of an incident",
    responses={
        **declared(404),
        200: {"description": "The card; ETag is the version to decide on."},
        304: {"description": "The ETag you have is still the one."},
    },
)
async def get_incident(
    incident_id: UUID,
    response: Response,
    services: ServicesOf,
    caller: CallerOf,
    if_none_match: IfNoneMatch = None,
    min_position: MinPosition = None,
) -> Any:
    """Everything about one incident but its timeline.

    The ETag is the version to decide on: it counts decisions. Notes, evidence and folded alerts do not move it, so a
    304 says "decide as you were", not "nothing was written"; a live stream or the timeline tells of those.
    A partner sees what its feed tells of the incident, and no more.
    """
    await services.freshness.wait(min_position, ["board", "incident_cards", "incident_alerts"])
    async with services.database.snapshot() as moment:
        row = await moment.row(board.one(incident_id))
        if row is None or not row_is_visible(services, caller, row):
            raise not_found("This incident")
        card_row = await moment.row(incidents.card(incident_id))
        alerts = await moment.rows(incidents.alerts(incident_id, limit=ALERTS_ON_CARD))
        reached = await moment.row(position_of(["board", "incident_cards", "incident_alerts"]))
    etag = f'"{row["decision_version"]}"'
    headers = {"ETag": etag, "Dispatch-Position": str(_first(reached)), "Cache-Control": "private, no-cache"}
    if if_none_match is not None and etag in {tag.strip() for tag in if_none_match.split(",")}:
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    if caller.is_partner:
        return (await partner_items(services, str(caller.agency), [row]))[0]
    card = cards.card(row, card_row, alerts[:ALERTS_ON_CARD])
    hidden = await hidden_among(services, caller, [UUID(each["incident_id"]) for each in card["merges"]])
    names = await names_hidden_in(services, caller, [card["assignments"], card["decisions"]])
    return card | {
        "merges": [each for each in card["merges"] if UUID(each["incident_id"]) not in hidden],
        "assignments": unnamed(card["assignments"], names),
        "decisions": unnamed(card["decisions"], names),
    }


@router.get(
    "/incidents/{incident_id}/timeline",
    operation_id="incidents_timeline",
    summary="What happened, in sentences",
    responses=declared(404),
)
async def get_timeline(
    incident_id: UUID,
    services: ServicesOf,
    caller: CallerOf,
    paging: PagingOf,
    language: Annotated[Literal["zh", "en"], Query(description="Of the sentences.")] = "zh",
    view: Annotated[Literal["narrative", "full"], Query(description="The story, or every fact.")] = "narrative",
    min_position: MinPosition = None,
) -> Listing:
    """Oldest first."""
    await services.freshness.wait(min_position, ["board", "timeline"])
    await visible_row(services, caller, incident_id)
    filters = {"incident": incident_id, "view": view}
    page = paging.of("timeline", filters)
    after = page.after(int) or 0
    narrative = view == "narrative"
    async with services.database.snapshot() as moment:
        reached = await moment.row(position_of(["timeline"]))
        rows = await moment.rows(
            incidents.timeline(incident_id, after_position=after, limit=page.limit, narrative=narrative)
        )
    rows = page.cut(rows, "position")
    names = DirectoryNames(services.directory)
    others = [_other(row) for row in rows]
    hidden = await hidden_among(services, caller, others)
    naming = [row["values"] for row in rows if row["event"] in ELSEWHERE]
    secret = await names_hidden_in(services, caller, naming)
    told = [
        {
            **timeline.entry(row),
            "values": unnamed(row["values"], secret),
            "text": texts.sentence(row["event"], unnamed(row["values"], secret, ANOTHER[language]), language, names),
        }
        for row, other in zip(rows, others, strict=True)
        if other not in hidden
    ]
    return Listing(items=told, position=_first(reached))


@router.get(
    "/incidents/{incident_id}/cameras",
    operation_id="incidents_cameras",
    summary="Cameras that may see it",
    responses=declared(404),
)
async def get_cameras(
    incident_id: UUID,
    services: ServicesOf,
    caller: CallerOf,
    radius_m: Annotated[float, Query(gt=0, le=5_000)] = CAMERA_RADIUS_M,
    limit: Limit = LIMIT,
) -> Listing:
    """Around the incident's place, nearest first; an incident without a point has only its own camera."""
    row = await visible_row(services, caller, incident_id)
    if row["lon"] is None:
        statement = cameras.one(row["camera_id"]) if row["camera_id"] is not None else None
    else:
        statement = cameras.near(row["lon"], row["lat"], radius_m=radius_m, limit=limit)
    rows = await services.database.rows(statement) if statement is not None else []
    return Listing(items=[camera_item(found) for found in rows[:limit]])


@router.get("/search", operation_id="search", summary="Find incidents by number, place, camera or words")
async def find(
    services: ServicesOf,
    caller: CallerOf,
    paging: PagingOf,
    q: Annotated[str, Query(min_length=1, max_length=200, examples=["天府广场 追尾"])],
    min_position: MinPosition = None,
) -> Listing:
    """All words must match, in the incident, its reports or its notes. Persons are sealed and never found here."""
    await services.freshness.wait(min_position, ["board", "search"])
    filters = {"q": q, "center": caller.centers}
    page = paging.of("search", filters)
    statement = search.incidents(
        q,
        sight=caller.sight,
        center_id=None if caller.sees_everything else caller.center_id,
        also=sorted(caller.commanded),
        before_position=page.after(int),
        limit=page.limit,
    )
    if statement is None:
        return Listing(items=[])
    rows = await services.database.rows(statement)
    visible = [row for row in page.cut(rows, "opened_position") if row_is_visible(services, caller, row)]
    found = await services.database.rows(search.excerpts(q, [row["incident_id"] for row in visible]))
    why: dict[UUID, list[dict[str, str]]] = {}
    for excerpt in found:
        why.setdefault(excerpt["incident_id"], []).append({"kind": excerpt["kind"], "excerpt": excerpt["excerpt"]})
    return Listing(items=[{**item(row), "found_in": why.get(row["incident_id"], [])} for row in visible])


def _other(row: Any) -> UUID | None:
    """The incident that a merge or its undoing names beside this one: it may have been restricted since."""
    name = OTHER_INCIDENTS.get(row["event"])
    return None if name is None else UUID(row["values"][name])


def _first(row: Any) -> int:
    value = next(iter(row.values()), None) if row is not None else None
    return int(value or 0)
