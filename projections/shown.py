"""Rows as JSON shows them: the same for a live screen, a change on a stream and a replay."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

_PLAIN = frozenset({type(None), bool, int, float, str})


def instant(value: datetime) -> str:
    """ISO 8601 in UTC."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def point(lon: float | None, lat: float | None) -> dict[str, Any] | None:
    """GeoJSON, WGS 84, longitude first; None without a place."""
    return None if lon is None else {"type": "Point", "coordinates": [lon, lat]}


def shown(value: Any) -> Any:
    """Plain JSON: ids and instants as text, at any depth."""
    kind = type(value)  # asked first: every row of a board that changed passes through here
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
            return str(value)
        case datetime():
            return instant(value)
        case date():
            return value.isoformat()
        case Mapping():
            return {str(key): shown(item) for key, item in value.items()}
        case _:
            return [shown(item) for item in value]
