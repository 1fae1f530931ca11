"""What is counted and how long things took, under the definition that the question gives."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Response

from dispatch.api.access.permissions import Caller, CallerOf, require_center
from dispatch.api.city.csv_table import csv_table
from dispatch.api.http.conditions import MinPosition
from dispatch.api.http.names import DirectoryNames
from dispatch.api.http.paging import PagingOf
from dispatch.api.http.shapes import Listing, answers
from dispatch.api.problems.problem import Problem, declared, not_found
from dispatch.api.routing import protected
from dispatch.api.wiring import Services, ServicesOf
from domain.identifiers import campaign_id
from domain.storable import StorableInstant
from projections.queries import conditions, counters
from projections.queries import response_times as queries
from projections.response_times import STEPS
from projections.shown import instant, shown
from projections.texts import code_text

router = protected("statistics")

PERIOD_DAYS_MAX = 366
VIEWS = ("board", "response_times", "reports", "outcomes", "campaigns")
By = Literal[
    "category",
    "agency",
    "center",
    "second_level",
    "reporter_center",
    "severity",
    "disposition",
    "day",
    "month",
    "campaign",
]
Since = Annotated[StorableInstant, Query(description="Incidents opened from here on; write + as %2B.")]
Until = Annotated[StorableInstant, Query(description="… and before this.")]
DatedBy = Annotated[str, Query(description=f"What dates an incident, one of {', '.join(STEPS)}.")]
NAMED = {
    "category": "category",
    "agency": "agency",
    "center": "center",
    "second_level": "center",
    "reporter_center": "center",
}
"""Groups that have names."""
CODED = {"severity": "severity", "disposition": "disposition"}
"""Groups that have texts."""
COUNTERS_EXAMPLE = {
    "since": "2026-06-01T00:00:00Z",
    "until": "2026-07-01T00:00:00Z",
    "dated_by": "opened_at",
    "by": "category",
    "items": [
        {
            "group": "help.missing_person",
            "name_zh": "人员走失",
            "name_en": "Missing person",
            "incidents": 31,
            "alerts": 0,
            "reports": 34,
            "dismissed": 2,
            "resolved": 28,
            "closed": 27,
            "dispositions": {"handled": 26, "unable_to_locate": 2},
            "cases": {},
            "people": {"found": 27},
        }
    ],
}


@router.get(
    "/statistics/counters",
    operation_id="statistics_counters",
    summary="How many, by what you choose",
    responses={**declared(404), **answers(COUNTERS_EXAMPLE, "One entry a group; with `format=csv` a table.")},
)
async def get_counters(
    services: ServicesOf,
    caller: CallerOf,
    since: Since,
    until: Until,
    dated_by: DatedBy = "opened_at",
    by: By | None = None,
    center_id: UUID | None = None,
    reporter_center_id: Annotated[
        UUID | None, Query(description="Only what this center or one below it took a report of, whoever owns it.")
    ] = None,
    agency: Annotated[str | None, Query(max_length=100)] = None,
    category: Annotated[list[str] | None, Query(max_length=50)] = None,
    campaign: Annotated[str | None, Query(max_length=61, description="Code of a campaign: what it counts.")] = None,
    *,
    with_merged: Annotated[bool, Query(description="Count merged incidents beside their heads.")] = False,
    answer_as: Annotated[Literal["json", "csv"], Query(alias="format")] = "json",
    min_position: MinPosition = None,
) -> Any:
    """Incidents, alerts, reports, dispositions, cases of other systems (each once) and people, as you define them.

    Exercises never count. A center counts what it and those below it own; with `reporter_center_id`, or grouped by
    `reporter_center`, what was reported is counted for the center that took the report. Of restricted incidents every
    figure holds those only that the caller may know of.
    """
    require_period(since, until)
    if dated_by not in STEPS:
        raise Problem("invalid", f"`dated_by` must be one of {', '.join(STEPS)}.")
    await services.freshness.wait(min_position, list(VIEWS))
    definition = counters.Definition(
        since=since,
        until=until,
        sight=caller.sight,
        dated_by=dated_by,
        by=by,
        center_id=None if reporter_center_id and not center_id else center_counted(services, caller, center_id),
        taken_by=_below(services, caller, reporter_center_id),
        agency=agency,
        categories=tuple(category or ()),
        campaign_id=None if campaign is None else campaign_id(services.directory.city, campaign),
        with_merged=with_merged,
        time_zone=services.directory.rulebook().time_zone,
    )
    items = [_named(services, by, entry) for entry in await _counted(services, definition)]
    if answer_as == "csv":
        return Response(csv_table(items), media_type="text/csv; charset=utf-8")
    period = {"since": instant(since), "until": instant(until)}
    return {**period, "dated_by": dated_by, "by": by, "center_id": shown(definition.center_id), "items": items}


@router.get(
    "/statistics/response-times",
    operation_id="statistics_response_times",
    summary="Percentiles of response times",
    responses=declared(404),
)
async def get_response_times(
    services: ServicesOf,
    caller: CallerOf,
    since: Since,
    until: Until,
    center_id: UUID | None = None,
    category: Annotated[str | None, Query(max_length=100)] = None,
    by: Literal["category", "severity", "owner_center_id"] | None = None,
    start: Annotated[str | None, Query(description=f"One of {', '.join(STEPS)}.")] = None,
    stop: Annotated[str | None, Query(description="The same.")] = None,
) -> dict[str, Any]:
    """How long from step to step: median, 90th and 99th percentile, and how many never got there."""
    require_period(since, until)
    wanted = center_counted(services, caller, center_id)
    intervals = queries.INTERVALS
    if start is not None or stop is not None:
        if start not in STEPS or stop not in STEPS:
            raise Problem("invalid", f"`start` and `stop` must both be one of {', '.join(STEPS)}.")
        intervals = ((start, stop),)
    items = []
    async with services.database.snapshot() as moment:
        for first, last in intervals:
            statement = queries.percentiles(
                first, last, sight=caller.sight, since=since, until=until, center_id=wanted, category=category, by=by
            )
            items += [_interval(first, last, row, by) for row in await moment.rows(statement)]
    return {"since": instant(since), "until": instant(until), "center_id": shown(wanted), "items": items}


@router.get(
    "/statistics/cameras",
    operation_id="statistics_cameras",
    summary="How often a camera was right",
    responses=declared(404),
)
async def get_cameras(
    services: ServicesOf,
    caller: CallerOf,
    paging: PagingOf,
    since: Since,
    until: Until,
    center_id: UUID | None = None,
    min_position: MinPosition = None,
) -> Listing:
    """Of the incidents that a camera opened: false alarms, real ones, and the share of real ones among both.

    The most false alarms first: those are the cameras to be looked at.
    """
    require_period(since, until)
    wanted = center_counted(services, caller, center_id)
    await services.freshness.wait(min_position, ["board", "response_times"])
    filters = {"since": since, "until": until, "center": wanted}
    page = paging.of("camera-precision", filters)
    statement = counters.precision(
        sight=caller.sight, since=since, until=until, center_id=wanted, after=page.after(int, UUID), limit=page.limit
    )
    rows = await services.database.rows(statement)
    return Listing(items=[_precise(services, row) for row in page.cut(rows, "false_alarms", "camera_id")])


OUTAGES_EXAMPLE = {
    "items": [
        {
            "camera_id": "0a6f2f0e-6c0e-5b0a-9a45-7f1d2b3c4d5e",
            "code": "51010400001310000017",
            "label": "天府广场东",
            "outages": 3,
            "minutes": 412.5,
        }
    ]
}


@router.get(
    "/statistics/cameras/outages",
    operation_id="statistics_outages",
    summary="How often and how long cameras were out",
    responses={**declared(404), **answers(OUTAGES_EXAMPLE, "The longest out first.")},
)
async def get_outages(
    services: ServicesOf,
    caller: CallerOf,
    paging: PagingOf,
    since: Annotated[StorableInstant, Query(description="From here on; write + as %2B.")],
    until: Annotated[StorableInstant, Query(description="… and before this.")],
    center_id: UUID | None = None,
    min_position: MinPosition = None,
) -> Listing:
    """Offline, or behind a silent gateway; what overlaps is one outage, and one that lasts counts up to now."""
    require_period(since, until)
    wanted = center_counted(services, caller, center_id)
    center = None if wanted is None else services.directory.center(wanted)
    await services.freshness.wait(min_position, ["cameras", "camera_spells", "gateways"])
    filters = {"since": since, "until": until, "center": wanted}
    page = paging.of("camera-outages", filters)
    statement = conditions.outages(
        since=since,
        until=until,
        now=services.clock.now(),
        path=() if center is None else center.path,
        after=page.after(Decimal, UUID),
        limit=page.limit,
    )
    rows = await services.database.rows(statement)
    return Listing(items=[_outage(services, row) for row in page.cut(rows, "seconds", "camera_id")])


def _outage(services: Services, row: Mapping[str, Any]) -> dict[str, Any]:
    camera = services.directory.camera_by_id(row["camera_id"])
    return {
        "camera_id": shown(row["camera_id"]),
        "code": None if camera is None else camera.code,
        "label": None if camera is None else camera.label,
        "outages": row["outages"],
        "minutes": round(float(row["seconds"]) / 60, 2),
    }


def _precise(services: Services, row: Mapping[str, Any]) -> dict[str, Any]:
    camera = services.directory.camera_by_id(row["camera_id"])
    decided = row["false_alarms"] + row["real"]
    return {
        "camera_id": shown(row["camera_id"]),
        "code": None if camera is None else camera.code,
        "label": None if camera is None else camera.label,
        **{name: row[name] for name in ("incidents", "false_alarms", "real", "undecided")},
        "precision": round(row["real"] / decided, 4) if decided else None,
    }


def require_period(since: datetime, until: datetime) -> None:
    """Raise `Problem` invalid for a period that is none, or too long."""
    if not since < until <= since + timedelta(days=PERIOD_DAYS_MAX):
        raise Problem("invalid", f"`until` must lie after `since`, by at most {PERIOD_DAYS_MAX} days.")


def center_counted(services: Services, caller: Caller, center_id: UUID | None) -> UUID | None:
    """The center whose incidents are counted; None: the whole city. Raises `Problem` not_found."""
    wanted = center_id if center_id is not None or caller.sees_everything else caller.center_id
    if wanted is not None:
        center = services.directory.center(wanted)
        if center is None:
            raise not_found("This center")
        require_center(caller, center.path)
    return wanted


async def _counted(services: Services, definition: counters.Definition) -> list[dict[str, Any]]:
    """The three counts of one moment. Raises `Problem` not_found for a campaign that is not there."""
    async with services.database.snapshot() as moment:
        if definition.campaign_id is not None and await moment.row(counters.campaign(definition.campaign_id)) is None:
            raise not_found("This campaign")
        return counters.combined(
            await moment.rows(counters.incidents(definition)),
            await moment.rows(counters.cases(definition)),
            await moment.rows(counters.people(definition)),
        )


def _below(services: Services, caller: Caller, center_id: UUID | None) -> tuple[UUID, ...]:
    """The center and all below it. Raises `Problem` not_found; who took a report knows that it was taken."""
    if center_id is None:
        return ()
    wanted = center_counted(services, caller, center_id)
    return tuple(center.id for center in services.directory.centers.values() if wanted in center.path)


def _named(services: Services, by: str | None, entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry with the names of its group."""
    counts = {name: value for name, value in entry.items() if name != "group"}
    return {"group": shown(entry["group"]), **group_names(services, by, entry["group"]), **counts}


def group_names(services: Services, by: str | None, group: Any) -> dict[str, str | None]:
    """The names of a group in both languages, if its kind has any; null for the group of what belongs to none."""
    names = DirectoryNames(services.directory)
    found: dict[str, str | None] = {}
    for language in ("zh", "en"):
        if by in NAMED:
            found[f"name_{language}"] = None if group is None else names.name(NAMED[by], str(group), language)
        elif by in CODED:
            found[f"name_{language}"] = code_text(f"{CODED[by]}.{group}", language)
    return found


def _interval(start: str, stop: str, row: Any, by: str | None) -> dict[str, Any]:
    seconds = row["seconds"] or [None] * len(queries.PERCENTILES)
    named = {f"p{round(fraction * 100)}_s": value for fraction, value in zip(queries.PERCENTILES, seconds, strict=True)}
    found = {
        "start": start,
        "stop": stop,
        "incidents": row["incidents"],
        "measured": row["measured"],
        **{name: None if value is None else round(float(value), 3) for name, value in named.items()},
        "max_s": None if row["seconds_max"] is None else round(float(row["seconds_max"]), 3),
    }
    return found if by is None else {"group": shown(row[by]), **found}
