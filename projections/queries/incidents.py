"""One incident: its card, its alerts, its reports, its timeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Text, select, type_coerce
from sqlalchemy.dialects.postgresql import JSONB

from projections import city_tables, tables
from projections.queries import sight as sights
from projections.queries.board import LIMIT_MAX
from projections.queries.sight import Sight


def card(incident_id: UUID) -> Select[Any]:
    """The card's document; together with `board.one` and `alerts` it makes `cards.card`."""
    return select(tables.incident_cards).where(tables.incident_cards.c.incident_id == incident_id)


def opened_by_machines(incident_ids: Sequence[UUID]) -> Select[Any]:
    """Those of these incidents that no person's report opened."""
    table = tables.incident_cards
    report = type_coerce(table.c.document, Text).cast(JSONB)["cause"]["report_id"].astext
    return select(table.c.incident_id).where(table.c.incident_id.in_(incident_ids), report.is_(None))


def alerts(incident_id: UUID, *, before_position: int | None = None, limit: int) -> Select[Any]:
    """Alerts of an incident, newest first; what each said is read from its own stream."""
    table = tables.incident_alerts
    query = select(table).where(table.c.incident_id == incident_id)
    if before_position is not None:
        query = query.where(table.c.alert_position < before_position)
    return query.order_by(table.c.alert_position.desc()).limit(min(limit, LIMIT_MAX) + 1)


def of_alerts(alert_ids: Sequence[UUID]) -> Select[Any]:
    """Which incidents these alerts became part of."""
    return select(tables.incident_alerts).where(tables.incident_alerts.c.alert_id.in_(alert_ids))


def timeline(incident_id: UUID, *, after_position: int = 0, limit: int, narrative: bool = True) -> Select[Any]:
    """The story, oldest first. The full log (`narrative=False`) has every fact."""
    table = tables.timeline
    query = select(table).where(table.c.incident_id == incident_id, table.c.position > after_position)
    if narrative:
        query = query.where(table.c.is_narrative)
    return query.order_by(table.c.position).limit(min(limit, LIMIT_MAX) + 1)


def reports(incident_id: UUID) -> Select[Any]:
    """Reports about an incident, oldest first, with their sealed fields."""
    table = tables.reports
    return select(table).where(table.c.incident_id == incident_id).order_by(table.c.filed_position).limit(LIMIT_MAX)


def report(report_id: UUID, *, sight: Sight) -> Select[Any]:
    """One report; of a hidden incident there is none, whoever took it."""
    table = tables.reports
    return select(table).where(table.c.report_id == report_id, sights.of(table.c.incident_id, sight))


def reports_about(subject_id: UUID) -> Select[Any]:
    """Reports with a sealed field of this subject: the only way to find a report by person."""
    table = tables.reports
    return (
        select(table)
        .where(table.c.subject_ids.contains([subject_id]))
        .order_by(table.c.filed_position.desc())
        .limit(LIMIT_MAX)
    )


def checklist(incident_id: UUID) -> Select[Any]:
    """What is ticked off of an incident's checklist."""
    return select(city_tables.checklists).where(city_tables.checklists.c.incident_id == incident_id).limit(LIMIT_MAX)
