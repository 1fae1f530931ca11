"""The caller, the city's rules, its response times, and long work."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query

from dispatch.api.access import CallerOf, require_center
from dispatch.api.operations import Operation
from dispatch.api.problem import Problem, declared, not_found
from dispatch.api.routing import protected
from dispatch.api.shapes import CENTER, answers
from dispatch.api.wiring import ServicesOf
from domain.refusals import Unavailable
from domain.storable import StorableInstant
from projections.queries import response_times as queries
from projections.response_times import STEPS
from projections.shown import instant, shown

router = protected("city")

PERIOD_DAYS_MAX = 366

ME_EXAMPLE = {
    "subject": "operator:jinjiang.01",
    "roles": ["dispatcher"],
    "operator_id": "7d3b0c52-2f3c-5a40-9a5e-1b6a0d5f7c21",
    "login": "jinjiang.01",
    "center_id": CENTER,
    "agency": None,
    "gateway": None,
}


@router.get("/me", operation_id="me_get", summary="Who you are here", responses=answers(ME_EXAMPLE, "As we see you."))
async def get_me(caller: CallerOf) -> dict[str, Any]:
    """What the token and the log say about the caller."""
    return {
        "subject": caller.subject,
        "roles": sorted(role.value for role in caller.roles),
        "operator_id": shown(caller.operator_id),
        "login": caller.login,
        "center_id": shown(caller.center_id),
        "agency": caller.agency,
        "gateway": caller.gateway,
    }


@router.get("/rulebook", operation_id="rulebook_get", summary="The rules in force", responses=declared(404))
async def get_rulebook(services: ServicesOf) -> dict[str, Any]:
    """Whole: categories, routing, correlation, deadlines."""
    return services.directory.rulebook().model_dump(mode="json")


@router.get("/rulebook/versions", operation_id="rulebook_versions", summary="All versions of the rules")
async def list_versions(services: ServicesOf) -> dict[str, Any]:
    """Every decision names the version it was made with."""
    active = services.directory.active_rulebook_version
    versions = sorted(services.directory.rulebooks)
    return {"active": active, "items": [{"version": version, "active": version == active} for version in versions]}


@router.get(
    "/rulebook/versions/{version}",
    operation_id="rulebook_version_get",
    summary="The rules of one version",
    responses=declared(404),
)
async def get_version(version: int, services: ServicesOf) -> dict[str, Any]:
    """As they were published."""
    try:
        return services.directory.rulebook(version).model_dump(mode="json")
    except Unavailable:
        raise not_found("This version of the rulebook") from None


@router.get(
    "/statistics/response-times",
    operation_id="statistics_response_times",
    summary="Percentiles of response times",
    responses=declared(404),
)
async def get_response_times(
    services: ServicesOf,
    caller: CallerOf,
    since: Annotated[StorableInstant, Query(description="Incidents opened from here on; write + as %2B.")],
    until: Annotated[StorableInstant, Query(description="… and before this.")],
    center_id: UUID | None = None,
    category: Annotated[str | None, Query(max_length=100)] = None,
    by: Literal["category", "severity", "owner_center_id"] | None = None,
    start: Annotated[str | None, Query(description=f"One of {', '.join(STEPS)}.")] = None,
    stop: Annotated[str | None, Query(description="The same.")] = None,
) -> dict[str, Any]:
    """How long from step to step: median, 90th and 99th percentile, and how many never got there."""
    if not since < until <= since + timedelta(days=PERIOD_DAYS_MAX):
        raise Problem("invalid", f"`until` must lie after `since`, by at most {PERIOD_DAYS_MAX} days.")
    wanted = center_id if center_id is not None or caller.sees_everything else caller.center_id
    if wanted is not None:
        center = services.directory.center(wanted)
        if center is None:
            raise not_found("This center")
        require_center(caller, center.path)
    intervals = queries.INTERVALS
    if start is not None or stop is not None:
        if start not in STEPS or stop not in STEPS:
            raise Problem("invalid", f"`start` and `stop` must both be one of {', '.join(STEPS)}.")
        intervals = ((start, stop),)
    items = []
    async with services.database.snapshot() as moment:
        for first, last in intervals:
            statement = queries.percentiles(
                first, last, since=since, until=until, center_id=wanted, category=category, by=by
            )
            items += [_interval(first, last, row, by) for row in await moment.rows(statement)]
    return {"since": instant(since), "until": instant(until), "center_id": shown(wanted), "items": items}


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


@router.get(
    "/operations/{operation_id}",
    operation_id="operations_get",
    summary="Long work and how far it is",
    responses=declared(404),
)
async def get_operation(operation_id: UUID, services: ServicesOf, caller: CallerOf) -> dict[str, Any]:
    """Your own. Kept by the process that does it, until it is forgotten for newer ones."""
    found = services.operations.find(operation_id)
    if found is None or found.started_by != caller.subject:
        raise not_found("This operation")
    return shown_operation(found)


def shown_operation(operation: Operation) -> dict[str, Any]:
    """An operation as JSON shows it."""
    document: dict[str, Any] = shown(
        {
            "operation_id": operation.id,
            "kind": operation.kind,
            "state": operation.state,
            "done": operation.done,
            "total": operation.total,
            "started_by": operation.started_by,
            "started_at": operation.started_at,
            "ended_at": operation.ended_at,
            "result": operation.result,
            "detail": operation.detail,
        }
    )
    return document
