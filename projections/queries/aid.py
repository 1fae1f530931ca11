"""Requests for mutual aid that a center made or was asked."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, or_, select

from projections.aid_tables import aid
from projections.queries import sight as sights
from projections.queries.board import LIMIT_MAX
from projections.queries.sight import Sight


def one(aid_id: UUID, *, sight: Sight) -> Select[Any]:
    """One request."""
    return select(*sights.named(aid, sight)).where(aid.c.aid_id == aid_id, known(sight))


def listed(
    center_id: UUID,
    *,
    sight: Sight,
    phase: str | None,
    is_overdue: bool | None,
    before_position: int | None,
    limit: int,
) -> Select[Any]:
    """Of a center and all below it, asked by or asked of, newest first; one row more than `limit`."""
    query = select(*sights.named(aid, sight)).where(aid.c.visible_center_ids.contains([center_id]), known(sight))
    if phase is not None:
        query = query.where(aid.c.phase == phase)
    if is_overdue is not None:
        query = query.where(aid.c.is_overdue == is_overdue)
    if before_position is not None:
        query = query.where(aid.c.requested_position < before_position)
    return query.order_by(aid.c.requested_position.desc()).limit(min(limit, LIMIT_MAX) + 1)


def hidden(aid_ids: Collection[UUID], *, sight: Sight) -> Select[Any]:
    """`aid_id` of those among these that the caller may not know of."""
    return select(aid.c.aid_id).where(aid.c.aid_id.in_(list(aid_ids)), ~known(sight))


def known(sight: Sight) -> ColumnElement[bool]:
    """Of a restricted incident's requests the asked center knows too, which is to help."""
    seen = sights.of(aid.c.incident_id, sight)
    return seen if sight.center_id is None else or_(seen, aid.c.asked_center_id == sight.center_id)
