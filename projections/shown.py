"""Rows as JSON shows them: the same for a live screen, a change on a stream and a replay."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import ARRAY, JSON, Column, DateTime, Uuid

from projections.projection import Row

TEXTS_MAX = 16_384
"""Texts of ids, and of instants, kept ready: the same centers, incidents and instants are shown again and again."""
_PLAIN = frozenset({type(None), bool, int, float, str})

Columns: TypeAlias = Callable[[Row], dict[str, Any]]
"""Some columns of a row as JSON shows them, in their order."""


@lru_cache(TEXTS_MAX)
def instant(value: datetime) -> str:
    """ISO 8601 in UTC. Equal instants have one text, wherever their clocks hang."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def id_text(value: UUID) -> str:
    """An id as it is written."""
    return _text_of(value.int) if type(value) is UUID else str(value)  # the driver's own ids know their text


@lru_cache(TEXTS_MAX)
def _text_of(number: int) -> str:
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


@lru_cache(TEXTS_MAX)
def id_of(text: str) -> UUID:
    """An id from its text: the same few centers come again and again."""
    return UUID(text)


def point(lon: float | None, lat: float | None) -> dict[str, Any] | None:
    """GeoJSON, WGS 84, longitude first; None without a place."""
    return None if lon is None else {"type": "Point", "coordinates": [lon, lat]}


def shown(value: Any) -> Any:
    """Plain JSON: ids and instants as text, at any depth."""
    kind = type(value)  # asked first: most of what passes through here is plain
    if kind in _PLAIN:
        return value
    if kind is list:
        return [shown(item) for item in value]
    if kind is dict:
        return {str(key): shown(item) for key, item in value.items()}
    match value:
        case None | bool() | str() | int() | float():
            return value
        case UUID():
            return id_text(value)
        case datetime():
            return instant(value)
        case date():
            return value.isoformat()
        case Mapping():
            return {str(key): shown(item) for key, item in value.items()}
        case _:
            return [shown(item) for item in value]


def columns_shown(columns: Iterable[Column[Any]]) -> Columns:
    """A way to show these columns of a table's rows that looks only at those whose values need it.

    The others are passed on as they are, the documents of JSON columns as well: what is shown is not to be changed.
    """
    listed = list(columns)
    names = [str(column.name) for column in listed]  # SQLAlchemy's own kind of text is slow as a key and in JSON
    values = itemgetter(*names)
    told = [(name, way) for name, column in zip(names, listed, strict=True) if (way := _way_of(column)) is not None]

    def of(row: Row) -> dict[str, Any]:
        found = dict(zip(names, values(row), strict=True))
        for name, way in told:
            value = found[name]
            if value is not None:
                found[name] = way(value)
        return found

    return of


def _way_of(column: Column[Any]) -> Callable[[Any], Any] | None:
    """How a column's values are shown; None for those that are plain."""
    match column.type:
        case DateTime():
            return instant
        case Uuid():
            return id_text
        case ARRAY(item_type=Uuid()):
            return _ids
        case ARRAY():
            return list
        case JSON():
            return None
        case kind:
            return None if kind.python_type in _PLAIN else shown


def _ids(values: Iterable[UUID]) -> list[str]:
    return [_text_of(one.int) if type(one) is UUID else str(one) for one in values]
