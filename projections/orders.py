"""Orders as they stand: one row an order, with its addressees and who has not acknowledged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from domain.event import Event, Fact
from domain.order import events as order
from domain.order.events import OrderContent
from domain.vocabulary import MessageStatus, OrderAnswer, OrderPhase
from projections import order_tables
from projections.addressing import names
from projections.projection import Key, Projection, Row
from projections.shown import instant, shown

CHANGES: tuple[type[Event], ...] = (
    order.OrderIssued,
    order.OrderAmended,
    order.OrderExtended,
    order.OrderLifted,
    order.OrderExpired,
)
"""Facts after which the order is another; only these move its ETag."""
STORY: tuple[type[Event], ...] = (
    *CHANGES,
    order.OrderAcknowledged,
    order.OrderDeclined,
    order.OrderAcknowledgementMissed,
)
"""All facts on an order's stream."""


class Orders(Projection):
    """One row an order."""

    name = "orders"
    version = 1
    table = order_tables.orders
    topics = names(STORY)
    is_append_only = False

    def keys(self, fact: Fact[Event]) -> Sequence[Key]:
        """The order."""
        return ((fact.stream_id,),)

    def apply(self, key: Key, row: Row | None, fact: Fact[Event]) -> Row | None:
        """The order after the fact."""
        event = fact.event
        if isinstance(event, order.OrderIssued):
            return row or _issued(event, fact)
        if row is None:
            return None
        match event:
            case order.OrderAmended(order=now):
                changed = _standing(now) | {"addressees": _asked_anew(row)}
            case order.OrderExtended(order=now):
                changed = _standing(now)
            case order.OrderLifted(order=now, lifted_at=at, reason=reason):
                ends_at = min(at, now.expires_at)
                changed = _standing(now) | {
                    "phase": OrderPhase.LIFTED.value,
                    "ends_at": ends_at,
                    "end_reason": reason,
                }
            case order.OrderExpired(order=now):
                changed = _standing(now) | {"phase": OrderPhase.EXPIRED.value}
            case order.OrderAcknowledged() | order.OrderDeclined():
                changed = {"addressees": _answered(row, event)}
            case order.OrderAcknowledgementMissed():
                changed = {"addressees": _missed(row, event)}
            case _:
                return row
        if isinstance(event, CHANGES):
            changed["decided_version"] = fact.version
        return _waiting({**row, **changed, "updated_at": fact.occurred_at, "updated_position": fact.position})


def _issued(event: order.OrderIssued, fact: Fact[Event]) -> Row:
    now = event.order
    paths = [now.issuer.path, (now.issuer.center_id,), *(one.path for one in now.addressees)]
    addressed = [one.center_id for one in now.addressees]
    return _waiting(
        {
            "order_id": fact.stream_id,
            "number": now.number,
            "kind": now.kind.value,
            "message_status": now.status.value,
            "phase": OrderPhase.ISSUED.value,
            **_standing(now),
            "issuer_center_id": now.issuer.center_id,
            "visible_center_ids": list(dict.fromkeys([*(one for path in paths for one in path), *addressed])),
            "addressed_center_ids": addressed,
            "agencies": list(dict.fromkeys(one.agency for one in now.addressees if one.agency is not None)),
            "incident_id": now.incident_id,
            "addressees": [
                {"center_id": str(one.center_id), "agency": one.agency, **_UNANSWERED} for one in now.addressees
            ],
            "end_reason": None,
            "decided_version": fact.version,
            "issued_at": event.issued_at,
            "issued_position": fact.position,
            "updated_at": fact.occurred_at,
            "updated_position": fact.position,
        }
    )


_UNANSWERED: Mapping[str, Any] = {
    "answer": None,
    "answered_at": None,
    "reason": None,
    "reference": None,
    "missed": None,
}


def _standing(now: OrderContent) -> dict[str, Any]:
    """What every change of an order may change."""
    return {
        "edition": now.edition,
        "effective_at": now.effective_at,
        "ends_at": now.expires_at,
        "acknowledge_by": now.acknowledge_by,
        "order": now.model_dump(mode="json"),
    }


def _asked_anew(row: Row) -> list[dict[str, Any]]:
    return [{**one, **_UNANSWERED} for one in row["addressees"]]


def _answered(row: Row, event: order.OrderAcknowledged | order.OrderDeclined) -> list[dict[str, Any]]:
    """An answer to another edition than the present one says nothing of this one."""
    is_yes = isinstance(event, order.OrderAcknowledged)
    said = {
        "answer": (OrderAnswer.ACKNOWLEDGED if is_yes else OrderAnswer.DECLINED).value,
        "answered_at": instant(event.answered_at),
        "reason": event.reason if isinstance(event, order.OrderDeclined) else None,
        "reference": event.reference if isinstance(event, order.OrderAcknowledged) else None,
    }
    is_of_now = event.edition == row["edition"]
    center_id = str(event.center_id)
    return [{**one, **said} if is_of_now and one["center_id"] == center_id else one for one in row["addressees"]]


def _missed(row: Row, event: order.OrderAcknowledgementMissed) -> list[dict[str, Any]]:
    missing = {str(one.center_id) for one in event.missing} if event.edition == row["edition"] else set()
    said = {"due_at": instant(event.due_at), "late_s": event.late_s}
    return [{**one, "missed": said} if one["center_id"] in missing else one for one in row["addressees"]]


def _waiting(row: dict[str, Any]) -> Row:
    """With who has not acknowledged: a refusal is an answer, and no acknowledgement. Nobody owes one that is over."""
    is_over = row["phase"] != OrderPhase.ISSUED
    lacking = [one for one in row["addressees"] if not is_over and one["answer"] != OrderAnswer.ACKNOWLEDGED]
    by_text = {str(center_id): center_id for center_id in row["addressed_center_ids"]}
    return {
        **row,
        "waiting_center_ids": [by_text[one["center_id"]] for one in lacking],
        "is_overdue": any(one["missed"] is not None for one in lacking),
    }


def item(row: Row, at: datetime) -> dict[str, Any]:
    """An order as JSON shows it, in force or not at an instant."""
    return {**standing(row), "is_in_force": row["effective_at"] <= at < row["ends_at"]}


def standing(row: Row) -> dict[str, Any]:
    """An order as JSON shows it, whatever the time."""
    content = row["order"]
    document = {
        "order_id": row["order_id"],
        "phase": row["phase"],
        "is_exercise": row["message_status"] != MessageStatus.ACTUAL,
        **{name: content[name] for name in _SHOWN},
        "incident_id": row["incident_id"],
        "issuer": content["issuer"],
        "issued_at": row["issued_at"],
        "effective_at": row["effective_at"],
        "ends_at": row["ends_at"],
        "end_reason": row["end_reason"],
        "addressees": row["addressees"],
        "waiting_center_ids": row["waiting_center_ids"],
        "is_overdue": row["is_overdue"],
        "area": geometry(content["area"]),
        "updated_at": row["updated_at"],
        "version": row["decided_version"],
    }
    told: dict[str, Any] = shown(document)
    return told


_SHOWN = (
    "number",
    "kind",
    "status",
    "edition",
    "text",
    "basis",
    "expires_at",
    "acknowledge_by",
    "incident_id",
    "issued_by",
)


def geometry(area: Mapping[str, Any]) -> dict[str, Any]:
    """GeoJSON for what is on the map; circles, which it does not know, as center and radius."""
    polygons = area["polygons"]
    return {
        "geometry": {"type": "MultiPolygon", "coordinates": [[ring] for ring in polygons]} if polygons else None,
        "circles": area["circles"],
        "description": area["description"],
    }
