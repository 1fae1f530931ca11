"""Rows of projections in PostgreSQL: loaded by key, written a page at a time, each page one statement a table.

A page travels as an array a column, or, where a column is an array itself, which UNNEST would flatten, as one JSON text
that the server unfolds into rows of the table's own type. A statement a row would cost a round trip each.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import asyncpg
from pydantic_core import from_json, to_json
from sqlalchemy import Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from projections import tables
from projections.columns import Whole, json_text
from projections.projection import Key, Row

CACHED_ROWS_MAX = 20_000
"""Rows of one projection kept in memory: a flood night has some hundred busy incidents."""
PROJECTOR_ROLE = "dispatch_projector"
TIMEOUTS = {"statement_timeout": "5min", "lock_timeout": "5s", "idle_in_transaction_session_timeout": "60s"}
CONNECT_TIMEOUT_S = 5.0
STATEMENT_CHARACTERS_MAX = 100_000
"""A page is written by one statement, long and always the same few: the driver must keep it prepared."""


async def connect(dsn: str, *, role: str | None = PROJECTOR_ROLE, waits_for_disk: bool = True) -> asyncpg.Connection:
    """A connection that may write projections. Raises what the driver raises.

    Without `waits_for_disk` a commit is visible to all before it is on the disk, and a crash of the server may take the
    last ones back, in order, the latest first. For pages that is no loss: their checkpoint goes back with them.
    """
    settings = {"application_name": "dispatch projector", "jit": "off", **TIMEOUTS}
    if not waits_for_disk:
        settings["synchronous_commit"] = "off"
    if role is not None:
        settings["role"] = role
    connection = await asyncpg.connect(
        dsn,
        server_settings=settings,
        timeout=CONNECT_TIMEOUT_S,
        max_cacheable_statement_size=STATEMENT_CHARACTERS_MAX,
    )
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda value: b"\x01" + to_json(value),
        decoder=lambda stored: from_json(stored[1:]),
    )
    return connection


def qualified(name: str) -> str:
    """A table of schema `read`."""
    return f'{tables.SCHEMA}."{name}"'


_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


class RowStore:
    """One table. `name` is another one of the same shape while a rebuild fills it."""

    def __init__(self, table: Table, name: str | None = None) -> None:
        self.name = name or table.name
        # SQLAlchemy's own kind of text is slow to look up by.
        self.columns = [str(column.name) for column in table.columns]
        self.key = [str(column.name) for column in table.primary_key.columns]
        self._values = itemgetter(*self.columns)
        self._whole = [place for place, column in enumerate(table.columns) if isinstance(column.type, Whole)]
        kinds = [column.type.compile(_DIALECT) for column in table.columns]
        self._kinds = None if any(isinstance(column.type, ARRAY | JSONB) for column in table.columns) else kinds
        self._shape = qualified(table.name)
        self._own = qualified(self.name)
        self._listed = ", ".join(f'"{name}"' for name in self.columns)
        keys = ", ".join(f'"{name}"' for name in self.key)
        rest = [name for name in self.columns if name not in self.key]
        changes = ", ".join(f'"{name}" = excluded."{name}"' for name in rest)
        self._over = f" ON CONFLICT ({keys}) DO UPDATE SET {changes}"
        self._once = f" ON CONFLICT ({keys}) DO NOTHING"
        key_kinds = [column.type.compile(_DIALECT) for column in table.primary_key.columns]
        asked = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(key_kinds, start=1))
        wanted = f"{keys} = ANY($1)" if len(self.key) == 1 else f"({keys}) IN (SELECT * FROM unnest({asked}))"  # noqa: S608
        self._select = f"SELECT {self._listed} FROM {self._own} WHERE {wanted}"  # noqa: S608  # our own names
        self._delete = f"DELETE FROM {self._own} WHERE {wanted}"  # noqa: S608  # the same

    def upserting(self, first: int = 1, condition: str = "") -> str:
        """A statement that writes rows over what is there, if a condition holds. Its parameters, from `$first` on, are
        what `parameters` makes of the rows."""
        return self._writing(first, condition) + self._over

    def inserting(self, first: int = 1, condition: str = "") -> str:
        """Likewise, of rows that stay as they first were."""
        return self._writing(first, condition) + self._once

    def _writing(self, first: int, condition: str) -> str:
        if self._kinds is None:
            source = f"json_populate_recordset(NULL::{self._shape}, ${first}::text::json)"
        else:
            arrays = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(self._kinds, first))
            source = f"unnest({arrays}) AS r ({self._listed})"
        return f"INSERT INTO {self._own} ({self._listed}) SELECT {self._listed} FROM {source}{condition}"  # noqa: S608

    def parameters(self, rows: Sequence[Row]) -> list[Any]:
        """Rows as the statements take them. Raises `ValueError` for what no column takes."""
        return (
            [json_text(rows)]
            if self._kinds is None
            else [list(column) for column in zip(*self._records(rows), strict=True)]
        )

    def _records(self, rows: Iterable[Row]) -> Iterable[tuple[Any, ...]]:
        records: Iterable[tuple[Any, ...]] = map(self._values, rows)
        for place in self._whole:
            records = [(*one[:place], json_text(one[place]), *one[place + 1 :]) for one in records]
        return records

    async def load(self, connection: asyncpg.Connection, keys: Iterable[Key]) -> dict[Key, Row]:
        """Those of the rows that exist."""
        wanted = list(keys)
        if not wanted:
            return {}
        found = await connection.fetch(self._select, *map(list, zip(*wanted, strict=True)))
        return {tuple(row[name] for name in self.key): self._row(row) for row in found}

    def _row(self, stored: Mapping[str, Any]) -> Row:
        row = dict(stored)
        for place in self._whole:
            name = self.columns[place]
            row[name] = from_json(row[name])
        return row

    async def upsert(self, connection: asyncpg.Connection, rows: Sequence[Row]) -> None:
        """Write rows over what is there."""
        if rows:
            await connection.execute(self.upserting(), *self.parameters(rows))

    async def insert(self, connection: asyncpg.Connection, rows: Sequence[Row]) -> None:
        """Write rows that stay as they first were."""
        if rows:
            await connection.execute(self.inserting(), *self.parameters(rows))

    async def copy(self, connection: asyncpg.Connection, rows: Sequence[Row]) -> None:
        """Write rows that are known to be new, the fast way."""
        if rows:
            await connection.copy_records_to_table(
                self.name, schema_name=tables.SCHEMA, columns=self.columns, records=self._records(rows)
            )

    async def delete(self, connection: asyncpg.Connection, keys: Sequence[Key]) -> None:
        """Take rows away."""
        if keys:
            await connection.execute(self._delete, *map(list, zip(*keys, strict=True)))


class RowCache:
    """The rows used last. Only what a committed page wrote comes in here."""

    def __init__(self, limit: int = CACHED_ROWS_MAX) -> None:
        self._limit = limit
        self._rows: OrderedDict[Key, Row] = OrderedDict()

    def find(self, keys: Iterable[Key]) -> tuple[dict[Key, Row], list[Key]]:
        """Rows that are here, and the keys of those that are not."""
        found: dict[Key, Row] = {}
        missing: list[Key] = []
        for key in keys:
            row = self._rows.get(key)
            if row is None:
                missing.append(key)
            else:
                self._rows.move_to_end(key)
                found[key] = row
        return found, missing

    def keep(self, rows: Mapping[Key, Row | None]) -> None:
        """Take in what was written."""
        for key, row in rows.items():
            if row is None:
                self._rows.pop(key, None)
            else:
                self._rows[key] = row
                self._rows.move_to_end(key)
        while len(self._rows) > self._limit:
            self._rows.popitem(last=False)

    def clear(self) -> None:
        """Forget: somebody else may have written."""
        self._rows.clear()
