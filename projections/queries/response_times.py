"""Percentiles of response times over rows: start, stop, percentile and period are the question's, not ours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Double, Select, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from projections import tables
from projections.queries import sight as sights
from projections.queries.sight import Sight
from projections.response_times import STEPS

INTERVALS: tuple[tuple[str, str], ...] = (
    ("opened_at", "routed_at"),
    ("opened_at", "accepted_at"),
    ("accepted_at", "assigned_at"),
    ("assigned_at", "acknowledged_at"),
    ("acknowledged_at", "en_route_at"),
    ("en_route_at", "on_scene_at"),
    ("opened_at", "on_scene_at"),
    ("on_scene_at", "cleared_at"),
    ("opened_at", "resolved_at"),
)
"""What a screen shows unless it asks for others."""
PERCENTILES = (0.5, 0.9, 0.99)
BY = ("category", "severity", "owner_center_id")


def percentiles(
    start: str,
    stop: str,
    *,
    sight: Sight,
    since: datetime,
    until: datetime,
    fractions: Sequence[float] = PERCENTILES,
    center_id: UUID | None = None,
    category: str | None = None,
    by: str | None = None,
) -> Select[Any]:
    """`incidents`, `measured` and `seconds` (one value a fraction) of incidents opened in [since, until).

    Exercises do not count. An incident without the stop is in `incidents` only: a percentile over the answered says
    nothing of the unanswered. `by` groups: category, severity or owner_center_id.
    """
    assert start in STEPS, start
    assert stop in STEPS, stop
    assert by is None or by in BY, by
    table = tables.response_times
    seconds = func.extract("epoch", table.c[stop] - table.c[start])
    columns: list[Any] = [
        func.count().label("incidents"),
        func.count(seconds).label("measured"),
        func.percentile_cont(cast(list(fractions), ARRAY(Double))).within_group(seconds).label("seconds"),
        func.max(seconds).label("seconds_max"),
    ]
    query = select(*([table.c[by]] if by is not None else []), *columns).where(
        table.c.opened_at >= since,
        table.c.opened_at < until,
        ~table.c.is_exercise,
        sights.of(table.c.incident_id, sight),
    )
    if center_id is not None:
        query = query.where(table.c.owner_path.contains([center_id]))
    if category is not None:
        query = query.where(table.c.category == category)
    return query if by is None else query.group_by(table.c[by]).order_by(table.c[by])
