"""Boards, inboxes, agency queues: looks at the rows of one table, so the three can never disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Select, func, select, tuple_

from projections import tables
from projections.queries import sight as sights
from projections.queries.sight import Sight

LIMIT_MAX = 500
"""Rows of one page."""

OPEN_MAX = 20_000
"""Open incidents of a whole city: more than it ever had at once."""

BoardCursor = tuple[int, int]
"""(priority, opened_position) of the last row shown."""


@dataclass(frozen=True, slots=True)
class BoardFilter:
    """What to leave out. `agencies`, `categories` and `phases` are alternatives; empty means all."""

    agencies: Sequence[str] = ()
    categories: Sequence[str] = ()
    phases: Sequence[str] = ()
    min_severity: int = 0
    claimed_by: UUID | None = None
    with_exercises: bool = True


EVERYTHING = BoardFilter()


def for_center(
    center_id: UUID,
    *,
    sight: Sight,
    also: Sequence[UUID] = (),
    cursor: BoardCursor | None,
    limit: int,
    only: BoardFilter = EVERYTHING,
) -> Select[Any]:
    """The board of a center: what it owns, what lies below it, what it was told of, what is offered to it.

    `also`: centers whose boards are looked at with it, those that a headquarters commands.
    """
    return _page(_seen_by(center_id, also), sight, cursor, limit, only)


def _seen_by(center_id: UUID, also: Sequence[UUID]) -> ColumnElement[bool]:
    visible = tables.board.c.visible_center_ids
    return visible.overlap([center_id, *also]) if also else visible.contains([center_id])


def for_city(*, sight: Sight, cursor: BoardCursor | None, limit: int, only: BoardFilter = EVERYTHING) -> Select[Any]:
    """Everything open, for those who see the whole city."""
    return _page(tables.board.c.is_on_board, sight, cursor, limit, only)


def inbox(center_id: UUID, *, sight: Sight, cursor: BoardCursor | None, limit: int) -> Select[Any]:
    """What waits for this center's action; `row.inbox` says for which (see `projections.inbox.waiting_for`)."""
    return _page(tables.board.c.inbox_center_ids.contains([center_id]), sight, cursor, limit, EVERYTHING)


def for_agency(
    agency: str,
    *,
    sight: Sight,
    cursor: BoardCursor | None,
    limit: int,
    roles: Sequence[str] = (),
    answer: str | None = None,
    only: BoardFilter = EVERYTHING,
) -> Select[Any]:
    """The queue of an agency, by role, and by answer (`none`, `accepted`, `declined`; None: any)."""
    table = tables.board
    wanted: dict[str, Any] = {"agency": agency}
    if answer is not None:
        wanted["answer"] = None if answer == "none" else answer
    entries = [wanted | {"role": role} for role in roles] or [wanted]
    matches: ColumnElement[bool] = table.c.recipients.contains([entries[0]])
    for entry in entries[1:]:
        matches = matches | table.c.recipients.contains([entry])
    return _page(table.c.agencies.contains([agency]) & matches, sight, cursor, limit, only)


def one(incident_id: UUID) -> Select[Any]:
    """One incident, on a board or not any more. Who may see it: `visible_center_ids`, `agencies`, `restricted_by`."""
    return select(tables.board).where(tables.board.c.incident_id == incident_id)


def by_number(city: str, number: str, *, sight: Sight) -> Select[Any]:
    """The incident people say this number for."""
    table = tables.board
    return select(table).where(table.c.city == city, table.c.number == number, sights.board(sight))


def by_camera(camera_id: UUID, *, sight: Sight, before_position: int | None, limit: int) -> Select[Any]:
    """Incidents of one camera, newest first."""
    return _newest(tables.board.c.camera_id == camera_id, sight, before_position, limit)


def of_operation(operation_id: UUID, *, sight: Sight, before_position: int | None, limit: int) -> Select[Any]:
    """Incidents of a restricted operation, newest first."""
    return _newest(tables.board.c.restricted_by == operation_id, sight, before_position, limit)


def of_alert(alert_id: UUID) -> Select[Any]:
    """Incidents that an alert became part of, restricted ones too: who may see one may ask for its alert."""
    linked = select(tables.incident_alerts.c.incident_id).where(tables.incident_alerts.c.alert_id == alert_id)
    return select(tables.board).where(tables.board.c.incident_id.in_(linked)).limit(LIMIT_MAX)


def ended(
    center_id: UUID, *, sight: Sight, also: Sequence[UUID] = (), before_position: int | None, limit: int
) -> Select[Any]:
    """What left this center's board, newest first by opening."""
    return _newest((~tables.board.c.is_on_board) & _seen_by(center_id, also), sight, before_position, limit)


def places_of_open(*, sight: Sight) -> Select[Any]:
    """Where open incidents are, of those that have a point."""
    table = tables.board
    here = table.c.is_on_board & table.c.lon.is_not(None)
    return select(table.c.lon, table.c.lat).where(here, sights.board(sight)).limit(OPEN_MAX)


def owned_below(center_id: UUID, *, sight: Sight, after_position: int = 0, limit: int) -> Select[Any]:
    """Open incidents that a center or one below it owns and that were opened after a position, oldest first."""
    table = tables.board
    mine = table.c.owner_path.contains([center_id])
    query = select(table).where(table.c.is_on_board, table.c.visible_center_ids.contains([center_id]), mine)
    query = query.where(table.c.opened_position > after_position, sights.board(sight))
    return query.order_by(table.c.opened_position).limit(min(limit, LIMIT_MAX))


def counts_for_center(center_id: UUID, *, sight: Sight) -> Select[Any]:
    """How many a center has, by phase and severity."""
    table = tables.board
    return (
        select(table.c.phase, table.c.severity, func.count().label("incidents"))
        .where(table.c.is_on_board, table.c.visible_center_ids.contains([center_id]), sights.board(sight))
        .group_by(table.c.phase, table.c.severity)
    )


def _page(
    where: ColumnElement[bool] | Column[Any],
    sight: Sight,
    cursor: BoardCursor | None,
    limit: int,
    only: BoardFilter,
) -> Select[Any]:
    """Most urgent first, oldest first among equals; one row more than `limit`."""
    table = tables.board
    order = (table.c.priority, table.c.opened_position)
    query = select(table).where(table.c.is_on_board, where, sights.board(sight), *_conditions(only))
    if cursor is not None:
        query = query.where(tuple_(*order) > tuple_(*cursor))
    return query.order_by(*order).limit(min(limit, LIMIT_MAX) + 1)


def _conditions(only: BoardFilter) -> list[ColumnElement[bool]]:
    table = tables.board
    conditions: list[ColumnElement[bool]] = []
    if only.agencies:
        conditions.append(table.c.agencies.overlap(list(only.agencies)))
    if only.categories:
        conditions.append(table.c.category.in_(only.categories))
    if only.phases:
        conditions.append(table.c.phase.in_(only.phases))
    if only.min_severity:
        conditions.append(table.c.severity >= only.min_severity)
    if only.claimed_by is not None:
        conditions.append(table.c.claimed_by == only.claimed_by)
    if not only.with_exercises:
        conditions.append(~table.c.is_exercise)
    return conditions


def _newest(where: ColumnElement[bool], sight: Sight, before_position: int | None, limit: int) -> Select[Any]:
    table = tables.board
    query = select(table).where(where, sights.board(sight))
    if before_position is not None:
        query = query.where(table.c.opened_position < before_position)
    return query.order_by(table.c.opened_position.desc()).limit(min(limit, LIMIT_MAX) + 1)
