"""Operations that somebody may know of, and the points of one."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, or_, select

from projections import city_tables
from projections.queries import sight as sights
from projections.queries.board import LIMIT_MAX
from projections.queries.sight import Sight


def known_to(center_ids: Collection[UUID] | None) -> ColumnElement[bool] | None:
    """What a caller may know of: not restricted, or of a center of theirs. None: everything."""
    if center_ids is None:
        return None
    table = city_tables.operations
    return or_(~table.c.is_restricted, table.c.visible_center_ids.overlap(list(center_ids)))


def one(operation_id: UUID) -> Select[Any]:
    """One operation; who may know of it is the caller's to check."""
    return select(city_tables.operations).where(city_tables.operations.c.operation_id == operation_id)


def listed(
    center_ids: Collection[UUID] | None, *, phase: str | None, before_position: int | None, limit: int
) -> Select[Any]:
    """Newest first, one row more than `limit`."""
    table = city_tables.operations
    query = select(table)
    known = known_to(center_ids)
    if known is not None:
        query = query.where(known)
    if phase is not None:
        query = query.where(table.c.phase == phase)
    if before_position is not None:
        query = query.where(table.c.planned_position < before_position)
    return query.order_by(table.c.planned_position.desc()).limit(min(limit, LIMIT_MAX) + 1)


def points(
    operation_id: UUID, *, sight: Sight, kind: str | None, status: str | None, before_position: int | None, limit: int
) -> Select[Any]:
    """The points of an operation, the last found first, one row more than `limit`."""
    table = city_tables.operation_points
    query = select(*sights.named(table, sight)).where(table.c.operation_id == operation_id)
    if kind is not None:
        query = query.where(table.c.kind == kind)
    if status is not None:
        query = query.where(table.c.status == status)
    if before_position is not None:
        query = query.where(table.c.first_position < before_position)
    return query.order_by(table.c.first_position.desc()).limit(min(limit, LIMIT_MAX) + 1)
