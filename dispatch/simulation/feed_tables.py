"""The tables of the partner feeds as the feed, the relay and the partner desk speak to them: by their own statements.

Those parts hold an `asyncpg` pool and a dozen SQL statements. Here each statement, known by its text, is answered from
dictionaries, over the same lines as everything else: a changed statement is unknown and fails the run at once. What
PostgreSQL promises is kept: a transaction's writes become visible together or not at all, a unique key refuses the
second row, and a commit may be done although its answer is lost.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from dispatch.partners import commands, feed, proof, relay
from dispatch.partners.composer import Entry
from dispatch.simulation.process import Network, Process, Server

T = TypeVar("T")
Row = dict[str, Any]
Write = Callable[[], None]


@dataclass(slots=True)
class FeedTables:
    """Schema `feed`, at the server's side."""

    checkpoints: dict[str, int] = field(default_factory=dict)
    incidents: dict[UUID, str] = field(default_factory=dict)
    entries: dict[str, list[Row]] = field(default_factory=dict)
    parked: list[Row] = field(default_factory=list)
    relays: dict[str, Row] = field(default_factory=dict)

    def last(self, agency: str) -> int:
        """The last sequence of a feed."""
        return len(self.entries.get(agency, ()))

    def add_entry(self, row: Row) -> None:
        """A message; its number must be the next one and its id new, as the table's keys demand."""
        written = self.entries.setdefault(row["agency"], [])
        if any(other["message_id"] == row["message_id"] for other in written):
            raise AssertionError(f"duplicate key: {row['message_id']} is in the feed of {row['agency']}")
        if row["sequence"] <= len(written):
            raise AssertionError(f"duplicate key: {row['agency']} {row['sequence']}")
        written.append(row)


def read(tables: FeedTables, statement: str, values: Sequence[Any]) -> list[Row]:  # a statement a case
    """The rows of a statement that only reads."""
    match statement:
        case feed.READ_CHECKPOINT | feed.LOCK_CHECKPOINT:
            found = tables.checkpoints.get(values[0])
            return [] if found is None else [{"position": found}]
        case feed.READ_PARKED:
            return [{"stream_id": stream_id} for stream_id in dict.fromkeys(row["stream_id"] for row in tables.parked)]
        case feed.READ_INCIDENTS:
            known = tables.incidents
            return [{"incident_id": each, "state": known[each]} for each in values[0] if each in known]
        case feed.LAST_SEQUENCE:
            return [{"last": tables.last(values[0])}]
        case relay.READ_ENTRIES:
            agency, after, limit = values
            return [row for row in tables.entries.get(agency, []) if row["sequence"] > after][:limit]
        case relay.READ_ENTRY:
            agency, sequence = values
            rows = tables.entries.get(agency, [])
            return [{"message_id": row["message_id"]} for row in rows if row["sequence"] == sequence]
        case commands.IS_ECHO:
            agency, message_id = values
            rows = tables.entries.get(agency, [])
            return [{"from_partner": row["from_partner"]} for row in rows if row["message_id"] == message_id]
        case proof.AGENCIES:
            return [{"agency": agency} for agency in tables.entries]
        case proof.PARKED:
            return []
        case proof.READ_WRITTEN:
            agency, after = values
            columns = ("agency", "sequence", "position", "message_id", "type", "subject", "headers", "body")
            rows = tables.entries.get(agency, [])
            return [_Tuple({name: row[name] for name in columns}) for row in rows if row["sequence"] > after]
        case _:
            raise AssertionError(f"a statement that the simulated tables do not know: {statement}")


class _Tuple(Row):
    """A row that can be unpacked like the driver's."""

    def __iter__(self) -> Any:
        return iter(self.values())


def write(tables: FeedTables, statement: str, values: Sequence[Any]) -> Write:
    """What a statement that writes will do."""
    match statement:
        case feed.FIRST_CHECKPOINT:
            return lambda: _begin(tables, values[0])
        case feed.MOVE_CHECKPOINT:
            return lambda: tables.checkpoints.update({values[0]: values[1]})
        case feed.WRITE_INCIDENTS:
            return lambda: tables.incidents.update(zip(values[0], values[1], strict=True))
        case feed.WRITE_PARKED:
            rows = zip(*values, strict=True)
            return lambda: tables.parked.extend(
                {"position": position, "stream_id": stream_id, "reason": reason} for position, stream_id, reason in rows
            )
        case "COPY feed.entries":
            return lambda: _add(tables, values)
        case relay.REPORT:
            agency, sequence, trouble, checked_at = values
            return lambda: _report(tables, agency, sequence, trouble, checked_at)
        case _:
            raise AssertionError(f"a statement that the simulated tables do not know: {statement}")


def _begin(tables: FeedTables, name: str) -> None:
    tables.checkpoints.setdefault(name, 0)


def _add(tables: FeedTables, entries: Sequence[Any]) -> None:
    for entry in entries:
        tables.add_entry(entry._asdict())


def _report(tables: FeedTables, agency: str, sequence: int, trouble: str | None, checked_at: datetime) -> None:
    tables.relays[agency] = {"sequence": sequence, "trouble": trouble, "checked_at": checked_at}


WRITES = frozenset(
    (
        feed.FIRST_CHECKPOINT,
        feed.MOVE_CHECKPOINT,
        feed.WRITE_INCIDENTS,
        feed.WRITE_PARKED,
        relay.REPORT,
    )
)


class FeedPool:
    """The pool of one process: each statement is its own transaction, unless a connection says otherwise."""

    def __init__(self, tables: FeedTables, network: Network, server: Server, process: Process) -> None:
        self._tables = tables
        self._network = network
        self._server = server
        self._process = process

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[FeedConnection]:
        """A connection."""
        yield FeedConnection(self)

    async def fetch(self, statement: str, *values: Any) -> list[Row]:
        """All rows."""
        return await self.call("read feed", lambda: read(self._tables, statement, values))

    async def fetchval(self, statement: str, *values: Any) -> Any:
        """The first column of the first row."""
        return _first(await self.fetch(statement, *values))

    async def execute(self, statement: str, *values: Any) -> None:
        """Write, at once."""
        await self.commit("write feed", [(statement, values)])

    async def commit(
        self, what: str, statements: Sequence[tuple[str, Sequence[Any]]], expected: tuple[str, int] | None = None
    ) -> None:
        """All or nothing; nothing if the locked checkpoint is not where it was read."""

        def act() -> None:
            if expected is not None and self._tables.checkpoints.get(expected[0]) != expected[1]:
                raise ConnectionError("could not serialize access")
            for statement, values in statements:
                write(self._tables, statement, values)()

        await self.call(what, act, writes=True)

    async def call(self, what: str, work: Callable[[], T], *, writes: bool = False) -> T:
        """Over the line; no answer is the driver's own error."""
        return await self._network.call(self._process, self._server, what, work, failure=ConnectionError, writes=writes)


class FeedConnection:
    """A connection; within `transaction` writes are held back until the end."""

    def __init__(self, pool: FeedPool) -> None:
        self._pool = pool
        self._held: list[tuple[str, Sequence[Any]]] | None = None
        self._locked: tuple[str, int] | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """All writes of the block, or none."""
        self._held = []
        yield
        held, self._held = self._held, None
        await self._pool.commit(f"feed page of {len(held)} statements", held, self._locked)

    async def fetch(self, statement: str, *values: Any) -> list[Row]:
        """All rows."""
        rows = await self._pool.fetch(statement, *values)
        if statement == feed.LOCK_CHECKPOINT and rows:
            self._locked = (values[0], rows[0]["position"])
        return rows

    async def fetchval(self, statement: str, *values: Any) -> Any:
        """The first column of the first row."""
        return _first(await self.fetch(statement, *values))

    async def execute(self, statement: str, *values: Any) -> None:
        """Write, now or at the end of the transaction."""
        assert statement in WRITES, f"a statement that the simulated tables do not know: {statement}"
        if self._held is None:
            await self._pool.execute(statement, *values)
        else:
            self._held.append((statement, values))

    async def copy_records_to_table(
        self, table: str, *, schema_name: str, columns: Sequence[str], records: Sequence[Entry]
    ) -> None:
        """Write rows at the end of the transaction."""
        assert self._held is not None, "a page is one transaction"
        assert tuple(columns) == Entry._fields
        self._held.append((f"COPY {schema_name}.{table}", list(records)))


def _first(rows: Sequence[Row]) -> Any:
    return next(iter(rows[0].values())) if rows else None


class Reading:
    """A pool for whoever checks afterwards: no line, no faults."""

    def __init__(self, tables: FeedTables) -> None:
        self._tables = tables

    async def fetch(self, statement: str, *values: Any) -> list[Row]:
        """All rows."""
        return read(self._tables, statement, values)

    async def fetchval(self, statement: str, *values: Any) -> Any:
        """The first column of the first row."""
        return _first(read(self._tables, statement, values))


def headers_of(row: Row) -> dict[str, str]:
    """A message's headers as sent."""
    headers: dict[str, str] = json.loads(row["headers"])
    return headers
