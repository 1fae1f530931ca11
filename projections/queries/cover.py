"""Minimum cover: what is known of the rules, and the units that count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from domain.aid.decider import AidPhase
from projections import tables
from projections.aid_tables import aid
from projections.cover_tables import cover


def of(cover_ids: Sequence[UUID]) -> Select[Any]:
    """Rules that were ever missed, of these."""
    return select(cover).where(cover.c.cover_id.in_(list(cover_ids)))


def units(kinds: Sequence[str]) -> Select[Any]:
    """Every unit of these kinds; a city has some hundreds."""
    return select(tables.units).where(tables.units.c.kind.in_(list(kinds))).order_by(tables.units.c.unit_id)


def lent() -> Select[Any]:
    """Requests for aid for which units are kept now."""
    return select(aid.c.units).where(aid.c.phase == AidPhase.COMMITTED.value)
