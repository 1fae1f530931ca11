"""Looking at urban-management cases: lists, one with its history, and how well they went."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Response

from dispatch.api.access.permissions import Caller, CallerOf, covers, require_center
from dispatch.api.access.visibility import hidden_among, row_is_visible, withheld
from dispatch.api.city.city import PERIOD_DAYS_MAX
from dispatch.api.http.conditions import MinPosition
from dispatch.api.http.names import DirectoryNames
from dispatch.api.http.paging import PagingOf
from dispatch.api.http.shapes import Listing
from dispatch.api.problems.problem import Problem, declared, not_found
from dispatch.api.routing import protected
from dispatch.api.wiring import Services, ServicesOf
from dispatch.handling.scribe import as_fact
from dispatch.ports import RecordedEvent
from domain.codec import Undecodable
from domain.storable import StorableInstant
from domain.vocabulary import CasePhase, Lamp
from projections import texts
from projections.cases import item
from projections.queries import board
from projections.queries import cases as queries
from projections.queries.cases import CaseFilter
from projections.shown import instant, shown

router = protected("cases")

HISTORY_MAX = 500
"""Facts of one case shown; more than any real story has."""
RATES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "on_time_rate": ("on_time", ("on_time", "late")),
    "rework_rate": ("reworked", ("done",)),
    "return_rate": ("returned", ("assigned",)),
    "extension_rate": ("extended", ("assigned",)),
    "void_rate": ("voided", ("cases",)),
}
"""What of what: each of these divided by the sum of those."""


@router.get("/cases", operation_id="cases_list", summary="Cases you may see")
async def list_cases(
    services: ServicesOf,
    caller: CallerOf,
    paging: PagingOf,
    center_id: Annotated[UUID | None, Query(description="Filed by this center or one below it.")] = None,
    department: Annotated[str | None, Query(max_length=50, description="The agency that has it now.")] = None,
    phase: Annotated[list[CasePhase] | None, Query(max_length=20)] = None,
    lamp: Annotated[list[Lamp] | None, Query(max_length=10)] = None,
    class_code: Annotated[str | None, Query(max_length=100)] = None,
    min_position: MinPosition = None,
) -> Listing:
    """Newest first: what the caller's center filed, what lies below it, what it has to handle or to arbitrate."""
    await services.freshness.wait(min_position, ["cases"])
    only = CaseFilter(
        center_id=center_id,
        department=department,
        phases=[each.value for each in phase or ()],
        lamps=[each.value for each in lamp or ()],
        class_code=class_code,
    )
    filters = {"only": repr(only), "center": caller.centers}
    page = paging.of("cases", filters)
    seen_by, agency = _sight(caller)
    statement = queries.listed(
        only,
        sight=caller.sight,
        seen_by=seen_by,
        agency=agency,
        before_position=page.after(int),
        limit=page.limit,
    )
    position = await services.freshness.position("cases")
    rows = await services.database.rows(statement)
    return Listing(items=[item(row) for row in page.cut(rows, "filed_position")], position=position)


def _sight(caller: Caller) -> tuple[tuple[UUID, ...] | None, str | None]:
    """The centers whose sight bounds a list, and the agency whose cases it has beside; None and None: everything."""
    if caller.sees_everything:
        return None, None
    if caller.center_id is None:
        raise Problem("forbidden", "Your token names no center, so no list is yours.", roles=[])
    return caller.centers, caller.agency if caller.speaks_for_agency else None


@router.get(
    "/cases/{case_id}",
    operation_id="cases_get",
    summary="One case and what happened to it",
    responses={**declared(404), 200: {"description": "The case; ETag is the version to decide on."}},
)
async def get_case(
    case_id: UUID,
    response: Response,
    services: ServicesOf,
    caller: CallerOf,
    language: Annotated[Literal["zh", "en"], Query(description="Of the sentences.")] = "zh",
    min_position: MinPosition = None,
) -> dict[str, Any]:
    """Its row and its history, oldest first. Seen by those who work on it, and by whoever sees its incident."""
    await services.freshness.wait(min_position, ["cases", "board"])
    row = await services.database.row(queries.one(case_id, sight=caller.sight))
    if row is None or not await _is_visible(services, caller, row):
        raise not_found("This case")
    recorded = await services.log.read_stream(case_id, limit=HISTORY_MAX)
    response.headers["ETag"] = f'"{row["version"]}"'
    names = DirectoryNames(services.directory)
    # The log may be ahead of the row; what is told here is what the ETag stands for.
    hidden = await hidden_among(services, caller, [filed_for(recorded)])
    history = [_told(one, language, names, hidden) for one in recorded if one.version <= row["version"]]
    return {**item(row), "history": history}


async def _is_visible(services: Services, caller: Caller, row: Mapping[str, Any]) -> bool:
    if covers(caller, row["visible_center_ids"]):
        return True
    if caller.speaks_for_agency and caller.agency == row["department_agency"]:
        return True
    if row["incident_id"] is None:
        return False
    of_incident = await services.database.row(board.one(row["incident_id"]))
    return of_incident is not None and row_is_visible(services, caller, of_incident)


def filed_for(recorded: Sequence[RecordedEvent]) -> UUID | None:
    """The incident that a case was filed for; None if its first fact cannot be read."""
    try:
        found: UUID | None = getattr(as_fact(recorded[0]).event, "incident_id", None) if recorded else None
    except Undecodable:
        return None
    return found


def _told(recorded: RecordedEvent, language: str, names: texts.Names, hidden: Collection[UUID] = ()) -> dict[str, Any]:
    told: dict[str, Any] = {
        "position": recorded.position,
        "version": recorded.version,
        "event": recorded.topic,
        "recorded_at": instant(recorded.recorded_at),
    }
    try:
        fact = as_fact(recorded)
    except Undecodable:
        return {**told, "values": None, "text": recorded.topic}
    said = withheld(fact.event.model_dump(mode="json", exclude_none=True), hidden)
    values = {name: value for name, value in said.items() if value is not None}
    return {
        **told,
        "occurred_at": instant(fact.occurred_at),
        "actor": shown(fact.actor.model_dump()),
        "rule_version": fact.rule_version,
        "values": values,
        "text": texts.sentence(recorded.topic, values, language, names),
    }


@router.get(
    "/statistics/cases", operation_id="statistics_cases", summary="How well cases went", responses=declared(404)
)
async def get_statistics(
    services: ServicesOf,
    caller: CallerOf,
    since: Annotated[StorableInstant, Query(description="Cases filed from here on; write + as %2B.")],
    until: Annotated[StorableInstant, Query(description="… and before this.")],
    center_id: Annotated[UUID | None, Query(description="What this center sees; without it, your own.")] = None,
    by: Annotated[Literal["department", "center", "class"] | None, Query(description="Group by this.")] = None,
    min_position: MinPosition = None,
) -> dict[str, Any]:
    """On-time, rework, return, extension and void rates with the counts they are made of; null where there is none.

    On time: handled before the time was up, of all whose time ended one way or the other. A case that bounced counts
    for each department that had it.
    """
    if not since < until <= since + timedelta(days=PERIOD_DAYS_MAX):
        raise Problem("invalid", f"`until` must lie after `since`, by at most {PERIOD_DAYS_MAX} days.")
    wanted = center_id if center_id is not None or caller.sees_everything else caller.center_id
    if wanted is not None:
        center = services.directory.center(wanted)
        if center is None:
            raise not_found("This center")
        require_center(caller, center.path)
    await services.freshness.wait(min_position, ["cases"])
    statement = queries.statistics(sight=caller.sight, since=since, until=until, center_id=wanted, by=by)
    rows = await services.database.rows(statement)
    items = [_rated(row, grouped=by is not None) for row in rows]
    return {"since": instant(since), "until": instant(until), "center_id": shown(wanted), "by": by, "items": items}


def _rated(row: Mapping[str, Any], *, grouped: bool) -> dict[str, Any]:
    counts = {name: value for name, value in row.items() if name != "group"}
    rates = {name: _rate(counts[part], sum(counts[one] for one in whole)) for name, (part, whole) in RATES.items()}
    return {**({"group": shown(row["group"])} if grouped else {}), **counts, **rates}


def _rate(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
