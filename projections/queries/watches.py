"""Watches that a center is asked to keep."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, or_, select

from projections import city_tables
from projections.queries import sight as sights
from projections.queries.board import LIMIT_MAX
from projections.queries.sight import Sight

Paths: TypeAlias = Sequence[Sequence[UUID]]
"""Of the centers of one who looks, each last in its own with all above it, whose being asked asks it too. The caller's
own comes first, behind it those that it commands for a headquarters."""


def one(watch_id: UUID, *, sight: Sight, paths: Paths | None) -> Select[Any]:
    """One watch. `paths` as for `listed`."""
    table = city_tables.watches
    return select(*sights.named(table, sight)).where(table.c.watch_id == watch_id, _known(sight, paths))


def listed(
    paths: Paths | None,
    *,
    sight: Sight,
    at: datetime | None,
    incident_id: UUID | None,
    before_position: int | None,
    limit: int,
) -> Select[Any]:
    """Newest first, one row more than `limit`. `paths`: whose watches; None for everybody's. `at`: only those that go
    on then.
    """
    table = city_tables.watches
    query = select(*sights.named(table, sight)).where(_known(sight, paths))
    if paths is not None:
        asked = sorted({center_id for path in paths for center_id in path})
        query = query.where(
            or_(
                func.cardinality(table.c.center_ids) == 0,
                table.c.center_ids.overlap(asked),
                table.c.path.overlap([path[-1] for path in paths]),
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


def _known(sight: Sight, paths: Paths | None) -> ColumnElement[bool]:
    """Of a restricted incident's watches those know too who are asked by name, or lie below one that is; nobody for
    commanding one. What asks the whole city asks only who may know of it."""
    table = city_tables.watches
    own = list(paths[0]) if paths else []
    return or_(sights.of(table.c.incident_id, sight), table.c.center_ids.overlap(own))
