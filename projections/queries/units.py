"""The unit roster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from projections import tables
from projections.queries.board import LIMIT_MAX


def roster(
    *,
    center_id: UUID | None = None,
    agency: str | None = None,
    statuses: Sequence[str] = (),
    kinds: Sequence[str] = (),
    after_call_sign: str | None = None,
    limit: int,
) -> Select[Any]:
    """Units based at a center or below it, of an agency, by call sign."""
    table = tables.units
    query = select(table)
    if center_id is not None:
        query = query.where(table.c.base_path.contains([center_id]))
    if agency is not None:
        query = query.where(table.c.agency == agency)
    if statuses:
        query = query.where(table.c.status.in_(statuses))
    if kinds:
        query = query.where(table.c.kind.in_(kinds))
    if after_call_sign is not None:
        query = query.where(table.c.call_sign > after_call_sign)
    return query.order_by(table.c.call_sign).limit(min(limit, LIMIT_MAX) + 1)


def reserved_for(operation_id: UUID) -> Select[Any]:
    """Units that are kept for an operation, by call sign."""
    wanted = tables.units.c.reservations.contains([{"operation_id": str(operation_id)}])
    return select(tables.units).where(wanted).order_by(tables.units.c.call_sign).limit(LIMIT_MAX)


def one(unit_id: UUID) -> Select[Any]:
    """One unit."""
    return select(tables.units).where(tables.units.c.unit_id == unit_id)
