"""Watches that a center is asked to keep."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, or_, select

from projections import city_tables
from projections.queries import sight as sights
from projections.queries.board import LIMIT_MAX
from projections.queries.sight import Sight


def one(watch_id: UUID, *, sight: Sight, center_ids: Collection[UUID] | None) -> Select[Any]:
    """One watch. `center_ids` as for `listed`."""
    table = city_tables.watches
    return select(*sights.named(table, sight)).where(table.c.watch_id == watch_id, _known(sight, center_ids))


def listed(
    center_ids: Collection[UUID] | None,
    *,
    sight: Sight,
    at: datetime | None,
    incident_id: UUID | None,
    before_position: int | None,
    limit: int,
) -> Select[Any]:
    """Newest first, one row more than `limit`. `center_ids`: the caller's center with all above it, whose being asked
    asks it too, None for everybody's. `at`: only those that go on then.
    """
    table = city_tables.watches
    query = select(*sights.named(table, sight)).where(_known(sight, center_ids))
    if center_ids is not None:
        mine = list(center_ids)
        query = query.where(
            or_(
                func.cardinality(table.c.center_ids) == 0,
                table.c.center_ids.overlap(mine),
                table.c.path.contains(mine[-1:]),
            )
        )
    if at is not None:
        query = query.where(table.c.expires_at > at, or_(table.c.ended_at.is_(None), table.c.ended_at > at))
        query = query.where(table.c.opened_at <= at)
    if incident_id is not None:
        query = query.where(table.c.incident_id == incident_id, sights.of(table.c.incident_id, sight))
    if before_position is not None:
        query = query.where(table.c.opened_position < before_position)
    return query.order_by(table.c.opened_position.desc()).limit(min(limit, LIMIT_MAX) + 1)


def _known(sight: Sight, center_ids: Collection[UUID] | None) -> ColumnElement[bool]:
    """Of a restricted incident's watches those know too who are asked by name, or lie below one that is. What asks the
    whole city asks only who may know of it."""
    table = city_tables.watches
    return or_(sights.of(table.c.incident_id, sight), table.c.center_ids.overlap(list(center_ids or ())))
