"""What is measured, page by page; the definition is applied to the rows by whoever asks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, tuple_

from projections.queries import sight as sights
from projections.queries.sight import Sight
from projections.service_tables import service_times

PAGE_ROWS = 1_000
After = tuple[datetime, UUID, UUID]
"""`began_at`, incident and subject of the last row read."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which rows: things of a kind that began in [since, until). Empty or None means all."""

    kind: str
    since: datetime
    until: datetime
    sight: Sight
    center_id: UUID | None = None
    agency: str | None = None
    categories: Collection[str] = ()
    priorities: Collection[int] = ()


def page(asked: Asked, after: After | None, limit: int = PAGE_ROWS) -> Select[Any]:
    """The next rows, each with its incident's category, severity, priority and owner. Exercises do not count."""
    thing, of = service_times, service_times.alias("of_incident")
    context = ("category", "severity", "priority", "owner_center_id", "owner_path")
    query = (
        select(
            *(thing.c[name] for name in ("incident_id", "subject_id", "agency", "began_at", "moments")),
            *(of.c[name] for name in context),
        )
        .join(of, (of.c.incident_id == thing.c.incident_id) & (of.c.subject_id == thing.c.incident_id))
        .where(thing.c.kind == asked.kind, thing.c.began_at >= asked.since, thing.c.began_at < asked.until)
        .where(~of.c.is_exercise, sights.of(thing.c.incident_id, asked.sight))
    )
    if asked.center_id is not None:
        query = query.where(of.c.owner_path.contains([asked.center_id]))
    if asked.agency is not None:
        query = query.where(thing.c.agency == asked.agency)
    if asked.categories:
        query = query.where(of.c.category.in_(asked.categories))
    if asked.priorities:
        query = query.where(of.c.priority.in_(asked.priorities))
    order = (thing.c.began_at, thing.c.incident_id, thing.c.subject_id)
    if after is not None:
        query = query.where(tuple_(*order) > tuple_(*after))
    return query.order_by(*order).limit(limit)
