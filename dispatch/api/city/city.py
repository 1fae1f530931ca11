"""The caller, the city's rules, its response times, and long work."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from dispatch.api.access.permissions import CallerOf
from dispatch.api.http.shapes import CENTER, answers
from dispatch.api.long_work import Operation
from dispatch.api.problems.problem import declared, not_found
from dispatch.api.routing import protected
from dispatch.api.wiring import ServicesOf
from dispatch.handling.rulebook import RulebookHandler
from domain.refusals import Unavailable
from projections.shown import shown

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
    "headquarters": [],
}


@router.get("/me", operation_id="me_get", summary="Who you are here", responses=answers(ME_EXAMPLE, "As we see you."))
async def get_me(caller: CallerOf, services: ServicesOf) -> dict[str, Any]:
    """What the token and the log say about the caller. `headquarters`: those that the caller acts for."""
    acted_for = [one for one in services.directory.headquarters.values() if one.center_id in caller.commanded]
    return {
        "subject": caller.subject,
        "roles": sorted(role.value for role in caller.roles),
        "operator_id": shown(caller.operator_id),
        "login": caller.login,
        "center_id": shown(caller.center_id),
        "agency": caller.agency,
        "gateway": caller.gateway,
        "headquarters": sorted(one.code for one in acted_for),
    }


@router.get("/rulebook", operation_id="rulebook_get", summary="The rules in force", responses=declared(404))
async def get_rulebook(services: ServicesOf) -> dict[str, Any]:
    """Whole: categories, routing, correlation, deadlines."""
    return services.directory.rulebook().model_dump(mode="json")


@router.get("/rulebook/versions", operation_id="rulebook_versions", summary="All versions of the rules")
async def list_versions(services: ServicesOf) -> dict[str, Any]:
    """Every decision names the version it was made with. `effective_at`: it is scheduled to be put in force then."""
    active = services.directory.active_rulebook_version
    versions = sorted(services.directory.rulebooks)
    ahead = await RulebookHandler(services.scribe, services.directory.city).scheduled()
    items = [
        {"version": version, "active": version == active, "effective_at": shown(ahead.get(version))}
        for version in versions
    ]
    return {"active": active, "items": items}


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
