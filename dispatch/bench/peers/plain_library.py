"""The plain `eventsourcing` library on a table of its own, with and without its database function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from eventsourcing.persistence import StoredEvent

CONNECT_WAIT_S = 60.0


def recorder_of(dsn: str, connections: int, *, functions: bool) -> tuple[Any, Callable[..., StoredEvent]]:
    """Its recorder over a pool of so many connections, and its event. Raises `ImportError` without psycopg."""
    from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore  # noqa: PLC0415 - an extra

    parts = urlsplit(dsn)
    datastore = PostgresDatastore(
        dbname=parts.path[1:],
        host=parse_qs(parts.query).get("host", [parts.hostname])[0] or "",
        port=parts.port or parse_qs(parts.query).get("port", ["5432"])[0],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        pool_size=connections,
        connect_timeout=CONNECT_WAIT_S,
        enable_db_functions=functions,
    )
    datastore.pool.open(wait=True, timeout=CONNECT_WAIT_S)
    return PostgresApplicationRecorder(datastore), StoredEvent


def install(dsn: str) -> None:
    """Make its table, types and functions."""
    recorder, _ = recorder_of(dsn, 1, functions=True)
    recorder.create_table()
    recorder.datastore.close()
