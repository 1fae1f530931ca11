"""What a projection is: a pure fold from facts to rows, shared by live work, rebuild and replay.

A projection names the rows a fact touches (`keys`) and how each changes (`apply`). It never rejects a fact, never looks
at a clock, at other rows or at the database: what it needs was copied into the events when they were decided. So the
same function gives the live board, the rebuilt board and the board as it was known at any position.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Protocol, TypeAlias
from uuid import UUID

from sqlalchemy import Table

from domain.event import Event, Fact

Row: TypeAlias = Mapping[str, Any]
"""Column name → value, exactly the table's columns (JSON columns hold plain dicts and lists)."""
Key: TypeAlias = tuple[Hashable, ...]
"""Primary key values, in the order of the table's primary key."""


class Projection(Protocol):
    """One screen's rows. `name` is permanent; a changed fold is a new `version`, built beside the old one."""

    name: str
    version: int
    table: Table
    topics: frozenset[str]
    """Event names that matter; the checkpoint passes over all others."""
    is_append_only: bool
    """True: a row never changes once it is there (`apply` gives back the row it is given), so none is read first."""

    @staticmethod
    def entity(fact: Fact[Event]) -> UUID | None:
        """What every key of the fact begins with; None if it has no keys. Facts of different entities meet in no row,
        so a rebuild may fold them in different processes. Cheap: it is asked of facts that nobody here will fold."""
        return fact.stream_id

    def keys(self, fact: Fact[Event]) -> Iterable[Key]:
        """The rows this fact touches."""

    def apply(self, key: Key, row: Row | None, fact: Fact[Event]) -> Row | None:
        """The row after the fact; None removes it. Pure and total."""
