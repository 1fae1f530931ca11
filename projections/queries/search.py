"""Search over incidents, the reports and the notes about them. Persons are sealed: not found here, ever."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, or_, select

from projections import tables
from projections.queries import sight as sights
from projections.queries.board import LIMIT_MAX
from projections.queries.sight import Sight
from projections.words import query_tokens


def incidents(
    text: str,
    *,
    sight: Sight,
    center_id: UUID | None = None,
    also: Sequence[UUID] = (),
    agency: str | None = None,
    before_position: int | None = None,
    limit: int,
) -> Select[Any] | None:
    """Board rows whose words, reports or notes hold all of `text`, or whose camera's code it is; newest first.

    None when `text` has no word in it. `center_id`, with the centers `also` looked at, and `agency` keep to what that
    caller may see.
    """
    wanted = query_tokens(text)
    if not wanted:
        return None
    table, words = tables.board, tables.search
    by_words = select(words.c.incident_id).where(words.c.tokens.contains(wanted), words.c.incident_id.is_not(None))
    by_camera = select(tables.cameras.c.camera_id).where(tables.cameras.c.code == text.strip())
    found = or_(table.c.incident_id.in_(by_words), table.c.camera_id.in_(by_camera))
    query = select(table).where(found, sights.board(sight))
    if center_id is not None:
        query = query.where(table.c.visible_center_ids.overlap([center_id, *also]))
    if agency is not None:
        query = query.where(table.c.agencies.contains([agency]))
    if before_position is not None:
        query = query.where(table.c.opened_position < before_position)
    return query.order_by(table.c.opened_position.desc()).limit(min(limit, LIMIT_MAX) + 1)


def excerpts(text: str, incident_ids: list[UUID]) -> Select[Any]:
    """Why each was found: the sources whose words match."""
    words = tables.search
    return (
        select(words.c.incident_id, words.c.kind, words.c.excerpt)
        .where(words.c.incident_id.in_(incident_ids), words.c.tokens.contains(query_tokens(text)))
        .order_by(words.c.incident_id, func.length(words.c.excerpt))
        .limit(LIMIT_MAX)
    )
