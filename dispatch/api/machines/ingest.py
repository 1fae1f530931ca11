"""Where machines send alerts.

A machine alert needs no Idempotency-Key: its own identity (source, id, revision) is its key, for ever.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from dispatch.api.access.permissions import Caller, CallerOf
from dispatch.api.access.visibility import alert_is_visible
from dispatch.api.machines.ingest_bodies import ALERT_SCHEMA, ANSWERS, NATIVE_EXAMPLE, VENDOR_EXAMPLES, bodies
from dispatch.api.problems.problem import Problem, declared, not_found, of_error
from dispatch.api.routing import protected
from dispatch.api.wiring import ServicesOf, services_of
from dispatch.handling.alerts import Sender
from dispatch.handling.scribe import as_fact
from dispatch.ingest.adapters.native import NativeAdapter
from dispatch.ingest.answers import status_of_taken, taken_document
from dispatch.ingest.intake import Declined, Intake, Message, Taken
from dispatch.ingest.limits import QUARANTINE_HEAD_BYTES
from dispatch.ingest.message import Delivery, NotUnderstood
from domain.alert.events import AlertReceived, AlertRevised
from domain.refusals import Refused
from domain.vocabulary import CoordinateSystem

router = protected("ingest")
_SOURCE = re.compile(r"^[\w.:@/-]{1,200}$")


async def intake_of(request: Request) -> Intake:
    """The intake of this application."""
    # As all dependencies here it is a coroutine: a plain function would cost each alert a turn of the thread pool.
    found: Intake = services_of(request).alerts
    return found


async def delivery_of(
    request: Request,
    caller: CallerOf,
    source: Annotated[
        str | None, Query(description="Name space of the ids; a gateway's is its own name.", max_length=200)
    ] = None,
    crs: Annotated[
        CoordinateSystem, Query(description="Datum of the coordinates, if the message does not say it.")
    ] = CoordinateSystem.WGS84,
    camera: Annotated[
        str | None,
        Query(description="Code of the camera, for devices that do not know it.", pattern=r"^[\w.:@/-]{1,100}$"),
    ] = None,
) -> Delivery:
    """How the message comes."""
    return delivery_with(request, caller, source=source, crs=crs, camera=camera)


def delivery_with(
    request: Request,
    caller: Caller,
    *,
    source: str | None = None,
    crs: CoordinateSystem = CoordinateSystem.WGS84,
    camera: str | None = None,
) -> Delivery:
    """A delivery with these words in its address. A gateway speaks in its own name only."""
    name = source or caller.gateway or caller.login or caller.subject
    if caller.gateway is not None and name != caller.gateway:
        raise Problem("forbidden", f"Your credential is of gateway {caller.gateway}; leave `source` out.", source=name)
    if not _SOURCE.fullmatch(name):
        raise Problem("invalid", "A source is letters, digits and . : @ / - _", errors=[("query:source", "not a name")])
    return Delivery(
        name,
        request.headers.get("content-type", "")[:200],
        crs,
        camera,
        batch_max=services_of(request).settings.batch_alerts_max,
    )


IntakeOf = Annotated[Intake, Depends(intake_of)]
DeliveryOf = Annotated[Delivery, Depends(delivery_of)]
ADAPTER_OF = {"alerts_ingest": "native", "alerts_ingest_batch": "native"} | {
    f"alerts_ingest_{adapter}": adapter for adapter in VENDOR_EXAMPLES
}
"""Operation id → the format it reads."""


def sender_of(caller: Caller) -> Sender:
    """Whose credential it is."""
    return Sender(caller.actor(), caller.gateway)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a sender hears, ready to be written."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """All headers as the server wants them."""
        return [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(self.body)),
            *((name.lower().encode(), value.encode()) for name, value in self.headers.items()),
        ]

    def response(self) -> Response:
        """The same for a route."""
        return Response(self.body, self.status, self.headers, "application/json")


async def take(request: Request, adapter: str, delivery: Delivery, caller: Caller, intake: Intake) -> Answer:
    """Read, record or keep aside, answer."""
    media_type = delivery.content_type.split(";")[0].strip().lower()
    allowed = intake.adapters[adapter].media_types
    if media_type not in allowed:
        raise Problem(
            "unsupported_media_type",
            f"{media_type or 'No content type'} is not read here; send {', '.join(allowed)}.",
        )
    body = await _whole_body(request, adapter, delivery, caller, intake)
    intake.admit(body)
    await intake.turn(body)
    taken = await intake.take(Message(adapter, body, delivery, sender_of(caller)))
    return answer(taken)


async def _whole_body(request: Request, adapter: str, delivery: Delivery, caller: Caller, intake: Intake) -> bytes:
    """All bytes. Of a body that turns out too large its head is kept aside, so that its sender can be found."""
    read = bytearray()
    try:
        async for chunk in request.stream():
            read += chunk
    except ClientDisconnect:
        raise Problem("bad_request", "The connection ended before the body did. Send the message again.") from None
    except HTTPException as error:
        if error.status_code == 413:
            refusal = NotUnderstood("ingest.too_large", error.detail)
            await intake.quarantine.keep(
                bytes(read[:QUARANTINE_HEAD_BYTES]),
                adapter=adapter,
                delivery=delivery,
                sender=sender_of(caller),
                refusal=refusal,
                size_bytes=max(len(read), QUARANTINE_HEAD_BYTES + 1),
            )
        raise
    return bytes(read)


def answer(taken: Taken) -> Answer:
    """201, 200, 207, or the problem of the one entry there was."""
    headers = {"Dispatch-Position": str(taken.position)} if taken.position is not None else {}
    if len(taken.results) == 1 and not taken.batch:
        result = taken.results[0]
        if isinstance(result, Declined):
            raise problem_of(result)
        headers["Location"] = f"/v1/alerts/{result.alert_id}"
    return Answer(status_of_taken(taken), to_json(taken_document(taken)), headers)


def problem_of(declined: Declined) -> Problem:
    """A declined entry as a problem document."""
    problem = of_error(Refused(declined.code, declined.detail))
    problem.errors = ((declined.pointer, declined.detail),) if declined.pointer else ()
    if declined.kept_as is not None:
        problem.members = {**problem.members, "quarantine": declined.kept_as}
    return problem


machines = protected("ingest")
"""What devices and programs send; the machine door answers these addresses when they have no query."""


@machines.post(
    "/alerts",
    operation_id="alerts_ingest",
    status_code=201,
    responses=ANSWERS,
    openapi_extra=bodies(
        ("application/json", {"oneOf": [ALERT_SCHEMA, {"type": "array", "items": ALERT_SCHEMA}]}, NATIVE_EXAMPLE)
    ),
)
async def alerts_ingest(request: Request, delivery: DeliveryOf, caller: CallerOf, intake: IntakeOf) -> Response:
    """Send one alert in our own format, or a list of at most 500. A repeat of an identity changes nothing."""
    return (await take(request, "native", delivery, caller, intake)).response()


@machines.post(
    "/ingest/native",
    operation_id="alerts_ingest_batch",
    status_code=201,
    responses=ANSWERS,
    openapi_extra=bodies(
        (NativeAdapter.example[0], {"type": "string"}, NativeAdapter.example[1]),
        ("application/json", {"type": "array", "items": ALERT_SCHEMA, "maxItems": 500}, [NATIVE_EXAMPLE]),
    ),
)
async def alerts_ingest_batch(request: Request, delivery: DeliveryOf, caller: CallerOf, intake: IntakeOf) -> Response:
    """Send many alerts in our own format, also as one JSON object a line. Each is judged alone."""
    return (await take(request, "native", delivery, caller, intake)).response()


def _vendor_route(adapter: str) -> None:
    media_type, example = VENDOR_EXAMPLES[adapter]

    async def ingest(request: Request, delivery: DeliveryOf, caller: CallerOf, intake: IntakeOf) -> Response:
        return (await take(request, adapter, delivery, caller, intake)).response()

    ingest.__doc__ = f"Send what a {adapter} device or service sends, byte for byte."
    machines.add_api_route(
        f"/ingest/{adapter}",
        ingest,
        methods=["POST"],
        operation_id=f"alerts_ingest_{adapter}",
        status_code=201,
        responses=ANSWERS,
        openapi_extra=bodies((media_type, {"type": "string"}, example)),
    )


for _adapter in VENDOR_EXAMPLES:
    _vendor_route(_adapter)


@router.get("/alerts/{alert_id}", operation_id="alerts_get", responses=declared(404))
async def alerts_get(alert_id: UUID, services: ServicesOf, caller: CallerOf) -> dict[str, Any]:
    """Everything that was said under one identity, in the order it was recorded.

    For the centers of its camera, of its place and of the incidents it became part of, and for those above them.
    """
    facts = [as_fact(row) for row in await services.log.read_stream(alert_id)]
    said = [fact for fact in facts if isinstance(fact.event, (AlertReceived, AlertRevised))]
    contents = [fact.event.content for fact in facts if isinstance(fact.event, (AlertReceived, AlertRevised))]
    if not contents or not await alert_is_visible(services, caller, alert_id, contents):
        raise not_found("This alert")
    return {
        "alert_id": str(alert_id),
        "facts": [
            {
                "position": fact.position,
                "version": fact.version,
                "name": fact.event.name,
                "occurred_at": fact.envelope.occurred_at.isoformat(),
                "received_at": fact.envelope.received_at.isoformat(),
                "recorded_at": fact.recorded_at.isoformat(),
                "actor": fact.envelope.actor.model_dump(mode="json", exclude_none=True),
                **fact.event.model_dump(mode="json", exclude_none=True),
            }
            for fact in said
        ],
    }
