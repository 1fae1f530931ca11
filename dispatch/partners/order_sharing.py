"""What a partner is told of an order: pure, from the one fact alone, for every such fact carries the order whole.

The rules are those of incidents (decision record 0011): only agencies that are addressed, only listed fields, no
exercise and no test, no numbers of persons. Who acknowledged, who declined and who is late stays inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from dispatch.partners import order_contracts as contracts
from dispatch.partners.contracts import ADDRESS_FIELDS
from dispatch.partners.order_contracts import OrderMessage
from dispatch.partners.public_shapes import PublicCenter
from dispatch.partners.tree import Tree
from dispatch.partners.withholding import without_numbers
from domain.event import Event, Fact
from domain.order import events as order
from domain.order.events import OrderArea, OrderContent
from domain.vocabulary import MessageStatus, OrderPhase

ORDER_MESSAGES: dict[str, type[OrderMessage]] = {
    order.OrderIssued.name: contracts.OrderIssued,
    order.OrderAmended.name: contracts.OrderAmended,
    order.OrderExtended.name: contracts.OrderExtended,
    order.OrderLifted.name: contracts.OrderLifted,
    order.OrderExpired.name: contracts.OrderExpired,
}
"""Facts that partners hear of, and as what."""
PHASES: Mapping[str, OrderPhase] = {
    order.OrderLifted.name: OrderPhase.LIFTED,
    order.OrderExpired.name: OrderPhase.EXPIRED,
}
_PLAIN: TypeAdapter[Any] = TypeAdapter(Any)


@dataclass(frozen=True, slots=True)
class OrderNotice:
    """One message to one agency, before it is numbered. `body` holds listed fields only."""

    agency: str
    contract: type[OrderMessage]
    body: Mapping[str, Any]


def order_of(event: Event) -> OrderContent:
    """The order as it stands after such a fact."""
    found: OrderContent = event.order  # type: ignore[attr-defined]  # each of `ORDER_MESSAGES` carries it
    return found


def order_notices(fact: Fact[Event], tree: Tree) -> tuple[OrderNotice, ...]:
    """Who hears of this fact and what, in the order of agency codes."""
    event = fact.event
    now, contract = order_of(event), ORDER_MESSAGES[fact.name]
    if now.status is not MessageStatus.ACTUAL:
        return ()
    reason = getattr(event, "reason", None)
    phase = PHASES.get(fact.name, OrderPhase.ISSUED)
    body = order_body(fact.stream_id, now, phase, owner=tree.center(now.issuer.center_id), note=reason)
    addressed = {one.agency for one in now.addressees if one.agency is not None}
    return tuple(
        OrderNotice(agency, contract, listed_only(body, tree.fields[agency]))
        for agency in sorted(addressed & tree.fields.keys())
    )


def order_body(
    order_id: UUID, now: OrderContent, phase: OrderPhase, *, owner: PublicCenter | None, note: str | None = None
) -> dict[str, Any]:
    """All that any partner could be told of an order, as JSON."""
    body = {
        "order_id": order_id,
        "incident_id": now.incident_id,
        "number": now.number,
        "order_kind": now.kind.value,
        "phase": phase.value,
        "message_status": now.status.value,
        "edition": now.edition,
        "text": without_numbers(now.text),
        "basis": without_numbers(now.basis),
        "area": _area(now.area),
        "effective_at": now.effective_at,
        "expires_at": now.expires_at,
        "acknowledge_by": now.acknowledge_by,
        "owner": owner.model_dump() if owner else None,
        "note": without_numbers(note),
    }
    told: dict[str, Any] = _PLAIN.dump_python(
        {name: value for name, value in body.items() if value is not None}, mode="json"
    )
    return told


def _area(area: OrderArea) -> dict[str, Any]:
    found = area.model_dump(mode="json", exclude_none=True)
    if area.description is not None:
        found["description"] = without_numbers(area.description)
    return found


def listed_only(body: Mapping[str, Any], listed: frozenset[str]) -> dict[str, Any]:
    """What one agency may know of it; what addresses the message always leaves."""
    return {name: value for name, value in body.items() if name in listed or name in ADDRESS_FIELDS}
