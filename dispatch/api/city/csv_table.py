"""Entries of statistics as a table for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any


def csv_table(items: Sequence[Mapping[str, Any]]) -> str:
    """The entries as CSV with one column a count. It begins with a byte order mark, without which spreadsheets take
    Chinese names for another encoding."""
    flat = [dict(_flat(item)) for item in items]
    columns = list(dict.fromkeys(name for row in flat for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns or ["group"], restval=0)
    writer.writeheader()
    writer.writerows(flat)
    return "\ufeff" + text.getvalue()


def _flat(item: Mapping[str, Any]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in item.items():
        if isinstance(value, Mapping):
            found += [(f"{name}.{kind}", count) for kind, count in value.items()]
        else:
            found.append((name, _inert(value)))
    return found


def _inert(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula, made plain."""
    return f"'{value}" if isinstance(value, str) and value[:1] in {"=", "+", "-", "@"} else value
