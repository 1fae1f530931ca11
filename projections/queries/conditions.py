"""How cameras are and were: spells, silences, outages. A gateway's silence is one of each camera behind it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, extract, func, or_, select, true, union_all

from domain.identifiers import gateway_stream
from projections import camera_tables, tables
from projections.queries.board import LIMIT_MAX

SPELLS_MAX = 1_000
BLIND = ("offline", "disarmed", "silent")
"""A camera in such a spell is not counted as one that looks; a degraded one is."""
OUTAGES = ("offline", "silent")
_spells, _gateways, _cameras = camera_tables.camera_spells, camera_tables.gateways, tables.cameras
_AS_ITS_OWN = _cameras.join(_spells, _spells.c.subject_id == _cameras.c.camera_id)
_AS_ITS_GATEWAYS = _cameras.join(
    _gateways, and_(_gateways.c.city == _cameras.c.city, _gateways.c.gateway == _cameras.c.gateway)
).join(_spells, _spells.c.subject_id == _gateways.c.gateway_id)


def silent_now() -> ColumnElement[bool]:
    """Its gateway is silent."""
    return (
        select(_gateways.c.gateway_id)
        .where(
            _gateways.c.city == _cameras.c.city,
            _gateways.c.gateway == _cameras.c.gateway,
            _gateways.c.silent_since.isnot(None),
        )
        .exists()
    )


def spells_of(camera_id: UUID, city: str, gateway: str | None) -> Select[Any]:
    """Of a camera and of its city's gateway of that name, newest first."""
    subjects = [camera_id] if gateway is None else [camera_id, gateway_stream(city, gateway)]
    return (
        select(_spells)
        .where(_spells.c.subject_id.in_(subjects))
        .order_by(_spells.c.began_at.desc(), _spells.c.began_position.desc())
        .limit(SPELLS_MAX)
    )


def blind(within: ColumnElement[bool], at: datetime | None) -> Select[Any]:
    """`camera_id`, `what`, `began_at` of cameras `within` that were in a spell at an instant; None: now."""
    lasts: ColumnElement[bool] = _spells.c.ended_at.is_(None)
    if at is not None:
        lasts = and_(_spells.c.began_at < at, or_(_spells.c.ended_at.is_(None), _spells.c.ended_at >= at))
    columns = _cameras.c.camera_id, _spells.c.what, _spells.c.began_at
    found = union_all(
        *(
            select(*columns).select_from(source).where(within, _spells.c.what.in_(BLIND), lasts)
            for source in (_AS_ITS_OWN, _AS_ITS_GATEWAYS)
        )
    ).subquery()
    return select(found).order_by(found.c.began_at, found.c.camera_id)


def outages(
    *,
    since: datetime,
    until: datetime,
    now: datetime,
    path: Sequence[UUID],
    after: tuple[Decimal, UUID] | None,
    limit: int,
) -> Select[Any]:
    """`camera_id`, `outages`, `seconds` of each camera in use that was out within a period, the longest out first.

    Spells that overlap (offline, and its gateway silent) are one outage; one that lasts counts up to `now`. `path` is
    a center's, itself last; empty: the city.
    """
    ended = func.least(func.coalesce(_spells.c.ended_at, now), until, now)
    began = func.greatest(_spells.c.began_at, since)
    conditions: list[ColumnElement[bool]] = [
        _spells.c.what.in_(OUTAGES),
        # Bounds of the columns themselves, which indexes know; what is left of a spell may still be nothing.
        _spells.c.began_at < min(until, now),
        or_(_spells.c.ended_at.is_(None), _spells.c.ended_at > since),
        began < ended,
        _cameras.c.detached_at.is_(None),
    ]
    if path:
        conditions.append(_cameras.c.path[len(path)] == path[-1])
    spans = union_all(
        *(
            select(_cameras.c.camera_id, func.tstzrange(began, ended).label("span"))
            .select_from(source)
            .where(*conditions)
            for source in (_AS_ITS_OWN, _AS_ITS_GATEWAYS)
        )
    ).subquery()
    merged = (
        select(spans.c.camera_id, func.range_agg(spans.c.span).label("spans")).group_by(spans.c.camera_id).subquery()
    )
    each = func.unnest(merged.c.spans).table_valued("span").render_derived().lateral()
    seconds = func.sum(extract("epoch", func.upper(each.c.span) - func.lower(each.c.span)))
    query = (
        select(merged.c.camera_id, func.count().label("outages"), seconds.label("seconds"))
        .select_from(merged.join(each, true()))
        .group_by(merged.c.camera_id)
    )
    if after is not None:
        longest, camera_id = after
        query = query.having(or_(seconds < longest, and_(seconds == longest, merged.c.camera_id > camera_id)))
    return query.order_by(seconds.desc(), merged.c.camera_id).limit(min(limit, LIMIT_MAX) + 1)


def gateways(city: str) -> Select[Any]:
    """Gateways of which anything is expected, by name."""
    columns = (
        _gateways.c.gateway,
        _gateways.c.silent_after_s,
        _gateways.c.promised_at,
        _gateways.c.silent_since,
        _gateways.c.silences,
    )
    return (
        select(*columns)
        .where(_gateways.c.city == city, _gateways.c.silent_after_s.isnot(None))
        .order_by(_gateways.c.gateway)
    )
