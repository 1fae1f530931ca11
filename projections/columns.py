"""What tables of schema `read` are made of."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from pydantic_core import from_json, to_json
from sqlalchemy.dialects.postgresql import ARRAY

SCHEMA = "read"

metadata = sa.MetaData(
    schema=SCHEMA,
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    },
)

HOT = {"fillfactor": "70", "autovacuum_vacuum_scale_factor": "0.05"}
"""Room in each page for rows that change often."""
FEW = {"fillfactor": "50", "autovacuum_vacuum_threshold": "500", "autovacuum_vacuum_scale_factor": "0"}
"""A handful of rows that change with every page."""
ADDED = {
    "autovacuum_vacuum_insert_scale_factor": "0.05",
    "autovacuum_analyze_scale_factor": "0.05",
    "autovacuum_freeze_min_age": "0",
}
"""Rows that never change are frozen the first time a vacuum sees them."""
PASSING = {"autovacuum_vacuum_scale_factor": "0.02", "autovacuum_vacuum_insert_scale_factor": "0.1"}
"""Rows that are written once and gone a quarter of an hour later."""


def needed(name: str, kind: Any, **options: Any) -> sa.Column[Any]:
    """A column that is never null."""
    return sa.Column(name, kind, nullable=False, **options)


def maybe(name: str, kind: Any, **options: Any) -> sa.Column[Any]:
    """A column that may be."""
    return sa.Column(name, kind, nullable=True, **options)


class Whole(sa.types.TypeDecorator[Any]):
    """JSON that is only ever shown whole, kept as the text it was written as.

    The server neither takes it apart when it is written nor puts it together when it is read, which of a page of
    incidents' cards was more than half of the work (decision 0039). What a statement looks into is JSONB.
    """

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str | None:
        """As it is stored."""
        return None if value is None else json_text(value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> Any:
        """What was stored."""
        return None if value is None else from_json(value)


def json_text(value: Any) -> str:
    """JSON text of a value: ids as text, instants in ISO 8601. Raises `ValueError` for what JSON does not take."""
    return to_json(value).decode()


Instant = sa.DateTime(timezone=True)
Ids = ARRAY(sa.Uuid)
Codes = ARRAY(sa.Text)
