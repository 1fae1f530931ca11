"""Who may know of an operation and who may change it. A restricted one is answered like a missing one to all others."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import Response

from dispatch.api.access.permissions import Caller, covers
from dispatch.api.http.conditions import Asked
from dispatch.api.http.shapes import Body, Written
from dispatch.api.http.writing import allowed, written
from dispatch.api.problems.problem import Problem, not_found
from dispatch.api.wiring import Services
from dispatch.handling.operations import OperationDesk
from dispatch.handling.restrictions import RestrictionDesk
from dispatch.handling.scribe import Request as Ask
from domain.identifiers import operation_id as id_of
from domain.operation.commands import AddMember, OperationCommand, RemoveMember
from domain.operation.decider import visible_to
from domain.refusals import Refused
from projections.queries import operations as queries

VIEWS = ("operations", "operation_points")


def centers_of(caller: Caller) -> tuple[UUID, ...] | None:
    """Centers by which a caller may know of an operation; None: of all."""
    if caller.sees_everything:
        return None
    return caller.centers


def _is_known(caller: Caller, *, restricted: bool, visible: Any) -> bool:
    return not restricted or caller.sees_everything or not set(caller.centers).isdisjoint(visible)


async def row_of(services: Services, caller: Caller, code: str, min_position: int | None) -> Any:
    """The row of an operation. Raises `Problem` not_found for a missing and for a hidden one alike."""
    await services.freshness.wait(min_position, list(VIEWS))
    row = await services.database.row(queries.one(id_of(services.directory.city, code)))
    if row is None or not _is_known(caller, restricted=row["is_restricted"], visible=row["visible_center_ids"]):
        raise not_found("This operation")
    return row


def request_of(asked: Asked, code: str, body: Body | None, *more: str) -> Ask:
    """The scribe's request."""
    meaning = body.model_dump(mode="json") if body is not None else None
    return asked.request("/".join(("city-operations", code, *more)), meaning)


async def owned(
    asked: Asked, response: Response, code: str, command: OperationCommand, body: Body | None, **answer: str
) -> Written:
    """What its own center decides, and those above."""
    request = request_of(asked, code, body)
    await allowed(asked, request, known(asked, code, owner=True))
    return await _written(asked, response, code, command, request, **answer)


async def taken_part(
    asked: Asked, response: Response, code: str, command: OperationCommand, body: Body | None, *more: str, **answer: str
) -> Written:
    """What every center that takes part may say."""
    request = request_of(asked, code, body, *more)
    await allowed(asked, request, known(asked, code, owner=False))
    return await _written(asked, response, code, command, request, **answer)


async def known(asked: Asked, code: str, *, owner: bool) -> None:
    """Raises `Problem` not_found to whom may not know of it, not_the_owner to whom may only look."""
    operation_id = id_of(asked.services.directory.city, code)
    try:
        state = (await OperationDesk(asked.services.scribe).state(operation_id)).state
    except Refused:
        # In the words of a hidden one, or the difference would tell that it is there.
        raise not_found("This operation") from None
    planned, caller = state.planned, asked.caller
    assert planned is not None, "an operation that exists was planned"
    centers = visible_to(state)
    if not _is_known(caller, restricted=planned.restricted, visible=centers):
        raise not_found("This operation")
    takes_part = covers(caller, planned.path) or not set(caller.centers).isdisjoint(centers)
    if not (covers(caller, planned.path) if owner else takes_part):
        raise Problem(
            "not_the_owner",
            "The operation is another center's. Ask it to let yours take part, or to decide this.",
            owner_center_id=str(planned.center_id),
        )


async def _written(
    asked: Asked, response: Response, code: str, command: OperationCommand, request: Ask, **answer: str
) -> Written:
    operation_id = id_of(asked.services.directory.city, code)
    if isinstance(command, AddMember | RemoveMember):
        # Its incidents are known to the same centers: they are told in the same moment.
        work = RestrictionDesk(asked.services.scribe, asked.services.directory).member(operation_id, command, request)
    else:
        work = OperationDesk(asked.services.scribe).execute(operation_id, command, request, **answer)
    return await written(asked, response, work, stream_id=operation_id, views=VIEWS)
