"""One page for several projections: load the rows it touches, fold, write rows and checkpoint in one transaction.

That transaction is one statement: a page of few events would else be mostly the round trips of its transaction, and a
board is as late as they are. It is one by construction, and so all of it is there or nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import asyncpg
from pydantic_core import to_json

from dispatch.workers.rows import RowCache, RowStore
from domain.event import Fact
from projections import fold, tables
from projections.board import change_of, hidden, item_text
from projections.columns import json_text
from projections.projection import Key, Projection, Row
from projections.queries.progress import CHANGES_CHANNEL, ORDERS_HINT

MOVE_CHECKPOINTS = """
    moved AS (
        UPDATE read.checkpoints c SET position = $3, state = 'live', reason = NULL, updated_at = now()
        FROM unnest($1::text[], $2::int[], $4::bigint[]) AS o(name, version, changes_since)
        WHERE c.name = o.name AND c.version = o.version AND c.changes_since = o.changes_since
          AND c.position = $5 AND c.state <> 'building' RETURNING 1),
    held AS MATERIALIZED (SELECT 1 / (count(*) = cardinality($1))::int AS all_moved FROM moved)
"""
"""Moves all of them, or divides by zero, which takes back what it moved."""
ALL_MOVED = " WHERE (SELECT all_moved FROM held) = 1"
"""Asked once, before any row: nothing is written before the checkpoints' rows are locked, which keep a rebuild's switch
out until the page is there."""
PARK = """
    INSERT INTO read.parked (projection, position, entity, topic, reason, follows)
    SELECT * FROM json_to_recordset($1::text::json)
        AS p(projection text, position bigint, entity text, topic text, reason text, follows bigint)
    ON CONFLICT DO NOTHING
"""
_CHANGE_COLUMNS = ", ".join(
    f'"{column.name}"' for column in tables.board_changes.columns if column.name != "written_at"
)


def _inserting_changes(first: int, condition: str) -> str:
    source = f"json_populate_recordset(NULL::read.board_changes, ${first}::text::json)"
    return f"INSERT INTO read.board_changes ({_CHANGE_COLUMNS}) SELECT {_CHANGE_COLUMNS} FROM {source}{condition}"  # noqa: S608  # our own names


UNWRITABLE = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, TypeError, ValueError)
"""The rows themselves are at fault, not the world."""


class StaleCheckpoint(Exception):
    """Somebody else moved the checkpoint: nothing of the page was written."""


class Target(Protocol):
    """A projection, its rows and how far it is."""

    projection: Projection
    store: RowStore
    position: int
    changes_since: int
    parking: dict[str, int]
    cache: RowCache


class PageWriter:
    """Writes pages for projections that stand at the same position."""

    def __init__(self, connection: asyncpg.Connection, targets: Sequence[Target]) -> None:
        self._connection = connection
        self._targets = targets

    async def write(self, page: fold.Page) -> list[fold.Parked]:
        """Fold and write a page; what had to be parked. Raises `StaleCheckpoint`, and what the driver raises.

        A page whose rows the database refuses is written fact by fact, and the fact at fault is parked.
        """
        before = [dict(target.parking) for target in self._targets]
        try:
            return await self._write(page)
        except UNWRITABLE as failure:
            for target, parking in zip(self._targets, before, strict=True):
                target.parking = parking
            return await self._one_by_one(page, failure)

    async def _one_by_one(self, page: fold.Page, failure: Exception) -> list[fold.Parked]:
        if len(page.facts) > 1 or len(self._targets) > 1:
            parked = []
            for fact in page.facts:
                # Alone with each projection, so that one projection's fault parks the fact for that one only.
                parked += await self._each(fold.Page(fact.position, [fact]))
            if not page.facts or page.facts[-1].position < page.position:
                parked += await self._each(fold.Page(page.position, []))
            return parked
        (fact,) = page.facts
        topic = fact.topic if isinstance(fact, fold.Unreadable) else fact.name
        poison = fold.Unreadable(fact.position, fact.stream_id, topic, f"unwritable: {failure}"[: fold.REASON_MAX])
        return await self._write(fold.Page(page.position, [poison]))

    async def _each(self, page: fold.Page) -> list[fold.Parked]:
        parked = []
        for target in self._targets:
            parked += await PageWriter(self._connection, [target]).write(page)
        return parked

    async def _write(self, page: fold.Page) -> list[fold.Parked]:
        loaded = [await self._rows(target, page) for target in self._targets]
        folded = []
        for target, rows in zip(self._targets, loaded, strict=True):
            folded.append(fold.fold(target.projection, page, rows, target.parking))
            await asyncio.sleep(0)  # a full page takes a tenth of a second: the process has other work between screens
        gone = [[key for key, row in result.rows.items() if row is None] for result in folded]
        parked = [one for result in folded for one in result.parked]
        is_more = bool(parked or any(gone))
        async with self._connection.transaction() if is_more else contextlib.nullcontext():
            await self._save(page.position, loaded, folded)
            for target, keys in zip(self._targets, gone, strict=True):
                await target.store.delete(self._connection, keys)
            if parked:
                await self._connection.execute(PARK, json_text([_as_row(one) for one in parked]))
        for target, result in zip(self._targets, folded, strict=True):
            target.position = page.position
            if not target.projection.is_append_only:
                target.cache.keep(result.rows)
        return parked

    async def _rows(self, target: Target, page: fold.Page) -> dict[Key, Row]:
        if target.projection.is_append_only:
            return {}
        found, missing = target.cache.find(fold.keys_of(target.projection, page))
        if missing:
            # Nothing is known of a stream before its first event, so there is no row to look for.
            new = {fact.stream_id for fact in page.facts if isinstance(fact, Fact) and fact.version == 1}
            found |= await target.store.load(self._connection, [key for key in missing if key[0] not in new])
        return found

    async def _save(self, position: int, loaded: Sequence[dict[Key, Row]], folded: Sequence[fold.Folded]) -> None:
        """Checkpoints, all rows, what changed on boards and the hint to look. A stream never shows what a read does
        not. Raises `StaleCheckpoint`."""
        targets = self._targets
        names = [target.projection.name for target in targets]
        values: list[Any] = [
            names,
            [target.projection.version for target in targets],
            position,
            [target.changes_since for target in targets],
            targets[0].position,
        ]
        parts = [MOVE_CHECKPOINTS]
        hints = [str(position)] if tables.board.name in names else []

        def write(writing: Callable[[int, str], str], parameters: Sequence[Any]) -> None:
            first = len(values) + 1
            values.extend(parameters)
            parts.append(f"w{first} AS ({writing(first, ALL_MOVED)})")

        for target, before, result in zip(targets, loaded, folded, strict=True):
            store = target.store
            written = [row for row in result.rows.values() if row is not None]
            if written and target.projection.name == ORDERS_HINT:
                hints.append(ORDERS_HINT)
            if target.projection.name == tables.board.name:
                rows, changes = board_texts(position, before, result)
                if written:
                    write(store.upserting, [rows])
                if changes is not None:
                    write(_inserting_changes, [changes])
            elif written:
                writing = store.inserting if target.projection.is_append_only else store.upserting
                write(writing, store.parameters(written))
        hint = ""
        for payload in hints:
            values += [CHANGES_CHANNEL, payload]
            hint += f", pg_notify(${len(values) - 1}, ${len(values)})"
        try:
            await self._connection.execute(f"WITH {', '.join(parts)} SELECT all_moved{hint} FROM held", *values)  # noqa: S608  # our own names
        except asyncpg.DivisionByZeroError:
            raise StaleCheckpoint(", ".join(names)) from None


def board_texts(position: int, before: dict[Key, Row], result: fold.Folded) -> tuple[str, str | None]:
    """JSON text of the board's rows and of what changed for those who look at them (None: nothing they see).

    A row is on the board's table and in the change as it is shown: its text is made once for both. The table takes the
    columns it has by their names, ids and instants as texts.
    """
    rows: list[bytes] = []
    changes: list[bytes] = []
    for key, row in result.rows.items():
        change = change_of(before.get(key), row, item_text)
        seen: bytes | None = None if change is None else change.pop("row")
        if row is not None:
            rows.append(to_json(row) if seen is None else seen[:-1] + b"," + to_json(hidden(row))[1:])
        if change is not None:
            said = to_json({"page_position": position, "incident_id": key[0], **change})
            changes.append(said[:-1] + b',"row":' + (seen or b"null") + b"}")
    return _listed(rows), _listed(changes) if changes else None


def _listed(texts: Sequence[bytes]) -> str:
    return f"[{b','.join(texts).decode()}]"


def _as_row(parked: fold.Parked) -> dict[str, Any]:
    return {name: getattr(parked, name) for name in ("projection", "position", "entity", "topic", "reason", "follows")}
