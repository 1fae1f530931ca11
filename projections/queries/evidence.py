"""Requests for recordings: one, and those of a center."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, or_, select

from projections import city_tables
from projections.queries import sight as sights
from projections.queries.board import LIMIT_MAX
from projections.queries.sight import Sight


def one(request_id: UUID, *, sight: Sight) -> Select[Any]:
    """One request."""
    table = city_tables.evidence_requests
    return select(*sights.named(table, sight)).where(table.c.request_id == request_id, _known(sight))


def listed(
    *,
    sight: Sight,
    center_id: UUID | None,
    also: Sequence[UUID] = (),
    phase: str | None,
    incident_id: UUID | None,
    before_position: int | None,
    limit: int,
) -> Select[Any]:
    """Newest first, one row more than `limit`. A center's, and those of the centers `also` looked at: what they asked
    for and what they can provide.
    """
    table = city_tables.evidence_requests
    query = select(*sights.named(table, sight)).where(_known(sight))
    if center_id is not None:
        centers = [center_id, *also]
        query = query.where(or_(table.c.center_id.in_(centers), table.c.camera_path.overlap(centers)))
    if phase is not None:
        query = query.where(table.c.phase == phase)
    if incident_id is not None:
        query = query.where(table.c.incident_id == incident_id, sights.of(table.c.incident_id, sight))
    if before_position is not None:
        query = query.where(table.c.requested_position < before_position)
    return query.order_by(table.c.requested_position.desc()).limit(min(limit, LIMIT_MAX) + 1)


def _known(sight: Sight) -> ColumnElement[bool]:
    """Of a restricted incident's requests the camera's own center knows too, which is to find the recording."""
    table = city_tables.evidence_requests
    known = sights.of(table.c.incident_id, sight)
    if sight.center_id is None:
        return known
    return or_(known, table.c.camera_path[func.cardinality(table.c.camera_path)] == sight.center_id)
