"""The copy of a projection's rows that a rebuild fills: a table of the same shape beside the live one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from sqlalchemy import JSON
from sqlalchemy.dialects import postgresql

from dispatch.workers.page import PARK
from dispatch.workers.rows import RowCache, RowStore, qualified
from projections import fold
from projections.columns import Whole, json_text
from projections.projection import Key, Projection, Row

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
DIFFERENCES_SHOWN = 10
BUILDING = "@building"
"""Ends the checkpoint's and the parked facts' name while a copy is built."""
SAME_VERSION = """
    SELECT EXISTS (SELECT FROM read.checkpoints
                   WHERE name = $1 AND version = $2 AND state <> 'building' AND position > 0)
"""
FOR_A_WHILE = "autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_threshold = 2147483647"
"""Dead rows are cleared away, but a table that is gone in a moment is not looked through for having grown."""
KEYS_MAX = 100_000
"""Rows that a switch takes over one by one; if there are more, it goes through the tables."""


class Entangled(Exception):
    """A fact must be parked, and what follows it may be in another part: one process must fold them all."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Live rows against rebuilt ones at one position. `differences` are keys (the first few) with what is wrong."""

    name: str
    position: int
    live_rows: int
    rebuilt_rows: int
    live_hash: str
    rebuilt_hash: str
    differences: tuple[str, ...] = ()

    @property
    def is_equal(self) -> bool:
        """Rebuilt == live."""
        return (self.live_rows, self.live_hash) == (self.rebuilt_rows, self.rebuilt_hash)


@dataclass(slots=True)
class Copy:
    """The copy being built. `touched` collects the keys of rows once somebody asks for them.

    While several processes build it, each has a part of its entities, with a checkpoint of its own. `shares` are those
    checkpoints, in the order of the parts, where a rebuild left them.
    """

    projection: Projection
    part: fold.Part | None = None
    position: int = 0
    parking: dict[str, int] = field(default_factory=dict)
    cache: RowCache = field(default_factory=RowCache)
    touched: set[Key] | None = None
    shares: tuple[int, ...] = ()
    store: RowStore = field(init=False)
    building: str = field(init=False)
    columns: list[str] = field(init=False)
    keys: list[str] = field(init=False)

    def __post_init__(self) -> None:
        table = self.projection.table
        self.store = RowStore(table, f"{table.name}__building")
        self.building = self.name_of(self.part)
        self.columns = [f'"{name}"' for name in self.store.columns]
        self.keys = [f'"{name}"' for name in self.store.key]

    def name_of(self, part: fold.Part | None) -> str:
        """Of the checkpoint of all of it or of a part, of its parked facts, and of the lock of who builds it."""
        return self.projection.name + BUILDING + ("" if part is None else f" {part}")

    @property
    def live(self) -> str:
        """The live table."""
        return qualified(self.projection.table.name)

    @property
    def shadow(self) -> str:
        """The copy's table."""
        return qualified(self.store.name)

    @property
    def _same(self) -> str:
        return " AND ".join(f"l.{key} = s.{key}" for key in self.keys)

    async def begin(self, connection: asyncpg.Connection, *, fresh: bool = False) -> None:
        """Go on where it was left, or begin an empty one; of a part there is always something to go on with."""
        found = await connection.fetch(
            "SELECT name, version, position FROM read.checkpoints WHERE starts_with(name, $1)", self.name_of(None)
        )
        stored = {row["name"]: row["position"] for row in found if row["version"] == self.projection.version}
        if self.part is None and (fresh or self.building not in stored or await self._is_lost(connection)):
            await self.restart(connection)
            return
        self.position = stored[self.building]
        waiting = await connection.fetch(
            "SELECT entity, min(follows) AS follows FROM read.parked WHERE projection = $1 GROUP BY entity",
            self.building,
        )
        self.parking = {row["entity"]: row["follows"] for row in waiting}
        of = 0 if self.part is not None else len(stored) - 1
        self.shares = tuple(stored[self.name_of(fold.Part(number, of))] for number in range(of))

    async def restart(self, connection: asyncpg.Connection) -> None:
        """Begin an empty one."""
        async with connection.transaction():
            await self.drop(connection)
            await self._create(connection)
        self.position, self.parking, self.shares = 0, {}, ()
        self.cache.clear()

    async def share(self, connection: asyncpg.Connection, parts: int) -> None:
        """Checkpoints for so many parts, where the copy stands. Nothing may be parked: who waits for what is not said
        between processes."""
        assert self.part is None, "a part of a part"
        assert not self.parking, "facts are parked"
        await connection.executemany(
            "INSERT INTO read.checkpoints (name, version, position, state) VALUES ($1, $2, $3, 'building')",
            [
                (self.name_of(fold.Part(number, parts)), self.projection.version, self.position)
                for number in range(parts)
            ],
        )
        self.shares = (self.position,) * parts

    async def join(self, connection: asyncpg.Connection, position: int) -> None:
        """All parts have come to `position`: they are one again."""
        await connection.execute(
            "DELETE FROM read.checkpoints WHERE starts_with(name, $1) AND position = $2", self.building + " ", position
        )
        await move(connection, [self], position)
        self.shares = ()
        self.cache.clear()

    async def _is_lost(self, connection: asyncpg.Connection) -> bool:
        """After a crash of the server the copy is there without rows; after a restore perhaps not at all."""
        if await connection.fetchval("SELECT to_regclass($1)", self.shadow) is None:
            return True
        return not await connection.fetchval(f"SELECT EXISTS (SELECT FROM {self.shadow})")  # noqa: S608  # our own name

    async def _create(self, connection: asyncpg.Connection) -> None:
        # Not logged: the server empties it when it crashes, and it is built again from the log, which is.
        await connection.execute(
            f"CREATE UNLOGGED TABLE {self.shadow} (LIKE {self.live} INCLUDING DEFAULTS) WITH ({FOR_A_WHILE})"
        )
        await connection.execute(f"ALTER TABLE {self.shadow} ADD PRIMARY KEY ({', '.join(self.keys)})")
        if await connection.fetchval(SAME_VERSION, self.projection.name, self.projection.version):
            # Next to nothing of it will be taken over, so it need not be small: to compress was more than half of what
            # the server did for cards. Where all is taken over, that would come in the switch, with the boards waiting.
            for column in self.projection.table.columns:
                if isinstance(column.type, JSON | Whole):
                    await connection.execute(f'ALTER TABLE {self.shadow} ALTER "{column.name}" SET STORAGE EXTERNAL')
        await connection.execute(
            "INSERT INTO read.checkpoints (name, version, position, state) VALUES ($1, $2, 0, 'building')",
            self.building,
            self.projection.version,
        )

    async def drop(self, connection: asyncpg.Connection) -> None:
        """Leave nothing of it behind."""
        async with connection.transaction():
            await connection.execute(f"DROP TABLE IF EXISTS {self.shadow}")
            await connection.execute("DELETE FROM read.checkpoints WHERE starts_with(name, $1)", self.building)
            await connection.execute("DELETE FROM read.parked WHERE projection = $1", self.building)

    async def save(self, connection: asyncpg.Connection, page: fold.Page) -> fold.Folded:
        """Fold a page and write its rows. Raises what the driver raises when the database refuses them."""
        known: dict[Key, Row] = {}
        if not self.projection.is_append_only:
            known, missing = self.cache.find(fold.keys_of(self.projection, page))
            known |= await self.store.load(connection, missing)
        result = fold.fold(self.projection, page, known, self.parking)
        if result.parked and self.part is not None:
            raise Entangled(f"{result.parked[0].reason} at position {result.parked[0].position}")
        rows = {key: row for key, row in result.rows.items() if row is not None}
        if self.projection.is_append_only:
            await self._add(connection, list(rows.values()))
        else:
            await self.store.copy(connection, [row for key, row in rows.items() if key not in known])
            await self.store.upsert(connection, [row for key, row in rows.items() if key in known])
            await self.store.delete(connection, [key for key, row in result.rows.items() if row is None])
        if result.parked:
            parked = [
                {name: getattr(one, name) for name in ("position", "entity", "topic", "reason", "follows")}
                | {"projection": self.building}
                for one in result.parked
            ]
            await connection.execute(PARK, json_text(parked))
        if self.touched is not None:
            self.touched.update(result.rows)
        return result

    async def _add(self, connection: asyncpg.Connection, rows: Sequence[Row]) -> None:
        """The fast way, unless one of them is there already: the first one stays."""
        try:
            async with connection.transaction():
                await self.store.copy(connection, rows)
        except asyncpg.UniqueViolationError:
            await self.store.insert(connection, rows)

    async def size_bytes(self, connection: asyncpg.Connection) -> int:
        """Of its rows, in the table and beside it."""
        return int(await connection.fetchval("SELECT pg_table_size($1::text::regclass)", self.shadow))

    async def differing(self, connection: asyncpg.Connection) -> set[Key]:
        """Keys of rows that are not the same here and there, as this transaction sees both."""
        both = ", ".join(f"coalesce(l.{key}, s.{key})" for key in self.keys)
        live, shadow = (", ".join(f"{name}.{column}" for column in self.columns) for name in "ls")
        # The bytes are compared first: half the time where they are the same, as nearly all are.
        rows = await connection.fetch(
            f"SELECT {both} FROM {self.live} l FULL JOIN {self.shadow} s ON {self._same}"  # noqa: S608  # our own names
            f" WHERE record_image_ne(ROW({live}), ROW({shadow})) AND ({live}) IS DISTINCT FROM ({shadow})"
        )
        return {tuple(row) for row in rows}

    async def replace(self, connection: asyncpg.Connection, chosen: Iterable[Key] | None) -> tuple[int, int]:
        """Make the live rows those of the copy: the chosen ones, or all. (removed, written).

        Only what differs is touched: an equal rebuild leaves no dead rows behind.
        """
        rest = [column for column in self.columns if column not in self.keys]
        arguments: list[list[Any]] = []
        choice = ""
        if chosen is None:
            await connection.execute(f"ANALYZE {self.shadow}")
        else:
            arguments, choice = self._choice(chosen)
        removed = await connection.execute(
            f"DELETE FROM {self.live} l WHERE NOT EXISTS (SELECT FROM {self.shadow} s WHERE {self._same})"  # noqa: S608
            + choice.format("l"),
            *arguments,
        )
        written = await connection.execute(
            f"INSERT INTO {self.live} AS l ({', '.join(self.columns)})"  # noqa: S608
            f" SELECT {', '.join(self.columns)} FROM {self.shadow} s WHERE true{choice.format('s')}"
            f" ON CONFLICT ({', '.join(self.keys)}) DO UPDATE SET"
            f" {', '.join(f'{column} = excluded.{column}' for column in rest)}"
            f" WHERE ({', '.join(f'l.{c}' for c in rest)})"
            f" IS DISTINCT FROM ({', '.join(f'excluded.{c}' for c in rest)})",
            *arguments,
        )
        return int(removed.split()[-1]), int(written.split()[-1])

    def _choice(self, chosen: Iterable[Key]) -> tuple[list[list[Any]], str]:
        """Arguments and a condition on a table named by `{}`."""
        listed = list(chosen)
        columns = list(self.projection.table.primary_key.columns)
        arguments = [[key[place] for key in listed] for place in range(len(columns))]
        kinds = [f"${place}::{column.type.compile(dialect=_DIALECT)}[]" for place, column in enumerate(columns, 1)]
        names = ", ".join(f"{{0}}.{key}" for key in self.keys)
        return arguments, f" AND ({names}) IN (SELECT * FROM unnest({', '.join(kinds)}))"  # noqa: S608  # our names

    async def compare(self, connection: asyncpg.Connection) -> Comparison:
        """By a hash over all rows, as this transaction sees both."""
        hashed = "SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text FROM {} t"
        live = tuple(await connection.fetchrow(hashed.format(self.live)))
        rebuilt = tuple(await connection.fetchrow(hashed.format(self.shadow)))
        differences = () if live == rebuilt else await self._differences(connection)
        return Comparison(self.projection.name, self.position, live[0], rebuilt[0], live[1], rebuilt[1], differences)

    async def _differences(self, connection: asyncpg.Connection) -> tuple[str, ...]:
        rows: list[Any] = await connection.fetch(
            f"SELECT coalesce(l.{self.keys[0]}::text, s.{self.keys[0]}::text) AS key,"  # noqa: S608  # our own names
            f" CASE WHEN l IS NULL THEN 'missing' WHEN s IS NULL THEN 'surplus' ELSE 'other' END AS kind"
            f" FROM {self.live} l FULL JOIN {self.shadow} s ON {self._same}"
            " WHERE l::text IS DISTINCT FROM s::text LIMIT $1",
            DIFFERENCES_SHOWN,
        )
        return tuple(f"{row['kind']}: {row['key']}" for row in rows)


async def move(connection: asyncpg.Connection, copies: Sequence[Copy], position: int) -> None:
    """The checkpoints of copies, in the transaction of their rows."""
    for copy in copies:
        copy.position = position
    await connection.execute(
        "UPDATE read.checkpoints SET position = $2, updated_at = now() WHERE name = ANY ($1)",
        [copy.building for copy in copies],
        position,
    )
