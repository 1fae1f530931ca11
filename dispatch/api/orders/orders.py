"""Headquarters' orders: issued, changed by who commands, answered by each addressee. A partner answers over NATS."""

from __future__ import annotations

from uuid import UUID

from fastapi import Response

from dispatch.api.access.permissions import require_center
from dispatch.api.access.visibility import visible_state
from dispatch.api.http.conditions import Asked, CreationOf, DecisionOf
from dispatch.api.http.shapes import Body, Written
from dispatch.api.http.writing import allowed, written
from dispatch.api.orders.order_bodies import (
    AcknowledgementBody,
    AmendmentBody,
    ExtensionBody,
    LiftingBody,
    OrderBody,
    RefusalBody,
)
from dispatch.api.orders.order_reading import VIEWS, visible_order
from dispatch.api.problems.problem import Problem, declared, not_found
from dispatch.api.routing import protected
from dispatch.handling.orders import OrderDraft, order_id_of
from dispatch.handling.scribe import Request as Ask
from domain.order.commands import (
    AcknowledgeOrder,
    AmendOrder,
    DeclineOrder,
    ExtendOrder,
    LiftOrder,
    OrderAnswerCommand,
    OrderDecision,
)

router = protected("orders")

DECISION = declared(404, 409, 412, 428)

# --- Issuing and changing ---------------------------------------------------------------------------------------------


@router.post(
    "/orders", operation_id="orders_issue", summary="Issue an order", responses=declared(404, 409), status_code=201
)
async def issue(body: OrderBody, asked: CreationOf, response: Response) -> Written:
    """It gets a number people can say and is in force from `effective_at` on, whoever has acknowledged it by then.

    Cities, districts, headquarters and departments may issue orders; an exercise or a test never reaches a partner.
    """
    services, caller = asked.services, asked.caller
    center_id = body.center_id or caller.center_id
    issuer = services.directory.center(center_id) if center_id is not None else None
    if issuer is None:
        raise not_found("The center that issues it")
    require_center(caller, issuer.path)
    request = asked.request("orders", body.model_dump(mode="json"))
    if body.incident_id is not None:
        await allowed(asked, request, visible_state(services, caller, body.incident_id))
    draft = OrderDraft(
        kind=body.kind,
        status=body.status,
        text=body.text,
        area=body.area.area(),
        effective_at=body.effective_at,
        expires_at=body.expires_at,
        acknowledge_by=body.acknowledge_by,
        addressees=[(one.center_id, one.agency) for one in body.addressees],
        basis=body.basis,
        incident_id=body.incident_id,
        issued_by=caller.operator_id,
    )
    order_id = order_id_of(request)
    work = services.orders.issue(issuer, draft, request)
    done = await written(asked, response, work, stream_id=order_id, views=VIEWS)
    response.headers["Location"] = f"/v1/orders/{order_id}"
    return done


def _ask(asked: Asked, order_id: UUID, body: Body) -> Ask:
    return asked.request(str(order_id), body.model_dump(mode="json"), correlation_id=order_id)


async def _decide(
    asked: Asked, response: Response, order_id: UUID, command: OrderDecision | OrderAnswerCommand, request: Ask
) -> Written:
    work = asked.services.orders.decide(order_id, command, request)
    return await written(asked, response, work, stream_id=order_id, views=VIEWS)


async def _commanding(asked: Asked, order_id: UUID) -> UUID:
    """The center for which the caller decides about an order that it sees."""
    order = (await visible_order(asked.services, asked.caller, order_id)).state.order
    if asked.caller.center_id is None:
        raise Problem("forbidden", "Orders are changed by a center; your token names none.", roles=[])
    assert order is not None, "an order that is seen was issued"
    # Who acts for a headquarters decides for the center of the issuer's path that it commands.
    return next((one for one in asked.caller.centers if one in order.issuer.path), asked.caller.center_id)


@router.post("/orders/{order_id}/amend", operation_id="orders_amend", summary="Replace its text", responses=DECISION)
async def amend(order_id: UUID, body: AmendmentBody, asked: DecisionOf, response: Response) -> Written:
    """Another text, area or time; every addressee has to acknowledge it anew."""
    request = _ask(asked, order_id, body)
    command = AmendOrder(
        center_id=await _commanding(asked, order_id),
        amended_at=request.received_at,
        reason=body.reason,
        acknowledge_by=body.acknowledge_by,
        text=body.text,
        area=body.area.area() if body.area is not None else None,
        effective_at=body.effective_at,
        expires_at=body.expires_at,
    )
    return await _decide(asked, response, order_id, command, request)


@router.post(
    "/orders/{order_id}/extend", operation_id="orders_extend", summary="Let it hold longer", responses=DECISION
)
async def extend(order_id: UUID, body: ExtensionBody, asked: DecisionOf, response: Response) -> Written:
    """Nothing else changes, and what was acknowledged stays acknowledged."""
    request = _ask(asked, order_id, body)
    command = ExtendOrder(
        center_id=await _commanding(asked, order_id),
        extended_at=request.received_at,
        expires_at=body.expires_at,
        reason=body.reason,
    )
    return await _decide(asked, response, order_id, command, request)


@router.post("/orders/{order_id}/lift", operation_id="orders_lift", summary="End it", responses=DECISION)
async def lift(order_id: UUID, body: LiftingBody, asked: DecisionOf, response: Response) -> Written:
    """It ends here and now."""
    request = _ask(asked, order_id, body)
    command = LiftOrder(center_id=await _commanding(asked, order_id), lifted_at=request.received_at, reason=body.reason)
    return await _decide(asked, response, order_id, command, request)


# --- Answering --------------------------------------------------------------------------------------------------------


@router.post(
    "/orders/{order_id}/acknowledge",
    operation_id="orders_acknowledge",
    summary="Acknowledge it",
    responses=DECISION,
)
async def acknowledge(order_id: UUID, body: AcknowledgementBody, asked: DecisionOf, response: Response) -> Written:
    """Understood, we do it. For the caller's own center or agency: nobody acknowledges for somebody else.

    Answers do not move the ETag, so those of others make yours never stale; an amendment does.
    """
    request = _ask(asked, order_id, body)
    command = AcknowledgeOrder(
        center_ids=await _answering(asked, order_id),
        edition=body.edition,
        answered_at=request.received_at,
        reference=body.reference,
    )
    return await _decide(asked, response, order_id, command, request)


@router.post("/orders/{order_id}/decline", operation_id="orders_decline", summary="Decline it", responses=DECISION)
async def decline(order_id: UUID, body: RefusalBody, asked: DecisionOf, response: Response) -> Written:
    """It cannot be carried out, and why. The order stays in force; its issuer sees the reason and must decide."""
    request = _ask(asked, order_id, body)
    command = DeclineOrder(
        center_ids=await _answering(asked, order_id),
        edition=body.edition,
        answered_at=request.received_at,
        reason=body.reason,
    )
    return await _decide(asked, response, order_id, command, request)


async def _answering(asked: Asked, order_id: UUID) -> tuple[UUID, ...]:
    """The addressees for which the caller speaks; none of them is the decider's to refuse."""
    order = (await visible_order(asked.services, asked.caller, order_id)).state.order
    assert order is not None, "an order that is seen was issued"
    caller = asked.caller
    acted_for = {
        one.center_id for one in asked.services.directory.headquarters.values() if one.center_id in caller.commanded
    }
    own = [one for one in order.addressees if one.center_id == caller.center_id or one.center_id in acted_for]
    if caller.speaks_for_agency and not own:
        own = [one for one in order.addressees if one.agency is not None and one.agency == caller.agency]
    return tuple(one.center_id for one in own)
