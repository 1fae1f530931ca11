"""Service requests as citizens' front ends follow them: reports, with the incident and the case that came of each.

The incident is the one that stands for it: a merged one is answered for by its head.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, true

from domain.vocabulary import IncidentPhase
from projections import case_tables, tables
from projections.queries import sight as sights

LIMIT_MAX = 1_000
"""Requests of one answer, as the standard limits it."""
MERGES_MAX = 4
"""Merges that are followed, one into the next; more in a row is nobody's practice."""
OVER = tuple(phase.value for phase in (IncidentPhase.RESOLVED, IncidentPhase.CLOSED, IncidentPhase.DISMISSED))
CHANNEL = "citizen"


@dataclass(frozen=True, slots=True)
class Sight:
    """Whose requests are shown. `everything`: all; `filed_by`: what that sender filed and nothing else; else what these
    centers filed, and what one of `seen_by` or the agency sees as an incident. `known`: of restricted incidents, what
    the caller may know. Who filed a request that became one follows what was filed, and not what becomes of it.
    """

    everything: bool = False
    filed_by: str | None = None
    seen_by: Collection[UUID] = ()
    centers: Collection[UUID] = ()
    agency: str | None = None
    known: sights.Sight = sights.NOTHING_RESTRICTED


@dataclass(frozen=True, slots=True)
class RequestFilter:
    """What to list. `categories` are those that are services. With `ids` the rest of it is not looked at."""

    categories: Sequence[str]
    ids: Sequence[UUID] | None = None
    wanted: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None
    is_open: bool | None = None


def listed(only: RequestFilter, sight: Sight, *, before_position: int | None, limit: int) -> Select[Any]:
    """Newest first; one row more than `limit`."""
    report = tables.reports
    first = tables.board.alias("own")
    known = sights.board(sight.known, first)
    joined = report.outerjoin(first, and_(first.c.incident_id == report.c.incident_id, known))
    walked = [first]
    for step in range(MERGES_MAX):
        following = tables.board.alias(f"merged_{step}")
        joined = joined.outerjoin(following, following.c.incident_id == walked[-1].c.merged_into)
        walked.append(following)
    head = tables.board.alias("head")
    head_id = func.coalesce(*(each.c.incident_id for each in reversed(walked)))
    joined = joined.outerjoin(head, head.c.incident_id == head_id)
    case = _last_case(first.c.incident_id, head.c.incident_id)
    joined = joined.outerjoin(case, true())
    is_over = and_(head.c.phase.in_(OVER), ~func.coalesce(case.c.is_open, False))
    query = select(
        report,
        func.coalesce(is_over, False).label("is_over"),
        head.c.phase.label("incident_phase"),
        head.c.category.label("incident_category"),
        head.c.disposition,
        head.c.recipients,
        head.c.number,
        head.c.updated_at.label("incident_updated_at"),
        head.c.ended_at.label("incident_ended_at"),
        case.c.phase.label("case_phase"),
        case.c.department_agency,
        case.c.red_at,
        case.c.updated_at.label("case_updated_at"),
        case.c.ended_at.label("case_ended_at"),
    ).select_from(joined)
    query = query.where(report.c.channel == CHANNEL, report.c.category.in_(only.categories))
    query = query.where(~func.coalesce(head.c.is_exercise, False), *_seen(sight, first, head))
    if only.ids is not None:
        query = query.where(report.c.report_id.in_(only.ids))
    else:
        query = query.where(*_conditions(only, func.coalesce(is_over, False)))
    if before_position is not None:
        query = query.where(report.c.filed_position < before_position)
    return query.order_by(report.c.filed_position.desc()).limit(min(limit, LIMIT_MAX) + 1)


def _last_case(own: ColumnElement[Any], head: ColumnElement[Any]) -> Any:
    """The case that is open, else the one filed last: of the report's own incident or of the one that stands for it."""
    case = case_tables.cases
    return (
        select(case)
        .where(or_(case.c.incident_id == own, case.c.incident_id == head))
        .order_by(case.c.is_open.desc(), case.c.filed_position.desc())
        .limit(1)
        .lateral("last_case")
    )


def _seen(sight: Sight, own: Any, head: Any) -> list[ColumnElement[bool]]:
    report = tables.reports
    if sight.everything:
        return []
    if sight.filed_by is not None:
        return [report.c.filed_by == sight.filed_by]
    seen: list[ColumnElement[bool]] = [report.c.center_id.in_(sight.centers)]
    for row in (own, head):
        seen.append(row.c.visible_center_ids.overlap(list(sight.seen_by)))
        if sight.agency is not None:
            seen.append(row.c.agencies.contains([sight.agency]))
    return [or_(*seen), sights.of(report.c.incident_id, sight.known)]


def _conditions(only: RequestFilter, is_over: ColumnElement[bool]) -> list[ColumnElement[bool]]:
    report = tables.reports
    conditions: list[ColumnElement[bool]] = []
    if only.wanted:
        conditions.append(report.c.category.in_(only.wanted))
    if only.since is not None:
        conditions.append(report.c.filed_at >= only.since)
    if only.until is not None:
        conditions.append(report.c.filed_at <= only.until)
    if only.is_open is not None:
        conditions.append(~is_over if only.is_open else is_over)
    return conditions
