"""What a person may know of restricted incidents: the one rule, as SQL, that every list and every figure asks.

An incident of a restricted operation exists for the centers that know of the operation, for agencies that were told and
whose own center is among them or that have a crew on it, and for those who see everything (decision record 0032). The
board's row says so already: of a restricted incident its `visible_center_ids` and `agencies` are those, and no others.
So whoever reads rows about incidents, of whatever table, adds `board` or `of` here, and the planner finds the few
restricted rows by their own index. What is hidden is left out *in the statement*: a page that was cut afterwards would
be short by what it hides, and a count would have counted it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ColumnElement, FromClause, Select, Table, and_, case, false, null, or_, select, true

from projections import tables


@dataclass(frozen=True, slots=True)
class Sight:
    """Through whose eyes rows are read: those of a center, of an agency that is spoken for, of both, of everybody."""

    center_id: UUID | None = None
    agency: str | None = None
    everything: bool = False


EVERYTHING = Sight(everything=True)
"""Of auditors and administrators, and of the system itself."""
NOTHING_RESTRICTED = Sight()


def board(sight: Sight, rows: FromClause = tables.board) -> ColumnElement[bool]:
    """Rows of the board, or of an alias of it, that are not hidden."""
    if sight.everything:
        return true()
    return or_(rows.c.restricted_by.is_(None), _cleared(sight, rows))


def of(incident_id: ColumnElement[Any] | Column[Any], sight: Sight) -> ColumnElement[bool]:
    """Rows of another table whose incident is not hidden, or that have none."""
    if sight.everything:
        return true()
    return or_(incident_id.is_(None), incident_id.not_in(_hidden(sight)))


def named(table: Table, sight: Sight) -> list[ColumnElement[Any]]:
    """The columns of a table with `incident_id`, which is null where the incident is hidden: for those whom a request
    itself concerns. They must see it, and not what it is about."""
    if sight.everything:
        return list(table.columns)
    own = table.c.incident_id
    shown = case((own.in_(_hidden(sight)), null()), else_=own).label("incident_id")
    return [shown if column is own else column for column in table.columns]


def hidden(incident_ids: Collection[UUID], sight: Sight) -> Select[Any]:
    """`incident_id` of those among these that are hidden."""
    found = _hidden(sight).where(tables.board.c.incident_id.in_(list(incident_ids)))
    return found if not sight.everything else found.where(false())


def hidden_names(incident_ids: Collection[UUID], numbers: Collection[str], sight: Sight) -> Select[Any]:
    """`incident_id` and `number` of those that are hidden and go by one of these ids or numbers."""
    table = tables.board
    named = or_(table.c.incident_id.in_(list(incident_ids)), table.c.number.in_(list(numbers)))
    found = select(table.c.incident_id, table.c.number).where(table.c.restricted_by.is_not(None), named)
    return found.where(false() if sight.everything else ~_cleared(sight, table))


def _hidden(sight: Sight) -> Select[Any]:
    table = tables.board
    return select(table.c.incident_id).where(and_(table.c.restricted_by.is_not(None), ~_cleared(sight, table)))


def _cleared(sight: Sight, rows: FromClause) -> ColumnElement[bool]:
    """Of a restricted row. Nobody in particular is cleared for nothing."""
    known = list[ColumnElement[bool]]()
    if sight.center_id is not None:
        known.append(rows.c.visible_center_ids.contains([sight.center_id]))
    if sight.agency is not None:
        known.append(rows.c.agencies.contains([sight.agency]))
    return or_(*known) if known else false()
