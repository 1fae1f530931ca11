"""Cases: lists, one, and how well they went. Rates are computed from the rows at the time of asking, never kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Integer,
    Select,
    Text,
    case,
    column,
    distinct,
    func,
    null,
    or_,
    select,
    true,
)

from domain.vocabulary import CasePhase
from projections import case_tables
from projections.queries import sight as sights
from projections.queries.board import LIMIT_MAX
from projections.queries.sight import Sight

GROUPS = ("department", "center", "class")
"""By what statistics may be grouped."""


@dataclass(frozen=True, slots=True)
class CaseFilter:
    """What to list. `phases` and `lamps` are alternatives; empty means all. `center_id`: filed there or below."""

    center_id: UUID | None = None
    department: str | None = None
    phases: Sequence[str] = ()
    lamps: Sequence[str] = ()
    class_code: str | None = None


def listed(
    only: CaseFilter,
    *,
    sight: Sight,
    seen_by: Sequence[UUID] | None,
    agency: str | None = None,
    before_position: int | None,
    limit: int,
) -> Select[Any]:
    """Newest first. `seen_by` keeps to what these centers see, `agency` adds what that department has; None: all."""
    table = case_tables.cases
    query = select(*named(sight)).where(known(sight), *_conditions(only))
    if seen_by is not None:
        seen: ColumnElement[bool] = table.c.visible_center_ids.overlap(list(seen_by))
        query = query.where(seen if agency is None else or_(seen, table.c.department_agency == agency))
    if before_position is not None:
        query = query.where(table.c.filed_position < before_position)
    return query.order_by(table.c.filed_position.desc()).limit(min(limit, LIMIT_MAX) + 1)


def _conditions(only: CaseFilter) -> list[ColumnElement[bool]]:
    table = case_tables.cases
    conditions: list[ColumnElement[bool]] = []
    if only.center_id is not None:
        conditions.append(table.c.supervision_path.contains([only.center_id]))
    if only.department is not None:
        conditions.append(table.c.department_agency == only.department)
    if only.phases:
        conditions.append(table.c.phase.in_(only.phases))
    if only.lamps:
        conditions.append(table.c.lamp.in_(only.lamps))
    if only.class_code is not None:
        conditions.append(table.c.class_code == only.class_code)
    return conditions


def one(case_id: UUID, *, sight: Sight) -> Select[Any]:
    """One case. Who may see it: `visible_center_ids`, and whoever sees its incident."""
    return select(*named(sight)).where(case_tables.cases.c.case_id == case_id, known(sight))


def known(sight: Sight) -> ColumnElement[bool]:
    """Of a restricted incident's cases the department and the arbiter know too, who are to do or decide something."""
    table = case_tables.cases
    known: list[ColumnElement[bool]] = [sights.of(table.c.incident_id, sight)]
    if sight.center_id is not None:
        known += [table.c.department_center_id == sight.center_id, table.c.arbiter_center_id == sight.center_id]
    if sight.agency is not None:
        known.append(table.c.department_agency == sight.agency)
    return or_(*known)


def named(sight: Sight) -> list[ColumnElement[Any]]:
    """The columns, without the incident's id and number where it is hidden."""
    own, hidden = case_tables.cases.c.incident_number, ~sights.of(case_tables.cases.c.incident_id, sight)
    number = case((hidden, null()), else_=own).label("incident_number")
    columns = sights.named(case_tables.cases, sight)
    return columns if sight.everything else [number if column is own else column for column in columns]


def statistics(
    *, sight: Sight, since: datetime, until: datetime, center_id: UUID | None, by: str | None
) -> Select[Any]:
    """Counts of cases filed in [since, until): `cases`, `closed`, `voided`; and of the times a department had one:
    `assigned`, `handled`, `on_time`, `late`, `returned`, `done` (handled at least once), `reworked`, `extended`.

    A case that bounced counts for each department that had it. `group` is null for what nobody had yet.
    """
    assert by is None or by in GROUPS, by
    table = case_tables.cases
    part = (
        func.jsonb_to_recordset(table.c.parts)
        .table_valued(
            column("agency", Text),
            column("outcome", Text),
            column("is_late", Boolean),
            column("reworks", Integer),
            column("extensions", Integer),
            name="part",
        )
        .render_derived(with_types=True)
    )
    handled = part.c.outcome == "handled"
    groups = {"department": part.c.agency, "center": table.c.supervision_center_id, "class": table.c.class_code}
    group = None if by is None else groups[by].label("group")
    counts = [
        func.count(distinct(table.c.case_id)).label("cases"),
        *(
            func.count(distinct(table.c.case_id)).filter(table.c.phase == phase.value).label(phase.value)
            for phase in (CasePhase.CLOSED, CasePhase.VOIDED)
        ),
        func.count(part.c.agency).label("assigned"),
        func.count().filter(handled).label("handled"),
        func.count().filter(handled, ~part.c.is_late).label("on_time"),
        func.count().filter(part.c.is_late).label("late"),
        func.count().filter(part.c.outcome == "returned").label("returned"),
        func.count().filter(or_(handled, part.c.reworks > 0)).label("done"),
        func.count().filter(part.c.reworks > 0).label("reworked"),
        func.count().filter(part.c.extensions > 0).label("extended"),
    ]
    query = (
        select(*([] if group is None else [group]), *counts)
        .select_from(table.outerjoin(part, true()))
        .where(table.c.filed_at >= since, table.c.filed_at < until, sights.of(table.c.incident_id, sight))
    )
    if center_id is not None:
        query = query.where(table.c.visible_center_ids.contains([center_id]))
    return query if group is None else query.group_by(group).order_by(group)
