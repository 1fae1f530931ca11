"""Orders that somebody may see: in force at an instant, by center, agency and kind, newest first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select

from projections.order_tables import orders
from projections.queries import sight as sights
from projections.queries.board import LIMIT_MAX
from projections.queries.sight import Sight


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """What to show. None means all; `in_force_at` as all that is known by now says of that instant."""

    in_force_at: datetime | None = None
    center_id: UUID | None = None
    agency: str | None = None
    kind: str | None = None
    status: str | None = None
    is_overdue: bool | None = None


def one(order_id: UUID, *, sight: Sight) -> Select[Any]:
    """One order."""
    return select(*sights.named(orders, sight)).where(orders.c.order_id == order_id, known(sight))


def listed(
    only: OrderFilter,
    *,
    sight: Sight,
    center_ids: Sequence[UUID] | None,
    agency: str | None,
    before_position: int | None,
    limit: int,
) -> Select[Any]:
    """A page. `center_ids` and `agency` are whose orders may be seen; without either, all are."""
    query = select(*sights.named(orders, sight)).where(known(sight), *_conditions(only))
    seen: list[ColumnElement[bool]] = []
    if center_ids is not None:
        seen.append(orders.c.visible_center_ids.overlap(list(center_ids)))
    if agency is not None:
        seen.append(orders.c.agencies.contains([agency]))
    if seen:
        query = query.where(seen[0] if len(seen) == 1 else seen[0] | seen[1])
    if before_position is not None:
        query = query.where(orders.c.issued_position < before_position)
    return query.order_by(orders.c.issued_position.desc()).limit(min(limit, LIMIT_MAX) + 1)


def hidden(order_ids: Collection[UUID], *, sight: Sight) -> Select[Any]:
    """`order_id` of those among these that the caller may not know of."""
    return select(orders.c.order_id).where(orders.c.order_id.in_(list(order_ids)), ~known(sight))


def known(sight: Sight) -> ColumnElement[bool]:
    """Of a restricted incident's orders the addressees know too, who are to carry them out."""
    known = sights.of(orders.c.incident_id, sight)
    if sight.center_id is not None:
        known = known | orders.c.addressed_center_ids.contains([sight.center_id])
    return known if sight.agency is None else known | orders.c.agencies.contains([sight.agency])


def _conditions(only: OrderFilter) -> Sequence[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if only.in_force_at is not None:
        found += [orders.c.effective_at <= only.in_force_at, orders.c.ends_at > only.in_force_at]
    if only.center_id is not None:
        found.append(
            (orders.c.issuer_center_id == only.center_id) | orders.c.addressed_center_ids.contains([only.center_id])
        )
    if only.agency is not None:
        found.append(orders.c.agencies.contains([only.agency]))
    if only.kind is not None:
        found.append(orders.c.kind == only.kind)
    if only.status is not None:
        found.append(orders.c.message_status == only.status)
    if only.is_overdue is not None:
        found.append(orders.c.is_overdue == only.is_overdue)
    return found
