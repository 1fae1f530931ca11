"""The record: a board or an incident as it was known, why a machine decided, and whether the log is whole.

`position` or `instant` says up to where the log is read ("as it was known then"); `true_at` keeps to what had happened
in the world by that time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Depends, Path, Query, Response

from dispatch.api.access.permissions import CallerOf
from dispatch.api.city.city import shown_operation
from dispatch.api.http.names import DirectoryNames
from dispatch.api.http.paging import PagingOf
from dispatch.api.http.shapes import Listing
from dispatch.api.long_work import Operation
from dispatch.api.problems.problem import Problem, declared, not_found
from dispatch.api.routing import protected
from dispatch.api.wiring import Services, ServicesOf
from dispatch.audit.ledgers import Ledger, instant_of, orders_as_of, warnings_as_of
from dispatch.audit.replay import AsOf, as_of, board_as_of, commanded_at, decision_at, incident_as_of
from dispatch.audit.wholeness import wholeness
from dispatch.handling.scribe import as_fact
from dispatch.ports import EventLog
from domain.codec import Undecodable
from domain.storable import StorableInstant
from projections.shown import instant as shown_instant
from projections.shown import shown

router = protected("audit")


Position = Annotated[int | None, Query(ge=0, le=2**62, description="Up to this position of the log.")]
Instant = Annotated[StorableInstant | None, Query(description="… or what was recorded by this instant; + as %2B.")]
TrueAt = Annotated[StorableInstant | None, Query(description="Only what had happened in the world by then.")]
Language = Annotated[Literal["zh", "en"], Query(description="Of the sentences.")]


@dataclass(frozen=True, slots=True)
class Then:
    """The past that is asked for: as known at a position or an instant, and only what had happened by `true_at`."""

    services: Services
    position: int | None
    instant: datetime | None
    true_at: datetime | None

    async def moment(self) -> AsOf:
        """Up to where the log is read. Raises `Problem` invalid if both are said."""
        if self.position is not None and self.instant is not None:
            raise Problem(
                "invalid", "Say a position or an instant, not both.", errors=[("query:instant", "one of two")]
            )
        return await as_of(self.services.log, position=self.position, instant=self.instant, true_at=self.true_at)


async def _then(
    services: ServicesOf, position: Position = None, instant: Instant = None, true_at: TrueAt = None
) -> Then:
    return Then(services, position, instant, true_at)


ThenOf = Annotated[Then, Depends(_then)]


def _told(moment: AsOf) -> dict[str, Any]:
    return {"position": moment.position, "true_at": shown(moment.true_at)}


@router.get("/audit/board", operation_id="audit_board", summary="A board as it was", responses=declared(404))
async def get_board(
    services: ServicesOf,
    then: ThenOf,
    center: Annotated[str | None, Query(max_length=64, description="Id or code; the whole city without it.")] = None,
    agency: Annotated[str | None, Query(max_length=50)] = None,
) -> dict[str, Any]:
    """Folded from the log by the very function that keeps the live one, in the live order."""
    moment = await then.moment()
    center_id: UUID | None = None
    also: tuple[UUID, ...] = ()
    if center is not None:
        try:
            found = services.directory.known_center(UUID(center))
        except ValueError:
            found = services.directory.center_by_code(center, known=True)
        if found is None:
            raise not_found("This center")
        center_id = found.id
        formed = services.directory.headquarters.get(found.id)
        also = await commanded_at(services.log, formed.id, moment) if formed is not None else ()
    replayed = await board_as_of(
        services.log, moment, center_id=center_id, also=also, agency=agency, baselines=services.board_baselines
    )
    return {"as_of": _told(moment), "items": replayed.items}


At = Annotated[StorableInstant | None, Query(description="In force at this instant; else at the moment asked for.")]
InForce = Annotated[bool, Query(description="false: all that stood in the ledger, in force or not.")]


@router.get("/audit/orders", operation_id="audit_orders", summary="The orders in force as it was", responses=declared())
async def list_orders(
    then: ThenOf,
    at: At = None,
    in_force: InForce = True,
) -> dict[str, Any]:
    """As it was known by a position or an instant, or as it was true with all that is known now."""
    return await _ledger(orders_as_of, then, at, in_force_only=in_force)


@router.get(
    "/audit/warnings", operation_id="audit_warnings", summary="The warnings in force as it was", responses=declared()
)
async def list_warnings(
    then: ThenOf,
    at: At = None,
    in_force: InForce = True,
) -> dict[str, Any]:
    """As it was known by a position or an instant, or as it was true with all that is known now."""
    return await _ledger(warnings_as_of, then, at, in_force_only=in_force)


async def _ledger(ledger: Ledger, then: Then, at: datetime | None, *, in_force_only: bool) -> dict[str, Any]:
    moment, services = await then.moment(), then.services
    when = at or then.true_at or then.instant or await instant_of(services.log, moment, services.clock.now())
    items = await ledger(services.log, moment, when, in_force_only=in_force_only)
    return {"as_of": _told(moment), "at": shown(when), "items": items}


@router.get(
    "/audit/incidents/{incident_id}",
    operation_id="audit_incident",
    summary="An incident as it was",
    responses=declared(404),
)
async def get_incident(
    incident_id: UUID,
    services: ServicesOf,
    then: ThenOf,
    language: Language = "zh",
) -> dict[str, Any]:
    """The card in its live shape, and every fact in words."""
    moment = await then.moment()
    names = DirectoryNames(services.directory)
    replayed = await incident_as_of(services.log, incident_id, moment, language=language, called=names)
    if replayed is None:
        raise not_found("At that moment this incident")
    return {"as_of": _told(moment), "card": replayed.card, "timeline": replayed.timeline}


@router.get(
    "/audit/decisions/{position}",
    operation_id="audit_decision",
    summary="Why a machine decided",
    responses=declared(404),
)
async def get_decision(
    position: Annotated[int, Path(ge=1, le=2**62)], services: ServicesOf, language: Language = "zh"
) -> dict[str, Any]:
    """The rule version, the inputs' positions, the candidates and the reasons in words."""
    found = await decision_at(services.log, position, language=language)
    if found is None:
        raise not_found(f"Position {position}: no automatic decision was recorded there, so it")
    return found


@router.get("/audit/events", operation_id="audit_events", summary="The log itself")
async def list_events(
    services: ServicesOf,
    paging: PagingOf,
    stream_id: UUID | None = None,
    topic: Annotated[list[str] | None, Query(max_length=50)] = None,
) -> Listing:
    """Every fact with its envelope, in order. Persons stay sealed."""
    filters = {"stream": stream_id, "topic": topic}
    page = paging.of("events", filters)
    after = page.after(int) or 0
    if stream_id is not None:
        rows = await services.log.read_stream(stream_id, after_version=after, limit=page.limit + 1)
    else:
        rows = await services.log.read_after(after, limit=page.limit + 1, topics=topic)
    order = "version" if stream_id is not None else "position"
    items = [_event(row) for row in page.cut(rows, order)]
    return Listing(items=items, position=(await services.log.tip()).position)


def _event(row: Any) -> dict[str, Any]:
    where = {
        "position": row.position,
        "stream_id": str(row.stream_id),
        "version": row.version,
        "event": row.topic,
        "recorded_at": shown_instant(row.recorded_at),
    }
    try:
        fact = as_fact(row)
    except Undecodable as error:
        return where | {"unreadable": str(error)}
    return where | {
        "envelope": fact.envelope.model_dump(mode="json", exclude_none=True),
        "body": fact.event.model_dump(mode="json"),
    }


@router.post(
    "/audit/verification",
    operation_id="audit_verify",
    summary="Check that the log is whole",
    status_code=202,
    responses=declared(),
)
async def verify(services: ServicesOf, caller: CallerOf, response: Response) -> dict[str, Any]:
    """Positions without a hole, versions dense in each stream, every event readable. Watch the operation."""

    async def work(operation: Operation) -> dict[str, Any]:
        return await verified(services.log, operation)

    operation = services.operations.start("audit_verify", caller.subject, work)
    response.headers["Location"] = f"/v1/operations/{operation.id}"
    return shown_operation(operation)


async def verified(log: EventLog, operation: Operation) -> dict[str, Any]:
    """Read the whole log once and say what is wrong with it, if anything is."""
    return (await wholeness(log, advanced=operation.advance)).document()
