"""Public warnings in force at an instant, and the chain that a message is part of.

A message is replaced or ended by one of the same status that refers to it, or that was sent later under its very
name: the cancellation of an exercise cancels no warning. A chain is one warning to people, so a list shows its last
message only.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, or_, select
from sqlalchemy.dialects.postgresql import array

from projections.order_tables import warnings
from projections.projection import Row
from projections.queries.board import LIMIT_MAX

CHAIN_MAX = 500
"""Messages of one chain; a week of a typhoon has some sixty."""
CANCEL = "Cancel"


def listed(
    *,
    in_force_at: datetime | None,
    known_at: datetime | None,
    status: str | None,
    before_position: int | None,
    limit: int,
) -> Select[Any]:
    """The last message of each chain, newest first; `known_at` leaves out what was sent later."""
    query = select(warnings).where(~_has_follower(known_at))
    if known_at is not None:
        query = query.where(warnings.c.sent_at <= known_at)
    if in_force_at is not None:
        query = query.where(*_in_force(in_force_at))
    if status is not None:
        query = query.where(warnings.c.message_status == status)
    if before_position is not None:
        query = query.where(warnings.c.received_position < before_position)
    return query.order_by(warnings.c.received_position.desc()).limit(min(limit, LIMIT_MAX) + 1)


def _has_follower(known_at: datetime | None) -> ColumnElement[bool]:
    later = warnings.alias("later")
    query = select(later.c.warning_id).where(
        or_(
            later.c.refers_to.contains(array([warnings.c.key])),
            and_(later.c.key == warnings.c.key, later.c.sent_at > warnings.c.sent_at),
        ),
        later.c.message_status == warnings.c.message_status,
    )
    if known_at is not None:
        query = query.where(later.c.sent_at <= known_at)
    return exists(query.correlate(warnings))


def _in_force(at: datetime) -> Sequence[ColumnElement[bool]]:
    return (
        warnings.c.message_type != CANCEL,
        warnings.c.effective_at <= at,
        or_(warnings.c.expires_at.is_(None), warnings.c.expires_at > at),
    )


def of_message(warning_id: UUID) -> Select[Any]:
    """All infos of a message."""
    return select(warnings).where(warnings.c.warning_id == warning_id).limit(LIMIT_MAX)


def joined_to(keys: Collection[str], named: Collection[str]) -> Select[Any]:
    """Messages under or about one of `keys`, and those that `named` are the keys of: one step along a chain."""
    return (
        select(warnings)
        .where(or_(warnings.c.refers_to.overlap(list(keys)), warnings.c.key.in_([*keys, *named])))
        .order_by(warnings.c.sent_at, warnings.c.received_position)
        .limit(CHAIN_MAX)
    )


def ended_by(row: Row, others: Sequence[Row], at: datetime) -> Row | None:
    """The first message known at an instant that replaced or ended this one."""
    found = [
        other
        for other in others
        if (row["key"] in other["refers_to"] or (other["key"] == row["key"] and other["sent_at"] > row["sent_at"]))
        and other["message_status"] == row["message_status"]
        and other["sent_at"] <= at
    ]
    return min(found, key=lambda other: (other["sent_at"], other["received_position"]), default=None)


def state_of(row: Row, ender: Row | None, at: datetime) -> str:
    """in_force, not_yet, expired, replaced, cancelled; a message that cancels is a `cancellation`."""
    if row["message_type"] == CANCEL:
        return "cancellation"
    if ender is not None:
        return "cancelled" if ender["message_type"] == CANCEL else "replaced"
    if row["expires_at"] is not None and row["expires_at"] <= at:
        return "expired"
    return "in_force" if row["effective_at"] <= at else "not_yet"
